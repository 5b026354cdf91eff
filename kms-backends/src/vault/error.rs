//! From Vault's answers to categories: the table in `docs/key-services.md`, as code.

use serde::Deserialize;

use super::transport::{TransportError, VaultResponse};
use crate::error::{Category, UnwrapError};

/// The operation that was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VaultOperation {
    Decrypt,
    Login,
    ReadKey,
    Renew,
}

/// What a status other than 2xx means. 403 to a decryption comes here only after a fresh login.
pub(super) fn category(operation: VaultOperation, status: u16, key_is_missing: bool) -> Category {
    match (operation, status) {
        // Transit answers "encryption key not found" with 400.
        (VaultOperation::Decrypt | VaultOperation::ReadKey, 400) if key_is_missing => {
            Category::UnknownKey
        }
        (VaultOperation::Decrypt | VaultOperation::ReadKey, 404) => Category::UnknownKey,
        // Wrong key, bad padding: Transit calls it an internal error. Any other category could be told apart from a bad
        // tag, and forged envelopes would be retried and open the breaker.
        (VaultOperation::Decrypt, 500) => Category::Rejected,
        (_, 401 | 403) => Category::Denied,
        // 307 and 308: a standby that does not forward. 412: a replica that has not caught up. 472, 473: standbys.
        (_, 300..=399 | 408 | 412 | 425 | 429 | 472 | 473 | 500..) => Category::Unavailable,
        // 400: version too new, too old, not a key that decrypts; 405: the engine is no Transit. A login's: no such role.
        (_, _) => Category::Misconfigured,
    }
}

/// The error of an answer with a status other than 2xx.
pub(super) fn status_error(
    operation: VaultOperation,
    answer: &VaultResponse,
    what: &str,
) -> UnwrapError {
    let missing = says(answer, "encryption key not found");
    let category = category(operation, answer.status, missing);
    let act = match (operation, category) {
        (VaultOperation::Login, _) => "the login to",
        (VaultOperation::ReadKey, _) => "the public key of",
        (VaultOperation::Decrypt | VaultOperation::Renew, _) => "",
    };
    let act = if act.is_empty() {
        String::new()
    } else {
        format!("{act} ")
    };
    let words = match category {
        Category::Denied => format!("Vault denied {act}{what}"),
        Category::Misconfigured => format!("Vault cannot serve {act}{what} as it is configured"),
        Category::Rejected => format!("Vault rejected the wrapped content key for {what}"),
        Category::Unavailable => format!("Vault is not available for {act}{what}"),
        Category::UnknownKey => format!("Vault does not have key {what}"),
    };
    let error = UnwrapError::new(category, words).with_source(VaultStatus {
        code: answer.status,
        errors: if category == Category::Rejected {
            String::new()
        } else {
            words_of(answer)
        },
    });
    match answer.retry_after {
        Some(wait) if category == Category::Unavailable => error.with_retry_after(wait),
        _ => error,
    }
}

/// The request or the answer failed on the way.
pub(super) fn transport_error(broken: TransportError, what: &str) -> UnwrapError {
    let (category, words) = match &broken {
        TransportError::Request => (
            Category::Misconfigured,
            "the request to Vault could not be made for",
        ),
        TransportError::TooLong => (Category::Unavailable, "the answer of Vault is too long for"),
        TransportError::Http(error) if error.is_timeout() => {
            (Category::Unavailable, "Vault did not answer in time for")
        }
        TransportError::Http(_) => (Category::Unavailable, "Vault could not be reached for"),
    };
    UnwrapError::new(category, format!("{words} {what}")).with_source(broken)
}

/// A success whose body is not what was requested: a proxy's page, another protocol.
pub(super) fn unexpected_answer(what: &str) -> UnwrapError {
    UnwrapError::new(
        Category::Unavailable,
        format!("unexpected answer from Vault for {what}"),
    )
}

/// For the log: Vault's own messages, which never quote the ciphertext.
#[derive(Debug, thiserror::Error)]
#[error("status {code}{errors}")]
struct VaultStatus {
    code: u16,
    errors: String,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

fn errors(answer: &VaultResponse) -> Vec<String> {
    serde_json::from_slice::<Errors>(&answer.body).map_or_else(|_| Vec::new(), |found| found.errors)
}

fn says(answer: &VaultResponse, words: &str) -> bool {
    errors(answer).iter().any(|error| error.contains(words))
}

fn words_of(answer: &VaultResponse) -> String {
    let words = errors(answer).join("; ");
    if words.is_empty() {
        words
    } else {
        format!(": {:?}", crate::key_uri::cut(&words))
    }
}
