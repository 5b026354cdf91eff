//! AWS KMS.

use std::sync::Arc;

use crate::connect::ConnectError;
use crate::service::{CallLimits, KeyService};

/// How the service is reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AwsOptions {
    /// How much may be asked of it.
    pub limits: CallLimits,
}

impl AwsOptions {
    /// What the environment says.
    ///
    /// # Errors
    /// A variable that says nothing usable.
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self::default())
    }
}

#[allow(clippy::unused_async, reason = "some clients log in here")]
pub(crate) async fn open(options: &AwsOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    let _ = options;
    Err(ConnectError::settings("aws", "is not in this build"))
}
