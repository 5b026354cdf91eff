//! What the API server would refuse after us, refused by us first: its own 422 would have deployers delete and
//! recreate the Secret.

use secret_walker::AdmittedSecret;

use super::field::ReviewedField;
use super::outcome::FieldRefusal;
use super::subject::{Subject, is_sealed};
use unseal_policy::decide::{Code, Objection, Refusal};
use unseal_policy::format::SealedFormat;
use unseal_policy::secret_type;

/// Bytes that all values of a Secret may have together: the API server's own limit.
const LARGEST_SECRET: usize = 1024 * 1024;

/// What the API server would refuse after us, refused by us first. Returns what is wrong with fields that were
/// not sealed.
pub(super) fn check_opened(
    fields: &mut [ReviewedField<'_>],
    subject: &Subject<'_>,
    formats: &[Box<dyn SealedFormat>],
) -> Vec<FieldRefusal> {
    let immutable = subject.stored.is_some_and(AdmittedSecret::immutable);
    for field in &mut *fields {
        let Some(value) = field.opened() else {
            continue;
        };
        let refusal = if is_sealed(value, formats) {
            Refusal::nested()
        } else if let Some(refusal) = unless_stored(field, immutable)
            && !subject.is_stored(field.origin.key, value)
        {
            refusal
        } else {
            continue;
        };
        let kid = field.record.kid.clone();
        field.refuse(refusal.for_key(kid.as_deref()).into());
    }
    if !fields
        .iter()
        .any(|field| field.written().is_some() || field.is_removed())
    {
        return Vec::new();
    }
    let others = check_type(fields, subject.secret);
    check_size(fields, subject.secret);
    others
}

/// Why the value may only be the one that is stored, if so it is.
fn unless_stored(field: &ReviewedField<'_>, immutable: bool) -> Option<Refusal> {
    match &field.objection {
        Some(Objection::UnlessStored(refusal)) => Some(refusal.clone()),
        Some(Objection::Warned(_)) | None => immutable.then(changes_immutable),
    }
}

fn check_type(fields: &mut [ReviewedField<'_>], secret: &AdmittedSecret<'_>) -> Vec<FieldRefusal> {
    let named = |key: &str| {
        fields
            .iter()
            .filter(move |field| field.origin.key == key)
            .collect::<Vec<_>>()
    };
    let faults = secret_type::check_without(
        secret,
        |key| named(key).into_iter().find_map(ReviewedField::written),
        |key| named(key).into_iter().any(ReviewedField::is_removed),
    );
    let mut others = Vec::new();
    for fault in faults {
        let refusal = Refusal::new(
            Code::TypeCheck,
            format!(
                "{} (type {:?})",
                fault.reason,
                secret.secret_type().unwrap_or_default()
            ),
            "seal the right value for this type, or change the Secret's type",
        );
        let opened = fields
            .iter_mut()
            .find(|field| field.origin.key == fault.field && field.written().is_some());
        match opened {
            Some(field) => field.refuse(refusal.into()),
            None => others.push(FieldRefusal {
                field: fault.field.to_owned(),
                refusal: refusal.into(),
            }),
        }
    }
    others
}

fn check_size(fields: &mut [ReviewedField<'_>], secret: &AdmittedSecret<'_>) {
    let text: usize = secret
        .data()
        .map(|entry| entry.value.map_or(0, str::len))
        .sum();
    let added: usize = fields
        .iter()
        .filter(|field| field.origin.is_annotation())
        .filter_map(ReviewedField::written)
        .map(<[u8]>::len)
        .sum();
    // An envelope in `data` is longer than what is in it, so this bounds the sum from above.
    if text / 4 * 3 + added <= LARGEST_SECRET {
        return;
    }
    let mut total: usize = secret.data().map(|entry| entry.decoded_len()).sum();
    for field in &*fields {
        let Some(value) = field.written() else {
            continue;
        };
        let before = secret.get(field.origin.key);
        total = total - before.map_or(0, |entry| entry.decoded_len()) + value.len();
    }
    if total <= LARGEST_SECRET {
        return;
    }
    for field in fields {
        if field.written().is_some() {
            field.refuse(too_large(total).into());
        }
    }
}

fn too_large(total: usize) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("opened, the Secret's values are {total} bytes; a Secret holds {LARGEST_SECRET}"),
        "split it into several Secrets",
    )
}

fn changes_immutable() -> Refusal {
    Refusal::new(
        Code::Immutable,
        "the stored Secret may not change (`immutable: true`), and the opened value differs from the stored one",
        "give the new values a Secret of another name, or delete this one first",
    )
}
