//! How KMS plugins are reached. There is no identity to choose: access to the socket is the right to ask.

use crate::service::key_service::CallLimits;

/// How KMS plugins are reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PluginOptions {
    /// How much may be asked of all plugins.
    pub limits: CallLimits,
}
