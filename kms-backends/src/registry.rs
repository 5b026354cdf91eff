//! The keys that an operator configured, and the one way to open an envelope with them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{ContentKey, InputsDigest, KeyManagement, OpenError, Opening, Plaintext};
use tokio::time::Instant;

use crate::cache::{Cache, CacheOptions};
use crate::error::{Category, UnwrapError};
use crate::flight::{Boarding, Flights};
use crate::health::KeyStatus;
use crate::key_entry::KeyEntry;
use crate::missed::Missed;
use crate::observer::{CacheEvent, Observer, Unobserved};

/// The keys that may be asked for, and nothing else: an envelope's `kid` is looked up here and goes nowhere further.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<KeyEntry>,
    by_kid: HashMap<String, usize>,
    default_key: Option<usize>,
    observer: Arc<dyn Observer>,
    cache: Arc<Cache>,
    flights: Arc<Flights>,
    /// Where versions are listed while this is in use.
    missed: Option<Arc<Missed>>,
}

/// An opened value, and where its content key came from.
#[derive(Debug)]
pub struct Opened {
    /// The value.
    pub plaintext: Plaintext,
    /// Where the content key came from.
    pub source: KeySource,
}

/// Where a content key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// Cached within its lifetime.
    Cache,
    /// A call that somebody else had begun.
    Joined,
    /// Cached past its lifetime; the key service is unavailable.
    Stale,
    /// A call of our own.
    Unwrapped,
}

impl KeySource {
    /// A stable word for audit and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Joined => "joined",
            Self::Stale => "stale",
            Self::Unwrapped => "unwrapped",
        }
    }
}

/// Why an envelope was not opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The one error for everything behind the unwrap, a rejected wrapped key included.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key service did not unwrap; never [`Category::Rejected`].
    #[error(transparent)]
    Unwrap(UnwrapError),
}

impl OpenFailure {
    /// The category, when the key service is the reason.
    pub fn category(&self) -> Option<Category> {
        match self {
            Self::Open(_) => None,
            Self::Unwrap(error) => Some(error.category()),
        }
    }
}

impl Registry {
    /// Starts with no key.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder {
            entries: Vec::new(),
            observer: Arc::new(Unobserved),
            cache: CacheOptions::default(),
        }
    }

    /// The entry whose thumbprint or alias is exactly `kid`.
    pub fn find(&self, kid: &str) -> Option<&KeyEntry> {
        self.by_kid.get(kid).map(|&index| &self.entries[index])
    }

    /// The entry that envelopes without `kid` are tried with.
    pub fn default_key(&self) -> Option<&KeyEntry> {
        self.default_key.map(|index| &self.entries[index])
    }

    /// Every entry, in the order of the configuration.
    pub fn entries(&self) -> &[KeyEntry] {
        &self.entries
    }

    /// How the key service of each entry last answered, in the order of the configuration.
    pub fn status(&self) -> Vec<KeyStatus> {
        let status = |entry: &KeyEntry| entry.holder().state.status(entry.name());
        self.entries.iter().map(status).collect()
    }

    /// A registry of other entries that goes on with the cache and the calls under way of this one. An entry of this one
    /// (a clone of it) stays what it is. The content keys of entries that are no more are dropped, and such an entry cannot
    /// come back.
    ///
    /// # Errors
    /// The first contradiction among `entries`; nothing has changed then.
    pub fn with_entries(&self, entries: Vec<KeyEntry>) -> Result<Self, RegistryError> {
        let names = Names::of(&entries)?;
        for gone in &self.entries {
            if !entries
                .iter()
                .any(|entry| Arc::ptr_eq(entry.holder(), gone.holder()))
            {
                // First, so that a call under way finds either the mark or its key dropped.
                gone.holder().state.retire();
                self.cache.forget(gone.holder());
            }
        }
        Ok(Self {
            entries,
            by_kid: names.by_kid,
            default_key: names.default_key,
            observer: Arc::clone(&self.observer),
            cache: Arc::clone(&self.cache),
            flights: Arc::clone(&self.flights),
            missed: self.missed.clone(),
        })
    }

    pub(crate) fn listing(mut self, missed: Arc<Missed>) -> Self {
        self.missed = Some(missed);
        self
    }

    /// Takes note that an envelope, good but for that, names a `kid` in `namespace` that is not served. `true` when it could be
    /// that of a new version: of a key that this namespace may use, whose versions are listed. They are listed again soon
    /// then, though no more often than every half minute, and the more rarely the more often that was in vain. Asks nobody
    /// and waits for nothing.
    pub fn misses(&self, namespace: &str) -> bool {
        self.missed
            .as_ref()
            .is_some_and(|missed| missed.note(namespace))
    }

    /// How many content keys are cached.
    pub fn cached_keys(&self) -> usize {
        self.cache.len()
    }

    /// Opens an envelope: content key from the cache or from the key service of `entry`, then tag, then plaintext.
    ///
    /// `entry` is one of this registry, and policy has already allowed it. Must be called within a tokio
    /// runtime with time enabled.
    ///
    /// - A cached content key answers at once, even past the deadline. It was accepted by a tag when it was cached,
    ///   and it is tried against the tag of this envelope as well.
    /// - Equal requests that meet share one call of the key service. It goes on when its first caller gives up.
    /// - While the key service is unavailable, a cached key serves longer
    ///   ([`outage_lifetime`](CacheOptions::outage_lifetime)). It is only used after asking in vain, for half of the
    ///   time that is left or, while the service is known to be away, for a quarter of a second.
    /// - A denial drops every cached key of the entry at once.
    ///
    /// # Errors
    /// [`OpenFailure::Open`] for everything behind the unwrap, a rejected wrapped key included;
    /// [`OpenFailure::Unwrap`] when the key service did not unwrap, or not by `deadline`.
    pub async fn open(
        &self,
        entry: &KeyEntry,
        opening: &Opening<'_>,
        deadline: Instant,
    ) -> Result<Opened, OpenFailure> {
        let inputs = opening.inputs_digest(entry.name());
        match self.cache.fresh(&inputs) {
            Some(key) => self.open_cached(entry, opening, &key),
            None => self.open_uncached(entry, opening, &inputs, deadline).await,
        }
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
        let boarding = self
            .flights
            .board(entry.holder(), opening, inputs, deadline)
            .map_err(OpenFailure::Unwrap)?;
        let (seat, event, source) = match boarding {
            Boarding::Cached(key) => return self.open_cached(entry, opening, &key),
            Boarding::Joined(seat) => (seat, CacheEvent::Joined, KeySource::Joined),
            Boarding::Started(seat) => (seat, CacheEvent::Miss, KeySource::Unwrapped),
        };
        self.observer.cache(entry.name(), event);
        let key = seat
            .content_key(opening, limit)
            .await
            .map_err(OpenFailure::Unwrap)?;
        match opening.open(&key) {
            Ok(plaintext) => {
                seat.verified(entry.holder(), &key);
                Ok(Opened { plaintext, source })
            }
            Err(error) => {
                seat.settle();
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
    if entry.holder().state.is_unavailable() {
        now + half.min(WHILE_AWAY)
    } else {
        now + half
    }
}

/// Collects key entries and checks that they do not contradict each other.
#[derive(Debug)]
pub struct RegistryBuilder {
    entries: Vec<KeyEntry>,
    observer: Arc<dyn Observer>,
    cache: CacheOptions,
}

impl RegistryBuilder {
    /// Adds a key entry.
    #[must_use]
    pub fn key(mut self, entry: impl Into<KeyEntry>) -> Self {
        self.entries.push(entry.into());
        self
    }

    /// Sets how content keys are cached.
    #[must_use]
    pub fn cache(mut self, cache: CacheOptions) -> Self {
        self.cache = cache;
        self
    }

    /// Sets who is told about the cache.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The registry, when no entry contradicts another one or itself.
    ///
    /// # Errors
    /// The first contradiction, with the names of the entries.
    pub fn build(self) -> Result<Registry, RegistryError> {
        let names = Names::of(&self.entries)?;
        let cache = Arc::new(Cache::new(self.cache, Arc::clone(&self.observer)));
        Ok(Registry {
            by_kid: names.by_kid,
            default_key: names.default_key,
            flights: Arc::new(Flights::new(Arc::clone(&cache))),
            cache,
            entries: self.entries,
            observer: self.observer,
            missed: None,
        })
    }
}

/// Which entry each `kid` means, by its number.
struct Names {
    by_kid: HashMap<String, usize>,
    default_key: Option<usize>,
}

impl Names {
    fn of(entries: &[KeyEntry]) -> Result<Self, RegistryError> {
        let mut by_kid: HashMap<String, usize> = HashMap::new();
        let mut default_key = None;
        let mut names = HashSet::new();
        for (index, entry) in entries.iter().enumerate() {
            check_alone(entry)?;
            if !names.insert(entry.name()) {
                return Err(RegistryError::SameName(entry.name().to_owned()));
            }
            if let Some(&other) = by_kid.get(entry.recipient().kid()) {
                // An alias of an earlier entry, or its own thumbprint: both would make one `kid` mean two keys.
                return Err(clash(&entries[other], entry, entry.recipient().kid()));
            }
            by_kid.insert(entry.recipient().kid().to_owned(), index);
            for alias in entry.aliases() {
                match by_kid.insert(alias.clone(), index) {
                    Some(other) if other != index => {
                        return Err(clash(&entries[other], entry, alias));
                    }
                    _ => {}
                }
            }
            if entry.is_default()
                && let Some(first) = default_key.replace(index)
            {
                return Err(RegistryError::TwoDefaults {
                    first: entries[first].name().to_owned(),
                    second: entry.name().to_owned(),
                });
            }
        }
        Ok(Self {
            by_kid,
            default_key,
        })
    }
}

/// What an entry must get right by itself.
fn check_alone(entry: &KeyEntry) -> Result<(), RegistryError> {
    let name = || entry.name().to_owned();
    if entry.name().is_empty() {
        return Err(RegistryError::NoName);
    }
    if entry.aliases().iter().any(String::is_empty) {
        return Err(RegistryError::EmptyAlias(name()));
    }
    if entry.holder().backends.is_empty() {
        return Err(RegistryError::NoBackend(name()));
    }
    for (index, backend) in entry.holder().backends.iter().enumerate() {
        let Some(held) = backend.public_key() else {
            continue;
        };
        if held.kid() != entry.recipient().kid() {
            return Err(RegistryError::OtherKey {
                name: name(),
                reference: entry
                    .references()
                    .get(index)
                    .cloned()
                    .unwrap_or_else(|| format!("unwrap reference {}", index + 1)),
                held: held.kid().to_owned(),
            });
        }
        let (held, pinned) = (held.algorithm(), entry.recipient().algorithm());
        // Agreement yields the same secret whatever AES key wrap follows; a padding must be the same one.
        if held.oaep_hash() != pinned.oaep_hash() {
            return Err(RegistryError::OtherAlgorithm {
                name: name(),
                held,
                pinned,
            });
        }
    }
    Ok(())
}

fn clash(first: &KeyEntry, second: &KeyEntry, kid: &str) -> RegistryError {
    let first_name = first.name().to_owned();
    let second_name = second.name().to_owned();
    if first.recipient().kid() == second.recipient().kid() {
        return RegistryError::SameKey {
            first: first_name,
            second: second_name,
        };
    }
    RegistryError::SameKeyId {
        first: first_name,
        second: second_name,
        kid: crate::key_uri::cut(kid),
    }
}

/// A contradiction in the configured keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// An alias without a character.
    #[error("key `{0}` has an empty alias")]
    EmptyAlias(String),
    /// Nobody could unwrap with it.
    #[error("key `{0}` names no key service; give it at least one unwrap reference")]
    NoBackend(String),
    /// An entry without a name.
    #[error("a key has no name")]
    NoName,
    /// The holder answers another algorithm than the entry is pinned to.
    #[error(
        "key `{name}` is pinned to {pinned}, its private key to {held}; give both the same algorithm"
    )]
    OtherAlgorithm {
        /// The entry.
        name: String,
        /// The algorithm of the private key.
        held: KeyManagement,
        /// The algorithm of the entry.
        pinned: KeyManagement,
    },
    /// The holder has the private half of another key.
    #[error("key `{name}`: `{reference}` holds the private key of {held}, another public key")]
    OtherKey {
        /// The entry.
        name: String,
        /// The holder, as configured.
        reference: String,
        /// Thumbprint of the key that it holds.
        held: String,
    },
    /// One public key, two policies.
    #[error("keys `{first}` and `{second}` are the same public key; merge them into one entry")]
    SameKey {
        /// The earlier entry.
        first: String,
        /// The later one.
        second: String,
    },
    /// One key ID, two keys.
    #[error(
        "keys `{first}` and `{second}` both answer to the key ID {kid:?}; a key ID names one key"
    )]
    SameKeyId {
        /// The earlier entry.
        first: String,
        /// The later one.
        second: String,
        /// What both answer to.
        kid: String,
    },
    /// Two entries of one name.
    #[error("two keys are called `{0}`; names are unique")]
    SameName(String),
    /// More than one default.
    #[error("keys `{first}` and `{second}` are both the default; choose one")]
    TwoDefaults {
        /// The earlier entry.
        first: String,
        /// The later one.
        second: String,
    },
}
