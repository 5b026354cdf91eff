//! JSON Web Keys, RFC 7517: members read once, borrowed from the text, so that no secret is copied.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::algorithm::{Curve, KeyManagement};
use crate::error::KeyError;
use crate::public_key::PublicKey;
use crate::untrusted::cut;

/// Key files are small; what is longer is not a key.
pub(crate) const LONGEST: usize = 64 * 1024;

/// One JWK. Unknown members are ignored (RFC 7517 §4), known ones may not occur twice.
#[derive(Deserialize)]
pub(crate) struct Jwk<'a> {
    kty: Option<Cow<'a, str>>,
    #[serde(borrow)]
    crv: Option<Cow<'a, str>>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    // Private members. Borrowed without unescaping: an escape in one is refused rather than copied.
    #[serde(default, deserialize_with = "present")]
    d: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    p: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    q: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    dp: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    dq: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    qi: Option<&'a str>,
    k: Option<&'a RawValue>,
    oth: Option<&'a RawValue>,
    /// An alias of a local key. A public key is named by its thumbprint only.
    #[cfg_attr(
        not(feature = "local"),
        expect(dead_code, reason = "checked in any case")
    )]
    pub(crate) kid: Option<Cow<'a, str>>,
    alg: Option<Cow<'a, str>>,
    #[serde(rename = "use")]
    usage: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present")]
    key_ops: Option<Vec<Cow<'a, str>>>,
}

/// A JWK Set, RFC 7517 §5, its keys not yet looked at.
#[derive(Deserialize)]
pub(crate) struct JwkSet<'a> {
    #[serde(borrow)]
    pub(crate) keys: Vec<&'a RawValue>,
}

/// The `key_ops` of encryption, RFC 7517 §4.3.
const OURS: [&str; 6] = [
    "decrypt",
    "deriveBits",
    "deriveKey",
    "encrypt",
    "unwrapKey",
    "wrapKey",
];

impl<'a> Jwk<'a> {
    pub(crate) fn parse(json: &'a str) -> Result<Self, KeyError> {
        serde_json::from_str(json).map_err(|_| KeyError::Unreadable)
    }

    /// Whether any private member is there.
    pub(crate) fn is_private(&self) -> bool {
        [self.d, self.p, self.q, self.dp, self.dq, self.qi]
            .iter()
            .any(Option::is_some)
            || self.oth.is_some()
            || self.k.is_some()
    }

    /// `alg`, which must be one that we serve.
    pub(crate) fn algorithm(&self) -> Result<Option<KeyManagement>, KeyError> {
        Ok(self.alg.as_deref().map(str::parse).transpose()?)
    }

    /// The public half, checked; `use` and `key_ops` must allow encryption.
    pub(crate) fn public_key(&self) -> Result<PublicKey, KeyError> {
        self.check_usage()?;
        self.numbers()
    }

    /// A public key of Ed25519 (RFC 8037 §2), which signs and does nothing else; `None` for any other kind.
    pub(crate) fn ed25519(&self) -> Result<Option<[u8; 32]>, KeyError> {
        if (self.kty.as_deref(), self.crv.as_deref()) != (Some("OKP"), Some("Ed25519")) {
            return Ok(None);
        }
        let bytes = fixed("x", self.x, 32)?;
        Ok(bytes.as_slice().try_into().ok())
    }

    /// The public half, whatever it is for.
    pub(crate) fn numbers(&self) -> Result<PublicKey, KeyError> {
        match self.kty.as_deref() {
            Some("RSA") => PublicKey::rsa(&number("n", self.n)?, &number("e", self.e)?),
            Some("EC") => {
                let curve = match self.crv.as_deref() {
                    Some("P-256") => Curve::P256,
                    Some("P-384") => Curve::P384,
                    Some("P-521") => Curve::P521,
                    other => return Err(unsupported_curve(other)),
                };
                // Full length, leading zeros included (RFC 7518 §6.2.1.2).
                let mut point = vec![4];
                point.extend_from_slice(&fixed("x", self.x, curve.coordinate_len())?);
                point.extend_from_slice(&fixed("y", self.y, curve.coordinate_len())?);
                PublicKey::point(curve, &point)
            }
            Some("OKP") => match self.crv.as_deref() {
                Some("X25519") => PublicKey::point(Curve::X25519, &fixed("x", self.x, 32)?),
                other => Err(unsupported_curve(other)),
            },
            Some("oct") => Err(KeyError::UnsupportedKind("symmetric (oct)".to_owned())),
            Some(other) => Err(KeyError::UnsupportedKind(cut(other))),
            None => Err(KeyError::MissingMember("kty")),
        }
    }

    /// RFC 7517 §4.2 and §4.3. Members that are absent forbid nothing.
    fn check_usage(&self) -> Result<(), KeyError> {
        if self.usage.as_deref().is_some_and(|usage| usage != "enc") {
            return Err(KeyError::NotForEncryption("use"));
        }
        // Browsers export public keys for agreement with an empty list.
        if let Some(operations) = &self.key_ops
            && !operations.is_empty()
            && !operations.iter().any(|name| OURS.contains(&name.as_ref()))
        {
            return Err(KeyError::NotForEncryption("key_ops"));
        }
        Ok(())
    }

    /// `d` of an elliptic-curve key, full length.
    #[cfg(feature = "local")]
    pub(crate) fn private_scalar(&self, curve: Curve) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        fixed("d", self.d, curve.coordinate_len())
    }

    /// `d`, `p`, `q`, `dp`, `dq`, `qi` of an RSA key. The factors and CRT values must be there: they are what the
    /// provider computes with, and with only `d` it would have to factor the modulus first.
    #[cfg(feature = "local")]
    pub(crate) fn rsa_numbers(&self) -> Result<[Zeroizing<Vec<u8>>; 6], KeyError> {
        if self.oth.is_some() {
            return Err(KeyError::UnsupportedKind("multi-prime RSA".to_owned()));
        }
        Ok([
            number("d", self.d)?,
            number("p", self.p)?,
            number("q", self.q)?,
            number("dp", self.dp)?,
            number("dq", self.dq)?,
            number("qi", self.qi)?,
        ])
    }
}

/// For members that may be absent but not `null`.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

fn unsupported_curve(name: Option<&str>) -> KeyError {
    match name {
        Some(name) => KeyError::UnsupportedKind(cut(name)),
        None => KeyError::MissingMember("crv"),
    }
}

fn number(member: &'static str, text: Option<&str>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = text.ok_or(KeyError::MissingMember(member))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    URL_SAFE_NO_PAD
        .decode_vec(text, &mut bytes)
        .map_err(|_| KeyError::BadMember {
            member,
            why: "it is not base64url without padding",
        })?;
    Ok(bytes)
}

fn fixed(
    member: &'static str,
    text: Option<&str>,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = number(member, text)?;
    if bytes.len() != len {
        return Err(KeyError::BadMember {
            member,
            why: "its length is not that of the curve",
        });
    }
    Ok(bytes)
}
