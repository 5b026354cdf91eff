//! The sender's half of an agreement: the `epk` header member, RFC 7518 §4.6.1.1.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::algorithm::Curve;
use crate::base64url;
use crate::error::{KeyError, RefusedError};
use crate::public_key::{coordinates, is_on_curve, spki_of_point};

/// The sender's half of an ECDH-ES agreement: a valid point of its curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralKey {
    curve: Curve,
    public: Vec<u8>,
}

#[derive(Deserialize)]
struct Epk<'a> {
    #[serde(borrow)]
    kty: Option<Cow<'a, str>>,
    crv: Option<Cow<'a, str>>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
    d: Option<&'a RawValue>,
}

impl EphemeralKey {
    /// An uncompressed SEC 1 point of `curve`, or the 32 bytes of X25519.
    ///
    /// # Errors
    /// [`KeyError::InvalidPoint`] when the bytes are none.
    pub fn new(curve: Curve, public: &[u8]) -> Result<Self, KeyError> {
        if !is_on_curve(curve, public) {
            return Err(KeyError::InvalidPoint(curve));
        }
        Ok(Self {
            curve,
            public: public.to_vec(),
        })
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// Uncompressed SEC 1 point, or the 32 bytes of X25519.
    pub fn as_bytes(&self) -> &[u8] {
        &self.public
    }

    /// SubjectPublicKeyInfo, as key services want it.
    pub fn to_spki_der(&self) -> Vec<u8> {
        spki_of_point(self.curve, &self.public)
    }

    /// Reads `epk` for a key on `curve`.
    pub(crate) fn from_epk(json: Option<&str>, curve: Curve) -> Result<Self, RefusedError> {
        let refused = |why| RefusedError::BadEphemeral { why };
        let json = json.ok_or(refused("it is missing"))?;
        let epk: Epk<'_> =
            serde_json::from_str(json).map_err(|_| refused("it is not a JSON Web Key"))?;
        if epk.d.is_some() {
            return Err(refused("it carries a private key"));
        }
        let kty = if curve == Curve::X25519 { "OKP" } else { "EC" };
        if epk.kty.as_deref() != Some(kty) || epk.crv.as_deref() != Some(curve.as_str()) {
            return Err(refused("it is not on the curve of the recipient's key"));
        }
        // Full-length coordinates, leading zeros included (RFC 7518 §6.2.1.2).
        let len = curve.coordinate_len();
        let mut public = Vec::with_capacity(1 + 2 * len);
        let members = if curve == Curve::X25519 {
            vec![epk.x]
        } else {
            public.push(4);
            vec![epk.x, epk.y]
        };
        for coordinate in members {
            let text = coordinate.ok_or(refused("it lacks a coordinate"))?;
            if base64url::decoded_len(text.len()) != len {
                return Err(refused(
                    "its coordinates do not have the length of the curve",
                ));
            }
            base64url::decode_into(&text, &mut public)
                .ok_or(refused("its coordinates are not base64url"))?;
        }
        Self::new(curve, &public).map_err(|_| refused("it is not a point of its curve"))
    }

    /// As the JWK that `epk` wants.
    pub(crate) fn to_jwk(&self) -> String {
        let curve = self.curve;
        match coordinates(curve, &self.public) {
            (x, Some(y)) => format!(
                r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#,
                base64url::encode(x),
                base64url::encode(y)
            ),
            (x, None) => format!(
                r#"{{"kty":"OKP","crv":"{curve}","x":"{}"}}"#,
                base64url::encode(x)
            ),
        }
    }
}
