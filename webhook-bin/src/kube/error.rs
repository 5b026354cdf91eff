//! Why the API server did not answer, in our words: those of the libraries may quote answers.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::StatusCode;

use super::access::AccessError;

/// Why a question was not answered. Does not mention what was asked or answered.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There is no way to sign in or to trust.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No connection.
    #[error("the API server at {host} cannot be reached")]
    Connect {
        /// Where.
        host: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The connection broke.
    #[error("the connection to the API server broke: {0}")]
    Broken(String),
    /// The answer is longer than any that is asked for.
    #[error("the API server's answer is too long")]
    TooLong,
    /// It took too long.
    #[error("the API server did not answer in time")]
    Timeout,
    /// The API server refuses.
    #[error("the API server answers {0}")]
    Status(StatusCode),
    /// The answer is not what was asked for.
    #[error("the API server's answer cannot be read")]
    Unreadable,
}

impl From<kube_client::Error> for ApiError {
    fn from(error: kube_client::Error) -> Self {
        match error {
            // `Api` is a line of a watch that is no event: refusals never come so far, and any JSON passes for a `Status`.
            kube_client::Error::Api(_)
            | kube_client::Error::SerdeError(_)
            | kube_client::Error::FromUtf8(_) => Self::Unreadable,
            other => Self::beneath(&other),
        }
    }
}

impl ApiError {
    /// What one of our own layers said, under whatever the libraries have put around it.
    pub(super) fn beneath(error: &(dyn Error + 'static)) -> Self {
        let mut at = error;
        loop {
            if let Some(ours) = at.downcast_ref::<Self>() {
                return ours.clone();
            }
            // What an `io::Error` wraps is not among its sources.
            let wrapped = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            match wrapped
                .map(|wrapped| wrapped as &(dyn Error + 'static))
                .or_else(|| at.source())
            {
                Some(next) => at = next,
                None => return Self::Broken(at.to_string()),
            }
        }
    }
}
