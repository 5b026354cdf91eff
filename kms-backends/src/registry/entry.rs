//! One key that an operator configured: public key, algorithm, policy, and who holds the private half.

use std::sync::Arc;

use jwe_envelope::{RecipientKey, SecretBytes};
use tokio::time::Instant;

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::{KeyUnwrap, OwnedRequest};
use crate::registry::health::EntryState;
use crate::registry::namespaces::NamespaceSet;

/// One public key with its one algorithm, its policy, and the backends that hold its private half. Clones are the same entry.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    settings: Arc<Settings>,
    shared: Arc<EntryShared>,
}

#[derive(Debug)]
struct Settings {
    recipient: RecipientKey,
    aliases: Vec<String>,
    namespaces: NamespaceSet,
    allow_unbound: bool,
    default_key: bool,
    references: Vec<String>,
}

/// The part of an entry that calls in flight and cached keys refer to.
#[derive(Debug)]
pub(crate) struct EntryShared {
    pub(crate) name: String,
    pub(crate) backends: Vec<Arc<dyn KeyUnwrap>>,
    pub(crate) state: EntryState,
}

impl KeyEntry {
    /// Starts an entry: no namespace, bound envelopes only, no backend yet.
    pub fn builder(name: impl Into<String>, recipient: RecipientKey) -> KeyEntryBuilder {
        KeyEntryBuilder {
            name: name.into(),
            backends: Vec::new(),
            settings: Settings {
                recipient,
                aliases: Vec::new(),
                namespaces: NamespaceSet::none(),
                allow_unbound: false,
                default_key: false,
                references: Vec::new(),
            },
        }
    }

    /// The operator's name for it: in messages, metrics and audit.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The public key, pinned to one algorithm.
    pub fn recipient(&self) -> &RecipientKey {
        &self.settings.recipient
    }

    /// Further key IDs under which envelopes may name it.
    pub fn aliases(&self) -> &[String] {
        &self.settings.aliases
    }

    /// The namespaces that may use it.
    pub fn namespaces(&self) -> &NamespaceSet {
        &self.settings.namespaces
    }

    /// Whether Secrets of `namespace` may use it.
    pub fn allows_namespace(&self, namespace: &str) -> bool {
        self.settings.namespaces.contains(namespace)
    }

    /// Whether it opens envelopes without `bind`.
    pub fn allow_unbound(&self) -> bool {
        self.settings.allow_unbound
    }

    /// Whether envelopes without `kid` are tried with it.
    pub fn is_default(&self) -> bool {
        self.settings.default_key
    }

    /// Where the private key is, as configured; for people.
    pub fn references(&self) -> &[String] {
        &self.settings.references
    }

    pub(crate) fn shared(&self) -> &Arc<EntryShared> {
        &self.shared
    }
}

impl EntryShared {
    /// Asks the replicas in order: the next one only when the one before is unavailable.
    ///
    /// Each gets an equal share of the time that is left, so that a hanging replica leaves some for the next.
    pub(crate) async fn unwrap(
        &self,
        request: &OwnedRequest,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let mut failure: Option<UnwrapError> = None;
        for (index, backend) in self.backends.iter().enumerate() {
            let now = Instant::now();
            let left = u32::try_from(self.backends.len() - index).unwrap_or(u32::MAX);
            let share = now + deadline.saturating_duration_since(now) / left;
            let answer =
                tokio::time::timeout_at(share, backend.unwrap_key(&request.as_request(), share))
                    .await
                    .unwrap_or_else(|_| {
                        Err(UnwrapError::new(
                            Category::Unavailable,
                            "the key service did not answer in time",
                        ))
                    });
            match answer {
                Err(error) if error.category() == Category::Unavailable => {
                    failure = Some(match failure {
                        Some(earlier) => sooner(&earlier, error),
                        None => error,
                    });
                }
                answer => return answer,
            }
        }
        Err(failure.unwrap_or_else(|| {
            UnwrapError::new(Category::Misconfigured, "no key service is configured")
        }))
    }
}

/// The later error, with the shorter of both waits.
fn sooner(earlier: &UnwrapError, later: UnwrapError) -> UnwrapError {
    let wait = match (earlier.retry_after(), later.retry_after()) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match wait {
        Some(wait) => later.with_retry_after(wait),
        None => later,
    }
}

/// Collects what a [`KeyEntry`] needs. Contradictions are found by
/// [`RegistryBuilder::build`](crate::RegistryBuilder::build), which sees all entries.
#[derive(Debug)]
pub struct KeyEntryBuilder {
    name: String,
    backends: Vec<Arc<dyn KeyUnwrap>>,
    settings: Settings,
}

impl KeyEntryBuilder {
    /// Adds a key ID under which envelopes may name it, besides the key's thumbprint.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.settings.aliases.push(alias.into());
        self
    }

    /// Sets the namespaces that may use it.
    #[must_use]
    pub fn namespaces(mut self, namespaces: NamespaceSet) -> Self {
        self.settings.namespaces = namespaces;
        self
    }

    /// Whether it opens envelopes without `bind`; no by default.
    #[must_use]
    pub fn allow_unbound(mut self, allow: bool) -> Self {
        self.settings.allow_unbound = allow;
        self
    }

    /// Whether envelopes without `kid` are tried with it; one entry at most.
    #[must_use]
    pub fn default_key(mut self, default: bool) -> Self {
        self.settings.default_key = default;
        self
    }

    /// Adds a backend that holds the private key. Several are replicas, asked in this order when one is unavailable.
    #[must_use]
    pub fn backend(mut self, backend: Arc<dyn KeyUnwrap>) -> Self {
        self.backends.push(backend);
        self
    }

    /// Where the private key is, as configured, for people to read.
    #[must_use]
    pub fn references(mut self, references: Vec<String>) -> Self {
        self.settings.references = references;
        self
    }

    /// The entry.
    #[must_use]
    pub fn build(self) -> KeyEntry {
        KeyEntry {
            settings: Arc::new(self.settings),
            shared: Arc::new(EntryShared {
                name: self.name,
                backends: self.backends,
                state: EntryState::default(),
            }),
        }
    }
}

impl From<KeyEntryBuilder> for KeyEntry {
    fn from(builder: KeyEntryBuilder) -> Self {
        builder.build()
    }
}
