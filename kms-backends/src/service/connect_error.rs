//! Why a key reference cannot be used.

use crate::error::UnwrapError;

/// Why a key reference cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The file cannot be used.
    #[cfg(feature = "local")]
    #[error(transparent)]
    Local(#[from] crate::local::LocalFileError),
    /// Its backend was not compiled in.
    #[error("key reference {reference:?} is not supported by this build")]
    NotInThisBuild {
        /// As configured.
        reference: String,
    },
    /// The service has many versions of the key.
    #[error("key reference {0:?} names no version; add the version that belongs to the public key")]
    NoVersion(String),
    /// The private key belongs to another public key.
    #[error(
        "`{reference}` holds the private key of {held}, not of {expected}; \
         check which public key and which reference belong together"
    )]
    OtherKey {
        /// As configured.
        reference: String,
        /// Thumbprint of what is there.
        held: String,
        /// Thumbprint of what was configured.
        expected: String,
    },
    /// The service did not give its public key.
    #[error("the public key could not be fetched from the key service: {0}")]
    PublicKey(#[source] UnwrapError),
    /// The settings of a service are not usable.
    #[error("key service `{service}`: {message}")]
    Settings {
        /// `vault`, `aws`, …
        service: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl ConnectError {
    /// [`ConnectError::Settings`].
    #[allow(dead_code, reason = "not every build has a key service")]
    pub(crate) fn settings(service: &'static str, message: impl Into<String>) -> Self {
        Self::Settings {
            service,
            message: message.into(),
        }
    }
}
