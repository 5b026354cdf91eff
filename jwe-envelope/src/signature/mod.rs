//! Signatures by people: a key manager signs a key card, a custodian a sealed value.
//!
//! Anyone with a public key can seal, and nothing in an envelope proves who did. A signature does: anyone who
//! configured or trusts the signer's public key knows that the holder of the private one made it.
//!
//! Both kinds are compact JWS ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515)) with the header
//! `{"alg":…,"typ":…,"kid":…,"iat":…}`: [`card`] says what `privy-card` is over, [`envelope`] what `privy-envelope` is.
//! `typ` keeps a signature made for one thing from counting for another, `kid` is the signer's RFC 7638 thumbprint, `iat`
//! says when it was made, and a header with `crit` is refused. Which signer counts is the caller's to know; nothing in the
//! JWS says.

pub mod card;
pub mod envelope;
#[cfg(feature = "local")]
mod local;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ::der::Decode as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use spki::SubjectPublicKeyInfoRef;

pub use card::{LONGEST_SIGNATURE, SignedCard, TYPE, claimed_signer};
pub use envelope::SignedEnvelope;
#[cfg(feature = "local")]
pub use local::LocalSigner;

use crate::algorithm::Curve;
use crate::base64url;
use crate::der;
use crate::error::KeyError;
use crate::fingerprint::SpokenFingerprint;
use crate::jwk::{Jwk, LONGEST};
use crate::pem;
use crate::public_key::{PublicKey, sha256};
use crate::strict_json::{self, JsonMembers, JsonValue};
use crate::untrusted::cut;

const ED25519_OID: &str = "1.3.101.112";
/// Complete encoding of the object identifier of Ed25519, RFC 8410 §3.
const OID_ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

/// The public key of a signer: Ed25519, P-256 or RSA.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerKey {
    public: Public,
    thumbprint: [u8; 32],
}

#[derive(Clone, PartialEq, Eq)]
enum Public {
    Ed25519([u8; 32]),
    /// RSA, or a point of P-256.
    Other(PublicKey),
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// `alg` does not fit the signer's key.
    #[error("its algorithm {0:?} does not fit the signer's key")]
    Algorithm(String),
    /// It is not the signer's, or not for these bytes.
    #[error("it does not verify with the signer's key")]
    Bad,
    /// It is not a compact JWS of this kind.
    #[error("it is not a signature of this kind: {0}")]
    Malformed(&'static str),
    /// `kid` names another signer.
    #[error("it was made by another signer with key ID {0:?}")]
    OtherSigner(String),
}

/// What the header of a signature says, before anything is verified.
#[derive(Debug)]
struct JwsHeader {
    algorithm: String,
    key_id: String,
    signed_at: u64,
}

impl Hash for SignerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.thumbprint.hash(state);
    }
}

/// As [`SignerKey::from_bytes`].
impl FromStr for SignerKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(text.as_bytes())
    }
}

impl SignerKey {
    /// From SubjectPublicKeyInfo as PEM (`PUBLIC KEY`), or a public JWK.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] for a private key; [`KeyError::UnsupportedKind`] for another kind of key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() > LONGEST {
            return Err(KeyError::TooLong {
                len: bytes.len(),
                limit: LONGEST,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError::Unreadable)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if pem::labels(text).any(|label| label.ends_with("PRIVATE KEY")) {
            return Err(KeyError::PrivateKey);
        }
        if pem::looks_like_pem(text) {
            let block = pem::first(text, &["PUBLIC KEY"])?.ok_or(KeyError::Unreadable)?;
            return Self::from_spki_der(&block.der);
        }
        let jwk = Jwk::parse(text)?;
        if jwk.is_private() {
            return Err(KeyError::PrivateKey);
        }
        match jwk.ed25519()? {
            Some(bytes) => Ok(Self::new(Public::Ed25519(bytes))),
            None => Self::from_public(jwk.numbers()?),
        }
    }

    fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Unreadable)?;
        if info.algorithm.oid.to_string() != ED25519_OID {
            return Self::from_public(PublicKey::from_spki(der)?);
        }
        let bytes = info.subject_public_key.as_bytes();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(|bytes| Self::new(Public::Ed25519(bytes)))
            .ok_or(KeyError::Unreadable)
    }

    fn from_public(public: PublicKey) -> Result<Self, KeyError> {
        match &public {
            PublicKey::Rsa { .. }
            | PublicKey::Point {
                curve: Curve::P256, ..
            } => Ok(Self::new(Public::Other(public))),
            PublicKey::Point { curve, .. } => Err(KeyError::UnsupportedKind(format!(
                "{curve}, for signatures"
            ))),
        }
    }

    fn new(public: Public) -> Self {
        let thumbprint = match &public {
            Public::Other(public) => public.thumbprint(),
            Public::Ed25519(bytes) => sha256(
                format!(
                    r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
                    base64url::encode(bytes)
                )
                .as_bytes(),
            ),
        };
        Self { public, thumbprint }
    }

    /// RFC 7638 thumbprint, base64url.
    pub fn kid(&self) -> String {
        base64url::encode(&self.thumbprint)
    }

    /// The form to read aloud.
    pub fn spoken_fingerprint(&self) -> SpokenFingerprint {
        SpokenFingerprint::of_thumbprint(&self.thumbprint)
    }

    /// What kind of key this is: `Ed25519`, `P-256`, `RSA`.
    pub fn kind(&self) -> &'static str {
        match &self.public {
            Public::Ed25519(_) => "Ed25519",
            Public::Other(public) => public.kind(),
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.to_spki_der())
    }

    /// SubjectPublicKeyInfo as PEM.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.to_spki_der()).to_string()
    }

    fn to_spki_der(&self) -> Vec<u8> {
        match &self.public {
            Public::Other(public) => public.to_spki_der(),
            // RFC 8410 §4.
            Public::Ed25519(bytes) => der::element(
                der::SEQUENCE,
                &[
                    &der::element(der::SEQUENCE, &[OID_ED25519]),
                    &der::element(der::BIT_STRING, &[&[0], bytes]),
                ],
            )
            .to_vec(),
        }
    }

    /// Whether this very key made `signature` over `signed`, as the header says.
    fn verify(
        &self,
        header: &JwsHeader,
        signed: &[u8],
        signature: &str,
    ) -> Result<(), SignatureError> {
        if header.key_id != self.kid() {
            return Err(SignatureError::OtherSigner(cut(&header.key_id)));
        }
        let algorithm: &'static dyn VerificationAlgorithm =
            match (&self.public, header.algorithm.as_str()) {
                (Public::Ed25519(_), "EdDSA" | "Ed25519") => &ED25519,
                (Public::Other(PublicKey::Point { .. }), "ES256") => &ECDSA_P256_SHA256_FIXED,
                (Public::Other(PublicKey::Rsa { .. }), "RS256") => &RSA_PKCS1_2048_8192_SHA256,
                (Public::Other(PublicKey::Rsa { .. }), "PS256") => &RSA_PSS_2048_8192_SHA256,
                (_, other) => return Err(SignatureError::Algorithm(cut(other))),
            };
        let signature = base64url::decode(signature)
            .ok_or(SignatureError::Malformed("its signature is not base64url"))?;
        let key = match &self.public {
            Public::Ed25519(bytes) => bytes.to_vec(),
            Public::Other(PublicKey::Point { bytes, .. }) => bytes.clone(),
            Public::Other(public @ PublicKey::Rsa { .. }) => public.to_spki_der(),
        };
        UnparsedPublicKey::new(algorithm, key)
            .verify(signed, &signature)
            .map_err(|_| SignatureError::Bad)
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey")
            .field("kind", &self.kind())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

/// The three parts of a compact JWS, and the text that they are parts of.
fn parts(jws: &[u8], longest: usize) -> Result<(&str, [&str; 3]), SignatureError> {
    let malformed = SignatureError::Malformed;
    if jws.len() > longest {
        return Err(malformed("it is too long"));
    }
    let text = std::str::from_utf8(jws.trim_ascii()).map_err(|_| malformed("it is not text"))?;
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => {
            Ok((text, [header, payload, signature]))
        }
        _ => Err(malformed("it does not have three parts")),
    }
}

impl JwsHeader {
    fn parse(encoded: &str, kind: &str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed;
        let decoded = base64url::decode(encoded)
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(malformed("its header is not base64url"))?;
        let mut members = strict_json::read_object(&decoded, "JWS header")
            .map_err(|_| malformed("its header is not valid JSON"))?;
        // RFC 7515 §4.1.11: what is critical and not understood is refused; we understand nothing that can be critical.
        if take(&mut members, "crit").is_some() {
            return Err(malformed("its header has `crit`"));
        }
        let mut text = |name, fault| match take(&mut members, name) {
            Some(JsonValue::String(text)) => Ok(text.into_owned()),
            _ => Err(malformed(fault)),
        };
        let algorithm = text("alg", "its header lacks `alg`")?;
        let key_id = text("kid", "its header lacks `kid`")?;
        if text("typ", "its header lacks `typ`")? != kind {
            return Err(malformed("its `typ` is that of something else"));
        }
        let signed_at = take(&mut members, "iat")
            .and_then(|node| node.integer())
            .ok_or(malformed("its header lacks `iat`"))?;
        Ok(Self {
            algorithm,
            key_id,
            signed_at,
        })
    }
}

fn take<'a>(members: &mut JsonMembers<'a>, name: &str) -> Option<JsonValue<'a>> {
    let at = members.iter().position(|(member, _)| member == name)?;
    Some(members.swap_remove(at).1)
}
