//! What of a Secret may be sealed, by its first bytes. All other values end their way here.

use std::sync::Arc;

use jwe_envelope::Plaintext;
use secret_walker::{ANNOTATION_PREFIX, Entry};
use zeroize::Zeroizing;

use super::super::annotation::{Annotated, Asked, WhenRefused, asked};
use super::super::recent::Recent;
use super::super::{SealedFormat, SealedValue};
use super::Subject;
use crate::decide::{Change, Refusal};

/// The annotation that names, with commas between, the fields which the application opens itself.
const LEAVE_ANNOTATION: &str = "privyseal.dev/leave";

/// A value that may be sealed, by its first bytes.
pub(super) struct Candidate<'r> {
    pub(super) key: &'r str,
    /// As it stands in the review.
    pub(super) text: &'r str,
    pub(super) change: Change,
    pub(super) leave: bool,
    /// The annotation with its signature, if it has one.
    pub(super) signature: Option<&'r str>,
    pub(super) bytes: Bytes<'r>,
}

pub(super) enum Bytes<'r> {
    Decoded(Plaintext),
    /// The same text was opened lately; its bytes need not be looked at again.
    Kept(Arc<dyn SealedValue>),
    NotBase64,
    /// From `stringData`. The API server folds that into `data` before it asks anybody, so only a caller that
    /// is not an API server sends it.
    Text(Plaintext),
    /// From an annotation, in the annotation layout.
    Annotation(Annotated<'r>),
    /// Nothing: the annotation that the value came from is gone.
    Gone(Option<Refusal>),
}

impl Candidate<'_> {
    /// Whether a refusal of this field is a reason to refuse the Secret.
    pub(super) fn when_refused(&self) -> WhenRefused {
        match &self.bytes {
            Bytes::Annotation(annotated) => annotated.when_refused,
            // A dead key must not wedge labels, finalizers or deletion.
            _ if self.change == Change::Unchanged => WhenRefused::Stay,
            _ => WhenRefused::Refuse,
        }
    }

    /// Where it stands, as denials name it: `data/password`.
    pub(super) fn path(&self) -> String {
        let section = match self.bytes {
            Bytes::Annotation(_) => {
                return format!("metadata.annotations[{ANNOTATION_PREFIX}{}]", self.key);
            }
            Bytes::Decoded(_) | Bytes::Gone(_) | Bytes::Kept(_) | Bytes::NotBase64 => "data",
            Bytes::Text(_) => "stringData",
        };
        format!("{section}/{}", self.key)
    }
}

/// Decodes what may be sealed. All other values are passed over by their first bytes.
pub(super) fn candidates<'r>(
    subject: &Subject<'r>,
    formats: &[Box<dyn SealedFormat>],
    recent: &Recent,
) -> Vec<Candidate<'r>> {
    let secret = subject.secret;
    let leave = secret.annotation(LEAVE_ANNOTATION);
    let is_left = |key: &str| leave.is_some_and(|named| named.split(',').any(|n| n.trim() == key));
    let may_begin = |head: &[u8]| formats.iter().any(|format| format.may_begin(head));

    let mut found = Vec::new();
    for entry in secret.data() {
        let mut head = [0; 4];
        let filled = entry.decode_head(&mut head);
        if !may_begin(&head[..filled]) {
            continue;
        }
        let change = match subject.stored {
            None => Change::Created,
            Some(stored) => match stored.get(entry.key) {
                Some(old) if old.value == entry.value => Change::Unchanged,
                Some(_) => Change::Changed,
                None => Change::Created,
            },
        };
        let text = entry.value.unwrap_or_default();
        let decode = || match entry.decode() {
            Ok(value) => Bytes::Decoded(Plaintext::new(value)),
            Err(_) => Bytes::NotBase64,
        };
        found.push(Candidate {
            key: entry.key,
            text,
            change,
            leave: is_left(entry.key),
            signature: secret.signature(entry.key),
            bytes: recent.get(text).map_or_else(decode, Bytes::Kept),
        });
    }
    for entry in secret.string_data() {
        let text = entry.value.unwrap_or_default();
        let value = text.as_bytes();
        if may_begin(&value[..value.len().min(4)]) {
            found.push(Candidate {
                key: entry.key,
                text,
                change: Change::Changed,
                leave: is_left(entry.key),
                signature: secret.signature(entry.key),
                bytes: Bytes::Text(Plaintext::new(value.to_vec())),
            });
        }
    }
    found.extend(asked(subject, formats).map(|asked| match asked {
        Asked::Open(annotated) => Candidate {
            key: annotated.key,
            text: annotated.text,
            change: annotated.change,
            leave: is_left(annotated.key),
            signature: secret.signature(annotated.key),
            bytes: Bytes::Annotation(annotated),
        },
        Asked::Remove { key, fault } => Candidate {
            key,
            text: "",
            change: Change::Changed,
            leave: false,
            signature: None,
            bytes: Bytes::Gone(fault),
        },
    }));
    found
}

/// Whether an entry of `data` is sealed.
pub(crate) fn is_sealed_entry(entry: &Entry<'_>, formats: &[Box<dyn SealedFormat>]) -> bool {
    let mut head = [0; 4];
    let filled = entry.decode_head(&mut head);
    formats
        .iter()
        .any(|format| format.may_begin(&head[..filled]))
        && entry.decode().is_ok_and(|value| {
            let value = Zeroizing::new(value);
            formats
                .iter()
                .any(|format| format.recognize(&value).is_some())
        })
}

/// Whether an opened value is sealed once more.
pub(super) fn is_sealed(value: &[u8], formats: &[Box<dyn SealedFormat>]) -> bool {
    formats.iter().any(|format| {
        format.may_begin(&value[..value.len().min(4)]) && format.recognize(value).is_some()
    })
}
