//! The seam to key services: what each of them can do besides unwrapping.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{KeyManagement, RecipientKey};
use tokio::time::Instant;

use crate::error::UnwrapError;
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::KeyUri;
use crate::layer::Quota;
use crate::service::connect_error::ConnectError;

/// One key service, reached with one identity. All keys of a configuration that it holds share it: its connections,
/// its login, its quota.
#[async_trait]
pub trait KeyService: Debug + Send + Sync + 'static {
    /// The holder of the private key that `uri` names, whose public half is `recipient`. Does not ask the service:
    /// it may be down at this moment.
    ///
    /// # Errors
    /// The reference lacks a version, or the key cannot be served in this way.
    async fn unwrapper(
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
    reason = "not every build has a service that lists only names"
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
