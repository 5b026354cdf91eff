//! The public half of a key, from the attributes of its object.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use jwe_envelope::{Curve, KeyError, KeyManagement, RecipientKey};

/// Why there is no public key.
#[derive(Debug)]
pub(super) enum PublicKeyFault {
    /// The token has attributes, but none of a key that we know.
    Unknown,
    /// It is no key that can be used.
    Key(KeyError),
    /// The token does not answer.
    Token(Error),
}

pub(super) fn public_key(
    session: &Session,
    object: ObjectHandle,
    algorithm: Option<KeyManagement>,
) -> Result<RecipientKey, PublicKeyFault> {
    let wanted = [
        AttributeType::Modulus,
        AttributeType::PublicExponent,
        AttributeType::EcParams,
        AttributeType::EcPoint,
    ];
    let (mut modulus, mut exponent, mut params, mut point) = (None, None, None, None);
    for attribute in session
        .get_attributes(object, &wanted)
        .map_err(PublicKeyFault::Token)?
    {
        match attribute {
            Attribute::Modulus(bytes) => modulus = Some(bytes),
            Attribute::PublicExponent(bytes) => exponent = Some(bytes),
            Attribute::EcParams(bytes) => params = Some(bytes),
            Attribute::EcPoint(bytes) => point = Some(bytes),
            _ => {}
        }
    }
    let jwk = match (modulus, exponent, params, point) {
        (Some(modulus), Some(exponent), _, _) if !modulus.is_empty() && !exponent.is_empty() => {
            rsa(&modulus, &exponent)
        }
        (_, _, Some(params), Some(point)) => {
            elliptic_curve(&params, &point).ok_or(PublicKeyFault::Unknown)?
        }
        _ => return Err(PublicKeyFault::Unknown),
    };
    RecipientKey::from_jwk(jwk.as_bytes(), algorithm).map_err(PublicKeyFault::Key)
}

/// Big-endian numbers, which a token may write with leading zeros and a JWK may not.
fn rsa(modulus: &[u8], exponent: &[u8]) -> String {
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(&bytes[zeros..])
    };
    format!(
        r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#,
        number(modulus),
        number(exponent)
    )
}

fn elliptic_curve(params: &[u8], point: &[u8]) -> Option<String> {
    // Object identifiers in DER: RFC 5480 §2.1.1.1.
    let curve = match params {
        [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Curve::P256,
        [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22] => Curve::P384,
        [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23] => Curve::P521,
        _ => return None,
    };
    let length = curve.coordinate_len();
    // PKCS#11 §6.3.3: an OCTET STRING in DER around the point. Some tokens leave the wrapping out.
    let coordinates = unwrapped(point)
        .unwrap_or(point)
        .strip_prefix(&[0x04])
        .filter(|coordinates| coordinates.len() == 2 * length)?;
    let (x, y) = coordinates.split_at(length);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    Some(format!(
        r#"{{"kty":"EC","crv":"{curve}","x":"{x}","y":"{y}"}}"#
    ))
}

/// The content of an OCTET STRING of at most 255 bytes that fills `der`.
fn unwrapped(der: &[u8]) -> Option<&[u8]> {
    let (length, content) = match der {
        [0x04, 0x81, length, content @ ..] if *length >= 0x80 => (*length, content),
        [0x04, length, content @ ..] if *length < 0x80 => (*length, content),
        _ => return None,
    };
    (content.len() == usize::from(length)).then_some(content)
}

#[cfg(test)]
mod tests {
    use jwe_envelope::{KeyKind, LocalKey};

    use super::*;

    const OIDS: [(Curve, &[u8]); 3] = [
        (
            Curve::P256,
            &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        ),
        (Curve::P384, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]),
        (Curve::P521, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23]),
    ];

    #[test]
    fn points_are_read_wrapped_and_bare() {
        for (curve, oid) in OIDS {
            let key = LocalKey::generate(KeyKind::Ec(curve)).unwrap();
            let spki = key.recipient().to_spki_der();
            let bare = &spki[spki.len() - 2 * curve.coordinate_len() - 1..];
            let length = u8::try_from(bare.len()).unwrap();
            let head = if length < 0x80 {
                vec![4, length]
            } else {
                vec![4, 0x81, length]
            };
            for point in [bare.to_vec(), [head, bare.to_vec()].concat()] {
                let jwk = elliptic_curve(oid, &point).unwrap();
                let read = RecipientKey::from_jwk(jwk.as_bytes(), None).unwrap();
                assert_eq!(read.kid(), key.recipient().kid());
            }
            assert_eq!(elliptic_curve(oid, &bare[1..]), None);
            assert_eq!(elliptic_curve(oid, &[]), None);
            assert_eq!(elliptic_curve(&oid[1..], bare), None);
        }
    }

    #[test]
    fn numbers_are_read_with_leading_zeros() {
        let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
        let jwk = key.recipient().to_jwk();
        let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        for modulus in [n.clone(), [vec![0, 0], n].concat()] {
            let read =
                RecipientKey::from_jwk(rsa(&modulus, &[0, 1, 0, 1]).as_bytes(), None).unwrap();
            assert_eq!(read.kid(), key.recipient().kid());
        }
    }
}
