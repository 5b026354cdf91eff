//! What a key service can unwrap, and whether a request fits the key that it is meant for.

use jwe_envelope::{Curve, EphemeralKey, KeyManagement, RecipientKey, UnwrapRequest};

use crate::error::{Category, UnwrapError};
use crate::key_uri::KeyUri;
use crate::service::connect_error::ConnectError;

/// The algorithms that a key service supports, with its own names for them.
#[allow(dead_code, reason = "not every build has a key service")]
pub(crate) struct SupportedAlgorithms<T: 'static> {
    /// The section of the configuration.
    pub(crate) service: &'static str,
    /// The paddings that it decrypts, with its own names for them.
    pub(crate) decrypts: &'static [(KeyManagement, T)],
    /// The curves that it agrees on.
    pub(crate) agrees_on: &'static [Curve],
}

#[allow(dead_code, reason = "not every build has a key service")]
impl<T> SupportedAlgorithms<T> {
    /// The service's name for the padding that the key is pinned to; `None` for key agreement.
    ///
    /// # Errors
    /// The service does not support such a key.
    pub(crate) fn native_name(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Option<&'static T>, ConnectError> {
        let algorithm = recipient.algorithm();
        let wanted = match recipient.curve() {
            Some(curve) if self.agrees_on.contains(&curve) => return Ok(None),
            Some(curve) => format!("{algorithm} on {curve}"),
            None => match self.decrypts.iter().find(|(known, _)| *known == algorithm) {
                Some((_, name)) => return Ok(Some(name)),
                None => algorithm.to_string(),
            },
        };
        let message = format!(
            "{uri} does not support {wanted}; the service supports {}",
            self.describe()
        );
        Err(ConnectError::settings(self.service, message))
    }

    fn describe(&self) -> String {
        let listed = |names: Vec<String>| names.join(", ");
        let paddings = self.decrypts.iter().map(|(known, _)| known.to_string());
        let mut text = listed(paddings.collect());
        if !self.agrees_on.is_empty() {
            let curves = self.agrees_on.iter().map(ToString::to_string);
            text = format!("{text}, and ECDH-ES on {}", listed(curves.collect()));
        }
        text
    }
}

/// A request that fits the key it is meant for.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "not every build has a service that agrees")]
pub(crate) enum CheckedRequest<'r> {
    /// Decrypt these bytes, as long as the key's modulus, with the padding that the key is pinned to.
    Decrypt(&'r [u8]),
    /// Agree with this point, which is on the key's curve.
    Agree(&'r EphemeralKey),
}

/// Checks a request against the public key before it costs a call: kind, padding, length, curve.
#[allow(dead_code, reason = "not every build has a key service")]
pub(crate) fn check_request<'r>(
    request: &UnwrapRequest<'r>,
    recipient: &RecipientKey,
) -> Result<CheckedRequest<'r>, UnwrapError> {
    let misconfigured = |message| Err(UnwrapError::new(Category::Misconfigured, message));
    match *request {
        UnwrapRequest::Decrypt {
            padding,
            ciphertext,
        } => {
            let Some(length) = recipient.modulus_len() else {
                return misconfigured("an EC key cannot decrypt; it only does key agreement");
            };
            if recipient.algorithm().oaep_hash() != Some(padding) {
                return misconfigured("the key is pinned to a different padding");
            }
            if ciphertext.len() != length {
                return Err(UnwrapError::new(
                    Category::Rejected,
                    "the wrapped content key is not as long as the modulus of the key",
                ));
            }
            Ok(CheckedRequest::Decrypt(ciphertext))
        }
        UnwrapRequest::Agree { ephemeral } => match recipient.curve() {
            None => misconfigured("an RSA key cannot agree; it only decrypts"),
            Some(curve) if curve != ephemeral.curve() => {
                misconfigured("the ephemeral public key is on a different curve")
            }
            Some(_) => Ok(CheckedRequest::Agree(ephemeral)),
        },
        _ => misconfigured("this client does not support this kind of unwrap request"),
    }
}

#[cfg(test)]
mod tests {
    use jwe_envelope::{KeyKind, LocalKey};

    use super::*;

    const SOME: SupportedAlgorithms<&str> = SupportedAlgorithms {
        service: "some",
        decrypts: &[
            (KeyManagement::RsaOaep256, "OAEP_256"),
            (KeyManagement::RsaOaep, "OAEP"),
        ],
        agrees_on: &[Curve::P256],
    };

    #[test]
    fn the_error_for_an_unsupported_key_lists_what_is_supported() {
        let uri: KeyUri = "file:/keys/payments.pem".parse().unwrap();
        let key = |kind| LocalKey::generate(kind).unwrap().recipient().clone();
        let rsa = key(KeyKind::Rsa(2048));
        assert_eq!(SOME.native_name(&uri, &rsa).unwrap(), Some(&"OAEP_256"));
        let sha_1 = rsa.pinned_to(KeyManagement::RsaOaep).unwrap();
        assert_eq!(SOME.native_name(&uri, &sha_1).unwrap(), Some(&"OAEP"));
        assert_eq!(
            SOME.native_name(&uri, &key(KeyKind::Ec(Curve::P256)))
                .unwrap(),
            None
        );
        let can = "the service supports RSA-OAEP-256, RSA-OAEP, and ECDH-ES on P-256";
        for (other, what) in [
            (
                rsa.pinned_to(KeyManagement::RsaOaep384).unwrap(),
                "does not support RSA-OAEP-384;",
            ),
            (
                key(KeyKind::Ec(Curve::P384)),
                "does not support ECDH-ES+A256KW on P-384;",
            ),
        ] {
            let error = SOME.native_name(&uri, &other).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(can), "{error}");
        }
    }
}
