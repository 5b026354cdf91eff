//! What Google Cloud KMS's answers mean for us.

use std::time::Duration;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::{Code, StatusDetails};

use crate::error::{Category, UnwrapError};
use crate::remote::Words;

/// More patience than this is asked of nobody.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// A failed decryption: here a bad argument is the wrapped key, since the rest of the call is ours and checked.
pub(super) fn explain_decrypt(key: &str, error: &Error) -> UnwrapError {
    if error.status().map(|status| status.code) == Some(Code::InvalidArgument) {
        let message = format!("key {key} rejects the wrapped content key");
        return UnwrapError::new(Category::Rejected, message).with_source(source(error));
    }
    explain(key, error)
}

/// Any other failed call.
pub(super) fn explain(key: &str, error: &Error) -> UnwrapError {
    let (category, what) = judge(error);
    let explained = UnwrapError::new(category, format!("Google Cloud KMS {what} key {key}"))
        .with_source(source(error));
    match retry_after(error) {
        Some(wait) if category == Category::Unavailable => explained.with_retry_after(wait),
        _ => explained,
    }
}

fn judge(error: &Error) -> (Category, &'static str) {
    if let Some(status) = error.status() {
        return judge_code(status.code);
    }
    if error.is_authentication() {
        return judge_authentication(error);
    }
    // An answer, but none of the service's: a proxy's, a load balancer's. It has no say in what we may do.
    match error.http_status_code() {
        Some(408 | 429 | 500..) => (Category::Unavailable, "cannot be reached for"),
        Some(_) => (
            Category::Misconfigured,
            "is hidden by something that answers in its place for",
        ),
        None if error.is_binding() || error.is_serialization() => {
            (Category::Misconfigured, "cannot be asked about")
        }
        None => (Category::Unavailable, "cannot be reached for"),
    }
}

/// <https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions>
/// speaks of these; <https://cloud.google.com/apis/design/errors> says what they mean.
fn judge_code(code: Code) -> (Category, &'static str) {
    match code {
        Code::PermissionDenied => (Category::Denied, "does not let us use"),
        Code::NotFound => (Category::UnknownKey, "has no"),
        // The version is disabled or destroyed: somebody wants no more of it, so content keys that we have go as well.
        Code::FailedPrecondition => (
            Category::Denied,
            "has disabled, destroyed or otherwise barred",
        ),
        Code::AlreadyExists | Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => (
            Category::Misconfigured,
            "does not understand our request about",
        ),
        // A token that ran out a moment ago is replaced by the next one.
        Code::Unauthenticated => (Category::Unavailable, "does not accept our token for"),
        Code::ResourceExhausted => (Category::Unavailable, "has no quota left for"),
        Code::Aborted
        | Code::Cancelled
        | Code::DataLoss
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Ok
        | Code::Unavailable
        | Code::Unknown => (Category::Unavailable, "has no answer now about"),
        // The list is Google's and may grow; what we do not know we do not take for final.
        _ => (Category::Unavailable, "says something new about"),
    }
}

fn judge_authentication(error: &Error) -> (Category, &'static str) {
    use google_cloud_gax::error::CredentialsError;
    let source = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<CredentialsError>());
    match source {
        Some(source) if !source.is_transient() => (
            Category::Misconfigured,
            "cannot be asked, for we have no identity, about",
        ),
        _ => (
            Category::Unavailable,
            "cannot be asked, for we have no token now, about",
        ),
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    let header = error
        .http_headers()
        .and_then(|headers| {
            headers
                .get("retry-after")?
                .to_str()
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .map(Duration::from_secs);
    let detail = || {
        error
            .status()?
            .details
            .iter()
            .find_map(|detail| match detail {
                StatusDetails::RetryInfo(info) => {
                    let delay = info.retry_delay.as_ref()?;
                    Some(Duration::from_secs(u64::try_from(delay.seconds()).ok()?))
                }
                _ => None,
            })
    };
    Some(header.or_else(detail)?.min(LONGEST_WAIT))
}

/// The status alone: the text of other errors could quote an answer.
fn source(error: &Error) -> Words {
    if let Some(status) = error.status() {
        return Words::new(status.code.name(), &status.message);
    }
    if let Some(code) = error.http_status_code() {
        return Words::new(format_args!("HTTP {code}"), "");
    }
    let kind = if error.is_authentication() {
        "authentication"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else if error.is_deserialization() {
        "unreadable answer"
    } else if error.is_io() {
        "connection lost"
    } else {
        "transport"
    };
    Words::new(kind, "")
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Status;

    use super::*;

    fn status(code: Code) -> Error {
        Error::service(Status::default().set_code(code).set_message("their words"))
    }

    #[test]
    fn every_code_has_its_category() {
        use Category::{Denied, Misconfigured, Unavailable, UnknownKey};
        for (code, category) in [
            (Code::Aborted, Unavailable),
            (Code::AlreadyExists, Misconfigured),
            (Code::Cancelled, Unavailable),
            (Code::DataLoss, Unavailable),
            (Code::DeadlineExceeded, Unavailable),
            (Code::FailedPrecondition, Denied),
            (Code::Internal, Unavailable),
            (Code::InvalidArgument, Misconfigured),
            (Code::NotFound, UnknownKey),
            (Code::Ok, Unavailable),
            (Code::OutOfRange, Misconfigured),
            (Code::PermissionDenied, Denied),
            (Code::ResourceExhausted, Unavailable),
            (Code::Unauthenticated, Unavailable),
            (Code::Unavailable, Unavailable),
            (Code::Unimplemented, Misconfigured),
            (Code::Unknown, Unavailable),
        ] {
            assert_eq!(explain("k", &status(code)).category(), category, "{code:?}");
        }
    }

    #[test]
    fn a_bad_argument_is_the_wrapped_key_only_when_one_was_sent() {
        let bad = status(Code::InvalidArgument);
        assert_eq!(explain_decrypt("k", &bad).category(), Category::Rejected);
        assert_eq!(explain("k", &bad).category(), Category::Misconfigured);
    }

    #[test]
    fn an_answer_of_somebody_in_between_denies_nothing() {
        let http = |code| Error::http(code, http::HeaderMap::new(), Vec::new().into());
        for (code, category) in [
            (403, Category::Misconfigured),
            (404, Category::Misconfigured),
            (429, Category::Unavailable),
            (502, Category::Unavailable),
        ] {
            assert_eq!(explain("k", &http(code)).category(), category, "{code}");
        }
    }
}
