//! The seam behind which the format of sealed values stands: JWE today, others beside it later.
//!
//! Three steps, because a Secret is decided as a whole before any key is touched: recognize every value,
//! decide each, open what is to be opened.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jwe_envelope::{Envelope, EnvelopeDigest, Recognized, recognize};
use kms_backends::{Opened, Registry};
use tokio::time::Instant;

use super::{OpenRefusal, open_attempts};
use crate::decide::{Attempts, Decision, Policy, Site, decide};

/// A future that may be held beside others.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
    /// Names the envelope.
    pub digest: Option<EnvelopeDigest>,
}

/// A way to seal values.
pub trait SealedFormat: Debug + Send + Sync + 'static {
    /// Whether a value that begins with `head` may be sealed in this format. `head` is the first four bytes,
    /// or the whole of a shorter value. Saying yes costs decoding the value; saying no leaves it alone.
    fn may_begin(&self, head: &[u8]) -> bool;

    /// Reads a value; `None` when it is not sealed in this format. A value that claims to be and is damaged is
    /// `Some`, and refused by its [`decide`](SealedValue::decide).
    fn recognize<'v>(&self, value: &'v [u8]) -> Option<Box<dyn SealedValue + 'v>>;
}

/// A value that is sealed, still closed.
pub trait SealedValue: Send + Sync {
    /// What may be said about it.
    fn facts(&self) -> Facts;

    /// The same value, to be kept beyond the review: whoever applies a manifest again brings the same text, and need
    /// not have it read again. `None` when the format has nothing worth keeping.
    fn keep(&self) -> Option<Arc<dyn SealedValue>> {
        None
    }

    /// Leave, refuse or open; no I/O, no key is touched.
    fn decide<'o>(
        &'o self,
        site: &Site<'_>,
        context: &Context<'o>,
    ) -> Decision<Box<dyn Opener + 'o>>;
}

/// A value that may be opened, every public check passed.
pub trait Opener: Send + Sync {
    /// The configured name of the key that it is tried with first.
    fn key(&self) -> &str;

    /// Opens it, with whatever key service that takes.
    fn open(&self, deadline: Instant) -> BoxFuture<'_, Result<Opened, OpenRefusal>>;
}

/// JSON Web Encryption, RFC 7516.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jwe;

impl SealedFormat for Jwe {
    /// `{` opens the JSON serializations. The first part of the compact one is base64url of an object, so it
    /// begins as that of `{` does, or of a blank before it.
    fn may_begin(&self, head: &[u8]) -> bool {
        match head {
            [b'{', ..] => true,
            [b'e', second, ..] => matches!(second, b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_'),
            [b'C', second, ..] => matches!(second, b'Q'..=b'Z' | b'a'..=b'v'),
            [b'D', second, ..] => matches!(second, b'Q'..=b'Z' | b'a'..=b'f'),
            [b'I', second, ..] => second.is_ascii_uppercase(),
            _ => false,
        }
    }

    fn recognize<'v>(&self, value: &'v [u8]) -> Option<Box<dyn SealedValue + 'v>> {
        match recognize(value) {
            Recognized::Plain => None,
            sealed => Some(Box::new(JweValue(sealed))),
        }
    }
}

struct JweValue<'v>(Recognized<'v>);

impl SealedValue for JweValue<'_> {
    fn facts(&self) -> Facts {
        let Recognized::Sealed(envelope) = &self.0 else {
            return Facts::default();
        };
        Facts {
            kid: envelope
                .recipients()
                .iter()
                .find_map(|recipient| recipient.key_id())
                .map(|kid| crate::refusal::cut(kid).to_owned()),
            digest: Some(envelope.digest()),
        }
    }

    /// Digest and public checks are kept with it.
    fn keep(&self) -> Option<Arc<dyn SealedValue>> {
        let Recognized::Sealed(envelope) = &self.0 else {
            return None;
        };
        let envelope = Envelope::clone(envelope).into_owned();
        Some(Arc::new(JweValue(Recognized::Sealed(Box::new(envelope)))))
    }

    fn decide<'o>(
        &'o self,
        site: &Site<'_>,
        context: &Context<'o>,
    ) -> Decision<Box<dyn Opener + 'o>> {
        let registry = context.registry;
        match decide(&self.0, site, context.policy, registry, context.now) {
            Decision::Leave(leave) => Decision::Leave(leave),
            Decision::Refuse(refusal) => Decision::Refuse(refusal),
            Decision::Unwrap {
                opening,
                reservation,
                signed,
            } => Decision::Unwrap {
                opening: Box::new(JweOpener {
                    attempts: opening,
                    registry,
                }),
                reservation,
                signed,
            },
        }
    }
}

struct JweOpener<'o> {
    attempts: Attempts<'o>,
    registry: &'o Registry,
}

impl Opener for JweOpener<'_> {
    fn key(&self) -> &str {
        self.attempts.first.entry.name()
    }

    fn open(&self, deadline: Instant) -> BoxFuture<'_, Result<Opened, OpenRefusal>> {
        Box::pin(open_attempts(&self.attempts, self.registry, deadline))
    }
}
