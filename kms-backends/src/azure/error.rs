//! What Azure Key Vault's answers mean for us.

use std::error::Error as _;
use std::time::Duration;

use azure_core::error::{ErrorKind, ErrorResponse};
use azure_core::http::StatusCode;

use crate::error::{Category, UnwrapError};
use crate::remote::Words;

/// More patience than this is asked of nobody.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What the vault said, taken apart.
struct Answer {
    status: u16,
    code: String,
    inner: String,
    message: String,
    retry_after: Option<Duration>,
}

/// A failed unwrap: here a bad parameter is the wrapped key, since the rest of the call is ours and checked.
pub(super) fn explain_unwrap(key: &str, error: &azure_core::Error) -> UnwrapError {
    if let Some(answer) = Answer::of(error)
        && answer.status == 400
        && answer.inner.is_empty()
        && ["BadParameter", "InvalidParameter", "BadRequest"].contains(&answer.code.as_str())
    {
        let message = format!("key {key} rejects the wrapped content key");
        return UnwrapError::new(Category::Rejected, message).with_source(answer.words());
    }
    explain(key, error)
}

/// Any other failed call.
pub(super) fn explain(key: &str, error: &azure_core::Error) -> UnwrapError {
    let Some(answer) = Answer::of(error) else {
        return unanswered(key, error);
    };
    let (category, what) = answer.judge();
    let explained = UnwrapError::new(category, format!("Azure Key Vault {what} key {key}"))
        .with_source(answer.words());
    match answer.retry_after {
        Some(wait) if category == Category::Unavailable => explained.with_retry_after(wait),
        _ => explained,
    }
}

impl Answer {
    fn of(error: &azure_core::Error) -> Option<Self> {
        let ErrorKind::HttpResponse {
            status,
            raw_response,
            ..
        } = error.kind()
        else {
            return None;
        };
        let raw = raw_response.as_deref();
        let detail = raw
            .and_then(|raw| azure_core::json::from_json::<_, ErrorResponse>(raw.body()).ok())
            .and_then(|body| body.error);
        let retry_after = raw
            .and_then(|raw| raw.headers().get_optional_string(&"retry-after".into()))
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
        let inner = detail
            .as_ref()
            .and_then(|detail| detail.inner_error.as_ref()?.code.clone());
        let message = detail.as_ref().and_then(|detail| detail.message.clone());
        // Of the body alone: where there is none, the library puts the status's own words here.
        let code = detail.and_then(|detail| detail.code);
        Some(Self {
            status: (*status).into(),
            code: code.unwrap_or_default(),
            inner: inner.unwrap_or_default(),
            message: message.unwrap_or_default(),
            retry_after,
        })
    }

    /// <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes>
    fn judge(&self) -> (Category, &'static str) {
        // The vault's own errors have a code. Without one, somebody in between has answered, who has no say in what we
        // may do.
        let ours = !self.code.is_empty();
        match (self.status, self.inner.as_str()) {
            // The operation is not among the key's own; whoever made the key mends that.
            (403, "KeyOperationForbidden") => {
                (Category::Misconfigured, "has not made for unwrapping")
            }
            // Disabled and expired keys are here, too: somebody wants no more of them.
            (403, _) if ours => (Category::Denied, "does not let us use"),
            (404, _) if ours => (Category::UnknownKey, "has no"),
            // A token that ran out a moment ago is replaced by the next one.
            (401, _) => (Category::Unavailable, "does not accept our token for"),
            (408 | 429, _) => (Category::Unavailable, "has no room for calls with"),
            (500.., _) => (Category::Unavailable, "has no answer now about"),
            (400..=499, _) if ours => (
                Category::Misconfigured,
                "does not understand our request about",
            ),
            _ => (
                Category::Misconfigured,
                "is hidden by something that answers in its place for",
            ),
        }
    }

    fn words(&self) -> Words {
        let code = [self.code.as_str(), self.inner.as_str()].join(" ");
        Words::new(
            format_args!("HTTP {} {}", self.status, code.trim()),
            &self.message,
        )
    }
}

/// No answer of the vault's. The text of such errors could quote one, so only its kind goes on.
fn unanswered(key: &str, error: &azure_core::Error) -> UnwrapError {
    let (category, what) = match error.kind() {
        ErrorKind::Connection | ErrorKind::Io => (Category::Unavailable, "cannot be reached for"),
        ErrorKind::Credential if is_final(error) => (
            Category::Misconfigured,
            "cannot be asked, for we have no identity, about",
        ),
        ErrorKind::Credential => (
            Category::Unavailable,
            "cannot be asked, for we have no token now, about",
        ),
        ErrorKind::DataConversion => (Category::Unavailable, "gave no readable answer about"),
        ErrorKind::HttpResponse { .. } => (Category::Unavailable, "has no answer now about"),
        // Our own transport's refusal, a challenge for another domain.
        ErrorKind::Other => (Category::Misconfigured, "leads us elsewhere for"),
    };
    UnwrapError::new(category, format!("Azure Key Vault {what} key {key}"))
        .with_source(Words::new(error.kind(), ""))
}

/// Whether the token service said that this identity is none: it answered, and not with "later".
fn is_final(error: &azure_core::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(inner) = inner.downcast_ref::<azure_core::Error>()
            && let ErrorKind::HttpResponse { status, .. } = inner.kind()
        {
            return matches!(
                status,
                StatusCode::BadRequest
                    | StatusCode::Unauthorized
                    | StatusCode::Forbidden
                    | StatusCode::NotFound
            );
        }
        cause = inner.source();
    }
    false
}
