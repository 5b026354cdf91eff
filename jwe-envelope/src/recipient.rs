//! A public key to seal for: strong enough, and pinned to one algorithm, by construction.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ::der::Decode as _;
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::{Curve, KeyManagement};
use crate::error::KeyError;
use crate::fingerprint::SpokenFingerprint;
use crate::jwk::{Jwk, LONGEST};
use crate::pem;
use crate::public_key::{PublicKey, sha256};

/// The blocks of PEM in which a public key is looked for.
const PUBLIC_LABELS: [&str; 3] = ["PUBLIC KEY", "CERTIFICATE", "RSA PUBLIC KEY"];

/// A public key and the one algorithm it is used with.
///
/// RSA keys have 2048 to 8192 bits and an odd exponent of 65537 or more; elliptic-curve keys are valid points of P-256,
/// P-384, P-521 or X25519. The pin matters: one RSA key answers every OAEP hash, so nothing but the pin keeps a key with
/// one algorithm (RFC 8725 §3.1).
#[derive(Clone)]
pub struct RecipientKey {
    algorithm: KeyManagement,
    public: PublicKey,
    thumbprint: [u8; 32],
    kid: String,
    /// An RSA key in the provider's own form, made with the first value and shared by all clones: making it, and the
    /// numbers that it computes with, costs a good part of what one encryption costs.
    encrypting: Arc<OnceLock<Option<OaepPublicEncryptingKey>>>,
}

impl PartialEq for RecipientKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.public == other.public
    }
}

impl Eq for RecipientKey {}

impl RecipientKey {
    /// From SPKI (`PUBLIC KEY`), PKCS#1 (`RSA PUBLIC KEY`) or X.509 certificate PEM. Without `algorithm`: RSA-OAEP-256 or
    /// ECDH-ES+A256KW.
    ///
    /// Only the key of a certificate is used; of a chain, the first certificate's. Validity, names, key usage and
    /// signature are ignored: trust in the key comes from its fingerprint, and an expired certificate still holds the key
    /// that the private half answers to.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] for private keys (PKCS#8, PKCS#1, SEC 1, OpenSSH); [`KeyError::SeveralBlocks`] for more
    /// than one bare key; [`KeyError::Utf16`] and [`KeyError::Der`] for other forms of a file, and
    /// [`KeyError::Unreadable`] for what is not PEM or holds no key; and what is wrong with the key itself.
    pub fn from_pem(pem: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        let text = text(pem)?;
        if pem::labels(text).any(|label| label.ends_with("PRIVATE KEY")) {
            return Err(KeyError::PrivateKey);
        }
        let block = pem::first(text, &PUBLIC_LABELS)?.ok_or(KeyError::Unreadable)?;
        // A chain has several certificates, and the first is the one that is meant; of bare keys none says so.
        let keys = pem::labels(text).filter(|label| label.ends_with("PUBLIC KEY"));
        match keys.count() {
            0 | 1 => {}
            count => return Err(KeyError::SeveralBlocks(count)),
        }
        let public = match block.label {
            "CERTIFICATE" => from_certificate(&block.der)?,
            "RSA PUBLIC KEY" => PublicKey::from_pkcs1(&block.der)?,
            _ => PublicKey::from_spki(&block.der)?,
        };
        let algorithm = public.pin(algorithm, None)?;
        Ok(Self::new(public, algorithm))
    }

    /// From SubjectPublicKeyInfo in DER, as key services hand it out. Without `algorithm`: RSA-OAEP-256 or ECDH-ES+A256KW.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] for what is no SubjectPublicKeyInfo, and what is wrong with the key itself.
    pub fn from_spki_der(der: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        if der.len() > LONGEST {
            return Err(too_long(der));
        }
        let public = PublicKey::from_spki(der)?;
        let algorithm = public.pin(algorithm, None)?;
        Ok(Self::new(public, algorithm))
    }

    /// From one public JWK (RSA, EC, or OKP with X25519); its `alg` pins, else `algorithm`, else the default of its kind.
    /// Its `kid` is not used: ours is the thumbprint.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] when a private member is there; [`KeyError::AlgorithmConflict`] when `alg` and
    /// `algorithm` differ; [`KeyError::NotForEncryption`] when `use` or `key_ops` forbid encryption; and what is wrong with
    /// the key itself.
    pub fn from_jwk(json: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(text(json)?)?;
        if jwk.is_private() {
            return Err(KeyError::PrivateKey);
        }
        let public = jwk.public_key()?;
        let algorithm = public.pin(algorithm, jwk.algorithm()?)?;
        Ok(Self::new(public, algorithm))
    }

    pub(crate) fn new(public: PublicKey, algorithm: KeyManagement) -> Self {
        let thumbprint = public.thumbprint();
        Self {
            algorithm,
            public,
            thumbprint,
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            encrypting: Arc::default(),
        }
    }

    /// The provider's form of an RSA key.
    pub(crate) fn encrypting(&self) -> Option<&OaepPublicEncryptingKey> {
        let make = || {
            let key = PublicEncryptingKey::from_der(&self.to_spki_der()).ok()?;
            OaepPublicEncryptingKey::new(key).ok()
        };
        self.encrypting.get_or_init(make).as_ref()
    }

    /// The same key, pinned to another algorithm.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmKind`] when the algorithm does not fit this kind of key.
    pub fn pinned_to(&self, algorithm: KeyManagement) -> Result<Self, KeyError> {
        let algorithm = self.public.pin(Some(algorithm), None)?;
        Ok(Self {
            algorithm,
            ..self.clone()
        })
    }

    /// The algorithm this key is pinned to.
    pub fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// RFC 7638 thumbprint, base64url: what we write as `kid`. It names key material, and with it one key version.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// RFC 7638 thumbprint (SHA-256).
    pub fn thumbprint(&self) -> [u8; 32] {
        self.thumbprint
    }

    /// Bytes of the RSA modulus, for RSA keys: the length of every wrapped content key.
    pub fn modulus_len(&self) -> Option<usize> {
        match &self.public {
            PublicKey::Rsa { n, .. } => Some(n.len()),
            PublicKey::Point { .. } => None,
        }
    }

    /// The curve, for elliptic-curve keys.
    pub fn curve(&self) -> Option<Curve> {
        match &self.public {
            PublicKey::Rsa { .. } => None,
            PublicKey::Point { curve, .. } => Some(*curve),
        }
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn to_spki_der(&self) -> Vec<u8> {
        self.public.to_spki_der()
    }

    /// SubjectPublicKeyInfo as PEM.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.to_spki_der()).to_string()
    }

    /// SHA-256 of the SubjectPublicKeyInfo: what `openssl pkey -pubin -outform der | openssl dgst -sha256` computes.
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.to_spki_der())
    }

    /// The public JWK with `kid`, `alg` and `use`.
    pub fn to_jwk(&self) -> serde_json::Value {
        let mut members = self.public.jwk_members();
        members.insert("kid".to_owned(), self.kid.clone().into());
        members.insert("alg".to_owned(), self.algorithm.as_str().into());
        members.insert("use".to_owned(), "enc".into());
        members.into()
    }

    /// The form to read aloud.
    pub fn spoken_fingerprint(&self) -> SpokenFingerprint {
        SpokenFingerprint::of_thumbprint(&self.thumbprint)
    }

    /// What kind of key this is, as people say it: `RSA 4096`, `P-256`, `X25519`.
    pub fn kind(&self) -> String {
        match &self.public {
            PublicKey::Rsa { n, .. } => {
                let zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                format!("RSA {}", n.len() * 8 - zeros)
            }
            PublicKey::Point { curve, .. } => curve.to_string(),
        }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientKey")
            .field("kind", &self.kind())
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// As text: within the limit, without a byte order mark and white space around it.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, KeyError> {
    if bytes.len() > LONGEST {
        return Err(too_long(bytes));
    }
    if is_utf_16(bytes) {
        return Err(KeyError::Utf16);
    }
    let unreadable = || {
        // A SEQUENCE of more than 127 bytes, as every key in DER is.
        match bytes {
            [0x30, 0x81..=0x83, ..] => KeyError::Der,
            _ => KeyError::Unreadable,
        }
    };
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
    Ok(text.trim_start_matches('\u{feff}').trim())
}

/// By its byte order mark, or because every other byte is zero.
fn is_utf_16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, second, third, fourth, ..] => {
            (*first == 0 && *third == 0) != (*second == 0 && *fourth == 0)
        }
        _ => false,
    }
}

fn too_long(bytes: &[u8]) -> KeyError {
    KeyError::TooLong {
        len: bytes.len(),
        limit: LONGEST,
    }
}

fn certificate(der: &[u8]) -> Result<x509_cert::Certificate, KeyError> {
    x509_cert::Certificate::from_der(der).map_err(|_| KeyError::Unreadable)
}

/// When the certificate of a PEM file ends (`notAfter`, Unix seconds), for a person who is to be told; of a chain, the
/// first one's. `None` for a file whose key is not that of a certificate. Whether the key is used does not depend on it.
pub fn certificate_end(pem: &[u8]) -> Option<u64> {
    let block = pem::first(text(pem).ok()?, &PUBLIC_LABELS).ok()??;
    if block.label != "CERTIFICATE" {
        return None;
    }
    let certificate = certificate(&block.der).ok()?;
    let end = certificate.tbs_certificate().validity().not_after;
    Some(end.to_unix_duration().as_secs())
}

fn from_certificate(der: &[u8]) -> Result<PublicKey, KeyError> {
    use ::der::Encode as _;

    let spki = certificate(der)?
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|_| KeyError::Unreadable)?;
    PublicKey::from_spki(&spki)
}
