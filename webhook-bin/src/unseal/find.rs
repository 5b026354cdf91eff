//! What of a Secret may be sealed, by its first bytes. All other values end their way here.

use jwe_envelope::Plaintext;

use super::annotation::fields_of_annotations;
use super::field::{FieldState, Origin, SecretPart, not_base64};
use super::recent::Recent;
use super::sealed::{MOST_ENVELOPES, SealedField};
use super::subject::{Subject, is_in_use};
use unseal_policy::decide::Change;
use unseal_policy::format::SealedFormat;
use unseal_policy::leave::Left;

/// Bytes of a value that say whether admission opens its form.
const HEAD: usize = 48;
/// Stored envelopes that a review reports. Beyond that they are passed over: they are not opened anyway.
const MOST_STORED: usize = 1024;
/// Fields of a request that are kept as they are found. Each further one is read at once, and kept only if it is
/// sealed: values that begin like an envelope cost an attacker nothing.
const MOST_UNREAD: usize = 1024;

/// Decodes what may be sealed. All other values are passed over by their first bytes.
///
/// Whether a value equals the stored one is asked first, whatever it is and however many there are.
pub(super) fn find<'r>(
    subject: &Subject<'r>,
    left: &Left<'_>,
    formats: &[Box<dyn SealedFormat>],
    recent: &Recent,
) -> Vec<(Origin<'r>, FieldState<'r>)> {
    let secret = subject.secret;
    let may_begin = |head: &[u8]| formats.iter().any(|format| format.may_begin(head));
    let is_openable = |head: &[u8]| formats.iter().any(|format| format.is_openable(head));

    let mut found = Found::new(formats);
    let mut stored_seen = 0;
    for entry in secret.data() {
        let mut head = [0; HEAD];
        let filled = entry.decode_head(&mut head);
        let head = &head[..filled];
        let stored = subject.stored.and_then(|stored| stored.get(entry.key));
        let unchanged = stored.is_some_and(|stored| stored.value == entry.value);
        let begins = may_begin(&head[..filled.min(4)]);
        if unchanged {
            stored_seen += usize::from(begins);
        }
        if unchanged && (!begins || stored_seen > MOST_STORED) {
            continue;
        }
        let change = match stored {
            None => Change::Created,
            Some(_) if unchanged => Change::Unchanged,
            Some(stored) if is_in_use(&stored, formats) => Change::Replaced,
            Some(_) => Change::Changed,
        };
        // Damage at its beginning must not hide an envelope that replaces a value.
        if !begins && change != Change::Replaced {
            continue;
        }
        let text = entry.value.unwrap_or_default();
        let recent = recent.get(text);
        let (decoded, fault) = match recent {
            Some(_) => (None, None),
            None => match entry.decode() {
                Ok(value) => (Some(Plaintext::new(value)), None),
                Err(_) if begins => (None, Some(not_base64())),
                Err(_) => continue,
            },
        };
        let origin = Origin {
            leave: left.names(entry.key),
            openable: is_openable(head),
            signature: secret.signature(entry.key),
            fault,
            decoded,
            recent,
            ..Origin::new(entry.key, text, SecretPart::Data, change)
        };
        if !found.keep(origin, FieldState::Found) {
            return found.all;
        }
    }
    for entry in secret.string_data() {
        let text = entry.value.unwrap_or_default();
        let value = text.as_bytes();
        if !may_begin(&value[..value.len().min(4)]) {
            continue;
        }
        let origin = Origin {
            leave: left.names(entry.key),
            openable: is_openable(value),
            signature: secret.signature(entry.key),
            ..Origin::new(entry.key, text, SecretPart::StringData, Change::Changed)
        };
        if !found.keep(origin, FieldState::Found) {
            return found.all;
        }
    }
    for (origin, state) in fields_of_annotations(subject, left, formats) {
        if matches!(state, FieldState::Restored | FieldState::Left(_)) {
            stored_seen += 1;
            if stored_seen > MOST_STORED {
                continue;
            }
        }
        let origin = Origin {
            openable: is_openable(origin.text.as_bytes()),
            ..origin
        };
        if !found.keep(origin, state) {
            break;
        }
    }
    found.all
}

/// The fields of one Secret.
struct Found<'r, 'f> {
    all: Vec<(Origin<'r>, FieldState<'r>)>,
    formats: &'f [Box<dyn SealedFormat>],
    introduced: usize,
    /// Those that were read and are sealed.
    sealed: usize,
}

impl<'r, 'f> Found<'r, 'f> {
    fn new(formats: &'f [Box<dyn SealedFormat>]) -> Self {
        Self {
            all: Vec::new(),
            formats,
            introduced: 0,
            sealed: 0,
        }
    }

    /// False: the request brings more envelopes than it may, so it is refused, and the rest of it need not be looked at.
    fn keep(&mut self, origin: Origin<'r>, state: FieldState<'r>) -> bool {
        if origin.is_introduced(&state) {
            self.introduced += 1;
            if self.introduced > MOST_UNREAD {
                if SealedField::recognize(&origin, self.formats).is_none() {
                    return true;
                }
                self.sealed += 1;
            }
        }
        self.all.push((origin, state));
        self.sealed <= MOST_ENVELOPES
    }
}
