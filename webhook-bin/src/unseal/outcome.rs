//! The outcome of all fields together: the patch, or every reason against it, and a record of each field.

use secret_walker::{ANNOTATION_PREFIX, FieldPath, PatchBuilder, SecretPatch, Section};

use super::field::{FieldState, ReviewedField};
use super::subject::equals_stored;
use crate::audit::{FieldOutcome, FieldRecord};
use unseal_policy::decide::{Code, Objection, Refusal, Untouched};
use unseal_policy::format::OpenRefusal;
use unseal_policy::leave;

/// The outcome of a Secret.
#[derive(Debug)]
pub(crate) struct Unsealed {
    /// The answer.
    pub(crate) outcome: SecretOutcome,
    /// Every field that held an envelope.
    pub(crate) fields: Vec<FieldRecord>,
    /// What the person who applied it should know, though it was allowed.
    pub(crate) warnings: Vec<String>,
}

/// The answer to a Secret.
#[derive(Debug)]
pub(crate) enum SecretOutcome {
    /// Allowed, with this patch, or without where nothing was opened.
    Allowed(Option<SecretPatch>),
    /// Refused, for all of these reasons.
    Denied(Vec<FieldRefusal>),
    /// Nothing is wrong but that a key service did not answer: the same request may succeed later.
    Unavailable(Vec<FieldRefusal>),
}

/// One field that is in the way.
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

/// Puts the fields together into the outcome. `no_data`: the Secret came without any value.
pub(super) fn finish(
    mut fields: Vec<ReviewedField<'_>>,
    others: Vec<FieldRefusal>,
    no_data: bool,
) -> Unsealed {
    let denied = !others.is_empty() || fields.iter().any(ReviewedField::is_refused);
    let mut warnings = Vec::new();
    let mut refusals = Vec::new();
    let mut patch = PatchBuilder::new();
    for field in &mut fields {
        let key = field.origin.key;
        field.record.outcome = match &field.state {
            FieldState::Left(leave) => {
                field.record.code = leave_code(leave);
                warnings.extend(leave_warning(key, leave));
                FieldOutcome::Left
            }
            FieldState::Opened(_) | FieldState::PutBack(_) | FieldState::Removed if denied => {
                FieldOutcome::Skipped
            }
            FieldState::Opened(plaintext) => {
                put(&mut patch, field, plaintext.expose(), no_data);
                if field.origin.overridden
                    && field
                        .origin
                        .given
                        .is_some_and(|given| !equals_stored(&given, plaintext.expose()))
                {
                    warnings.push(not_the_given_one(key));
                }
                warnings.extend(opened_warnings(field));
                if let Some(Objection::UnlessStored(refusal) | Objection::Warned(refusal)) =
                    &field.objection
                {
                    field.record.code = Some(refusal.code);
                }
                FieldOutcome::Opened
            }
            FieldState::PutBack(value) => {
                put(&mut patch, field, value.expose(), no_data);
                if field.origin.overridden {
                    warnings.push(not_the_given_one(key));
                }
                FieldOutcome::PutBack
            }
            FieldState::Removed => {
                patch
                    .remove(&FieldPath::data(key))
                    .expect("no annotation stands twice");
                warnings.push(format!(
                    "field `{key}` was removed, as its annotation `{ANNOTATION_PREFIX}{key}` was"
                ));
                FieldOutcome::Removed
            }
            // No warning: the API server may ask again about what this webhook itself has made of a new Secret.
            FieldState::Restored => FieldOutcome::Restored,
            FieldState::Refused(refusal) => {
                field.record.code = Some(refusal.code());
                FieldOutcome::Refused
            }
            FieldState::Found | FieldState::ToOpen(_) => FieldOutcome::Skipped,
        };
    }
    let mut records = Vec::with_capacity(fields.len());
    for field in fields {
        if let FieldState::Refused(refusal) = field.state {
            refusals.push(FieldRefusal {
                field: field.origin.path(),
                refusal,
            });
        }
        records.push(field.record);
    }
    refusals.extend(others);
    let outcome = if refusals.is_empty() {
        SecretOutcome::Allowed((!patch.is_empty()).then(|| patch.finish()))
    } else if refusals
        .iter()
        .all(|refused| refused.refusal.is_transient())
    {
        SecretOutcome::Unavailable(refusals)
    } else {
        SecretOutcome::Denied(refusals)
    };
    Unsealed {
        outcome,
        fields: records,
        warnings,
    }
}

fn not_the_given_one(key: &str) -> String {
    format!("field `{key}` has the value of its annotation, not the one that was given for it")
}

/// What deserves a warning about a value that is opened.
fn opened_warnings(field: &ReviewedField<'_>) -> Vec<String> {
    let key = field.origin.key;
    let mut warnings = Vec::new();
    if field.origin.leave {
        warnings.push(format!(
            "field `{key}` was opened although `{}` names it: that is for envelopes which the webhook cannot open",
            leave::ANNOTATION
        ));
    }
    if let Some(fault) = &field.signature_fault {
        warnings.push(format!(
            "field `{key}` was opened without a signature that counts: {fault}"
        ));
    }
    if let Some(Objection::UnlessStored(refusal) | Objection::Warned(refusal)) = &field.objection {
        warnings.push(format!(
            "field `{key}` was opened with a warning: {}",
            refusal.message
        ));
    }
    warnings
}

/// Writes what it takes to have this value stored.
fn put(patch: &mut PatchBuilder, field: &ReviewedField<'_>, value: &[u8], no_data: bool) {
    let target = FieldPath::data(field.origin.key);
    let written = match field.origin.given {
        _ if !field.origin.is_annotation() => patch.replace(&target, value),
        // Carried along from what is stored.
        Some(given) if equals_stored(&given, value) => return,
        Some(_) => patch.replace(&target, value),
        None => {
            if no_data && patch.is_empty() {
                patch.add_section(Section::Data);
            }
            patch.add(&target, value)
        }
    };
    written.expect("`data` holds any bytes, and no key is sealed twice");
}

fn leave_code(leave: &Untouched) -> Option<Code> {
    match leave {
        Untouched::Asked | Untouched::Plain | Untouched::Stored => None,
        Untouched::Foreign { .. } | Untouched::OthersToken => Some(Code::Foreign),
    }
}

fn leave_warning(key: &str, leave: &Untouched) -> Option<String> {
    match leave {
        Untouched::Asked | Untouched::OthersToken | Untouched::Plain => None,
        Untouched::Foreign { .. } => Some(format!(
            "field `{key}` contains an envelope that is not for this cluster; it was left as it is"
        )),
        Untouched::Stored => Some(format!(
            "field `{key}` stays sealed: what is stored is never opened. To have it opened, delete the Secret and apply its manifest again"
        )),
    }
}
