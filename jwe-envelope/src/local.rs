//! Private keys in this process (feature `local`).
use crate::algorithm::{Curve, KeyManagement};
use crate::error::KeyError;
use crate::open::UnwrapRequest;
use crate::recipient::RecipientKey;
use crate::secret::SecretBytes;

/// What kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// An elliptic-curve key.
    Ec(Curve),
    /// RSA with this many bits: 2048, 3072, 4096.
    Rsa(u32),
}

/// A private key, wiped when dropped.
pub struct LocalKey {
    recipient: RecipientKey,
    jwk_kid: Option<String>,
}

impl std::fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalKey")
            .field("recipient", &self.recipient)
            .finish_non_exhaustive()
    }
}

/// Why a local key did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalUnwrapError {
    /// The wrapped key is bad.
    #[error("the key rejects the wrapped content key")]
    Rejected,
    /// The request is none for this kind of key.
    #[error("the request does not fit the key")]
    WrongKind,
}

impl LocalKey {
    /// From PKCS#8 PEM, a private JWK, or a JWK Set with one private key.
    pub fn from_bytes(bytes: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        let _ = (bytes, algorithm);
        todo!()
    }
    /// Makes a new key with the library's random generator.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let _ = kind;
        todo!()
    }
    /// The public half, pinned.
    pub fn recipient(&self) -> &RecipientKey {
        &self.recipient
    }
    /// The `kid` that the JWK itself carried, an alias of the key.
    pub fn jwk_kid(&self) -> Option<&str> {
        self.jwk_kid.as_deref()
    }
    /// PKCS#8 PEM, wiped when dropped.
    pub fn to_pkcs8_pem(&self) -> zeroize::Zeroizing<String> {
        todo!()
    }
    /// Does what only the private key can.
    pub fn unwrap(&self, request: &UnwrapRequest<'_>) -> Result<SecretBytes, LocalUnwrapError> {
        let _ = request;
        todo!()
    }
}
