//! From the answers of Azure Key Vault to categories: the table in `docs/key-services.md`, as code.

use std::error::Error as _;
use std::time::Duration;

use azure_core::error::{ErrorKind, ErrorResponse};
use azure_core::http::StatusCode;

use crate::error::{Category, UnwrapError};
use crate::service::connect_error::ConnectError;
use crate::service::remote::ServiceMessage;

/// The longest `Retry-After` that is passed on.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// An error answer of the vault, parsed.
struct ErrorAnswer {
    status: u16,
    code: String,
    inner: String,
    message: String,
    retry_after: Option<Duration>,
}

/// A failed unwrap: here a bad parameter is the wrapped key, since the rest of the call is ours and checked.
pub(super) fn explain_unwrap(key: &str, error: &azure_core::Error) -> UnwrapError {
    if let Some(answer) = ErrorAnswer::of(error)
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
    let Some(answer) = ErrorAnswer::of(error) else {
        return unanswered(key, error);
    };
    let (category, what) = answer.classify();
    let explained =
        UnwrapError::new(category, format!("{what} key {key}")).with_source(answer.words());
    match answer.retry_after {
        Some(wait) if category == Category::Unavailable => explained.with_retry_after(wait),
        _ => explained,
    }
}

impl ErrorAnswer {
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
        // From the body only: without one, the library puts the reason phrase of the status here.
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
    fn classify(&self) -> (Category, &'static str) {
        // The vault's own errors have a code. Without one, an intermediary has answered, which has no say in what we may do.
        let ours = !self.code.is_empty();
        match (self.status, self.inner.as_str()) {
            // The operation is not among the key's operations; the key manager has to add it.
            (403, "KeyOperationForbidden") => (
                Category::Misconfigured,
                "Azure Key Vault does not permit `unwrapKey` with",
            ),
            // Disabled and expired keys are reported like this, too; they must not be used any more.
            (403, _) if ours => (Category::Denied, "Azure Key Vault denied the use of"),
            (404, _) if ours => (Category::UnknownKey, "Azure Key Vault does not have"),
            // The token may have just expired; the next attempt has a new one.
            (401, _) => (
                Category::Unavailable,
                "Azure Key Vault did not accept the access token for",
            ),
            (408 | 429, _) => (
                Category::Unavailable,
                "Azure Key Vault is throttling calls for",
            ),
            (500.., _) => (
                Category::Unavailable,
                "Azure Key Vault is not available for",
            ),
            (400..=499, _) if ours => (
                Category::Misconfigured,
                "Azure Key Vault rejected the request for",
            ),
            _ => (
                Category::Misconfigured,
                "an intermediary answered instead of Azure Key Vault for",
            ),
        }
    }

    fn words(&self) -> ServiceMessage {
        let code = [self.code.as_str(), self.inner.as_str()].join(" ");
        ServiceMessage::new(
            format_args!("HTTP {} {}", self.status, code.trim()),
            &self.message,
        )
    }
}

/// The vault did not answer. The text of such errors could quote an answer, so only the kind is kept.
fn unanswered(key: &str, error: &azure_core::Error) -> UnwrapError {
    let (category, what) = match error.kind() {
        ErrorKind::Connection | ErrorKind::Io => (
            Category::Unavailable,
            "Azure Key Vault could not be reached for",
        ),
        ErrorKind::Credential if is_final(error) => (
            Category::Misconfigured,
            "no credentials for Azure Key Vault are configured for",
        ),
        ErrorKind::Credential => (
            Category::Unavailable,
            "no access token could be fetched to ask Azure Key Vault for",
        ),
        ErrorKind::DataConversion => (
            Category::Unavailable,
            "Azure Key Vault sent an unreadable answer about",
        ),
        ErrorKind::HttpResponse { .. } => (
            Category::Unavailable,
            "Azure Key Vault is not available for",
        ),
        // Our own transport's refusal, a challenge for another domain.
        ErrorKind::Other => (
            Category::Misconfigured,
            "Azure Key Vault redirects to another host or domain for",
        ),
    };
    UnwrapError::new(category, format!("{what} key {key}"))
        .with_source(ServiceMessage::new(error.kind(), ""))
}

/// Whether the token service rejected this identity for good: it answered, and did not ask to try again later.
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

/// What the client library says against our settings.
pub(super) fn unusable(error: &azure_core::Error) -> ConnectError {
    ConnectError::settings("azure", error.to_string())
}
