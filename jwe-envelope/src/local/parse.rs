//! Reads private keys. Whatever holds a private number on the way is wiped.

use ::der::Decode as _;
use ::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use aws_lc_rs::agreement;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use pkcs8::PrivateKeyInfoRef;
use sec1::EcPrivateKey;

use super::LocalKey;
use crate::algorithm::{Curve, KeyManagement};
use crate::der;
use crate::error::KeyError;
use crate::jwk::{Jwk, JwkSet};
use crate::key_file::is_set;
use crate::pem;
use crate::public_key::{PublicKey, PublicKeyKind, agreement_algorithm};
use crate::recipient::text;

const LONGEST_KID: usize = 256;

impl LocalKey {
    /// From PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`) PEM, a private JWK, or a JWK Set
    /// with one private key. At most 64 KiB.
    ///
    /// `algorithm` pins the key; a JWK's own `alg` does so too, and the two must agree; without either, RSA-OAEP-256 or
    /// ECDH-ES+A256KW. An RSA JWK needs `p`, `q`, `dp`, `dq` and `qi`. Private and public halves are checked against each
    /// other. Every intermediate copy is wiped; wiping `bytes` is the caller's.
    ///
    /// # Errors
    /// [`KeyError::NotPrivate`] for a public key, [`KeyError::Encrypted`] for one under a pass phrase,
    /// [`KeyError::Inconsistent`] when its numbers contradict each other, and whatever a
    /// [`RecipientKey`](crate::RecipientKey) would refuse in the public half.
    pub fn from_bytes(bytes: &[u8], algorithm: Option<KeyManagement>) -> Result<Self, KeyError> {
        local_key(bytes, algorithm)
    }
}

fn local_key(bytes: &[u8], algorithm: Option<KeyManagement>) -> Result<LocalKey, KeyError> {
    let text = text(bytes)?;
    if pem::looks_like_pem(text) {
        return from_pem(text, algorithm);
    }
    if !text.starts_with('{') {
        return Err(KeyError::Unreadable);
    }
    if is_set(text)? {
        return from_jwk_set(text, algorithm);
    }
    from_jwk(&Jwk::parse(text)?, algorithm)
}

fn from_pem(text: &str, algorithm: Option<KeyManagement>) -> Result<LocalKey, KeyError> {
    if pem::labels(text).any(|label| label == "ENCRYPTED PRIVATE KEY") {
        return Err(KeyError::Encrypted);
    }
    let wanted = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    let keys = pem::labels(text).filter(|label| wanted.contains(label));
    match keys.count() {
        0 | 1 => {}
        count => return Err(KeyError::SeveralBlocks(count)),
    }
    let Some(block) = pem::first(text, &wanted)? else {
        return Err(not_ours(text));
    };
    match block.label {
        "RSA PRIVATE KEY" => from_pkcs1(&block.der, algorithm, None),
        "EC PRIVATE KEY" => from_sec1(&block.der, None, algorithm),
        _ => from_pkcs8(&block.der, algorithm),
    }
}

/// What to say of PEM without a private key that we read.
fn not_ours(text: &str) -> KeyError {
    let mut labels = pem::labels(text);
    if let Some(label) = labels.find(|label| label.ends_with("PRIVATE KEY")) {
        return KeyError::UnsupportedKind(crate::untrusted::cut(label));
    }
    let public = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"];
    if pem::labels(text).any(|label| public.contains(&label)) {
        return KeyError::NotPrivate;
    }
    KeyError::Unreadable
}

fn from_pkcs8(der: &[u8], algorithm: Option<KeyManagement>) -> Result<LocalKey, KeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Unreadable)?;
    let parameters = info
        .algorithm
        .parameters
        .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
    let private = info.private_key.as_bytes();
    match PublicKeyKind::from_oids(info.algorithm.oid, parameters)? {
        PublicKeyKind::Rsa => from_pkcs1(private, algorithm, None),
        PublicKeyKind::Curve(Curve::X25519) => {
            let seed = <&OctetStringRef>::from_der(private).map_err(|_| KeyError::Unreadable)?;
            let key = agreement_key(Curve::X25519, seed.as_bytes())?;
            let public = info.public_key.as_ref().map(BitStringRef::raw_bytes);
            from_point(Curve::X25519, key, public, algorithm, None)
        }
        PublicKeyKind::Curve(curve) => from_sec1(private, Some(curve), algorithm),
    }
}

/// RFC 8017 `RSAPrivateKey`. The provider checks that the numbers belong together.
fn from_pkcs1(
    der: &[u8],
    given: Option<KeyManagement>,
    carried: Option<KeyManagement>,
) -> Result<LocalKey, KeyError> {
    // The strength first: the provider's refusal would not say what is wrong.
    let numbers = pkcs1::RsaPrivateKeyRef::from_der(der).map_err(|_| KeyError::Unreadable)?;
    if numbers.other_prime_infos.is_some() {
        return Err(KeyError::UnsupportedKind("multi-prime RSA".to_owned()));
    }
    PublicKey::rsa(
        numbers.modulus.as_bytes(),
        numbers.public_exponent.as_bytes(),
    )?;
    let algorithm = der::element(der::SEQUENCE, &[der::OID_RSA, der::NULL]);
    let key = der::element(der::OCTET_STRING, &[der]);
    let pkcs8 = der::element(der::SEQUENCE, &[&der::uint(&[0]), &algorithm, &key]);
    let key = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(|_| KeyError::Inconsistent)?;
    LocalKey::from_rsa(key, given, carried)
}

/// RFC 5915 `ECPrivateKey`; the curve may be said by the PKCS#8 around it.
fn from_sec1(
    der: &[u8],
    curve: Option<Curve>,
    algorithm: Option<KeyManagement>,
) -> Result<LocalKey, KeyError> {
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

    let key = EcPrivateKey::from_der(der).map_err(|_| KeyError::Unreadable)?;
    let named = match &key.parameters {
        None => None,
        Some(parameters) => match PublicKeyKind::from_oids(EC, parameters.named_curve())? {
            PublicKeyKind::Curve(curve) => Some(curve),
            PublicKeyKind::Rsa => None,
        },
    };
    let curve = match (curve, named) {
        (Some(a), Some(b)) if a != b => return Err(KeyError::Inconsistent),
        (Some(curve), _) | (None, Some(curve)) => curve,
        (None, None) => return Err(KeyError::MissingMember("parameters")),
    };
    let private = agreement_key(curve, key.private_key)?;
    from_point(curve, private, key.public_key, algorithm, None)
}

fn from_jwk_set(json: &str, algorithm: Option<KeyManagement>) -> Result<LocalKey, KeyError> {
    let set: JwkSet<'_> = serde_json::from_str(json).map_err(|_| KeyError::Unreadable)?;
    let mut private = Vec::new();
    for key in &set.keys {
        let key = Jwk::parse(key.get())?;
        if key.is_private() {
            private.push(key);
        }
    }
    match private.as_slice() {
        [] => Err(KeyError::NotPrivate),
        [key] => from_jwk(key, algorithm),
        several => Err(KeyError::SeveralKeys(several.len())),
    }
}

fn from_jwk(jwk: &Jwk<'_>, given: Option<KeyManagement>) -> Result<LocalKey, KeyError> {
    let public = jwk.public_key()?;
    if !jwk.is_private() {
        return Err(KeyError::NotPrivate);
    }
    let carried = jwk.algorithm()?;
    let mut key = match &public {
        PublicKey::Rsa { n, e } => {
            let [d, p, q, dp, dq, qi] = jwk.rsa_numbers()?;
            let numbers = [n, e, &*d, &*p, &*q, &*dp, &*dq, &*qi].map(|bytes| der::uint(bytes));
            let version = der::uint(&[0]);
            let mut parts: Vec<&[u8]> = vec![&version];
            parts.extend(numbers.iter().map(|number| number.as_slice()));
            from_pkcs1(&der::element(der::SEQUENCE, &parts), given, carried)?
        }
        PublicKey::Point { curve, bytes } => {
            let key = agreement_key(*curve, &jwk.private_scalar(*curve)?)?;
            from_point(*curve, key, Some(bytes), given, carried)?
        }
    };
    if let Some(kid) = jwk.kid.as_deref() {
        if kid.is_empty() || kid.len() > LONGEST_KID {
            return Err(KeyError::BadMember {
                member: "kid",
                why: "it must have 1 to 256 bytes",
            });
        }
        key.jwk_kid = Some(kid.to_owned());
    }
    Ok(key)
}

fn agreement_key(curve: Curve, scalar: &[u8]) -> Result<agreement::PrivateKey, KeyError> {
    agreement::PrivateKey::from_private_key(agreement_algorithm(curve), scalar).map_err(|_| {
        KeyError::BadMember {
            member: "d",
            why: "it is no private key of the curve",
        }
    })
}

/// The public half is computed from the private one; where the file carries one as well, they must be equal.
fn from_point(
    curve: Curve,
    key: agreement::PrivateKey,
    carried_point: Option<&[u8]>,
    given: Option<KeyManagement>,
    carried: Option<KeyManagement>,
) -> Result<LocalKey, KeyError> {
    let key = LocalKey::from_agreement(curve, key, given, carried)?;
    if let Some(carried) = carried_point {
        let PublicKey::Point { bytes, .. } = key.recipient.public() else {
            return Err(KeyError::Inconsistent);
        };
        if bytes != carried {
            return Err(KeyError::Inconsistent);
        }
    }
    Ok(key)
}
