//! One Secret: walk, recognize, decide, open all sealed fields together, patch. All or none.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::field::{FieldState, Origin, ReviewedField};
use super::find::find;
use super::outcome::{Unsealed, finish};
use super::recent::Recent;
use super::right::UnsealRight;
use super::sealed::SealedField;
use super::storable::check_opened;
use super::subject::Subject;
use crate::audit::FieldRecord;
use unseal_policy::format::{Context, OpenedBy, SealedFormat};
use unseal_policy::leave::{self, Left};

/// Goes through a Secret. Nothing is unwrapped while any field is refused, and nothing is patched unless all open.
pub(crate) async fn unseal(
    subject: &Subject<'_>,
    formats: &[Box<dyn SealedFormat>],
    recent: &Recent,
    context: &Context<'_>,
    deadline: Instant,
) -> Unsealed {
    let left = Left::of(subject.secret);
    let (origins, states): (Vec<Origin<'_>>, Vec<FieldState<'_>>) =
        find(subject, &left, formats, recent).into_iter().unzip();
    let (sealed, states): (Vec<SealedField<'_>>, Vec<FieldState<'_>>) = origins
        .iter()
        .zip(states)
        .filter_map(|(origin, state)| Some((SealedField::recognize(origin, formats)?, state)))
        .unzip();
    let mut introduced = 0;
    let mut fields: Vec<ReviewedField<'_>> = sealed
        .iter()
        .zip(states)
        .map(|(sealed, state)| sealed.decide(state, &mut introduced, subject, context))
        .collect();
    if fields.iter().any(ReviewedField::may_be_new) {
        context.registry.note_unknown_kid(subject.namespace);
    }
    if let Some(right) = subject.right {
        admit(&mut fields, right, deadline).await;
    }
    let mut others = Vec::new();
    if !fields.iter().any(ReviewedField::is_refused) {
        open_all(&mut fields, subject.uid, deadline).await;
    }
    if !fields.iter().any(ReviewedField::is_refused) {
        others = check_opened(&mut fields, subject, formats);
    }
    for (field, sealed) in fields.iter().zip(&sealed) {
        if field.opened().is_some() {
            sealed.remember(recent);
        }
    }
    let mut unsealed = finish(fields, others, subject.secret.data().len() == 0);
    if left.too_long {
        unsealed.warnings.push(leave::too_long());
    }
    unsealed
}

/// Refuses what the user who submits it may not have opened.
async fn admit(fields: &mut [ReviewedField<'_>], right: &dyn UnsealRight, deadline: Instant) {
    let to_open = |field: &ReviewedField<'_>| matches!(field.state, FieldState::ToOpen(_));
    if fields.iter().any(ReviewedField::is_refused) || !fields.iter().any(to_open) {
        return;
    }
    if let Err(refused) = right.may_unseal(deadline).await {
        for field in fields.iter_mut().filter(|field| to_open(field)) {
            field.refuse(refused.for_other_field());
        }
    }
}

/// Opens all at once under one deadline; equal wrapped keys become one call of the key service.
async fn open_all(fields: &mut [ReviewedField<'_>], uid: &str, deadline: Instant) {
    let openings = fields.iter().filter_map(|field| match &field.state {
        FieldState::ToOpen(opening) => Some(opening.open(deadline.into_std())),
        _ => None,
    });
    let results = join_all(openings).await;
    let waiting = fields
        .iter_mut()
        .filter(|field| matches!(field.state, FieldState::ToOpen(_)));
    for (field, result) in waiting.zip(results) {
        match result {
            Ok(OpenedBy { opened, key, kid }) => {
                field.record.source = Some(opened.source);
                field.record.key = Some(key);
                field.record.kid = kid;
                field.state = FieldState::Opened(opened.plaintext);
            }
            Err(refusal) => {
                if let Some(key) = &refusal.key {
                    field.record.key = Some(key.clone());
                    field.record.kid.clone_from(&refusal.refusal.kid);
                }
                if let Some(error) = std::error::Error::source(&refusal) {
                    log_key_failure(uid, &field.record, error);
                }
                field.refuse(refusal);
            }
        }
    }
}

/// The key service's own words are for the log, never for the denial.
fn log_key_failure(uid: &str, record: &FieldRecord, error: &(dyn std::error::Error + 'static)) {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    tracing::warn!(
        uid,
        field = record.field,
        key = record.key,
        error = words,
        "key service failed"
    );
}
