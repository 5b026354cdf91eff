//! Names, sizes and support of the algorithms of RFC 7518 that the wire profile knows.

use std::fmt;
use std::str::FromStr;

/// How the content key reaches its reader: the `alg` header (RFC 7518 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyManagement {
    /// `ECDH-ES`: the agreed key is the content key. Opened for one recipient, never emitted.
    EcdhEs,
    /// `ECDH-ES+A128KW`.
    EcdhEsA128Kw,
    /// `ECDH-ES+A192KW`.
    EcdhEsA192Kw,
    /// `ECDH-ES+A256KW`: what we emit for elliptic-curve keys.
    EcdhEsA256Kw,
    /// `RSA-OAEP` (SHA-1).
    RsaOaep,
    /// `RSA-OAEP-256`: what we emit for RSA keys.
    RsaOaep256,
    /// `RSA-OAEP-384`.
    RsaOaep384,
    /// `RSA-OAEP-512`.
    RsaOaep512,
}

impl KeyManagement {
    /// Every algorithm, in the order of the RFC's table.
    pub const ALL: [Self; 8] = [
        Self::RsaOaep,
        Self::RsaOaep256,
        Self::RsaOaep384,
        Self::RsaOaep512,
        Self::EcdhEs,
        Self::EcdhEsA128Kw,
        Self::EcdhEsA192Kw,
        Self::EcdhEsA256Kw,
    ];

    /// The registered, case-sensitive name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA192Kw => "ECDH-ES+A192KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::RsaOaep384 => "RSA-OAEP-384",
            Self::RsaOaep512 => "RSA-OAEP-512",
        }
    }

    /// The OAEP hash, for the RSA members of the family.
    pub const fn oaep_hash(self) -> Option<OaepHash> {
        match self {
            Self::RsaOaep => Some(OaepHash::Sha1),
            Self::RsaOaep256 => Some(OaepHash::Sha256),
            Self::RsaOaep384 => Some(OaepHash::Sha384),
            Self::RsaOaep512 => Some(OaepHash::Sha512),
            Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA192Kw | Self::EcdhEsA256Kw => None,
        }
    }

    /// Length in bytes of the AES key that wraps the content key, for `ECDH-ES+A…KW`.
    pub const fn key_wrap_len(self) -> Option<usize> {
        match self {
            Self::EcdhEsA128Kw => Some(16),
            Self::EcdhEsA192Kw => Some(24),
            Self::EcdhEsA256Kw => Some(32),
            _ => None,
        }
    }

    /// Whether the algorithm is one of the RSA-OAEP family.
    pub const fn is_rsa(self) -> bool {
        self.oaep_hash().is_some()
    }
}

impl fmt::Display for KeyManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyManagement {
    type Err = UnsupportedAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| UnsupportedAlgorithm::key_management(name))
    }
}

/// The hash of RSA-OAEP and of its mask generation function; JWE uses the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OaepHash {
    /// SHA-1, for keys configured so.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How the value itself is encrypted: the `enc` header (RFC 7518 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ContentEncryption {
    /// `A128CBC-HS256`.
    A128CbcHs256,
    /// `A128GCM`.
    A128Gcm,
    /// `A192CBC-HS384`.
    A192CbcHs384,
    /// `A192GCM`.
    A192Gcm,
    /// `A256CBC-HS512`.
    A256CbcHs512,
    /// `A256GCM`: what we emit.
    A256Gcm,
}

impl ContentEncryption {
    /// All six of RFC 7518.
    pub const ALL: [Self; 6] = [
        Self::A128CbcHs256,
        Self::A192CbcHs384,
        Self::A256CbcHs512,
        Self::A128Gcm,
        Self::A192Gcm,
        Self::A256Gcm,
    ];

    /// The registered, case-sensitive name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A128Gcm => "A128GCM",
            Self::A192CbcHs384 => "A192CBC-HS384",
            Self::A192Gcm => "A192GCM",
            Self::A256CbcHs512 => "A256CBC-HS512",
            Self::A256Gcm => "A256GCM",
        }
    }

    /// Length of the content key in bytes; for the CBC family MAC key and encryption key together.
    pub const fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A192Gcm => 24,
            Self::A128CbcHs256 | Self::A256Gcm => 32,
            Self::A192CbcHs384 => 48,
            Self::A256CbcHs512 => 64,
        }
    }

    /// Length of the initialization vector in bytes.
    pub const fn iv_len(self) -> usize {
        if self.is_gcm() { 12 } else { 16 }
    }

    /// Length of the authentication tag in bytes.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::A128CbcHs256 | Self::A128Gcm | Self::A192Gcm | Self::A256Gcm => 16,
            Self::A192CbcHs384 => 24,
            Self::A256CbcHs512 => 32,
        }
    }

    /// Whether this is one of the AES-GCM members.
    pub const fn is_gcm(self) -> bool {
        matches!(self, Self::A128Gcm | Self::A192Gcm | Self::A256Gcm)
    }
}

impl fmt::Display for ContentEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ContentEncryption {
    type Err = UnsupportedAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| UnsupportedAlgorithm::content_encryption(name))
    }
}

/// The curves of ECDH-ES (RFC 7518 §6.2.1.1, RFC 8037 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// X25519.
    X25519,
}

impl Curve {
    /// The name that JWK uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::X25519 => "X25519",
        }
    }

    /// Length of one coordinate, and of the agreed secret, in bytes.
    pub const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// By the name that JWK uses.
impl FromStr for Curve {
    type Err = UnsupportedAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::P256, Self::P384, Self::P521, Self::X25519]
            .into_iter()
            .find(|curve| curve.as_str() == text)
            .ok_or_else(|| UnsupportedAlgorithm {
                what: "curve",
                name: crate::untrusted::cut(text),
                instead: "P-256",
            })
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An algorithm name that the profile does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} is not supported; {instead} is")]
pub struct UnsupportedAlgorithm {
    what: &'static str,
    name: String,
    instead: &'static str,
}

impl UnsupportedAlgorithm {
    pub(crate) fn key_management(name: &str) -> Self {
        Self {
            what: "key management",
            name: crate::untrusted::cut(name),
            instead: "RSA-OAEP-256",
        }
    }

    pub(crate) fn content_encryption(name: &str) -> Self {
        Self {
            what: "content encryption",
            name: crate::untrusted::cut(name),
            instead: "A256GCM",
        }
    }
}
