//! How PKCS#11 tokens are reached.

use std::path::PathBuf;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::CallLimits;

/// How PKCS#11 tokens are reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pkcs11Options {
    /// How much may be asked of all tokens.
    pub limits: CallLimits,
    /// The modules that may be loaded. Empty: the one that a reference names. A reference that names none means the first.
    pub modules: Vec<PathBuf>,
    /// How many sessions a key has, each with a thread of its own; by default one for each core, at most eight.
    pub sessions: Option<usize>,
}

impl Pkcs11Options {
    /// What the environment says: nothing. A variable must not choose code that runs in this process.
    ///
    /// # Errors
    /// None.
    #[allow(clippy::unnecessary_wraps, reason = "as for the other services")]
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self::default())
    }
}

pub(super) fn settings(message: String) -> ConnectError {
    ConnectError::settings("pkcs11", message)
}
