//! What clients of key services share: deadlines, bounded reads, and the service's own messages.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _};
use std::path::Path;

#[cfg(feature = "gcp")]
use jwe_envelope::SecretBytes;
use jwe_envelope::Untrusted;
use tokio::time::{Instant, timeout_at};
#[cfg(feature = "gcp")]
use zeroize::Zeroize as _;

use crate::error::{Category, UnwrapError};

/// The longest part of a service's own message that is kept.
const LONGEST_MESSAGE: usize = 300;
/// The largest bundle of authorities accepted.
const MOST_CA_BYTES: u64 = 4 << 20;

/// Ends `call` at the deadline; `key` is the reference, for people.
pub(crate) async fn answer_by<T>(
    deadline: Instant,
    key: &str,
    call: impl Future<Output = Result<T, UnwrapError>>,
) -> Result<T, UnwrapError> {
    timeout_at(deadline, call).await.unwrap_or_else(|_| {
        let message = format!("the key service of {key} did not answer in time");
        Err(UnwrapError::new(Category::Unavailable, message))
    })
}

/// A bundle of authorities, in PEM.
pub(crate) fn read_ca(file: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    File::open(file)?
        .take(MOST_CA_BYTES)
        .read_to_end(&mut pem)?;
    Ok(pem)
}

/// An error that only a change of the configuration or the key fixes.
pub(crate) fn misconfigured_key(key: &str, what: &str) -> UnwrapError {
    UnwrapError::new(Category::Misconfigured, format!("key {key} {what}"))
}

/// An answer that was damaged or is about something else. Asking again may help; nothing in it is used.
#[cfg(any(feature = "azure", feature = "gcp"))]
pub(crate) fn damaged(key: &str, what: &'static str) -> UnwrapError {
    UnwrapError::new(
        Category::Unavailable,
        format!("the answer about key {key} failed its integrity check"),
    )
    .with_source(ServiceMessage::new("integrity", what))
}

/// Moves secret bytes out of a buffer that cannot be taken over, and wipes it.
#[cfg(feature = "gcp")]
pub(crate) fn take_secret(bytes: &mut [u8]) -> SecretBytes {
    let secret = SecretBytes::filled_by(bytes.len(), |out| out.copy_from_slice(bytes));
    bytes.zeroize();
    secret
}

/// What a key service said, for the log: quoted, cut short, never the body of an answer.
#[derive(Debug)]
pub(crate) struct ServiceMessage(String);

impl ServiceMessage {
    /// `code` is the service's stable code, `text` its message for people.
    pub(crate) fn new(code: impl fmt::Display, text: &str) -> Self {
        let code = cut(&code.to_string());
        if text.is_empty() {
            return Self(code);
        }
        Self(format!("{code}: {:?}", cut(text)))
    }
}

impl fmt::Display for ServiceMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServiceMessage {}

fn cut(text: &str) -> String {
    Untrusted::new(text).at_most(LONGEST_MESSAGE).cut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_message_is_quoted_and_short() {
        let words = ServiceMessage::new(
            "NOT_FOUND",
            &format!("line\nline \u{1b}[31m{}", "x".repeat(9000)),
        );
        let text = words.to_string();
        assert!(
            text.starts_with("NOT_FOUND: \"line\\nline \\u{1b}"),
            "{text}"
        );
        assert!(text.len() < 400, "{text}");
    }

    #[cfg(feature = "gcp")]
    #[test]
    fn secret_bytes_leave_nothing_where_they_were() {
        let mut buffer = *b"sixteen byte key";
        let secret = take_secret(&mut buffer);
        assert_eq!(secret.expose(), b"sixteen byte key");
        assert_eq!(buffer, [0; 16]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline() {
        let deadline = Instant::now() + std::time::Duration::from_secs(3);
        let never = std::future::pending::<Result<(), UnwrapError>>();
        let error = answer_by(deadline, "k", never).await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable);
        assert_eq!(Instant::now(), deadline);
    }
}
