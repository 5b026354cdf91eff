//! One sealed field on its way: recognized, decided, refused or opened.

use std::sync::Arc;

use jwe_envelope::Plaintext;

use super::super::annotation::{Annotated, WhenRefused};
use super::super::recent::Recent;
use super::super::{Context, OpenRefusal, Opener, SealedFormat, SealedValue};
use super::Subject;
use super::candidate::{Bytes, Candidate};
use crate::audit::{FieldOutcome, FieldRecord};
use crate::decide::{Code, Decision, Leave, Refusal, Reservation, Site, Use};
use crate::signatures::Signed;

/// Envelopes that one Secret may hold.
const MOST_ENVELOPES: usize = 1024;

/// A value that is sealed, or that cannot be read at all.
pub(super) struct Sealed<'c> {
    candidate: &'c Candidate<'c>,
    value: Option<Value<'c>>,
}

enum Value<'c> {
    Kept(&'c Arc<dyn SealedValue>),
    Read(Box<dyn SealedValue + 'c>),
}

impl<'c> Value<'c> {
    fn get(&self) -> &(dyn SealedValue + 'c) {
        match self {
            Self::Kept(value) => value.as_ref(),
            Self::Read(value) => value.as_ref(),
        }
    }
}

impl<'c> Sealed<'c> {
    pub(super) fn recognize(
        candidate: &'c Candidate<'c>,
        formats: &[Box<dyn SealedFormat>],
    ) -> Option<Self> {
        let value = match &candidate.bytes {
            Bytes::Kept(value) => Some(Value::Kept(value)),
            Bytes::Decoded(value) | Bytes::Text(value) => Some(Value::Read(
                formats
                    .iter()
                    .find_map(|format| format.recognize(value.expose()))?,
            )),
            Bytes::Annotation(annotated) => formats
                .iter()
                .find_map(|format| format.recognize(annotated.text.as_bytes()))
                .map(Value::Read),
            Bytes::Gone(_) | Bytes::NotBase64 => None,
        };
        Some(Self { candidate, value })
    }

    /// Keeps what was read for the next time that the same text comes by.
    pub(super) fn remember(&self, recent: &Recent) {
        // One text may be an envelope in an annotation and something else under base64.
        let in_data = matches!(self.candidate.bytes, Bytes::Decoded(_));
        if let Some(Value::Read(value)) = self.value.as_ref().filter(|_| in_data) {
            recent.keep(self.candidate.text, || value.keep());
        }
    }

    fn decide(
        &'c self,
        index: usize,
        subject: &Subject<'_>,
        context: &Context<'c>,
    ) -> Decision<Box<dyn Opener + 'c>> {
        let candidate = self.candidate;
        let refusal = match (&self.value, &candidate.bytes) {
            _ if index >= MOST_ENVELOPES => too_many(),
            (_, Bytes::Text(_)) if !candidate.leave => in_string_data(),
            (
                _,
                Bytes::Annotation(Annotated {
                    fault: Some(fault), ..
                }),
            ) => fault.clone(),
            (Some(value), _) => {
                let site = Site {
                    namespace: subject.namespace,
                    name: subject.name,
                    key: candidate.key,
                    signature: candidate.signature,
                    caller: Use::Admission {
                        change: candidate.change,
                        leave: candidate.leave,
                    },
                };
                return value.get().decide(&site, context);
            }
            (None, Bytes::Annotation(_)) => Refusal::not_an_envelope(),
            (None, _) => not_base64(),
        };
        Decision::Refuse(refusal)
    }
}

/// One sealed field on its way.
pub(super) struct Field<'c> {
    pub(super) candidate: &'c Candidate<'c>,
    pub(super) record: FieldRecord,
    pub(super) state: State<'c>,
    pub(super) reservation: Option<Reservation>,
    /// What is wrong with a signature that nobody asked for.
    pub(super) signature_fault: Option<String>,
}

pub(super) enum State<'c> {
    Left(Leave),
    Opened(Plaintext),
    Refused(OpenRefusal),
    Removed,
    Restored(Refusal),
    ToOpen(Box<dyn Opener + 'c>),
}

impl<'c> Field<'c> {
    pub(super) fn decide(
        sealed: &'c Sealed<'c>,
        index: usize,
        subject: &Subject<'_>,
        context: &Context<'c>,
    ) -> Self {
        let facts = sealed.value.as_ref().map(|value| value.get().facts());
        let facts = facts.unwrap_or_default();
        let record = FieldRecord {
            field: sealed.candidate.key.to_owned(),
            kid: facts.kid,
            key: None,
            envelope: facts.digest,
            outcome: FieldOutcome::Skipped,
            code: None,
            source: None,
            signer: None,
        };
        let mut field = Self {
            candidate: sealed.candidate,
            record,
            state: State::Removed,
            reservation: None,
            signature_fault: None,
        };
        if let Bytes::Gone(fault) = &sealed.candidate.bytes {
            if let Some(fault) = fault {
                field.refuse(fault.clone().into());
            }
            return field;
        }
        match sealed.decide(index, subject, context) {
            // Its name says that it is ours.
            Decision::Leave(Leave::Foreign { kid })
                if matches!(field.candidate.bytes, Bytes::Annotation(_)) =>
            {
                field.refuse(Refusal::unknown_key(kid.as_deref()).into());
            }
            Decision::Leave(leave) => field.state = State::Left(leave),
            Decision::Refuse(refusal) => field.refuse(refusal.into()),
            Decision::Unwrap {
                opening,
                reservation,
                signed,
            } => {
                field.reservation = reservation;
                field.signature_fault = signed.fault();
                if let Signed::By(signer) = signed {
                    field.record.signer = Some(signer);
                }
                field.record.key = Some(opening.key().to_owned());
                field.state = State::ToOpen(opening);
            }
        }
        field
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused(_))
    }

    /// Refuses it, or leaves it where that makes nothing worse.
    pub(super) fn refuse(&mut self, refusal: OpenRefusal) {
        self.state = match self.candidate.when_refused() {
            WhenRefused::Refuse => State::Refused(refusal),
            WhenRefused::Yield | WhenRefused::Restore if refusal.is_transient() => {
                State::Refused(refusal)
            }
            WhenRefused::Restore => State::Restored(refusal.refusal),
            WhenRefused::Stay | WhenRefused::Yield => {
                State::Left(Leave::Unopenable(refusal.refusal))
            }
        };
    }

    pub(super) fn opened(&self) -> Option<&[u8]> {
        match &self.state {
            State::Opened(plaintext) => Some(plaintext.expose()),
            State::Left(_)
            | State::Refused(_)
            | State::Removed
            | State::Restored(_)
            | State::ToOpen(_) => None,
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        matches!(self.state, State::Removed)
    }

    /// What stood under its key when it came, where the value did not come out of `data` itself.
    pub(super) fn beside(&self) -> Option<&Annotated<'_>> {
        match &self.candidate.bytes {
            Bytes::Annotation(annotated) => Some(annotated),
            _ => None,
        }
    }
}

fn too_many() -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("the Secret holds more than {MOST_ENVELOPES} envelopes"),
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

fn not_base64() -> Refusal {
    Refusal::new(
        Code::Damaged,
        "the value is not base64",
        "encode it, or put it into `stringData` of the manifest",
    )
}
