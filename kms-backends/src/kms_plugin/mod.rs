//! Kubernetes KMS v2 plugins.

use std::sync::Arc;

use crate::connect::ConnectError;
use crate::service::{CallLimits, KeyService};

/// How the service is reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PluginOptions {
    /// How much may be asked of it.
    pub limits: CallLimits,
}

#[allow(clippy::unused_async, reason = "some clients log in here")]
pub(crate) async fn open(options: &PluginOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    let _ = options;
    Err(ConnectError::settings("kms-plugin", "is not in this build"))
}
