//! One field: where it comes from, and its life from there to the answer.

use std::sync::Arc;

use jwe_envelope::Plaintext;
use secret_walker::{ANNOTATION_PREFIX, Entry};

use crate::audit::FieldRecord;
use unseal_policy::decide::{Change, Code, Objection, Refusal, Untouched};
use unseal_policy::format::{OpenRefusal, Opener, SealedValue};

/// The life of a field. Each begins as one of the first five; [`Found`](Self::Found) goes on to one of the others.
pub(super) enum FieldState<'c> {
    /// Its text may be an envelope, which is to be read and decided.
    Found,
    /// It stays as it is.
    Left(Untouched),
    /// Its annotation is stored, and so is this value of it, which the request drops or changes.
    PutBack(Plaintext),
    /// Its annotation is gone, and its value, carried along unchanged, goes with it.
    Removed,
    /// A Secret is created with annotation and value, as from a backup: the value is kept and nothing is opened.
    Restored,
    /// Every check has passed, and the key service is to be asked.
    ToOpen(Box<dyn Opener + 'c>),
    /// Its value is open.
    Opened(Plaintext),
    /// It is in the way of the Secret.
    Refused(OpenRefusal),
}

/// Where a field comes from and what the request says of it; none of this changes while it is decided and opened.
pub(super) struct Origin<'r> {
    pub(super) key: &'r str,
    /// As it is in the review.
    pub(super) text: &'r str,
    pub(super) part: SecretPart,
    pub(super) change: Change,
    /// Whether the Secret asks for it to stay sealed.
    pub(super) leave: bool,
    /// Whether admission opens the form that it is written in.
    pub(super) openable: bool,
    /// The annotation with its signature, if it has one.
    pub(super) signature: Option<&'r str>,
    /// What the request has in `data` beside the annotation.
    pub(super) given: Option<Entry<'r>>,
    /// Whether that was given against the value of the annotation, rather than carried along from what is stored.
    pub(super) overridden: bool,
    /// What is wrong before the envelope is looked at.
    pub(super) fault: Option<Refusal>,
    /// The bytes of a value of `data`.
    pub(super) decoded: Option<Plaintext>,
    /// The same text was opened recently; its bytes need not be looked at again.
    pub(super) recent: Option<Arc<dyn SealedValue>>,
}

/// The part of a Secret that a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretPart {
    Data,
    /// The API server folds it into `data` before it asks a webhook, so only a caller that is not an API server sends it.
    StringData,
    Annotation,
}

impl<'r> Origin<'r> {
    /// A text by itself: no signature, no fault, nothing beside it, in no form that admission opens.
    pub(super) fn new(key: &'r str, text: &'r str, part: SecretPart, change: Change) -> Self {
        Self {
            key,
            text,
            part,
            change,
            leave: false,
            openable: false,
            signature: None,
            given: None,
            overridden: false,
            fault: None,
            decoded: None,
            recent: None,
        }
    }

    /// What may be an envelope.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.decoded {
            Some(value) => value.expose(),
            None => self.text.as_bytes(),
        }
    }

    /// Where it is, as denials name it: `data/password`.
    pub(super) fn path(&self) -> String {
        match self.part {
            SecretPart::Data => format!("data/{}", self.key),
            SecretPart::StringData => format!("stringData/{}", self.key),
            SecretPart::Annotation => {
                format!("metadata.annotations[{ANNOTATION_PREFIX}{}]", self.key)
            }
        }
    }

    /// Whether its value comes from an annotation, rather than from `data` itself.
    pub(super) fn is_annotation(&self) -> bool {
        self.part == SecretPart::Annotation
    }

    /// Whether the request brings it, rather than repeat what is stored.
    pub(super) fn is_introduced(&self, state: &FieldState<'_>) -> bool {
        self.change != Change::Unchanged && matches!(state, FieldState::Found)
    }
}

/// One field on its way.
pub(super) struct ReviewedField<'c> {
    pub(super) origin: &'c Origin<'c>,
    pub(super) record: FieldRecord,
    pub(super) state: FieldState<'c>,
    pub(super) objection: Option<Objection>,
    /// What is wrong with a signature that no one asked for.
    pub(super) signature_fault: Option<String>,
}

impl ReviewedField<'_> {
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, FieldState::Refused(_))
    }

    /// Whether its key is unknown, and may be a version that is not listed yet.
    pub(super) fn may_be_new(&self) -> bool {
        matches!(&self.state, FieldState::Refused(refused) if refused.refusal.may_be_new)
    }

    pub(super) fn refuse(&mut self, refusal: OpenRefusal) {
        self.state = FieldState::Refused(refusal);
    }

    pub(super) fn opened(&self) -> Option<&[u8]> {
        match &self.state {
            FieldState::Opened(plaintext) => Some(plaintext.expose()),
            _ => None,
        }
    }

    /// The value that the patch sets, opened or put back.
    pub(super) fn written(&self) -> Option<&[u8]> {
        match &self.state {
            FieldState::Opened(plaintext) | FieldState::PutBack(plaintext) => {
                Some(plaintext.expose())
            }
            FieldState::Found
            | FieldState::Left(_)
            | FieldState::Refused(_)
            | FieldState::Removed
            | FieldState::Restored
            | FieldState::ToOpen(_) => None,
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        matches!(self.state, FieldState::Removed)
    }
}

pub(super) fn not_base64() -> Refusal {
    Refusal::new(
        Code::Damaged,
        "the value is not base64",
        "encode it, or put it into `stringData` of the manifest",
    )
}
