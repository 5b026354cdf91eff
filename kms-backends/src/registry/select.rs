//! Which recipient of an envelope is opened, with which key entry, and whether it may be.

use jwe_envelope::{Envelope, Grant, GrantContext, GrantError, Untrusted};

use super::Registry;
use super::entry::KeyEntry;

/// A recipient of an envelope, and the key entry that it names.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Selected<'r> {
    /// Which recipient, counted from 0.
    pub recipient: usize,
    /// The entry.
    pub entry: &'r KeyEntry,
    /// The envelope.
    pub envelope: &'r Envelope<'r>,
}

impl<'r> Selected<'r> {
    /// `kid` as the recipient has it.
    pub fn key_id(&self) -> Option<&'r str> {
        self.envelope.recipients().get(self.recipient)?.key_id()
    }

    /// Checks what the entry says: whether it may be used in `namespace`, and whether it opens envelopes without `bind`
    /// where this is one. It does not mention what the envelope allows; see [`grant`](Self::grant).
    ///
    /// # Errors
    /// [`SelectError::Namespace`] or [`SelectError::Unbound`].
    pub fn check_entry(&self, namespace: &str) -> Result<(), SelectError> {
        let key = || self.entry.name().to_owned();
        if !self.entry.allows_namespace(namespace) {
            return Err(SelectError::Namespace {
                key: key(),
                namespace: Untrusted::new(namespace).cut(),
            });
        }
        if self.envelope.binding().is_none() && !self.entry.allow_unbound() {
            return Err(SelectError::Unbound { key: key() });
        }
        Ok(())
    }

    /// Checks everything that decides whether the entry may open the envelope in `context`: what the entry says, then
    /// what the envelope says. Whether envelopes without `bind` are opened is for the entry to say, not for `context`.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn grant(self, context: &GrantContext<'_>) -> Result<Granted<'r>, SelectError> {
        let Self {
            recipient,
            entry,
            envelope,
        } = self;
        self.check_entry(context.place().namespace)?;
        let context = context.allow_unbound(entry.allow_unbound());
        let grant = envelope.grant_recipient(recipient, entry.recipient(), &context)?;
        Ok(Granted { entry, grant })
    }
}

/// Proof that an envelope may be opened with a key entry, which [`Registry::open`] asks for. Only [`Registry::grant`] and
/// [`Selected::grant`] make one, after every check.
#[derive(Debug)]
#[must_use]
pub struct Granted<'r> {
    entry: &'r KeyEntry,
    grant: Grant<'r>,
}

impl<'r> Granted<'r> {
    /// The entry.
    pub fn entry(&self) -> &'r KeyEntry {
        self.entry
    }

    /// The envelope's own part of the proof.
    pub fn grant(&self) -> &Grant<'r> {
        &self.grant
    }
}

/// Why no entry opens an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The envelope does not allow it: place, cluster, caller, time or profile.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The entry does not allow the namespace.
    #[error("key `{key}` does not allow namespace {namespace:?}")]
    Namespace {
        /// The name of the entry.
        key: String,
        /// The namespace, cut short.
        namespace: String,
    },
    /// The envelope has no `bind`, and the entry does not allow that.
    #[error("key `{key}` does not open envelopes without `bind`")]
    Unbound {
        /// The name of the entry.
        key: String,
    },
    /// No recipient names a configured key.
    #[error("no configured key has the key ID {0:?}")]
    UnknownKeyId(String),
    /// No recipient names a key, and there is no default key for it.
    #[error("the envelope names no key, and no default key is configured for it")]
    NoKeyId,
}

/// The recipients of an envelope that name a key of a registry, in their order; see [`Registry::candidates`].
#[derive(Clone, Debug)]
pub struct Candidates<'r> {
    envelope: &'r Envelope<'r>,
    registry: &'r Registry,
    next: usize,
    rule: Rule<'r>,
}

#[derive(Clone, Copy, Debug)]
enum Rule<'r> {
    ByKeyId,
    /// The only recipient without `kid` is tried whatever its algorithm, so that the refusal is precise; of several,
    /// those are that have the key's own algorithm.
    Default {
        entry: &'r KeyEntry,
        several: bool,
    },
    Nothing,
}

impl<'r> Iterator for Candidates<'r> {
    type Item = Selected<'r>;

    fn next(&mut self) -> Option<Selected<'r>> {
        let envelope = self.envelope;
        while let Some(described) = envelope.recipients().get(self.next) {
            let recipient = self.next;
            self.next += 1;
            let entry = match (self.rule, described.key_id()) {
                (Rule::ByKeyId, Some(kid)) => self.registry.find(kid),
                (Rule::Default { entry, several }, None) => (!several
                    || described.algorithm() == entry.recipient().algorithm().as_str())
                .then_some(entry),
                (Rule::ByKeyId | Rule::Nothing, None)
                | (Rule::Default { .. } | Rule::Nothing, Some(_)) => None,
            };
            if let Some(entry) = entry {
                return Some(Selected {
                    recipient,
                    entry,
                    envelope,
                });
            }
        }
        None
    }
}

impl Registry {
    /// Whether a recipient of `envelope` names a key of this registry by its `kid`.
    pub fn has_key_of(&self, envelope: &Envelope<'_>) -> bool {
        let mut named = envelope.recipients().iter().filter_map(|r| r.key_id());
        named.any(|kid| self.find(kid).is_some())
    }

    /// The recipients that name a key of this registry, in their order.
    ///
    /// By `kid` where any recipient has one that is configured; otherwise the default key is tried for recipients without
    /// `kid`: for a single one whatever its algorithm, of several for those with the algorithm of the key. A `kid` is
    /// looked up as it is, and goes nowhere further.
    pub fn candidates<'r>(&'r self, envelope: &'r Envelope<'r>) -> Candidates<'r> {
        let rule = if self.has_key_of(envelope) {
            Rule::ByKeyId
        } else {
            let recipients = envelope.recipients();
            let mut unnamed = recipients.iter().filter(|r| r.key_id().is_none());
            match (unnamed.next(), self.default_key()) {
                (Some(_), Some(entry)) => Rule::Default {
                    entry,
                    several: unnamed.next().is_some(),
                },
                _ => Rule::Nothing,
            }
        };
        Candidates {
            envelope,
            registry: self,
            next: 0,
            rule,
        }
    }

    /// Selects the first recipient whose entry may be used for `envelope` in `namespace`: the entry allows the namespace,
    /// and envelopes without `bind` where this one has none.
    ///
    /// It does not check what the envelope allows; [`grant`](Self::grant) checks that as well.
    ///
    /// # Errors
    /// Why the first candidate may not, or that there is none.
    pub fn select<'r>(
        &'r self,
        envelope: &'r Envelope<'r>,
        namespace: &str,
    ) -> Result<Selected<'r>, SelectError> {
        self.first(envelope, |selected| {
            selected.check_entry(namespace).map(|()| selected)
        })
    }

    /// Checks everything that decides whether `envelope` may be opened in `context`, for the first recipient for which
    /// all of it holds. No key service is asked.
    ///
    /// # Errors
    /// Why the first candidate may not, or that there is none.
    pub fn grant<'r>(
        &'r self,
        envelope: &'r Envelope<'r>,
        context: &GrantContext<'_>,
    ) -> Result<Granted<'r>, SelectError> {
        self.first(envelope, |selected| selected.grant(context))
    }

    fn first<'r, T>(
        &'r self,
        envelope: &'r Envelope<'r>,
        check: impl Fn(Selected<'r>) -> Result<T, SelectError>,
    ) -> Result<T, SelectError> {
        let mut refused = None;
        for selected in self.candidates(envelope) {
            match check(selected) {
                Ok(found) => return Ok(found),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        let kid = || envelope.recipients().iter().find_map(|r| r.key_id());
        Err(refused.unwrap_or_else(|| match kid() {
            Some(kid) => SelectError::UnknownKeyId(Untrusted::new(kid).cut()),
            None => SelectError::NoKeyId,
        }))
    }
}
