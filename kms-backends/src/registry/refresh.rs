//! The registry of a running process: configured keys, and the versions of keys that key services list.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use crate::connect::Connector;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::KeyUri;
use crate::observer::Observer;
use crate::registry::entry::KeyEntry;
use crate::registry::namespaces::NamespaceSet;
use crate::registry::unlisted::UnlistedKeys;
use crate::registry::{Registry, RegistryError};
use crate::service::key_service::KeyVersion;
use crate::sync::{read, write};

/// A registry that can be replaced while it is in use. A review keeps the one that it began with.
#[derive(Debug)]
pub struct SharedRegistry(RwLock<Arc<Registry>>);

impl SharedRegistry {
    /// Serves `registry` first.
    pub fn new(registry: Registry) -> Self {
        Self(RwLock::new(Arc::new(registry)))
    }

    /// The current registry.
    pub fn current(&self) -> Arc<Registry> {
        Arc::clone(&read(&self.0))
    }

    fn replace(&self, registry: Registry) {
        *write(&self.0) = Arc::new(registry);
    }
}

impl From<Registry> for Arc<SharedRegistry> {
    fn from(registry: Registry) -> Self {
        Self::new(SharedRegistry::new(registry))
    }
}

/// A key that is named without a version: every version that its service can decrypt with is served, each under the `kid`
/// of its own public key, all under one policy.
#[derive(Clone, Debug)]
pub struct WatchedKey {
    /// The operator's name; a version's entry is called `name#version`.
    pub name: String,
    /// The reference, without a version.
    pub uri: KeyUri,
    /// The public key that is known from the start. Until the versions are listed for the first time, what is sealed
    /// for it is "not available yet" rather than unknown.
    pub recipient: RecipientKey,
    /// The namespaces that may use it.
    pub namespaces: NamespaceSet,
    /// Whether envelopes without `bind` are opened.
    pub allow_unbound: bool,
    /// Whether envelopes without `kid` are tried with the newest version.
    pub default_key: bool,
}

/// What came of listing the versions of one key.
#[derive(Debug)]
pub struct Listing {
    /// The operator's name of the key.
    pub name: String,
    /// How many versions are served now. After an error those of the last time are.
    pub outcome: Result<usize, UnwrapError>,
    /// The version that is known from the start was not among them.
    pub lacks_known: bool,
}

/// Watches the versions of keys and keeps a [`SharedRegistry`] up to date.
#[derive(Debug)]
pub struct VersionWatcher {
    registry: Arc<SharedRegistry>,
    connector: Arc<Connector>,
    observer: Arc<dyn Observer>,
    fixed: Vec<KeyEntry>,
    watched: Vec<WatchedKey>,
    unlisted: Arc<UnlistedKeys>,
    /// By number of the watched key; `None` until it was listed once.
    listed: tokio::sync::Mutex<Vec<Option<Vec<KeyVersion>>>>,
}

impl VersionWatcher {
    /// Serves `registry`, whose entries stay, and a placeholder for each watched key until its versions are listed.
    ///
    /// # Errors
    /// When a watched key contradicts an entry.
    pub fn new(
        registry: &Registry,
        watched: Vec<WatchedKey>,
        connector: Arc<Connector>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, RegistryError> {
        let fixed = registry.entries().to_vec();
        let mut entries = fixed.clone();
        entries.extend(watched.iter().map(stand_in));
        let namespaces = watched.iter().map(|key| key.namespaces.clone());
        let unlisted = Arc::new(UnlistedKeys::new(namespaces.collect()));
        let registry = registry
            .with_entries(entries)?
            .with_unlisted(Arc::clone(&unlisted));
        Ok(Self {
            registry: Arc::from(registry),
            unlisted,
            connector,
            observer,
            fixed,
            listed: tokio::sync::Mutex::new(watched.iter().map(|_| None).collect()),
            watched,
        })
    }

    /// The registry that this keeps up to date.
    pub fn registry(&self) -> &Arc<SharedRegistry> {
        &self.registry
    }

    /// Whether there is anything to list.
    pub fn watches(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Waits until the versions should be listed again: for `pause`, or less when a review names an unknown `kid` (see
    /// [`Registry::note_unknown_kid`]).
    pub async fn pause(&self, pause: Duration) {
        self.unlisted.pause(pause).await;
    }

    /// Lists the versions of every watched key, all at once, for at most `limit`, and serves what was found in one
    /// exchange. Versions that are there no more are served no more, and their cached content keys are dropped.
    pub async fn refresh(&self, limit: Duration) -> Vec<Listing> {
        let mut listed = self.listed.lock().await;
        let round = self.unlisted.round();
        let before = kids(&listed);
        let deadline = Instant::now() + limit;
        let mut calls = tokio::task::JoinSet::new();
        for (index, key) in self.watched.iter().enumerate() {
            let (connector, uri) = (Arc::clone(&self.connector), key.uri.clone());
            let algorithm = key.recipient.algorithm();
            calls.spawn(async move {
                let versions = connector.versions(&uri, Some(algorithm), deadline);
                let versions = tokio::time::timeout_at(deadline, versions).await;
                (index, versions.unwrap_or_else(|_| Err(late(&uri))))
            });
        }
        let mut outcomes = calls.join_all().await;
        outcomes.sort_by_key(|(index, _)| *index);
        let mut listings = Vec::new();
        for (index, outcome) in outcomes {
            let key = &self.watched[index];
            let lacks_known = outcome.as_ref().is_ok_and(|versions| {
                versions
                    .iter()
                    .all(|version| version.recipient.kid() != key.recipient.kid())
            });
            listings.push(Listing {
                name: key.name.clone(),
                outcome: outcome.map(|versions| {
                    let count = versions.len();
                    listed[index] = Some(versions);
                    count
                }),
                lacks_known,
            });
        }
        if let Err(error) = self.serve(&listed).await {
            for listing in &mut listings {
                listing.outcome = Err(error.clone());
            }
        }
        let answered = listings.iter().all(|listing| listing.outcome.is_ok());
        let found = kids(&listed).difference(&before).next().is_some();
        self.unlisted.end(&round, answered.then_some(found));
        listings
    }

    async fn serve(&self, listed: &[Option<Vec<KeyVersion>>]) -> Result<(), UnwrapError> {
        let current = self.registry.current();
        let mut entries = self.fixed.clone();
        for (key, versions) in self.watched.iter().zip(listed) {
            let Some(versions) = versions else {
                entries.push(stand_in(key));
                continue;
            };
            for (age, version) in versions.iter().enumerate() {
                let name = entry_name(key, version);
                let kid = version.recipient.kid();
                // The same entry as before keeps its health and its place in the cache.
                let known = current.find(kid).filter(|entry| entry.name() == name);
                let taken = entries.iter().any(|entry| {
                    entry.recipient().kid() == kid
                        || entry.aliases().iter().any(|alias| alias == kid)
                });
                match known {
                    // Configured by itself, or the version of another key as well: that entry holds.
                    _ if taken => {}
                    Some(entry) if entry.is_default() == (key.default_key && age == 0) => {
                        entries.push(entry.clone());
                    }
                    _ => entries.push(self.entry(key, version, &name, age == 0).await?),
                }
            }
        }
        let registry = current.with_entries(entries).map_err(|error| {
            UnwrapError::new(
                Category::Misconfigured,
                "the listed versions conflict with other keys",
            )
            .with_source(error)
        })?;
        self.registry.replace(registry);
        Ok(())
    }

    async fn entry(
        &self,
        key: &WatchedKey,
        version: &KeyVersion,
        name: &str,
        newest: bool,
    ) -> Result<KeyEntry, UnwrapError> {
        let unwrapper = self
            .connector
            .connect(&version.uri, &version.recipient)
            .await
            .map_err(|error| {
                UnwrapError::new(
                    Category::Misconfigured,
                    "a version of the key cannot be served",
                )
                .with_source(error)
            })?;
        let layered = self
            .connector
            .layered(&version.uri, unwrapper, name, &self.observer);
        Ok(KeyEntry::builder(name, version.recipient.clone())
            .namespaces(key.namespaces.clone())
            .allow_unbound(key.allow_unbound)
            .default_key(key.default_key && newest)
            .references(vec![version.uri.to_string()])
            .backend(layered)
            .build())
    }
}

/// Of every version that is known.
fn kids(listed: &[Option<Vec<KeyVersion>>]) -> BTreeSet<String> {
    let versions = listed.iter().flatten().flatten();
    versions
        .map(|version| version.recipient.kid().to_owned())
        .collect()
}

fn entry_name(key: &WatchedKey, version: &KeyVersion) -> String {
    match version.uri.version() {
        Some(number) => format!("{}#{number}", key.name),
        None => key.name.clone(),
    }
}

fn stand_in(key: &WatchedKey) -> KeyEntry {
    KeyEntry::builder(&key.name, key.recipient.clone())
        .namespaces(key.namespaces.clone())
        .allow_unbound(key.allow_unbound)
        .default_key(key.default_key)
        .references(vec![key.uri.to_string()])
        .backend(Arc::new(Unlisted(key.uri.clone())))
        .build()
}

fn late(uri: &KeyUri) -> UnwrapError {
    UnwrapError::new(
        Category::Unavailable,
        format!("the key service did not list the versions of `{uri}` in time"),
    )
}

/// The backend of a key whose versions have not been listed yet.
struct Unlisted(KeyUri);

#[async_trait]
impl KeyUnwrap for Unlisted {
    async fn unwrap_key(
        &self,
        _: &UnwrapRequest<'_>,
        _: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        Err(UnwrapError::new(
            Category::Unavailable,
            format!("the versions of `{}` are not known yet", self.0),
        )
        .with_retry_after(Duration::from_secs(5)))
    }
}

impl fmt::Debug for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unlisted")
            .field(&self.0.to_string())
            .finish()
    }
}
