//! For which keys a manifest was sealed before: a rule of `.privy.yaml` that now names another key is worth a question.
use std::collections::BTreeSet;
use std::sync::Arc;

use jwe_envelope::{Envelope, Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Manifest};

use super::SealKey;
use crate::keys::trust::{Pin, Store};

/// What is in a manifest already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// The key ids of each envelope of ours.
    pub recipients: BTreeSet<Vec<String>>,
    /// Whether a value is plain, and would be sealed now.
    pub plain: bool,
}

impl Earlier {
    /// Reads what every field and annotation names. Envelopes without a binding are other people's.
    pub fn of(manifest: &Manifest<'_>) -> Self {
        let mut found = Self::default();
        for secret in manifest.secrets() {
            for field in secret.fields() {
                let Ok(value) = field.value() else { continue };
                match recognize(&value) {
                    Recognized::Sealed(envelope) => found.add(&envelope),
                    Recognized::Malformed(_) => {}
                    Recognized::Plain => found.plain = true,
                }
            }
            for (name, value) in secret.annotations() {
                if name.starts_with(ANNOTATION_PREFIX)
                    && let Recognized::Sealed(envelope) = recognize(value.text.as_bytes())
                {
                    found.add(&envelope);
                }
            }
        }
        found
    }

    fn add(&mut self, envelope: &Envelope<'_>) {
        if envelope.binding().is_none() {
            return;
        }
        let ids = envelope.recipients().iter();
        let ids: Vec<_> = ids
            .filter_map(|recipient| recipient.key_id().map(str::to_owned))
            .collect();
        if !ids.is_empty() {
            self.recipients.insert(ids);
        }
    }

    /// The first envelope that was not sealed for this key, one of those that are sealed for now, or that names a key
    /// which is none of them; keys that they replaced count as themselves. The whole set is compared: who may change the
    /// file can add the id of any key to an envelope, and any envelope to a folder.
    pub fn other_than(
        &self,
        key: &SealKey,
        all: &[Arc<SealKey>],
        store: &Store,
    ) -> Option<&Vec<String>> {
        let known = |id: &String| all.iter().any(|key| is_or_was(id, key, store));
        self.recipients
            .iter()
            .find(|ids| !ids.iter().any(|id| is_or_was(id, key, store)) || !ids.iter().all(known))
    }
}

/// Whether the id is that of the key, or of one that it replaced: by the user's own list, or else by the card, of which
/// the user's list must not know better.
fn is_or_was(id: &str, key: &SealKey, store: &Store) -> bool {
    let kid = key.recipient.kid();
    if id == kid {
        return true;
    }
    let knows = |pin: &&Pin| pin.kid == id || pin.replaced.iter().any(|old| old == id);
    let mut owners = store.pins().iter().filter(knows).peekable();
    if owners.peek().is_some() {
        return owners.any(|pin| pin.kid == kid);
    }
    key.retired.iter().any(|old| old == id)
}
