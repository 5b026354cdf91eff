//! The public numbers of a key, checked: what recipient keys, ephemeral keys and private keys have in common.

use ::der::asn1::{ObjectIdentifier, UintRef};
use ::der::{Decode as _, Reader as _};
use aws_lc_rs::agreement::{self, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::PublicEncryptingKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use spki::SubjectPublicKeyInfoRef;

use crate::algorithm::{Curve, KeyManagement};
use crate::der as encode;
use crate::error::KeyError;

/// An RSA modulus and exponent, or a point. Valid and strong enough by construction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PublicKey {
    /// Big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// Uncompressed SEC 1 point, or the 32 bytes of X25519.
    Point { curve: Curve, bytes: Vec<u8> },
}

const WEAKEST_RSA: usize = 2048;
const STRONGEST_RSA: usize = 8192;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// What an AlgorithmIdentifier says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicKeyKind {
    Rsa,
    Curve(Curve),
}

impl PublicKeyKind {
    /// From algorithm and named curve; explicit curve parameters are refused.
    pub(crate) fn from_oids(
        algorithm: ObjectIdentifier,
        parameters: Option<ObjectIdentifier>,
    ) -> Result<Self, KeyError> {
        match (algorithm, parameters) {
            (RSA, _) => Ok(Self::Rsa),
            (X25519, None) => Ok(Self::Curve(Curve::X25519)),
            (EC, Some(P256)) => Ok(Self::Curve(Curve::P256)),
            (EC, Some(P384)) => Ok(Self::Curve(Curve::P384)),
            (EC, Some(P521)) => Ok(Self::Curve(Curve::P521)),
            (EC, Some(other)) => Err(KeyError::UnsupportedKind(format!("curve {other}"))),
            (EC, None) => Err(KeyError::UnsupportedKind("unnamed curve".to_owned())),
            (other, _) => Err(KeyError::UnsupportedKind(other.to_string())),
        }
    }
}

impl PublicKey {
    /// Checks the strength of an RSA key: 2048 to 8192 bits, odd, exponent 65537 or above.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let (n, e) = (encode::strip_zeros(n), encode::strip_zeros(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if bits < WEAKEST_RSA {
            return Err(KeyError::TooWeak(bits));
        }
        if bits > STRONGEST_RSA {
            return Err(KeyError::TooStrong(bits));
        }
        if n.last().is_some_and(|byte| byte % 2 == 0) {
            return Err(KeyError::BadMember {
                member: "n",
                why: "the modulus is even",
            });
        }
        let exponent =
            (e.len() <= 8).then(|| e.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        match exponent {
            None | Some(0x1_0000_0000..) => Err(KeyError::BadMember {
                member: "e",
                why: "the exponent is longer than 32 bits",
            }),
            Some(..65537) => Err(KeyError::BadMember {
                member: "e",
                why: "the exponent is below 65537",
            }),
            Some(exponent) if exponent % 2 == 0 => Err(KeyError::BadMember {
                member: "e",
                why: "the exponent is even",
            }),
            Some(_) => {
                let key = Self::Rsa {
                    n: n.to_vec(),
                    e: e.to_vec(),
                };
                // What the library refuses now, it would refuse at the first value.
                PublicEncryptingKey::from_der(&key.to_spki_der()).map_err(|_| {
                    KeyError::BadMember {
                        member: "n",
                        why: "the modulus is not acceptable",
                    }
                })?;
                Ok(key)
            }
        }
    }

    /// Checks that `bytes` is a point of `curve` that one can agree with (SP 800-56A §5.6.2.3).
    pub(crate) fn point(curve: Curve, bytes: &[u8]) -> Result<Self, KeyError> {
        if !is_on_curve(curve, bytes) || (curve == Curve::X25519 && has_small_order(bytes)) {
            return Err(KeyError::InvalidPoint(curve));
        }
        Ok(Self::Point {
            curve,
            bytes: bytes.to_vec(),
        })
    }

    /// Reads a SubjectPublicKeyInfo.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Unreadable)?;
        let parameters = info
            .algorithm
            .parameters
            .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
        let kind = PublicKeyKind::from_oids(info.algorithm.oid, parameters)?;
        let bytes = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Unreadable)?;
        match kind {
            PublicKeyKind::Rsa => Self::from_pkcs1(bytes),
            PublicKeyKind::Curve(curve) => Self::point(curve, bytes),
        }
    }

    /// Reads the `RSAPublicKey` of RFC 8017.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let parse = || {
            let mut reader = ::der::SliceReader::new(der)?;
            let numbers = reader.sequence(|reader| {
                Ok::<_, ::der::Error>((UintRef::decode(reader)?, UintRef::decode(reader)?))
            })?;
            reader.finish()?;
            Ok::<_, ::der::Error>(numbers)
        };
        let (n, e) = parse().map_err(|_| KeyError::Unreadable)?;
        Self::rsa(n.as_bytes(), e.as_bytes())
    }

    pub(crate) fn to_spki_der(&self) -> Vec<u8> {
        match self {
            Self::Rsa { n, e } => {
                let key = encode::element(encode::SEQUENCE, &[&encode::uint(n), &encode::uint(e)]);
                spki(&[encode::OID_RSA, encode::NULL], &key)
            }
            Self::Point { curve, bytes } => spki_of_point(*curve, bytes),
        }
    }

    /// The members that RFC 7638 §3.2 asks for, in lexicographic order, without spaces.
    fn thumbprint_input(&self) -> String {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n))
            }
            Self::Point { curve, bytes } => match coordinates(*curve, bytes) {
                (x, Some(y)) => format!(
                    r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#,
                    b64(x),
                    b64(y)
                ),
                (x, None) => format!(r#"{{"crv":"{curve}","kty":"OKP","x":"{}"}}"#, b64(x)),
            },
        }
    }

    /// RFC 7638 with SHA-256.
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        sha256(self.thumbprint_input().as_bytes())
    }

    /// The public members of a JWK.
    pub(crate) fn jwk_members(&self) -> serde_json::Map<String, serde_json::Value> {
        let serde_json::Value::Object(members) = serde_json::from_str(&self.thumbprint_input())
            .expect("the thumbprint input is a JSON object")
        else {
            unreachable!("the thumbprint input is a JSON object")
        };
        members
    }

    /// As people say it: `RSA 4096`, `P-256`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::Point { curve, .. } => curve.as_str(),
        }
    }

    /// The algorithm that a key without further word is pinned to.
    pub(crate) fn default_algorithm(&self) -> KeyManagement {
        match self {
            Self::Rsa { .. } => KeyManagement::RsaOaep256,
            Self::Point { .. } => KeyManagement::EcdhEsA256Kw,
        }
    }

    /// The pin out of what the caller asks for and what the key carries; both must fit the kind of key.
    pub(crate) fn pin(
        &self,
        given: Option<KeyManagement>,
        carried: Option<KeyManagement>,
    ) -> Result<KeyManagement, KeyError> {
        if let (Some(given), Some(found)) = (given, carried)
            && given != found
        {
            return Err(KeyError::AlgorithmConflict { given, found });
        }
        let algorithm = given.or(carried).unwrap_or(self.default_algorithm());
        if algorithm.is_rsa() != matches!(self, Self::Rsa { .. }) {
            return Err(KeyError::AlgorithmKind {
                algorithm,
                kind: self.kind(),
            });
        }
        Ok(algorithm)
    }
}

/// Whether `bytes` is the uncompressed form of a point of `curve` (any 32 bytes for X25519, RFC 7748 §5).
pub(crate) fn is_on_curve(curve: Curve, bytes: &[u8]) -> bool {
    if curve == Curve::X25519 {
        return bytes.len() == 32;
    }
    // The library also reads compressed points and whole SubjectPublicKeyInfos here; one form is enough.
    bytes.len() == 1 + 2 * curve.coordinate_len()
        && bytes[0] == 4
        && ParsedPublicKey::try_from(UnparsedPublicKey::new(agreement_algorithm(curve), bytes))
            .is_ok()
}

/// x, and y where the curve has one.
pub(crate) fn coordinates(curve: Curve, bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    if curve == Curve::X25519 {
        return (bytes, None);
    }
    let (x, y) = bytes[1..].split_at(curve.coordinate_len());
    (x, Some(y))
}

/// SubjectPublicKeyInfo of a point, as RFC 5480 §2 and RFC 8410 §4 write it.
pub(crate) fn spki_of_point(curve: Curve, bytes: &[u8]) -> Vec<u8> {
    match curve {
        Curve::P256 => spki(&[encode::OID_EC, encode::OID_P256], bytes),
        Curve::P384 => spki(&[encode::OID_EC, encode::OID_P384], bytes),
        Curve::P521 => spki(&[encode::OID_EC, encode::OID_P521], bytes),
        Curve::X25519 => spki(&[encode::OID_X25519], bytes),
    }
}

pub(crate) fn agreement_algorithm(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
        Curve::X25519 => &agreement::X25519,
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

fn spki(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    let algorithm = encode::element(encode::SEQUENCE, algorithm);
    let key = encode::element(encode::BIT_STRING, &[&[0], key]);
    encode::element(encode::SEQUENCE, &[&algorithm, &key]).to_vec()
}

/// A point whose agreed secret is zero with whatever private key (RFC 7748 §6.1): the library refuses to agree.
fn has_small_order(bytes: &[u8]) -> bool {
    let Ok(probe) = agreement::PrivateKey::generate(&agreement::X25519) else {
        return true;
    };
    agreement::agree(
        &probe,
        UnparsedPublicKey::new(&agreement::X25519, bytes),
        (),
        |_| Ok(()),
    )
    .is_err()
}
