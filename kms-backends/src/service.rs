//! The seam to key services: what each of them can do besides unwrapping.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{EphemeralKey, KeyManagement, RecipientKey, UnwrapRequest};
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
