//! The annotation layout: what an annotation with an envelope, the value beside it and what is stored of both
//! mean together.
//!
//! An annotation that is stored is never opened again, no matter who asks: its value is the stored one, and is put back
//! where a request changes or drops it. Only another annotation than the stored one is opened.

use jwe_envelope::Plaintext;
use secret_walker::{AdmittedSecret, Entry, SealedAnnotation, validate_key};

use super::field::{FieldState, Origin, SecretPart, not_base64};
use super::subject::{Subject, is_in_use, is_sealed_entry};
use unseal_policy::decide::{Change, Code, Refusal, Untouched};
use unseal_policy::format::SealedFormat;
use unseal_policy::leave::Left;

/// What the annotations ask for, in their order; removals last.
pub(super) fn fields_of_annotations<'r>(
    subject: &Subject<'r>,
    left: &Left<'_>,
    formats: &[Box<dyn SealedFormat>],
) -> impl Iterator<Item = (Origin<'r>, FieldState<'r>)> {
    let (secret, stored) = (subject.secret, subject.stored);
    let present = secret
        .sealed_annotations()
        .filter_map(move |found| field_of(found, secret, stored, left, formats));
    let removed = stored
        .into_iter()
        .flat_map(AdmittedSecret::sealed_annotations)
        .filter(move |gone| secret.sealed_annotation(gone.key).is_none())
        .filter(move |gone| {
            let kept = stored.and_then(|stored| stored.get(gone.key));
            kept.is_some() && secret.get(gone.key) == kept
        })
        .map(move |gone| {
            let state = if stored.is_some_and(AdmittedSecret::immutable) {
                FieldState::Refused(may_not_change().into())
            } else {
                FieldState::Removed
            };
            // What goes is the value in `data`.
            let origin = Origin::new(gone.key, "", SecretPart::Data, Change::Changed);
            (origin, state)
        });
    present.chain(removed)
}

/// `None` when the annotation and its value are the stored ones: passed over before anything of them is parsed.
fn field_of<'r>(
    found: SealedAnnotation<'r>,
    secret: &'r AdmittedSecret<'r>,
    stored: Option<&'r AdmittedSecret<'r>>,
    left: &Left<'_>,
    formats: &[Box<dyn SealedFormat>],
) -> Option<(Origin<'r>, FieldState<'r>)> {
    let SealedAnnotation { key, text } = found;
    let given = secret.get(key);
    let kept = stored.and_then(|stored| stored.get(key));
    let unchanged = stored.is_some_and(|stored| stored.sealed_annotation(key) == Some(text));
    let in_both = given.is_some_and(|given| is_sealed_entry(&given, formats));
    let origin = |change| Origin {
        leave: left.names(key),
        given,
        ..Origin::new(key, text, SecretPart::Annotation, change)
    };
    if unchanged && (!in_both || given == kept) {
        return match (given, kept) {
            (Some(given), Some(kept)) if bytes(&given) == bytes(&kept) => None,
            (_, Some(stored)) => {
                let origin = Origin {
                    overridden: given.is_some_and(|given| given.value.is_some()),
                    ..origin(Change::Unchanged)
                };
                let state = match stored.decode() {
                    Ok(value) => FieldState::PutBack(Plaintext::new(value)),
                    Err(_) => FieldState::Refused(not_base64().into()),
                };
                Some((origin, state))
            }
            // No value is stored beside it: nothing to put back.
            (_, None) => {
                let origin = origin(Change::Unchanged);
                let leave = if origin.leave {
                    Untouched::Asked
                } else {
                    Untouched::Stored
                };
                Some((origin, FieldState::Left(leave)))
            }
        };
    }
    let has_value = given.is_some_and(|given| !bytes(&given).is_empty());
    if stored.is_none() && has_value && !in_both {
        return Some((origin(Change::Created), FieldState::Restored));
    }
    let fault = match validate_key(key) {
        Err(error) => Some(no_key(&error)),
        Ok(()) if in_both => Some(in_both_layouts(key)),
        Ok(()) => None,
    };
    let change = match kept {
        None => Change::Created,
        Some(kept) if is_in_use(&kept, formats) => Change::Replaced,
        Some(_) => Change::Changed,
    };
    let origin = Origin {
        signature: secret.signature(key),
        overridden: has_value && given != kept,
        fault,
        ..origin(change)
    };
    Some((origin, FieldState::Found))
}

/// `null` reads as empty, as the API server reads it.
fn bytes<'r>(entry: &Entry<'r>) -> &'r str {
    entry.value.unwrap_or_default()
}

fn no_key(error: &secret_walker::WalkError) -> Refusal {
    Refusal::new(
        Code::WrongPlace,
        format!("the annotation's name ends in no key that `data` can have: {error}"),
        "name the annotation `privyseal.dev/data.` and the key",
    )
}

fn in_both_layouts(key: &str) -> Refusal {
    Refusal::new(
        Code::Ambiguous,
        format!(
            "key {:?} is sealed twice, in its annotation and in `data`",
            unseal_policy::refusal::cut(key)
        ),
        "keep one of the two",
    )
}

fn may_not_change() -> Refusal {
    Refusal::new(
        Code::Immutable,
        "the stored Secret may not change (`immutable: true`), and its value would go with the annotation",
        "put the annotation back, or delete the Secret first",
    )
}
