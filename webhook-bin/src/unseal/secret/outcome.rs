//! What became of all fields together: the patch, or every reason against it, and a record of each field.

use secret_walker::{ANNOTATION_PREFIX, FieldPath, PatchBuilder, SecretPatch, Section};

use super::super::OpenRefusal;
use super::field::{Field, State};
use super::holds;
use crate::audit::{FieldOutcome, FieldRecord};
use crate::decide::{Code, Leave, Refusal, Reservation};

/// What became of a Secret.
#[derive(Debug)]
pub(crate) struct Unsealed {
    /// The answer.
    pub(crate) outcome: Outcome,
    /// Every field that held an envelope.
    pub(crate) fields: Vec<FieldRecord>,
    /// What the person who applied it should know, though it was allowed.
    pub(crate) warnings: Vec<String>,
}

/// The answer to a Secret.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Allowed, with this patch, or without where nothing was opened.
    Allowed(Option<SecretPatch>),
    /// Refused, for all of these reasons.
    Denied(Vec<FieldRefusal>),
    /// Nothing is wrong but that a key service did not answer: the same request may succeed later.
    Unavailable(Vec<FieldRefusal>),
}

/// One field that stands in the way.
#[derive(Debug)]
pub(crate) struct FieldRefusal {
    /// `data/password`.
    pub(crate) field: String,
    /// Why.
    pub(crate) refusal: OpenRefusal,
}

impl FieldRefusal {
    /// The field and why.
    pub(crate) fn parts(&self) -> (&str, &Refusal) {
        (&self.field, &self.refusal.refusal)
    }
}

/// Says what became of all fields together. `no_data`: the Secret came without any value.
pub(super) fn finish(
    mut fields: Vec<Field<'_>>,
    others: Vec<FieldRefusal>,
    no_data: bool,
) -> Unsealed {
    let denied = !others.is_empty() || fields.iter().any(Field::is_refused);
    let mut warnings = Vec::new();
    let mut refusals = Vec::new();
    let mut patch = PatchBuilder::new();
    for field in &mut fields {
        let key = field.candidate.key;
        field.record.outcome = match &field.state {
            State::Left(leave) => {
                field.record.code = leave_code(leave);
                warnings.extend(leave_warning(key, leave));
                FieldOutcome::Left
            }
            State::Opened(_) | State::Removed if denied => FieldOutcome::Skipped,
            State::Opened(plaintext) => {
                put(&mut patch, field, plaintext.expose(), no_data);
                if field.beside().is_some_and(|beside| {
                    beside.overridden
                        && beside
                            .given
                            .is_some_and(|given| !holds(&given, plaintext.expose()))
                }) {
                    warnings.push(format!(
                        "field `{key}` has the value of its annotation, not the one that was given for it"
                    ));
                }
                if let Some(fault) = &field.signature_fault {
                    warnings.push(format!(
                        "field `{key}` was opened without anybody's signature: {fault}"
                    ));
                }
                if let Some(Reservation::UnlessStored(refusal) | Reservation::Warned(refusal)) =
                    &field.reservation
                {
                    field.record.code = Some(refusal.code);
                    warnings.push(format!(
                        "field `{key}` was opened all the same: {}",
                        refusal.message
                    ));
                }
                FieldOutcome::Opened
            }
            State::Removed => {
                patch
                    .remove(&FieldPath::data(key))
                    .expect("no annotation stands twice");
                warnings.push(format!(
                    "field `{key}` was removed, as its annotation `{ANNOTATION_PREFIX}{key}` was"
                ));
                FieldOutcome::Removed
            }
            State::Restored(refusal) => {
                field.record.code = Some(refusal.code);
                warnings.push(format!(
                    "field `{key}` keeps the value that came with it; its annotation was not opened: {}",
                    refusal.message
                ));
                FieldOutcome::Restored
            }
            State::Refused(refusal) => {
                field.record.code = Some(refusal.code());
                FieldOutcome::Refused
            }
            State::ToOpen(_) => FieldOutcome::Skipped,
        };
    }
    let mut records = Vec::with_capacity(fields.len());
    for field in fields {
        if let State::Refused(refusal) = field.state {
            refusals.push(FieldRefusal {
                field: field.candidate.path(),
                refusal,
            });
        }
        records.push(field.record);
    }
    refusals.extend(others);
    let outcome = if refusals.is_empty() {
        Outcome::Allowed((!patch.is_empty()).then(|| patch.finish()))
    } else if refusals
        .iter()
        .all(|refused| refused.refusal.is_transient())
    {
        Outcome::Unavailable(refusals)
    } else {
        Outcome::Denied(refusals)
    };
    Unsealed {
        outcome,
        fields: records,
        warnings,
    }
}

/// Writes what it takes to have this value stored.
fn put(patch: &mut PatchBuilder, field: &Field<'_>, value: &[u8], no_data: bool) {
    let target = FieldPath::data(field.candidate.key);
    let written = match field.beside().map(|beside| beside.given) {
        // Carried along from what is stored.
        Some(Some(given)) if holds(&given, value) => return,
        None | Some(Some(_)) => patch.replace(&target, value),
        Some(None) => {
            if no_data && patch.is_empty() {
                patch.add_section(Section::Data);
            }
            patch.add(&target, value)
        }
    };
    written.expect("`data` holds any bytes, and no key is sealed twice");
}

fn leave_code(leave: &Leave) -> Option<Code> {
    match leave {
        Leave::Asked | Leave::Plain => None,
        Leave::Foreign { .. } => Some(Code::Foreign),
        Leave::Unopenable(refusal) => Some(refusal.code),
    }
}

fn leave_warning(key: &str, leave: &Leave) -> Option<String> {
    match leave {
        Leave::Asked | Leave::Plain => None,
        Leave::Foreign { .. } => Some(format!(
            "field `{key}` holds an envelope that is not for this cluster; it was left as it is"
        )),
        Leave::Unopenable(refusal) => Some(format!(
            "field `{key}` stays sealed, as it is stored: {}",
            refusal.message
        )),
    }
}
