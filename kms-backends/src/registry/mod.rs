//! The keys that an operator configured.

pub(crate) mod cache;
pub(crate) mod entry;
pub(crate) mod health;
pub(crate) mod namespaces;
mod open;
pub(crate) mod refresh;
pub(crate) mod select;
mod single_flight;
mod unlisted;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jwe_envelope::{KeyManagement, OpenError, Plaintext};

use crate::error::{Category, UnwrapError};
use crate::observer::{Observer, Unobserved};
use crate::registry::cache::{Cache, CacheOptions};
use crate::registry::entry::KeyEntry;
use crate::registry::health::EntryStatus;
use crate::registry::single_flight::SharedCalls;
use crate::registry::unlisted::UnlistedKeys;

/// The keys that may be asked for, and nothing else: an envelope's `kid` is looked up here and goes nowhere further.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<KeyEntry>,
    by_kid: HashMap<String, usize>,
    default_key: Option<usize>,
    observer: Arc<dyn Observer>,
    cache: Arc<Cache>,
    calls: Arc<SharedCalls>,
    /// Where versions are listed while this is in use.
    unlisted: Option<Arc<UnlistedKeys>>,
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
    /// A call that another request had started.
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
    pub fn status(&self) -> Vec<EntryStatus> {
        let status = |entry: &KeyEntry| entry.shared().state.status(entry.name());
        self.entries.iter().map(status).collect()
    }

    /// A registry of other entries that goes on with the cache and the calls under way of this one. An entry of this one
    /// (a clone of it) stays what it is. The content keys of entries that are no more are dropped, and such an entry cannot
    /// come back.
    ///
    /// # Errors
    /// The first contradiction among `entries`; nothing has changed then.
    pub fn with_entries(&self, entries: Vec<KeyEntry>) -> Result<Self, RegistryError> {
        let names = KeyIdIndex::from_entries(&entries)?;
        for gone in &self.entries {
            if !entries
                .iter()
                .any(|entry| Arc::ptr_eq(entry.shared(), gone.shared()))
            {
                // First, so that a call under way finds either the mark or its key dropped.
                gone.shared().state.retire();
                self.cache.forget(gone.shared());
            }
        }
        Ok(Self {
            entries,
            by_kid: names.by_kid,
            default_key: names.default_key,
            observer: Arc::clone(&self.observer),
            cache: Arc::clone(&self.cache),
            calls: Arc::clone(&self.calls),
            unlisted: self.unlisted.clone(),
        })
    }

    pub(crate) fn with_unlisted(mut self, unlisted: Arc<UnlistedKeys>) -> Self {
        self.unlisted = Some(unlisted);
        self
    }

    /// Whether a `kid` that is not served here could be that of a new version: of a key that `namespace` may use, whose
    /// versions are listed.
    pub fn may_be_unlisted(&self, namespace: &str) -> bool {
        self.unlisted
            .as_ref()
            .is_some_and(|unlisted| unlisted.may_be_unlisted(namespace))
    }

    /// Takes note that an envelope in `namespace` names a `kid` that is not served and
    /// [may be unlisted](Self::may_be_unlisted): the versions are listed again soon, though no more often than every half
    /// minute, and less and less often while that finds nothing. Asks no key service and waits for nothing.
    pub fn note_unknown_kid(&self, namespace: &str) {
        if let Some(unlisted) = &self.unlisted {
            unlisted.note(namespace);
        }
    }

    /// How many content keys are cached.
    pub fn cached_keys(&self) -> usize {
        self.cache.len()
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

    /// Sets the observer of the cache.
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
        let names = KeyIdIndex::from_entries(&self.entries)?;
        let cache = Arc::new(Cache::new(self.cache, Arc::clone(&self.observer)));
        Ok(Registry {
            by_kid: names.by_kid,
            default_key: names.default_key,
            calls: Arc::new(SharedCalls::new(Arc::clone(&cache))),
            cache,
            entries: self.entries,
            observer: self.observer,
            unlisted: None,
        })
    }
}

/// Which entry each `kid` means, by its number.
struct KeyIdIndex {
    by_kid: HashMap<String, usize>,
    default_key: Option<usize>,
}

impl KeyIdIndex {
    fn from_entries(entries: &[KeyEntry]) -> Result<Self, RegistryError> {
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
    if entry.shared().backends.is_empty() {
        return Err(RegistryError::NoBackend(name()));
    }
    for (index, backend) in entry.shared().backends.iter().enumerate() {
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
    /// It has no backend.
    #[error("key `{0}` has no key service; add at least one unwrap reference")]
    NoBackend(String),
    /// An entry without a name.
    #[error("a key has no name")]
    NoName,
    /// The backend uses another algorithm than the entry is pinned to.
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
    /// The backend holds the private half of another key.
    #[error("key `{name}`: `{reference}` holds the private key of {held}, a different public key")]
    OtherKey {
        /// The entry.
        name: String,
        /// The backend, as configured.
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
    #[error("keys `{first}` and `{second}` both have the key ID {kid:?}; a key ID names one key")]
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
