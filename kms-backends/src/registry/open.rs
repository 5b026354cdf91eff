//! The one way to open an envelope with a registry: cache, shared call, key service, tag.

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{ContentKey, InputsDigest, Opening};
use tokio::time::Instant;

use super::{KeySource, OpenFailure, Opened, Registry};
use crate::error::{Category, UnwrapError};
use crate::observer::CacheEvent;
use crate::registry::entry::KeyEntry;
use crate::registry::select::Granted;
use crate::registry::single_flight::Joined;

impl Registry {
    /// Opens an envelope: content key from the cache or from the key service of the granted entry, then tag, then
    /// plaintext. Must be called within a tokio runtime with time enabled.
    ///
    /// - The grant comes from [`grant`](Self::grant) or [`candidates`](Self::candidates) of this registry. An entry of
    ///   another one is refused, whatever its name: neither this cache nor its key service is asked.
    /// - A cached content key answers at once, even past the deadline. It was accepted by a tag when it was cached,
    ///   and it is tried against the tag of this envelope as well.
    /// - Equal requests that meet share one call of the key service. It goes on when its first caller gives up.
    /// - While the key service is unavailable, a cached key serves longer
    ///   ([`outage_lifetime`](crate::CacheOptions::outage_lifetime)). It is only used after asking without effect, for
    ///   half of the time that is left or, while the service is known to be away, for a quarter of a second.
    /// - A denial drops every cached key of the entry at once.
    ///
    /// An envelope cannot be opened before it is checked:
    ///
    /// ```compile_fail,E0308
    /// # async fn before(
    /// #     registry: &kms_backends::Registry,
    /// #     envelope: &jwe_envelope::Envelope<'_>,
    /// #     deadline: tokio::time::Instant,
    /// # ) {
    /// let _ = registry.open(envelope, deadline).await;
    /// # }
    /// ```
    ///
    /// What only the entry was checked for does not open it either:
    ///
    /// ```compile_fail,E0308
    /// # async fn selected(
    /// #     registry: &kms_backends::Registry,
    /// #     envelope: &jwe_envelope::Envelope<'_>,
    /// #     deadline: tokio::time::Instant,
    /// # ) {
    /// let Ok(selected) = registry.select(envelope, "payments") else { return };
    /// let _ = registry.open(&selected, deadline).await;
    /// # }
    /// ```
    ///
    /// And the grant for one entry does not become that of another:
    ///
    /// ```compile_fail,E0451
    /// # fn forged<'r>(granted: kms_backends::Granted<'r>, other: &'r kms_backends::KeyEntry) {
    /// let _ = kms_backends::Granted { entry: other, ..granted };
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`OpenFailure::Open`] for everything behind the unwrap, a rejected wrapped key included;
    /// [`OpenFailure::Unwrap`] when the key service did not unwrap, or not by `deadline`; [`Category::Misconfigured`] for
    /// an entry that is not one of this registry.
    pub async fn open(
        &self,
        granted: &Granted<'_>,
        deadline: Instant,
    ) -> Result<Opened, OpenFailure> {
        self.open_unchecked(granted.entry(), granted.grant().opening(), deadline)
            .await
    }

    /// [`open`](Self::open) without a grant.
    ///
    /// **Unchecked** is whether the envelope names this key, whether the entry allows the namespace, and everything that
    /// `bind` says. It is for tools and tests that open any envelope for the operator of the keys.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_unchecked(
        &self,
        entry: &KeyEntry,
        opening: &Opening<'_>,
        deadline: Instant,
    ) -> Result<Opened, OpenFailure> {
        self.check_own(entry)?;
        let inputs = opening.inputs_digest(entry.name());
        match self.cache.fresh(&inputs) {
            Some(key) => self.open_cached(entry, opening, &key),
            None => self.open_uncached(entry, opening, &inputs, deadline).await,
        }
    }

    /// Opens an envelope with the first of one or two granted keys that does.
    ///
    /// # Errors
    /// The failure to report, and whose it is (0 or 1): one that may pass ([`Category::Unavailable`]) before one that
    /// never will, else that of the first key.
    pub async fn open_first(
        &self,
        first: &Granted<'_>,
        second: Option<&Granted<'_>>,
        deadline: Instant,
    ) -> Result<(usize, Opened), (usize, OpenFailure)> {
        let may_pass = |failure: &OpenFailure| failure.category() == Some(Category::Unavailable);
        let failure = match self.open(first, deadline).await {
            Ok(opened) => return Ok((0, opened)),
            Err(failure) => failure,
        };
        let Some(second) = second else {
            return Err((0, failure));
        };
        match self.open(second, deadline).await {
            Ok(opened) => Ok((1, opened)),
            Err(other) if may_pass(&other) && !may_pass(&failure) => Err((1, other)),
            Err(_) => Err((0, failure)),
        }
    }

    /// The cache and the shared calls know entries by their names, which are unique only within a registry.
    fn check_own(&self, entry: &KeyEntry) -> Result<(), OpenFailure> {
        let own = self.find(entry.recipient().kid());
        if own.is_some_and(|own| Arc::ptr_eq(own.shared(), entry.shared())) {
            return Ok(());
        }
        Err(OpenFailure::Unwrap(UnwrapError::new(
            Category::Misconfigured,
            "the key entry is not one of this registry",
        )))
    }

    fn open_cached(
        &self,
        entry: &KeyEntry,
        opening: &Opening<'_>,
        key: &ContentKey,
    ) -> Result<Opened, OpenFailure> {
        self.observer.cache(entry.name(), CacheEvent::Hit);
        Ok(Opened {
            plaintext: opening.open(key)?,
            source: KeySource::Cache,
        })
    }

    async fn open_uncached(
        &self,
        entry: &KeyEntry,
        opening: &Opening<'_>,
        inputs: &InputsDigest,
        deadline: Instant,
    ) -> Result<Opened, OpenFailure> {
        let may_serve_stale = self.cache.stale(inputs).is_some();
        let limit = if may_serve_stale {
            patience(entry, deadline)
        } else {
            deadline
        };
        let failure = match self.ask(entry, opening, inputs, deadline, limit).await {
            Err(OpenFailure::Unwrap(error)) if error.category() == Category::Unavailable => error,
            outcome => return outcome,
        };
        // Looked up again: a denial may have dropped it meanwhile.
        let Some(key) = self.cache.stale(inputs) else {
            return Err(OpenFailure::Unwrap(failure));
        };
        self.observer.cache(entry.name(), CacheEvent::Stale);
        Ok(Opened {
            plaintext: opening.open(&key)?,
            source: KeySource::Stale,
        })
    }

    /// Has the key service unwrap by `deadline`, and waits for it until `limit`.
    async fn ask(
        &self,
        entry: &KeyEntry,
        opening: &Opening<'_>,
        inputs: &InputsDigest,
        deadline: Instant,
        limit: Instant,
    ) -> Result<Opened, OpenFailure> {
        let joined = self
            .calls
            .join(entry.shared(), opening, inputs, deadline)
            .map_err(OpenFailure::Unwrap)?;
        let (ticket, event, source) = match joined {
            Joined::Cached(key) => return self.open_cached(entry, opening, &key),
            Joined::Shared(ticket) => (ticket, CacheEvent::Joined, KeySource::Joined),
            Joined::Started(ticket) => (ticket, CacheEvent::Miss, KeySource::Unwrapped),
        };
        self.observer.cache(entry.name(), event);
        let key = ticket
            .content_key(opening, limit)
            .await
            .map_err(OpenFailure::Unwrap)?;
        match opening.open(&key) {
            Ok(plaintext) => {
                ticket.verified(entry.shared(), &key);
                Ok(Opened { plaintext, source })
            }
            Err(error) => {
                ticket.settle();
                Err(error.into())
            }
        }
    }
}

/// How long to wait for a fresh answer when an expired key could serve instead.
fn patience(entry: &KeyEntry, deadline: Instant) -> Instant {
    const WHILE_AWAY: Duration = Duration::from_millis(250);
    let now = Instant::now();
    let half = deadline.saturating_duration_since(now) / 2;
    if entry.shared().state.is_unavailable() {
        now + half.min(WHILE_AWAY)
    } else {
        now + half
    }
}
