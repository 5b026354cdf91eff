//! One Secret: walk, recognize, decide, open all sealed fields together, patch. All or none.

use std::sync::Arc;

use jwe_envelope::{ObjectName, Plaintext};
use secret_walker::{AdmittedSecret, FieldPath, PatchBuilder, SecretPatch};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::join::join_all;
use super::recent::Recent;
use super::{Context, OpenRefusal, Opener, SealedFormat, SealedValue};
use crate::audit::{FieldOutcome, FieldRecord};
use crate::decide::{Change, Code, Decision, Leave, Refusal, Reservation, Site, Use};
use crate::secret_type;

/// The annotation that names, with commas between, the fields which the application opens itself.
pub(crate) const LEAVE_ANNOTATION: &str = "privyseal.dev/leave";

/// Envelopes that one Secret may hold.
const MOST_ENVELOPES: usize = 1024;

/// Bytes that all values of a Secret may have together: the API server's own limit.
const LARGEST_SECRET: usize = 1024 * 1024;

/// The Secret under review and where it stands.
#[derive(Debug)]
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
}

impl Subject<'_> {
    /// Whether exactly this value is stored under this key.
    fn is_stored(&self, key: &str, value: &[u8]) -> bool {
        self.stored
            .and_then(|stored| stored.get(key))
            .filter(|entry| entry.decoded_len() == value.len())
            .and_then(|entry| entry.decode().ok())
            .map(Zeroizing::new)
            .is_some_and(|stored| stored.as_slice() == value)
    }
}

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
    finish(fields, others)
}

/// A value that may be sealed, by its first bytes.
struct Candidate<'r> {
    key: &'r str,
    /// As it stands in the review.
    text: &'r str,
    change: Change,
    leave: bool,
    bytes: Bytes,
}

enum Bytes {
    Decoded(Plaintext),
    /// The same text was opened lately; its bytes need not be looked at again.
    Kept(Arc<dyn SealedValue>),
    NotBase64,
    /// From `stringData`. The API server folds that into `data` before it asks anybody, so only a caller that
    /// is not an API server sends it.
    Text(Plaintext),
}

/// Decodes what may be sealed. All other values are passed over by their first bytes.
fn candidates<'r>(
    subject: &Subject<'r>,
    formats: &[Box<dyn SealedFormat>],
    recent: &Recent,
) -> Vec<Candidate<'r>> {
    let secret = subject.secret;
    let leave = secret.annotation(LEAVE_ANNOTATION);
    let asked = |key: &str| leave.is_some_and(|named| named.split(',').any(|n| n.trim() == key));
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
            leave: asked(entry.key),
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
                leave: asked(entry.key),
                bytes: Bytes::Text(Plaintext::new(value.to_vec())),
            });
        }
    }
    found
}

/// A value that is sealed, or that cannot be read at all.
struct Sealed<'c> {
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
    fn recognize(candidate: &'c Candidate<'c>, formats: &[Box<dyn SealedFormat>]) -> Option<Self> {
        let value = match &candidate.bytes {
            Bytes::NotBase64 => None,
            Bytes::Kept(value) => Some(Value::Kept(value)),
            Bytes::Decoded(value) | Bytes::Text(value) => Some(Value::Read(
                formats
                    .iter()
                    .find_map(|format| format.recognize(value.expose()))?,
            )),
        };
        Some(Self { candidate, value })
    }

    /// Keeps what was read for the next time that the same text comes by.
    fn remember(&self, recent: &Recent) {
        if let Some(Value::Read(value)) = &self.value {
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
            (Some(value), _) => {
                let site = Site {
                    namespace: subject.namespace,
                    name: subject.name,
                    key: candidate.key,
                    caller: Use::Admission {
                        change: candidate.change,
                        leave: candidate.leave,
                    },
                };
                return value.get().decide(&site, context);
            }
            (None, _) => not_base64(),
        };
        if candidate.change == Change::Unchanged {
            Decision::Leave(Leave::Unopenable(refusal))
        } else {
            Decision::Refuse(refusal)
        }
    }
}

/// One sealed field on its way.
struct Field<'c> {
    candidate: &'c Candidate<'c>,
    record: FieldRecord,
    state: State<'c>,
    reservation: Option<Reservation>,
}

enum State<'c> {
    Left(Leave),
    Opened(Plaintext),
    Refused(OpenRefusal),
    ToOpen(Box<dyn Opener + 'c>),
}

impl<'c> Field<'c> {
    fn decide(
        sealed: &'c Sealed<'c>,
        index: usize,
        subject: &Subject<'_>,
        context: &Context<'c>,
    ) -> Self {
        let facts = sealed.value.as_ref().map(|value| value.get().facts());
        let facts = facts.unwrap_or_default();
        let mut record = FieldRecord {
            field: sealed.candidate.key.to_owned(),
            kid: facts.kid,
            key: None,
            envelope: facts.digest,
            outcome: FieldOutcome::Skipped,
            code: None,
            source: None,
        };
        let mut reservation = None;
        let state = match sealed.decide(index, subject, context) {
            Decision::Leave(leave) => State::Left(leave),
            Decision::Refuse(refusal) => State::Refused(refusal.into()),
            Decision::Unwrap {
                opening,
                reservation: against,
            } => {
                reservation = against;
                record.key = Some(opening.key().to_owned());
                State::ToOpen(opening)
            }
        };
        Self {
            candidate: sealed.candidate,
            record,
            state,
            reservation,
        }
    }

    fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused(_))
    }

    /// Refuses it, or leaves it where it is stored like this already: a dead key must not wedge labels,
    /// finalizers or deletion.
    fn refuse(&mut self, refusal: OpenRefusal) {
        self.state = if self.candidate.change == Change::Unchanged {
            State::Left(Leave::Unopenable(refusal.refusal))
        } else {
            State::Refused(refusal)
        };
    }

    fn opened(&self) -> Option<&[u8]> {
        match &self.state {
            State::Opened(plaintext) => Some(plaintext.expose()),
            State::Left(_) | State::Refused(_) | State::ToOpen(_) => None,
        }
    }
}

/// Opens all at once under one deadline; equal wrapped keys become one call of the key service.
async fn open_all(fields: &mut [Field<'_>], uid: &str, deadline: Instant) {
    let openings = fields
        .iter()
        .filter_map(|field| match &field.state {
            State::ToOpen(opening) => Some(opening.open(deadline)),
            State::Left(_) | State::Opened(_) | State::Refused(_) => None,
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

/// What the API server would refuse after us, refused by us first. Returns what is wrong with fields that were
/// not sealed.
fn check_opened(
    fields: &mut [Field<'_>],
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
            && !subject.is_stored(field.candidate.key, value)
        {
            refusal
        } else {
            continue;
        };
        let kid = field.record.kid.clone();
        field.refuse(refusal.for_key(kid.as_deref()).into());
    }
    if !fields.iter().any(|field| field.opened().is_some()) {
        return Vec::new();
    }
    let others = check_type(fields, subject.secret);
    check_size(fields, subject.secret);
    others
}

/// Why the value may only be the one that is stored, if so it is.
fn unless_stored(field: &Field<'_>, immutable: bool) -> Option<Refusal> {
    match &field.reservation {
        Some(Reservation::UnlessStored(refusal)) => Some(refusal.clone()),
        Some(Reservation::Warned(_)) | None => immutable.then(changes_immutable),
    }
}

fn is_sealed(value: &[u8], formats: &[Box<dyn SealedFormat>]) -> bool {
    formats.iter().any(|format| {
        format.may_begin(&value[..value.len().min(4)]) && format.recognize(value).is_some()
    })
}

fn check_type(fields: &mut [Field<'_>], secret: &AdmittedSecret<'_>) -> Vec<FieldRefusal> {
    let faults = secret_type::check(secret, |key| {
        fields
            .iter()
            .find(|field| field.candidate.key == key)
            .and_then(Field::opened)
    });
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
            .find(|field| field.candidate.key == fault.field && field.opened().is_some());
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

fn check_size(fields: &mut [Field<'_>], secret: &AdmittedSecret<'_>) {
    let text: usize = secret
        .data()
        .map(|entry| entry.value.map_or(0, str::len))
        .sum();
    // An envelope is longer than what is in it, so this bounds the sum from above.
    if text / 4 * 3 <= LARGEST_SECRET {
        return;
    }
    let mut total: usize = secret.data().map(|entry| entry.decoded_len()).sum();
    for field in &*fields {
        if let (Some(value), Some(entry)) = (field.opened(), secret.get(field.candidate.key)) {
            total = total - entry.decoded_len() + value.len();
        }
    }
    if total <= LARGEST_SECRET {
        return;
    }
    for field in fields {
        // One that is stored is smaller opened than sealed: it is not what makes the Secret too large.
        if field.opened().is_some() && field.candidate.change != Change::Unchanged {
            field.refuse(too_large(total).into());
        }
    }
}

fn finish(mut fields: Vec<Field<'_>>, others: Vec<FieldRefusal>) -> Unsealed {
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
            State::Opened(_) if denied => FieldOutcome::Skipped,
            State::Opened(plaintext) => {
                patch
                    .replace(&FieldPath::data(key), plaintext.expose())
                    .expect("`data` holds any bytes, and no key stands in it twice");
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
                field: field_path(field.candidate),
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

fn field_path(candidate: &Candidate<'_>) -> String {
    let section = match candidate.bytes {
        Bytes::Decoded(_) | Bytes::Kept(_) | Bytes::NotBase64 => "data",
        Bytes::Text(_) => "stringData",
    };
    format!("{section}/{}", candidate.key)
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

fn too_many() -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("the Secret holds more than {MOST_ENVELOPES} envelopes"),
        "split it into several Secrets",
    )
}

fn too_large(total: usize) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("opened, the Secret's values are {total} bytes; a Secret holds {LARGEST_SECRET}"),
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

fn changes_immutable() -> Refusal {
    Refusal::new(
        Code::Immutable,
        "the stored Secret may not change (`immutable: true`), and the opened value differs from the stored one",
        "give the new values a Secret of another name, or delete this one first",
    )
}
