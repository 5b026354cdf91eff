//! One Secret: walk, recognize, decide, open all sealed fields together, patch. All or none.

mod candidate;
mod field;
mod opened;
mod outcome;

use jwe_envelope::ObjectName;
use secret_walker::{AdmittedSecret, Entry};
use tokio::time::Instant;
use zeroize::Zeroizing;

pub(crate) use candidate::is_sealed_entry;
pub(crate) use outcome::{FieldRefusal, Outcome, Unsealed};

use super::gate::Gate;
use super::join::join_all;
use super::recent::Recent;
use super::{Context, SealedFormat};
use crate::audit::FieldRecord;
use candidate::candidates;
use field::{Field, Sealed, State};
use opened::check_opened;
use outcome::finish;

/// The Secret under review and where it stands.
pub(crate) struct Subject<'r> {
    /// `request.uid`, for the log.
    pub(crate) uid: &'r str,
    /// As it is to be stored.
    pub(crate) secret: &'r AdmittedSecret<'r>,
    /// As it is stored, on UPDATE.
    pub(crate) stored: Option<&'r AdmittedSecret<'r>>,
    /// The namespace of the request.
    pub(crate) namespace: &'r str,
    /// Its name, or the beginning of the one that it will get.
    pub(crate) name: ObjectName<'r>,
    /// Whether whoever submits it may, where that is asked.
    pub(crate) gate: Option<&'r dyn Gate>,
}

impl Subject<'_> {
    /// Whether exactly this value is stored under this key.
    fn is_stored(&self, key: &str, value: &[u8]) -> bool {
        self.stored
            .and_then(|stored| stored.get(key))
            .is_some_and(|entry| holds(&entry, value))
    }
}

/// Whether exactly this value stands there.
fn holds(entry: &Entry<'_>, value: &[u8]) -> bool {
    entry.decoded_len() == value.len()
        && entry
            .decode()
            .map(Zeroizing::new)
            .is_ok_and(|held| held.as_slice() == value)
}

/// Goes through a Secret. Nothing is unwrapped while any field is refused, and nothing is patched unless all open.
pub(crate) async fn unseal(
    subject: &Subject<'_>,
    formats: &[Box<dyn SealedFormat>],
    recent: &Recent,
    context: &Context<'_>,
    deadline: Instant,
) -> Unsealed {
    let candidates = candidates(subject, formats, recent);
    let sealed: Vec<Sealed<'_>> = candidates
        .iter()
        .filter_map(|candidate| Sealed::recognize(candidate, formats))
        .collect();
    let mut fields: Vec<Field<'_>> = sealed
        .iter()
        .enumerate()
        .map(|(index, sealed)| Field::decide(sealed, index, subject, context))
        .collect();
    if let Some(gate) = subject.gate {
        admit(&mut fields, gate, deadline).await;
    }
    let mut others = Vec::new();
    if !fields.iter().any(Field::is_refused) {
        open_all(&mut fields, subject.uid, deadline).await;
    }
    if !fields.iter().any(Field::is_refused) {
        others = check_opened(&mut fields, subject, formats);
    }
    for (field, sealed) in fields.iter().zip(&sealed) {
        if field.opened().is_some() {
            sealed.remember(recent);
        }
    }
    finish(fields, others, subject.secret.data().len() == 0)
}

/// Refuses what whoever submits it may not have opened.
async fn admit(fields: &mut [Field<'_>], gate: &dyn Gate, deadline: Instant) {
    for field in fields.iter_mut() {
        if let State::ToOpen(opening) = &field.state
            && let Err(refusal) = gate.may_submit(opening.key())
        {
            field.refuse(refusal.into());
        }
    }
    let to_open = |field: &Field<'_>| matches!(field.state, State::ToOpen(_));
    if fields.iter().any(Field::is_refused) || !fields.iter().any(to_open) {
        return;
    }
    if let Err(refused) = gate.may_unseal(deadline).await {
        for field in fields.iter_mut().filter(|field| to_open(field)) {
            field.refuse(refused.again());
        }
    }
}

/// Opens all at once under one deadline; equal wrapped keys become one call of the key service.
async fn open_all(fields: &mut [Field<'_>], uid: &str, deadline: Instant) {
    let openings = fields
        .iter()
        .filter_map(|field| match &field.state {
            State::ToOpen(opening) => Some(opening.open(deadline)),
            _ => None,
        })
        .collect();
    let results = join_all(openings).await;
    let waiting = fields
        .iter_mut()
        .filter(|field| matches!(field.state, State::ToOpen(_)));
    for (field, result) in waiting.zip(results) {
        match result {
            Ok(opened) => {
                field.record.source = Some(opened.source);
                field.state = State::Opened(opened.plaintext);
            }
            Err(refusal) => {
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
