//! From AWS' answers to categories: the table in `docs/key-services.md`, as code.

use std::error::Error;

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Category, UnwrapError};

/// What an error means, by its code. AWS sends most of them as HTTP 400, throttling included; the status counts only where the
/// code is unknown.
pub(super) fn category(code: &str, status: u16) -> Category {
    match code {
        "AccessDeniedException"
        // A disabled key must not open anything from now on.
        | "DisabledException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "KMSAccessDeniedException"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Category::Denied,
        "DryRunOperationException"
        | "InvalidArnException"
        | "InvalidGrantTokenException"
        | "InvalidKeyUsageException"
        | "KMSInvalidStateException"
        | "SerializationException"
        | "UnknownOperationException"
        | "UnsupportedOperationException"
        | "ValidationException" => Category::Misconfigured,
        "IncorrectKeyException" | "InvalidCiphertextException" => Category::Rejected,
        "DependencyTimeoutException"
        | "ExpiredTokenException"
        | "InternalFailure"
        | "KMSInternalException"
        | "KeyUnavailableException"
        | "LimitExceededException"
        | "RequestExpired"
        | "RequestLimitExceeded"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException" => Category::Unavailable,
        "NotFoundException" => Category::UnknownKey,
        _ => match status {
            401 | 403 => Category::Denied,
            404 => Category::UnknownKey,
            // A success that cannot be read: a proxy's page.
            200..=299 | 408 | 429 | 500.. => Category::Unavailable,
            _ => Category::Misconfigured,
        },
    }
}

/// The error of a call that did not succeed.
pub(super) fn failed<E>(error: &SdkError<E, HttpResponse>, what: &str) -> UnwrapError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (category, reason) = match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().unwrap_or_default();
            let category = category(code, status);
            // Only the code: the message may quote the request.
            (
                category,
                format!("status {status}, {:?}", crate::key_uri::cut(code)),
            )
        }
        SdkError::TimeoutError(_) => (Category::Unavailable, "no answer in time".to_owned()),
        SdkError::ResponseError(_) => (
            Category::Unavailable,
            "an answer that cannot be read".to_owned(),
        ),
        other => identity_or_network(other),
    };
    let words = match category {
        Category::Denied => format!("AWS KMS denied the use of {what}"),
        Category::Misconfigured => format!("AWS KMS cannot serve {what} as it is configured"),
        Category::Rejected => format!("AWS KMS rejected the wrapped content key for {what}"),
        Category::Unavailable => format!("AWS KMS is not available for {what}"),
        Category::UnknownKey => format!("AWS KMS does not have key {what}"),
    };
    UnwrapError::new(category, words).with_source(Reason(reason))
}

/// Before anything reached KMS: no connection, or no credentials.
fn identity_or_network(error: &(dyn Error + 'static)) -> (Category, String) {
    let mut reasons = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        reasons.push(error.to_string());
        cause = error.source();
    }
    let says = |word: &str| reasons.iter().any(|reason| reason.contains(word));
    let category = if says("AccessDenied") || says("InvalidIdentityToken") {
        Category::Denied
    } else if says("provider was not enabled") || says("not properly configured") {
        Category::Misconfigured
    } else {
        Category::Unavailable
    };
    let last = reasons.last().map_or("unknown", String::as_str);
    (category, crate::key_uri::cut(last))
}

/// An answer about something else than was requested.
pub(super) fn other(what: &str, which: &str) -> UnwrapError {
    UnwrapError::new(
        Category::Misconfigured,
        format!("AWS KMS answered with a different {which} than was requested for {what}"),
    )
}

/// For the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);
