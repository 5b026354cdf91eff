//! One Secret: walk, recognize, decide, open all sealed fields together, patch. All or none.

use std::sync::Arc;

use jwe_envelope::{ObjectName, Plaintext};
use secret_walker::{
    ANNOTATION_PREFIX, AdmittedSecret, Entry, FieldPath, PatchBuilder, SecretPatch, Section,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::annotation::{Annotated, Asked, WhenRefused, asked};
use super::gate::Gate;
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

/// A value that may be sealed, by its first bytes.
struct Candidate<'r> {
    key: &'r str,
    /// As it stands in the review.
    text: &'r str,
    change: Change,
    leave: bool,
    bytes: Bytes<'r>,
}

enum Bytes<'r> {
    Decoded(Plaintext),
    /// The same text was opened lately; its bytes need not be looked at again.
    Kept(Arc<dyn SealedValue>),
    NotBase64,
    /// From `stringData`. The API server folds that into `data` before it asks anybody, so only a caller that
    /// is not an API server sends it.
    Text(Plaintext),
    /// From an annotation, in the annotation layout.
    Annotation(Annotated<'r>),
    /// Nothing: the annotation that the value came from is gone.
    Gone(Option<Refusal>),
}

impl Candidate<'_> {
    /// Whether a refusal of this field is a reason to refuse the Secret.
    fn when_refused(&self) -> WhenRefused {
        match &self.bytes {
            Bytes::Annotation(annotated) => annotated.when_refused,
            // A dead key must not wedge labels, finalizers or deletion.
            _ if self.change == Change::Unchanged => WhenRefused::Stay,
            _ => WhenRefused::Refuse,
        }
    }
}

/// Decodes what may be sealed. All other values are passed over by their first bytes.
fn candidates<'r>(
    subject: &Subject<'r>,
    formats: &[Box<dyn SealedFormat>],
    recent: &Recent,
) -> Vec<Candidate<'r>> {
    let secret = subject.secret;
    let leave = secret.annotation(LEAVE_ANNOTATION);
    let is_left = |key: &str| leave.is_some_and(|named| named.split(',').any(|n| n.trim() == key));
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
            leave: is_left(entry.key),
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
                leave: is_left(entry.key),
                bytes: Bytes::Text(Plaintext::new(value.to_vec())),
            });
        }
    }
    found.extend(asked(subject, formats).map(|asked| match asked {
        Asked::Open(annotated) => Candidate {
            key: annotated.key,
            text: annotated.text,
            change: annotated.change,
            leave: is_left(annotated.key),
            bytes: Bytes::Annotation(annotated),
        },
        Asked::Remove { key, fault } => Candidate {
            key,
            text: "",
            change: Change::Changed,
            leave: false,
            bytes: Bytes::Gone(fault),
        },
    }));
    found
}

/// Whether an entry of `data` is sealed.
pub(crate) fn is_sealed_entry(entry: &Entry<'_>, formats: &[Box<dyn SealedFormat>]) -> bool {
    let mut head = [0; 4];
    let filled = entry.decode_head(&mut head);
    formats
        .iter()
        .any(|format| format.may_begin(&head[..filled]))
        && entry.decode().is_ok_and(|value| {
            let value = Zeroizing::new(value);
            formats
                .iter()
                .any(|format| format.recognize(&value).is_some())
        })
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
    fn remember(&self, recent: &Recent) {
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
    Removed,
    Restored(Refusal),
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
        let record = FieldRecord {
            field: sealed.candidate.key.to_owned(),
            kid: facts.kid,
            key: None,
            envelope: facts.digest,
            outcome: FieldOutcome::Skipped,
            code: None,
            source: None,
        };
        let mut field = Self {
            candidate: sealed.candidate,
            record,
            state: State::Removed,
            reservation: None,
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
            } => {
                field.reservation = reservation;
                field.record.key = Some(opening.key().to_owned());
                field.state = State::ToOpen(opening);
            }
        }
        field
    }

    fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused(_))
    }

    /// Refuses it, or leaves it where that makes nothing worse.
    fn refuse(&mut self, refusal: OpenRefusal) {
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

    fn opened(&self) -> Option<&[u8]> {
        match &self.state {
            State::Opened(plaintext) => Some(plaintext.expose()),
            State::Left(_)
            | State::Refused(_)
            | State::Removed
            | State::Restored(_)
            | State::ToOpen(_) => None,
        }
    }

    fn is_removed(&self) -> bool {
        matches!(self.state, State::Removed)
    }

    /// What stood under its key when it came, where the value did not come out of `data` itself.
    fn beside(&self) -> Option<&Annotated<'_>> {
        match &self.candidate.bytes {
            Bytes::Annotation(annotated) => Some(annotated),
            _ => None,
        }
    }
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
    if !fields
        .iter()
        .any(|field| field.opened().is_some() || field.is_removed())
    {
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
    let named = |key: &str| {
        fields
            .iter()
            .filter(move |field| field.candidate.key == key)
            .collect::<Vec<_>>()
    };
    let faults = secret_type::check_without(
        secret,
        |key| named(key).into_iter().find_map(Field::opened),
        |key| named(key).into_iter().any(Field::is_removed),
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
    let added: usize = fields
        .iter()
        .filter(|field| field.beside().is_some())
        .filter_map(Field::opened)
        .map(<[u8]>::len)
        .sum();
    // An envelope in `data` is longer than what is in it, so this bounds the sum from above.
    if text / 4 * 3 + added <= LARGEST_SECRET {
        return;
    }
    let mut total: usize = secret.data().map(|entry| entry.decoded_len()).sum();
    for field in &*fields {
        let Some(value) = field.opened() else {
            continue;
        };
        let before = secret.get(field.candidate.key);
        total = total - before.map_or(0, |entry| entry.decoded_len()) + value.len();
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

/// Says what became of all fields together. `no_data`: the Secret came without any value.
fn finish(mut fields: Vec<Field<'_>>, others: Vec<FieldRefusal>, no_data: bool) -> Unsealed {
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

fn field_path(candidate: &Candidate<'_>) -> String {
    let section = match candidate.bytes {
        Bytes::Annotation(_) => {
            return format!("metadata.annotations[{ANNOTATION_PREFIX}{}]", candidate.key);
        }
        Bytes::Decoded(_) | Bytes::Gone(_) | Bytes::Kept(_) | Bytes::NotBase64 => "data",
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
