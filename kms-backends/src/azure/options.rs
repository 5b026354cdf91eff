//! How Azure Key Vault is reached, and as whom.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::identity::{AzureIdentity, variable};
use crate::service::connect_error::ConnectError;
use crate::service::key_service::CallLimits;

/// How Azure Key Vault is reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AzureOptions {
    /// How much may be asked of each vault.
    pub limits: CallLimits,
    /// Where every vault is, instead of where its name leads: a private endpoint without a DNS zone of its own.
    pub address: Option<SocketAddr>,
    /// The authorities that vaults and the token service are verified with, PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Where tokens come from, `https://`, instead of `AZURE_AUTHORITY_HOST` or Azure's public cloud.
    pub authority_host: Option<String>,
    /// Who we are.
    pub identity: AzureIdentity,
}

impl AzureOptions {
    /// What the environment says, for people at a keyboard: the identity of a pod, a secret in a variable, or anyone
    /// who is logged in with `az`, in this order.
    ///
    /// # Errors
    /// None at present.
    #[allow(clippy::unnecessary_wraps, reason = "as for the other services")]
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self {
            identity: AzureIdentity::of_a_person(&variable),
            ..Self::default()
        })
    }

    /// What works but should be fixed: a long-lived credential, a shared identity.
    pub fn warnings(&self) -> Vec<String> {
        self.identity
            .warning()
            .map(str::to_owned)
            .into_iter()
            .collect()
    }
}
