//! Signing with a private key in this process (feature `local`).

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PSS_SHA256,
    RsaKeyPair,
};
use zeroize::Zeroizing;

use super::{Public, SignerKey};
use crate::algorithm::Curve;
use crate::base64url;
use crate::error::KeyError;
use crate::jwk::LONGEST;
use crate::pem;
use crate::public_key::PublicKey;

/// A private key that signs key cards and envelopes: Ed25519, P-256 (ES256) or RSA (PS256). The provider wipes it when dropped.
pub struct LocalSigner {
    public: SignerKey,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl LocalSigner {
    /// From PKCS#8 PEM (`PRIVATE KEY`), as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// [`KeyError::NotPrivate`] for a public key, [`KeyError::UnsupportedKind`] for another kind of key.
    pub fn from_pkcs8_pem(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > LONGEST {
            return Err(KeyError::TooLong {
                len: bytes.len(),
                limit: LONGEST,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError::Unreadable)?;
        if pem::labels(text).any(|label| label == "ENCRYPTED PRIVATE KEY") {
            return Err(KeyError::Encrypted);
        }
        let block = pem::first(text, &["PRIVATE KEY"])?;
        let Some(block) = block else {
            return Err(if pem::labels(text).any(|label| label == "PUBLIC KEY") {
                KeyError::NotPrivate
            } else {
                KeyError::Unreadable
            });
        };
        Self::from_pkcs8_der(&block.der)
    }

    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Self::of_ed25519(pair);
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            let public = PublicKey::point(Curve::P256, pair.public_key().as_ref())?;
            return Ok(Self {
                public: SignerKey::from_public(public)?,
                pair: Pair::Ecdsa(pair),
            });
        }
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            let public = PublicKey::from_pkcs1(pair.public_key().as_ref())?;
            return Ok(Self {
                public: SignerKey::from_public(public)?,
                pair: Pair::Rsa(Box::new(pair)),
            });
        }
        Err(KeyError::UnsupportedKind(
            "none of Ed25519, P-256 and RSA, for signatures".to_owned(),
        ))
    }

    fn of_ed25519(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let bytes = pair.public_key().as_ref().try_into();
        let bytes = bytes.map_err(|_| KeyError::Unreadable)?;
        Ok(Self {
            public: SignerKey::new(Public::Ed25519(bytes)),
            pair: Pair::Ed25519(pair),
        })
    }

    /// Makes an Ed25519 key with the library's random generator.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the generator fails.
    pub fn generate() -> Result<Self, KeyError> {
        Ed25519KeyPair::generate()
            .map_err(|_| KeyError::Generate)
            .and_then(Self::of_ed25519)
    }

    /// PKCS#8 PEM, wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the provider does not hand the key out.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let failed = |_| KeyError::Generate;
        Ok(match &self.pair {
            Pair::Ecdsa(pair) => {
                pem::encode("PRIVATE KEY", pair.to_pkcs8v1().map_err(failed)?.as_ref())
            }
            Pair::Ed25519(pair) => {
                pem::encode("PRIVATE KEY", pair.to_pkcs8v1().map_err(failed)?.as_ref())
            }
            Pair::Rsa(pair) => {
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                pem::encode("PRIVATE KEY", der.as_ref())
            }
        })
    }

    /// The public half.
    pub fn public(&self) -> &SignerKey {
        &self.public
    }

    /// JwsHeader, payload and signature, each in base64url.
    pub(super) fn sign_parts(
        &self,
        kind: &str,
        signed_at: u64,
        payload: &[u8],
    ) -> Result<[String; 3], KeyError> {
        let algorithm = match &self.pair {
            Pair::Ecdsa(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
            Pair::Rsa(_) => "PS256",
        };
        let header = format!(
            r#"{{"alg":"{algorithm}","typ":"{kind}","kid":"{}","iat":{signed_at}}}"#,
            self.public.kid()
        );
        let header = base64url::encode(header.as_bytes());
        let payload = base64url::encode(payload);
        let signature = self
            .sign(format!("{header}.{payload}").as_bytes())
            .ok_or(KeyError::Generate)?;
        Ok([header, payload, base64url::encode(&signature)])
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner")
            .field("public", &self.public)
            .field("private", &"<redacted>")
            .finish_non_exhaustive()
    }
}
