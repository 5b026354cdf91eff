//! The seam behind which the format of sealed values is: JWE today, others beside it later.
//!
//! Three steps, because a Secret is decided as a whole before any key is used: [recognize](SealedFormat::recognize) every
//! value, [decide](SealedValue::decide) each, [open](Opener::open) what is to be opened. Nothing here is about JWE: what
//! a format knows of a value stays behind [`SealedValue`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

pub use jwe_envelope::Plaintext;
use kms_backends::Registry;
pub use kms_backends::{KeySource, Opened};

use crate::decide::{Decision, Policy, Site};
pub use crate::open::{OpenRefusal, OpenedBy};

/// A future that may be held beside others.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to seal values.
pub trait SealedFormat: fmt::Debug + Send + Sync + 'static {
    /// Whether a value that begins with `head` may be sealed in this format. `head` is the first four bytes,
    /// or the whole of a shorter value. Saying yes costs decoding the value; saying no leaves it as it is.
    fn may_begin(&self, head: &[u8]) -> bool;

    /// Whether admission opens a value that begins with `head`, and the API server's policies recognize it. `head` is the
    /// first 48 bytes, or the whole of a shorter value.
    fn is_openable(&self, head: &[u8]) -> bool;

    /// Whether a value has the parts of a sealed one although it [may not begin](Self::may_begin) as one: damaged at its
    /// beginning. It then does not replace a plain value that is in use.
    fn resembles(&self, _value: &[u8]) -> bool {
        false
    }

    /// Whether a value as a whole is a sealed one in another encoding or within quotation marks, which nothing opens. It
    /// then does not replace a plain value that is in use.
    fn hides(&self, _value: &[u8]) -> bool {
        false
    }

    /// Reads a value; `None` when it is not sealed in this format. A value that claims to be and is damaged is
    /// `Some`, and refused by its [`decide`](SealedValue::decide).
    fn recognize<'v>(&self, value: &'v [u8]) -> Option<Box<dyn SealedValue + 'v>>;
}

/// A sealed value, as its format read it.
pub trait SealedValue: Send + Sync {
    /// What may be said about it.
    fn facts(&self) -> Facts;

    /// The same value, to be kept beyond the review: the user who applies a manifest again brings the same text, and it
    /// need not be read again. `None` when the format has nothing worth keeping.
    fn keep(&self) -> Option<Arc<dyn SealedValue>> {
        None
    }

    /// Leave, refuse or open; no I/O, no key is used.
    fn decide<'o>(
        &'o self,
        site: &Site<'_>,
        context: &Context<'o>,
    ) -> Decision<Box<dyn Opener + 'o>>;
}

/// What opens a value, every public check passed.
pub trait Opener: Send + Sync {
    /// The configured name of the key that it is tried with first.
    fn key(&self) -> &str;

    /// Opens it before `deadline`, with whatever key service that takes.
    fn open(&self, deadline: Instant) -> BoxFuture<'_, Result<OpenedBy, OpenRefusal>>;
}

/// What a decision draws on besides the value and its place.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The keys that are served.
    pub registry: &'c Registry,
    /// What the administrator wants.
    pub policy: &'c Policy,
    /// Unix seconds.
    pub now: u64,
}

/// What may be said about a sealed value in public: audit, denials, warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The key that it names, cut short.
    pub kid: Option<String>,
    /// Names the sealed value.
    pub digest: Option<ValueDigest>,
}

/// The SHA-256 that names a sealed value in the audit. `Display` is `sha256:` and hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueDigest(pub [u8; 32]);

impl fmt::Display for ValueDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
