//! Azure Key Vault and Managed HSM.

use std::sync::Arc;

use crate::connect::ConnectError;
use crate::service::{CallLimits, KeyService};

/// How the service is reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AzureOptions {
    /// How much may be asked of it.
    pub limits: CallLimits,
}

impl AzureOptions {
    /// What the environment says.
    ///
    /// # Errors
    /// A variable that says nothing usable.
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self::default())
    }
}

#[allow(clippy::unused_async, reason = "some clients log in here")]
pub(crate) async fn open(options: &AzureOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    let _ = options;
    Err(ConnectError::settings("azure", "is not in this build"))
}
