//! From Vault's answers to categories: the table in `docs/key-services.md`, as code.

use serde::Deserialize;

use super::transport::{Answer, Broken};
use crate::error::{Category, UnwrapError};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Decrypt,
    Login,
    ReadKey,
    Renew,
}

/// What a status other than 2xx means. 403 to a decryption comes here only after a fresh login.
pub(super) fn category(asked: Asked, status: u16, key_is_missing: bool) -> Category {
    match (asked, status) {
        // Transit answers "encryption key not found" with 400.
        (Asked::Decrypt | Asked::ReadKey, 400) if key_is_missing => Category::UnknownKey,
        (Asked::Decrypt | Asked::ReadKey, 404) => Category::UnknownKey,
        // Wrong key, bad padding: Transit calls it an internal error. Anything milder could be told apart from a bad tag,
        // and whoever sends made-up envelopes could have them retried and open the breaker.
        (Asked::Decrypt, 500) => Category::Rejected,
        (_, 401 | 403) => Category::Denied,
        // 307 and 308: a standby that does not forward. 412: a replica that has not caught up. 472, 473: standbys.
        (_, 300..=399 | 408 | 412 | 425 | 429 | 472 | 473 | 500..) => Category::Unavailable,
        // 400: version too new, too old, not a key that decrypts; 405: the engine is no Transit. A login's: no such role.
        (_, _) => Category::Misconfigured,
    }
}

/// The error of an answer that is no success.
pub(super) fn failed(asked: Asked, answer: &Answer, what: &str) -> UnwrapError {
    let missing = says(answer, "encryption key not found");
    let category = category(asked, answer.status, missing);
    let act = match (asked, category) {
        (Asked::Login, _) => "the login to",
        (Asked::ReadKey, _) => "the public key of",
        (Asked::Decrypt | Asked::Renew, _) => "",
    };
    let act = if act.is_empty() {
        String::new()
    } else {
        format!("{act} ")
    };
    let words = match category {
        Category::Denied => format!("vault denied {act}{what}"),
        Category::Misconfigured => format!("vault cannot serve {act}{what} as it is configured"),
        Category::Rejected => format!("vault refused the wrapped key for {what}"),
        Category::Unavailable => format!("vault is not available for {act}{what}"),
        Category::UnknownKey => format!("vault has no key {what}"),
    };
    let error = UnwrapError::new(category, words).with_source(Status {
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

/// Nothing usable came back.
pub(super) fn broken(broken: Broken, what: &str) -> UnwrapError {
    let (category, words) = match &broken {
        Broken::Request => (Category::Misconfigured, "vault cannot be asked for"),
        Broken::TooLong => (Category::Unavailable, "vault answered too much for"),
        Broken::Http(error) if error.is_timeout() => {
            (Category::Unavailable, "vault did not answer in time for")
        }
        Broken::Http(_) => (Category::Unavailable, "vault cannot be reached for"),
    };
    UnwrapError::new(category, format!("{words} {what}")).with_source(broken)
}

/// A success that is not what was asked for: a proxy's page, another protocol.
pub(super) fn garbled(what: &str) -> UnwrapError {
    UnwrapError::new(
        Category::Unavailable,
        format!("vault answered something else than was asked for {what}"),
    )
}

/// For the log: Vault's own words, which never quote the ciphertext.
#[derive(Debug, thiserror::Error)]
#[error("status {code}{errors}")]
struct Status {
    code: u16,
    errors: String,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

fn errors(answer: &Answer) -> Vec<String> {
    serde_json::from_slice::<Errors>(&answer.body).map_or_else(|_| Vec::new(), |found| found.errors)
}

fn says(answer: &Answer, words: &str) -> bool {
    errors(answer).iter().any(|error| error.contains(words))
}

fn words_of(answer: &Answer) -> String {
    let words = errors(answer).join("; ");
    if words.is_empty() {
        words
    } else {
        format!(": {:?}", crate::key_uri::cut(&words))
    }
}
