//! Why a plugin failed, and what that means for an unwrap.

use std::path::PathBuf;

use jwe_envelope::KeyError;
use tonic::{Code, Status};

use super::wrapped::WrappedKeyError;
use crate::error::{Category, UnwrapError};
use crate::service::remote::ServiceMessage;

/// Why a plugin failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// It speaks another version of the protocol.
    #[error("the plugin speaks version {0:?} of the protocol, not v2")]
    OtherVersion(String),
    /// The private key to wrap is not usable.
    #[error("the private key cannot be used")]
    Key(#[from] KeyError),
    /// It did not answer in time.
    #[error("the plugin did not answer in time")]
    Late,
    /// The socket belongs to another user.
    #[error("the socket {path:?} belongs to user {owner}, who would learn the key")]
    OtherOwner {
        /// The socket.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It answered with an error, or could not be reached.
    #[error("the plugin rejected the request")]
    Refused(#[source] PluginStatus),
    /// It says that it is not healthy.
    #[error("the plugin reports that it is not healthy")]
    Unhealthy,
    /// The file cannot be made or opened.
    #[error(transparent)]
    Wrapped(#[from] WrappedKeyError),
}

/// A gRPC status, cut short.
#[derive(Debug)]
pub struct PluginStatus {
    code: Code,
    words: ServiceMessage,
}

impl std::fmt::Display for PluginStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.words.fmt(f)
    }
}

impl std::error::Error for PluginStatus {}

impl From<Status> for PluginError {
    fn from(status: Status) -> Self {
        Self::Refused(PluginStatus {
            code: status.code(),
            words: ServiceMessage::new(format_args!("{:?}", status.code()), status.message()),
        })
    }
}

impl PluginError {
    /// What it means for an unwrap.
    pub fn category(&self) -> Category {
        match self {
            Self::Key(_) | Self::OtherOwner { .. } | Self::OtherVersion(_) | Self::Wrapped(_) => {
                Category::Misconfigured
            }
            Self::Late | Self::Unhealthy => Category::Unavailable,
            Self::Refused(status) => classify(status.code),
        }
    }
}

/// <https://grpc.io/docs/guides/status-codes>
fn classify(code: Code) -> Category {
    match code {
        Code::PermissionDenied | Code::Unauthenticated => Category::Denied,
        Code::NotFound => Category::UnknownKey,
        // Another key, a damaged file, another protocol: for a person to fix.
        Code::AlreadyExists
        | Code::DataLoss
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::OutOfRange
        | Code::Unimplemented => Category::Misconfigured,
        // Most plugins answer `Unknown` for any error of their KMS.
        Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Ok
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Unknown => Category::Unavailable,
    }
}

impl PluginError {
    pub(super) fn explain(self, reference: &str) -> UnwrapError {
        let category: Category = self.category();
        UnwrapError::new(
            category,
            format!("the KMS plugin of {reference} did not unwrap its key"),
        )
        .with_source(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::tables;

    /// The rows of docs/key-services.md.
    #[test]
    fn each_status_has_its_category() {
        let codes: Vec<_> = (0..17).map(Code::from_i32).collect();
        for row in tables::rows("kms-plugin") {
            let code = codes
                .iter()
                .find(|code| format!("{code:?}") == row.code)
                .unwrap_or_else(|| panic!("{}", row.code));
            let error = PluginError::from(Status::new(*code, "their words"));
            assert_eq!(
                error.category().as_str(),
                row.category.as_str(),
                "{}",
                row.code
            );
            let retried = error.category() == Category::Unavailable;
            assert_eq!(retried, row.retried, "{}", row.code);
        }
    }

    #[test]
    fn a_refusal_speaks_in_its_source_alone() {
        let error = PluginError::from(Status::internal("their words"));
        assert_eq!(error.to_string(), "the plugin rejected the request");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "Internal: \"their words\"");
    }
}
