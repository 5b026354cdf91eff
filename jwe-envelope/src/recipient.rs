//! A public key to seal for: strong enough, and pinned to one algorithm, by construction.
use crate::algorithm::{Curve, KeyManagement};
use crate::error::KeyError;

/// A public key and the one algorithm it is used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientKey {
    algorithm: KeyManagement,
    kid: String,
}

impl RecipientKey {
    /// From any form: SPKI PEM, certificate PEM, one JWK, or the active key of a key card.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let _ = bytes;
        todo!()
    }
    /// From SPKI or X.509 certificate PEM. Without `algorithm`: RSA-OAEP-256 or ECDH-ES+A256KW.
    pub fn from_pem(pem: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        let _ = (pem, algorithm);
        todo!()
    }
    /// From one public JWK; its `alg` pins, else `algorithm`, else the default of its kind.
    pub fn from_jwk(json: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        let _ = (json, algorithm);
        todo!()
    }
    /// The algorithm this key is pinned to.
    pub fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }
    /// RFC 7638 thumbprint, base64url: what we write as `kid`.
    pub fn kid(&self) -> &str {
        &self.kid
    }
    /// RFC 7638 thumbprint (SHA-256).
    pub fn thumbprint(&self) -> [u8; 32] {
        todo!()
    }
    /// Bytes of the RSA modulus, for RSA keys.
    pub fn modulus_len(&self) -> Option<usize> {
        todo!()
    }
    /// The curve, for elliptic-curve keys.
    pub fn curve(&self) -> Option<Curve> {
        todo!()
    }
    /// SubjectPublicKeyInfo.
    pub fn to_spki_der(&self) -> Vec<u8> {
        todo!()
    }
    /// SubjectPublicKeyInfo as PEM.
    pub fn to_pem(&self) -> String {
        todo!()
    }
    /// SHA-256 of the SubjectPublicKeyInfo: what `openssl` computes.
    pub fn spki_sha256(&self) -> [u8; 32] {
        todo!()
    }
    /// The public JWK with `kid`, `alg` and `use`.
    pub fn to_jwk(&self) -> serde_json::Value {
        todo!()
    }
    /// The form to read aloud.
    pub fn spoken_fingerprint(&self) -> crate::fingerprint::SpokenFingerprint {
        todo!()
    }
}
