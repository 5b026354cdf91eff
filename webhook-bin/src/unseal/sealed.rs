//! A field that was read, and the decision about it.

use secret_walker::validate_key;

use super::field::{FieldState, Origin, ReviewedField, SecretPart};
use super::recent::Recent;
use super::subject::Subject;
use crate::audit::{FieldOutcome, FieldRecord};
use unseal_policy::decide::{
    Admission, Change, Code, Decision, OpeningContext, Refusal, Site, Untouched,
};
use unseal_policy::format::{Context, Facts, Opener, SealedFormat, SealedValue};
use unseal_policy::signatures::Signed;

/// Envelopes that one request may have opened. Those that are stored already do not count.
pub(super) const MOST_ENVELOPES: usize = 1024;

/// A value that is sealed, that cannot be read at all, or that would replace a plain value in use and has the parts of a
/// sealed one.
pub(super) struct SealedField<'c> {
    origin: &'c Origin<'c>,
    /// What was read just now, unless the text was [opened recently](Origin::recent).
    read: Option<Box<dyn SealedValue + 'c>>,
    /// It would replace a plain value, and is an envelope in another encoding or within quotation marks.
    hidden: bool,
}

impl<'c> SealedField<'c> {
    pub(super) fn recognize(
        origin: &'c Origin<'c>,
        formats: &[Box<dyn SealedFormat>],
    ) -> Option<Self> {
        if origin.recent.is_some() {
            return Some(Self {
                origin,
                read: None,
                hidden: false,
            });
        }
        // Of a value that is no base64, there are no bytes.
        let bytes =
            (origin.part != SecretPart::Data || origin.decoded.is_some()).then(|| origin.bytes());
        // The first format that it is sealed in wins.
        let read =
            bytes.and_then(|bytes| formats.iter().find_map(|format| format.recognize(bytes)));
        let replacing = bytes.filter(|_| {
            origin.part == SecretPart::Data && origin.change == Change::Replaced && read.is_none()
        });
        let hidden =
            replacing.is_some_and(|bytes| formats.iter().any(|format| format.hides(bytes)));
        let is_sealed = read.is_some()
            || match (origin.part, bytes) {
                (SecretPart::Data, Some(_)) => {
                    hidden
                        || replacing.is_some_and(|bytes| {
                            formats.iter().any(|format| format.resembles(bytes))
                        })
                }
                (SecretPart::Data, None) | (SecretPart::Annotation, _) => true,
                (SecretPart::StringData, _) => false,
            };
        is_sealed.then_some(Self {
            origin,
            read,
            hidden,
        })
    }

    fn value(&self) -> Option<&(dyn SealedValue + 'c)> {
        match &self.origin.recent {
            Some(value) => Some(value.as_ref()),
            None => self.read.as_deref(),
        }
    }

    /// Keeps what was read for the next time that the same text comes by.
    pub(super) fn remember(&self, recent: &Recent) {
        // One text may be an envelope in an annotation and something else under base64.
        if self.origin.part == SecretPart::Data
            && let Some(value) = &self.read
        {
            recent.keep(self.origin.text, || value.keep());
        }
    }

    /// The field with the decision about it, where its state is not known yet. `introduced`: how many envelopes the
    /// request brings, up to this one.
    pub(super) fn decide(
        &'c self,
        state: FieldState<'c>,
        introduced: &mut usize,
        subject: &Subject<'_>,
        context: &Context<'c>,
    ) -> ReviewedField<'c> {
        let origin = self.origin;
        *introduced += usize::from(origin.is_introduced(&state));
        let facts = self.value().map_or_else(Facts::default, SealedValue::facts);
        let mut field = ReviewedField {
            origin,
            record: FieldRecord {
                kid: facts.kid,
                envelope: facts.digest,
                stored_before: origin.change == Change::Unchanged,
                ..FieldRecord::new(origin.key, FieldOutcome::Skipped)
            },
            state,
            objection: None,
            signature_fault: None,
        };
        if !matches!(field.state, FieldState::Found) {
            return field;
        }
        match self.decision(*introduced, subject, context) {
            Decision::Leave(leave) => field.state = FieldState::Left(leave),
            Decision::Refuse(refusal) => field.refuse(refusal.into()),
            Decision::Unwrap {
                opening,
                objection,
                signed,
            } => {
                field.objection = objection;
                field.signature_fault = signed.fault();
                if let Signed::By(signer) = signed {
                    field.record.signer = Some(signer);
                }
                field.record.key = Some(opening.key().to_owned());
                field.state = FieldState::ToOpen(opening);
            }
        }
        field
    }

    fn decision(
        &'c self,
        introduced: usize,
        subject: &Subject<'_>,
        context: &Context<'c>,
    ) -> Decision<Box<dyn Opener + 'c>> {
        let origin = self.origin;
        let site = Site {
            namespace: subject.namespace,
            name: subject.name,
            key: origin.key,
            signature: origin.signature,
            caller: OpeningContext::Admission(Admission {
                change: origin.change,
                leave: origin.leave,
                openable: origin.openable,
                submitter: subject.submitter,
            }),
        };
        // Equality comes first: what is stored is never opened and never refused.
        if origin.change == Change::Unchanged {
            return match self.value() {
                Some(value) => value.decide(&site, context),
                None => Decision::Leave(Untouched::Stored),
            };
        }
        if introduced > MOST_ENVELOPES {
            return Decision::Refuse(too_many());
        }
        if origin.part == SecretPart::StringData {
            return Decision::Refuse(in_string_data());
        }
        if let Some(fault) = &origin.fault {
            return Decision::Refuse(fault.clone());
        }
        let Some(value) = self.value() else {
            return match origin.part {
                SecretPart::Annotation => Decision::Refuse(Refusal::not_an_envelope()),
                // It is hidden, or has the parts of an envelope and does not begin as one.
                _ if origin.leave => Decision::Leave(Untouched::Asked),
                _ if self.hidden => Decision::Refuse(Refusal::hidden_over_live()),
                _ => Decision::Refuse(Refusal::damaged_over_live()),
            };
        };
        match value.decide(&site, context) {
            // Its name says that it is ours.
            Decision::Leave(Untouched::Foreign { .. } | Untouched::OthersToken)
            | Decision::Refuse(Refusal {
                code: Code::Foreign,
                ..
            }) if origin.is_annotation() => {
                Decision::Refuse(Refusal::unknown_key(value.facts().kid.as_deref()))
            }
            Decision::Unwrap { .. } if validate_key(origin.key).is_err() => {
                Decision::Refuse(no_key(origin.key))
            }
            decision => decision,
        }
    }
}

/// The API server's own refusal would be a 422, on which deployment tools delete the Secret.
fn no_key(key: &str) -> Refusal {
    Refusal::new(
        Code::WrongPlace,
        format!(
            "no key of a Secret can be named {:?}: only letters, digits, `-`, `_` and `.` are allowed",
            unseal_policy::refusal::cut(key)
        ),
        "rename the key",
    )
}

fn too_many() -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("the request brings more than {MOST_ENVELOPES} envelopes"),
        "split it into several Secrets",
    )
}

fn in_string_data() -> Refusal {
    Refusal::new(
        Code::WrongPlace,
        "an envelope in `stringData` is not opened; the API server moves it to `data` before it asks for a review",
        "send it in `data`",
    )
}
