//! Why a key service did not unwrap: a category to act on, a message for people, nothing secret.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a failed unwrap means for the caller. Matched exhaustively, so that a new category asks every
/// caller what it does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The key service answered that we may not use this key, or that it was disabled. Every cached content key of it is
    /// dropped.
    Denied,
    /// We asked the wrong thing: wrong kind of key, bad settings. Asking again is useless.
    Misconfigured,
    /// The service says that the wrapped key is bad. Never told apart from a bad tag
    /// ([RFC 7516 §11.5](https://www.rfc-editor.org/rfc/rfc7516#section-11.5)).
    Rejected,
    /// Slow, throttled, unreachable, broken: the same request may succeed later.
    Unavailable,
    /// The service has no such key.
    UnknownKey,
}

impl Category {
    /// Every category, in alphabetical order.
    pub const ALL: [Self; 5] = [
        Self::Denied,
        Self::Misconfigured,
        Self::Rejected,
        Self::Unavailable,
        Self::UnknownKey,
    ];

    /// A stable word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::UnknownKey => "unknown-key",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a key was not unwrapped.
///
/// `Display` states only this layer; the service's own error is the [`source`](Error::source), for logs.
/// `Debug` leaves the source out, because the `Debug` of some client libraries prints whole answers.
/// Cloning is cheap, so that all waiters of one call get the same error.
#[derive(Clone)]
pub struct UnwrapError {
    category: Category,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    sent: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl UnwrapError {
    /// An answer of the key service, or the lack of one. `message` is in lower case, names the service
    /// and the key as configured, and contains neither secrets nor the service's own message.
    pub fn new(category: Category, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            category,
            message: message.into(),
            retry_after: None,
            sent: true,
            source: None,
        }
    }

    /// Unavailable for a reason of our own: the service was not asked, so this does not mention it.
    pub(crate) fn not_sent(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sent: false,
            ..Self::new(Category::Unavailable, message)
        }
    }

    /// Adds how long to wait before asking again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds the service's own error. Its `Display` must hold nothing secret, for it reaches the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What it means for the caller.
    pub fn category(&self) -> Category {
        self.category
    }

    /// How long to wait before asking again, when the service (or our own limit) said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the key service was asked at all; our own limits and an open breaker answer without it.
    pub fn was_sent(&self) -> bool {
        self.sent
    }
}

impl fmt::Display for UnwrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for UnwrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnwrapError")
            .field("category", &self.category)
            .field("message", &self.message)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl Error for UnwrapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("status 500")]
    struct Vendor {
        body: &'static str,
    }

    #[test]
    fn states_its_own_layer_and_keeps_the_cause_for_the_log() {
        let error = UnwrapError::new(Category::Unavailable, "vault did not answer")
            .with_source(Vendor { body: "s3cret" })
            .with_retry_after(Duration::from_secs(3));
        assert_eq!(error.to_string(), "vault did not answer");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("status 500")
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert!(error.was_sent());
    }

    #[test]
    fn debug_leaves_the_vendors_error_out() {
        let vendor = Vendor { body: "s3cret" };
        assert!(format!("{vendor:?}").contains(vendor.body));
        let error = UnwrapError::new(Category::Denied, "vault refused").with_source(vendor);
        assert!(!format!("{error:?}").contains("s3cret"));
    }

    #[test]
    fn categories_have_distinct_words() {
        let words: std::collections::BTreeSet<_> =
            Category::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(words.len(), Category::ALL.len());
    }
}
