//! Private keys in this process (feature `local`).
//!
//! For tests, demonstrations, and for people who open their own envelopes; a cluster is better served by a key
//! service. Parsed once, kept in the provider's own form, wiped when dropped. RSA is computed only by the provider
//! (constant time, blinded), which is what answers the Marvin attack.

mod parse;

use std::fmt;

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384,
    OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use zeroize::Zeroizing;

use crate::algorithm::{Curve, KeyManagement, OaepHash};
use crate::der;
use crate::error::{KeyError, OpenError};
use crate::grant::Grant;
use crate::open::{Rejected, UnwrapRequest};
use crate::pem;
use crate::public_key::{PublicKey, agreement_algorithm};
use crate::recipient::RecipientKey;
use crate::secret::{Plaintext, SecretBytes};

/// What kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// An elliptic-curve key.
    Ec(Curve),
    /// RSA with this many bits: 2048, 3072, 4096.
    Rsa(u32),
}

/// A private key and the one algorithm it is used with; wiped when dropped.
///
/// Wiping is the provider's: its allocator cleans every private number that it frees.
pub struct LocalKey {
    recipient: RecipientKey,
    jwk_kid: Option<String>,
    private: Private,
}

enum Private {
    Agree(agreement::PrivateKey),
    Decrypt {
        key: PrivateDecryptingKey,
        /// The same key, made ready once rather than per envelope.
        oaep: OaepPrivateDecryptingKey,
    },
}

/// Why a local key did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalUnwrapError {
    /// The wrapped key is bad: what a key service would call an invalid ciphertext.
    #[error("the key rejected the wrapped content key")]
    Rejected,
    /// The request does not fit this kind of key, or asks for another padding than the key is pinned to.
    #[error("the request does not fit the key")]
    WrongKind,
}

impl LocalKey {
    /// Makes a new key with the library's random generator, pinned to the default of its kind.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedSize`] for other RSA sizes, [`KeyError::Generate`] when the generator fails.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        match kind {
            KeyKind::Ec(curve) => {
                let key = agreement::PrivateKey::generate(agreement_algorithm(curve))
                    .map_err(|_| KeyError::Generate)?;
                Self::from_agreement(curve, key, None, None)
            }
            KeyKind::Rsa(bits) => {
                let size = match bits {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    other => return Err(KeyError::UnsupportedSize(other)),
                };
                let key = PrivateDecryptingKey::generate(size).map_err(|_| KeyError::Generate)?;
                Self::from_rsa(key, None, None)
            }
        }
    }

    /// The public half, pinned.
    pub fn recipient(&self) -> &RecipientKey {
        &self.recipient
    }

    /// The `kid` that the JWK itself carried, an alias of the key. At most 256 bytes.
    pub fn jwk_kid(&self) -> Option<&str> {
        self.jwk_kid.as_deref()
    }

    /// PKCS#8 PEM, wiped when dropped.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the provider encodes every key that it holds"
    )]
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        const ENCODES: &str = "a key that the provider holds can be encoded";
        match &self.private {
            Private::Decrypt { key, .. } => {
                let der: Pkcs8V1Der<'_> = key.as_der().expect(ENCODES);
                pem::encode("PRIVATE KEY", der.as_ref())
            }
            Private::Agree(key) if self.recipient.curve() == Some(Curve::X25519) => {
                let seed: Curve25519SeedBin<'_> = key.as_be_bytes().expect(ENCODES);
                pem::encode("PRIVATE KEY", &x25519_pkcs8(seed.as_ref()))
            }
            Private::Agree(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().expect(ENCODES);
                pem::encode("PRIVATE KEY", der.as_ref())
            }
        }
    }

    /// Opens the envelope that `grant` was given for, by this key.
    ///
    /// # Errors
    /// [`OpenError`], whatever the reason; a grant for another key is one.
    pub fn open(&self, grant: Grant<'_>) -> Result<Plaintext, OpenError> {
        let opening = grant.into_opening();
        opening.finish(self.unwrap(&opening.request()).map_err(|_| Rejected))
    }

    /// Does what only the private key can: decrypts, or agrees on a secret. The answer is raw; the caller checks its
    /// length.
    ///
    /// # Errors
    /// [`LocalUnwrapError::Rejected`] for a bad ciphertext or an agreed secret of zero;
    /// [`LocalUnwrapError::WrongKind`] for a request that this key is not pinned to.
    pub fn unwrap(&self, request: &UnwrapRequest<'_>) -> Result<SecretBytes, LocalUnwrapError> {
        match (&self.private, request) {
            (
                Private::Decrypt { oaep, .. },
                UnwrapRequest::Decrypt {
                    padding,
                    ciphertext,
                },
            ) if self.recipient.algorithm().oaep_hash() == Some(*padding) => {
                decrypt(oaep, *padding, ciphertext)
            }
            (Private::Agree(key), UnwrapRequest::Agree { ephemeral })
                if self.recipient.curve() == Some(ephemeral.curve()) =>
            {
                let peer = UnparsedPublicKey::new(key.algorithm(), ephemeral.as_bytes());
                agreement::agree(key, peer, LocalUnwrapError::Rejected, |secret| {
                    Ok(SecretBytes::filled_by(secret.len(), |out| {
                        out.copy_from_slice(secret);
                    }))
                })
            }
            _ => Err(LocalUnwrapError::WrongKind),
        }
    }

    fn from_rsa(
        key: PrivateDecryptingKey,
        given: Option<KeyManagement>,
        carried: Option<KeyManagement>,
    ) -> Result<Self, KeyError> {
        let public = key
            .public_key()
            .as_der()
            .map_err(|_| KeyError::Unreadable)?;
        let public = PublicKey::from_spki(public.as_ref())?;
        let algorithm = public.pin(given, carried)?;
        let oaep =
            OaepPrivateDecryptingKey::new(key.clone()).map_err(|_| KeyError::Inconsistent)?;
        Ok(Self {
            recipient: RecipientKey::new(public, algorithm),
            jwk_kid: None,
            private: Private::Decrypt { key, oaep },
        })
    }

    fn from_agreement(
        curve: Curve,
        key: agreement::PrivateKey,
        given: Option<KeyManagement>,
        carried: Option<KeyManagement>,
    ) -> Result<Self, KeyError> {
        let public = key
            .compute_public_key()
            .map_err(|_| KeyError::Inconsistent)?;
        let public = PublicKey::point(curve, public.as_ref())?;
        let algorithm = public.pin(given, carried)?;
        Ok(Self {
            recipient: RecipientKey::new(public, algorithm),
            jwk_kid: None,
            private: Private::Agree(key),
        })
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey")
            .field("recipient", &self.recipient)
            .field("private", &"<redacted>")
            .finish_non_exhaustive()
    }
}

fn decrypt(
    key: &OaepPrivateDecryptingKey,
    padding: OaepHash,
    ciphertext: &[u8],
) -> Result<SecretBytes, LocalUnwrapError> {
    // The provider wants room for a whole modulus; the content key is the short beginning of it.
    let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
    let secret = key
        .decrypt(oaep_algorithm(padding), ciphertext, &mut room, None)
        .map_err(|_| LocalUnwrapError::Rejected)?;
    Ok(SecretBytes::filled_by(secret.len(), |out| {
        out.copy_from_slice(secret);
    }))
}

fn oaep_algorithm(hash: OaepHash) -> &'static OaepAlgorithm {
    match hash {
        OaepHash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        OaepHash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        OaepHash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        OaepHash::Sha512 => &OAEP_SHA512_MGF1SHA512,
    }
}

/// PKCS#8 of an X25519 seed (RFC 8410 §7), which the provider does not write.
fn x25519_pkcs8(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    let algorithm = der::element(der::SEQUENCE, &[der::OID_X25519]);
    let key = der::element(
        der::OCTET_STRING,
        &[&der::element(der::OCTET_STRING, &[seed])],
    );
    der::element(der::SEQUENCE, &[&der::uint(&[0]), &algorithm, &key])
}
