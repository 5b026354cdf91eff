//! The seam to key services: what each of them can do besides unwrapping.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{Curve, EphemeralKey, KeyManagement, RecipientKey, UnwrapRequest};
use tokio::time::Instant;

use crate::connect::ConnectError;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::KeyUri;
use crate::layer::Quota;

/// One key service, reached with one identity. All keys of a configuration that it holds share it: its connections,
/// its login, its quota.
#[async_trait]
pub trait KeyService: Debug + Send + Sync + 'static {
    /// The holder of the private key that `uri` names, whose public half is `recipient`. Does not ask the service:
    /// it may be down at this moment.
    ///
    /// # Errors
    /// The reference lacks a version, or the key cannot be served in this way.
    async fn holder(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError>;

    /// Asks for the public key of a reference with its version. `algorithm` pins it; without, RSA keys are taken for
    /// RSA-OAEP-256 unless the service says otherwise.
    ///
    /// # Errors
    /// As an unwrap fails.
    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError>;

    /// Lists the versions that can decrypt, newest first. A reference that names its version, or whose service knows none,
    /// has one.
    ///
    /// # Errors
    /// As an unwrap fails.
    async fn versions(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<Vec<KeyVersion>, UnwrapError> {
        let recipient = self.public_key(uri, algorithm, deadline).await?;
        Ok(vec![KeyVersion {
            uri: uri.clone(),
            recipient,
        }])
    }
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// The reference, with the version.
    pub uri: KeyUri,
    /// Its public key.
    pub recipient: RecipientKey,
}

/// Asks `service` for the public key of each of `versions`, which it has listed.
#[allow(
    dead_code,
    reason = "not every build has a service that lists names alone"
)]
pub(crate) async fn with_public_keys(
    service: &impl KeyService,
    versions: impl IntoIterator<Item = KeyUri>,
    algorithm: Option<KeyManagement>,
    deadline: Instant,
) -> Result<Vec<KeyVersion>, UnwrapError> {
    let mut found = Vec::new();
    for uri in versions {
        let recipient = service.public_key(&uri, algorithm, deadline).await?;
        found.push(KeyVersion { uri, recipient });
    }
    Ok(found)
}

/// How much may be asked of a key service; part of the options of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How many calls it allows, over all keys.
    pub quota: Option<Quota>,
}

impl Default for CallLimits {
    /// Two seconds an attempt, 100 calls a second: far below what each service allows an account by default, and more
    /// than a cluster needs that shares one call among all values of a Secret.
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(2),
            quota: NonZeroU32::new(100).map(Quota::per_second),
        }
    }
}

/// What a key service unwraps, and what it calls each way.
#[allow(dead_code, reason = "not every build has a key service")]
pub(crate) struct Repertoire<T: 'static> {
    /// The section of the configuration.
    pub(crate) service: &'static str,
    /// The paddings that it decrypts, with its own names for them.
    pub(crate) decrypts: &'static [(KeyManagement, T)],
    /// The curves that it agrees on.
    pub(crate) agrees_on: &'static [Curve],
}

#[allow(dead_code, reason = "not every build has a key service")]
impl<T> Repertoire<T> {
    /// The service's name for what the key is pinned to; none where it agrees.
    ///
    /// # Errors
    /// The service can do nothing with such a key.
    pub(crate) fn way(
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
            "{uri} cannot serve {wanted}; the service unwraps {}",
            self.words()
        );
        Err(ConnectError::settings(self.service, message))
    }

    fn words(&self) -> String {
        let listed = |names: Vec<String>| names.join(", ");
        let paddings = self.decrypts.iter().map(|(known, _)| known.to_string());
        let mut words = listed(paddings.collect());
        if !self.agrees_on.is_empty() {
            let curves = self.agrees_on.iter().map(ToString::to_string);
            words = format!("{words}, and ECDH-ES on {}", listed(curves.collect()));
        }
        words
    }
}

/// A request that suits the key it is meant for.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "not every build has a service that agrees")]
pub(crate) enum Suited<'r> {
    /// Decrypt these bytes, as long as the key's modulus, with the padding that the key is pinned to.
    Decrypt(&'r [u8]),
    /// Agree with this point of the key's own curve.
    Agree(&'r EphemeralKey),
}

/// Holds a request to the public key before it costs a call: kind, padding, length, curve.
#[allow(dead_code, reason = "not every build has a key service")]
pub(crate) fn suited<'r>(
    request: &UnwrapRequest<'r>,
    recipient: &RecipientKey,
) -> Result<Suited<'r>, UnwrapError> {
    let misconfigured = |message| Err(UnwrapError::new(Category::Misconfigured, message));
    match *request {
        UnwrapRequest::Decrypt {
            padding,
            ciphertext,
        } => {
            let Some(length) = recipient.modulus_len() else {
                return misconfigured("an elliptic-curve key decrypts nothing");
            };
            if recipient.algorithm().oaep_hash() != Some(padding) {
                return misconfigured("the key is pinned to another padding");
            }
            if ciphertext.len() != length {
                return Err(UnwrapError::new(
                    Category::Rejected,
                    "the wrapped key has another length than the key's modulus",
                ));
            }
            Ok(Suited::Decrypt(ciphertext))
        }
        UnwrapRequest::Agree { ephemeral } => match recipient.curve() {
            None => misconfigured("an RSA key agrees on nothing"),
            Some(curve) if curve != ephemeral.curve() => {
                misconfigured("the sender's public key is on another curve")
            }
            Some(_) => Ok(Suited::Agree(ephemeral)),
        },
        _ => misconfigured("this kind of unwrap request is newer than the key service's client"),
    }
}

#[cfg(test)]
mod tests {
    use jwe_envelope::{KeyKind, LocalKey};

    use super::*;

    const SOME: Repertoire<&str> = Repertoire {
        service: "some",
        decrypts: &[
            (KeyManagement::RsaOaep256, "OAEP_256"),
            (KeyManagement::RsaOaep, "OAEP"),
        ],
        agrees_on: &[Curve::P256],
    };

    #[test]
    fn a_key_that_a_service_cannot_serve_is_told_what_it_can() {
        let uri: KeyUri = "file:/keys/payments.pem".parse().unwrap();
        let key = |kind| LocalKey::generate(kind).unwrap().recipient().clone();
        let rsa = key(KeyKind::Rsa(2048));
        assert_eq!(SOME.way(&uri, &rsa).unwrap(), Some(&"OAEP_256"));
        let sha_1 = rsa.pinned_to(KeyManagement::RsaOaep).unwrap();
        assert_eq!(SOME.way(&uri, &sha_1).unwrap(), Some(&"OAEP"));
        assert_eq!(
            SOME.way(&uri, &key(KeyKind::Ec(Curve::P256))).unwrap(),
            None
        );
        let can = "the service unwraps RSA-OAEP-256, RSA-OAEP, and ECDH-ES on P-256";
        for (other, what) in [
            (
                rsa.pinned_to(KeyManagement::RsaOaep384).unwrap(),
                "cannot serve RSA-OAEP-384;",
            ),
            (
                key(KeyKind::Ec(Curve::P384)),
                "cannot serve ECDH-ES+A256KW on P-384;",
            ),
        ] {
            let error = SOME.way(&uri, &other).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(can), "{error}");
        }
    }
}
