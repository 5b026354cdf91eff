//! From the answers of Google Cloud KMS to categories: the table in `docs/key-services.md`, as code.

use std::borrow::Cow;
use std::time::Duration;

use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::{Code, StatusDetails};

use crate::error::{Category, UnwrapError};
use crate::service::remote::ServiceMessage;

/// The longest `Retry-After` that is passed on.
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
    let (category, what) = classify(error);
    let explained =
        UnwrapError::new(category, format!("{what} key {key}")).with_source(source(error));
    match retry_after(error) {
        Some(wait) if category == Category::Unavailable => explained.with_retry_after(wait),
        _ => explained,
    }
}

/// The category, and the message up to the key.
fn classify(error: &Error) -> (Category, Cow<'static, str>) {
    const UNREACHABLE: &str = "Google Cloud KMS could not be reached for";
    let words = |(category, words): (Category, &'static str)| (category, Cow::Borrowed(words));
    if let Some(status) = error.status() {
        return words(classify_code(status.code));
    }
    if error.is_authentication() {
        return words(classify_authentication(error));
    }
    // A proxy or a load balancer answered instead of the service. It has no say in what we may do.
    match error.http_status_code() {
        Some(408 | 429 | 500..) => words((Category::Unavailable, UNREACHABLE)),
        Some(status) => (
            Category::Misconfigured,
            format!("an intermediary answered instead of Google Cloud KMS (HTTP {status}) for")
                .into(),
        ),
        None if error.is_binding() || error.is_serialization() => words((
            Category::Misconfigured,
            "the request to Google Cloud KMS could not be made for",
        )),
        None => words((Category::Unavailable, UNREACHABLE)),
    }
}

/// <https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions>
/// lists these; <https://cloud.google.com/apis/design/errors> explains them.
fn classify_code(code: Code) -> (Category, &'static str) {
    match code {
        Code::PermissionDenied => (Category::Denied, "Google Cloud KMS denied the use of"),
        Code::NotFound => (Category::UnknownKey, "Google Cloud KMS does not have"),
        // The version is disabled or destroyed and must not be used any more, so its cached content keys are dropped, too.
        Code::FailedPrecondition => (
            Category::Denied,
            "Google Cloud KMS has disabled or destroyed",
        ),
        Code::AlreadyExists | Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => (
            Category::Misconfigured,
            "Google Cloud KMS rejected the request for",
        ),
        // The token may have just expired; the next attempt has a new one.
        Code::Unauthenticated => (
            Category::Unavailable,
            "Google Cloud KMS did not accept the access token for",
        ),
        Code::ResourceExhausted => (
            Category::Unavailable,
            "the quota of Google Cloud KMS is used up for",
        ),
        Code::Aborted
        | Code::Cancelled
        | Code::DataLoss
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Ok
        | Code::Unavailable
        | Code::Unknown => (
            Category::Unavailable,
            "Google Cloud KMS is not available for",
        ),
        // Google may add codes; an unknown one is not taken for final.
        _ => (
            Category::Unavailable,
            "Google Cloud KMS returned an unknown status for",
        ),
    }
}

fn classify_authentication(error: &Error) -> (Category, &'static str) {
    use google_cloud_gax::error::CredentialsError;
    let source = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<CredentialsError>());
    match source {
        Some(source) if !source.is_transient() => (
            Category::Misconfigured,
            "no credentials for Google Cloud KMS are configured for",
        ),
        _ => (
            Category::Unavailable,
            "no access token could be fetched to ask Google Cloud KMS for",
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

/// Only the status: the text of other errors could quote an answer.
fn source(error: &Error) -> ServiceMessage {
    if let Some(status) = error.status() {
        return ServiceMessage::new(status.code.name(), &status.message);
    }
    if let Some(code) = error.http_status_code() {
        return ServiceMessage::new(format_args!("HTTP {code}"), "");
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
    ServiceMessage::new(kind, "")
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
    fn an_answer_of_an_intermediary_denies_nothing() {
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
