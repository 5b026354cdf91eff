//! The audit line of one review: who, what, which keys, which envelopes, the outcome of it. Never a value,
//! never ciphertext.

pub(crate) mod file;
pub(crate) mod json_out;
pub mod log;

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;
use jwe_envelope::untrusted::json;
use kms_backends::KeySource;

use crate::audit::json_out::{
    push_any_member, push_flag, push_member, push_number, push_string, push_text,
};
use unseal_policy::decide::Code;
use unseal_policy::format::ValueDigest;
use unseal_policy::signatures::SignedBy;

/// Bytes of one line that speak of fields: room for every field that may be opened at a time. What is left out is
/// counted.
const MOST_FIELD_BYTES: usize = 512 << 10;

/// Bytes of a field's name in the line: as long as a key of a Secret may be.
const LONGEST_FIELD: usize = 253;

/// One review, as the audit log and the metrics see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When the review arrived.
    pub time: SystemTime,
    /// `request.uid`; empty when the review could not be read.
    pub uid: String,
    /// What was asked.
    pub operation: Option<Operation>,
    /// The kind of the object, when it is not a Secret.
    pub other_kind: Option<String>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The namespace of the request.
    pub namespace: String,
    /// The name, or the beginning of one with `*` after it where the API server will make one up.
    pub name: String,
    /// Who asked, as the API server says. Under impersonation this is the impersonated identity.
    pub user: User,
    /// Who called the webhook; filled in by the server.
    pub caller: Option<String>,
    /// The outcome of the review.
    pub outcome: ReviewOutcome,
    /// The first reason, where it was not allowed.
    pub code: Option<Code>,
    /// Every field that held an envelope.
    pub fields: Vec<FieldRecord>,
    /// How long the answer took.
    pub took: Duration,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Connects to a subresource.
    Connect,
    /// Stores a new object.
    Create,
    /// Removes an object.
    Delete,
    /// Changes an object.
    Update,
}

impl Operation {
    /// As the API server writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Update => "UPDATE",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Connect, Self::Create, Self::Delete, Self::Update]
            .into_iter()
            .find(|operation| operation.as_str() == name)
    }
}

/// Who asked, each text cut to a sane length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `userInfo.username`.
    pub name: String,
    /// `userInfo.uid`.
    pub uid: String,
    /// `userInfo.groups`.
    pub groups: Vec<String>,
    /// `userInfo.extra`: pod, node, credential and what else the authenticator knows.
    pub extra: Vec<(String, Vec<String>)>,
}

/// The outcome of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReviewOutcome {
    /// Refused with a reason.
    Denied,
    /// The caller hung up before the answer.
    HungUp,
    /// Not a review that can be answered.
    Invalid,
    /// It took longer than the caller waits.
    Late,
    /// Allowed; it holds envelopes, and all of them stay closed.
    Left,
    /// Allowed with a patch.
    Opened,
    /// The review failed inside the webhook.
    Panicked,
    /// A key service did not answer; the caller is to try again.
    Unavailable,
    /// Allowed; nothing in it is sealed.
    Untouched,
}

impl ReviewOutcome {
    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Denied,
        Self::HungUp,
        Self::Invalid,
        Self::Late,
        Self::Left,
        Self::Opened,
        Self::Panicked,
        Self::Unavailable,
        Self::Untouched,
    ];

    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::HungUp => "hung-up",
            Self::Invalid => "invalid",
            Self::Late => "late",
            Self::Left => "left",
            Self::Opened => "opened",
            Self::Panicked => "panicked",
            Self::Unavailable => "unavailable",
            Self::Untouched => "untouched",
        }
    }
}

/// What the audit says about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRecord {
    /// The key within `data`.
    pub field: String,
    /// The key that the envelope names, cut short.
    pub kid: Option<String>,
    /// The configured name of the key that it is tried with.
    pub key: Option<String>,
    /// Names the envelope.
    pub envelope: Option<ValueDigest>,
    /// The outcome of it.
    pub outcome: FieldOutcome,
    /// Why it was refused, or left or opened with a warning.
    pub code: Option<Code>,
    /// Where the content key came from.
    pub source: Option<KeySource>,
    /// Who signed it, where the configuration names that signer.
    pub signer: Option<SignedBy>,
    /// The request repeats a text that is stored: anyone who sends it may not be the one who wrote it.
    pub stored_before: bool,
}

/// The outcome of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldOutcome {
    /// Left as it is.
    Left,
    /// Its value is in the patch.
    Opened,
    /// Its annotation is stored, and the stored value of it was put back.
    PutBack,
    /// It is in the way of the Secret.
    Refused,
    /// Its annotation is gone, and the value goes with it.
    Removed,
    /// A Secret was created with a sealed annotation and its value: the value stays as it came, nothing was opened.
    Restored,
    /// Nothing is wrong with it; another field is in the way.
    Skipped,
}

impl FieldOutcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Left,
        Self::Opened,
        Self::PutBack,
        Self::Refused,
        Self::Removed,
        Self::Restored,
        Self::Skipped,
    ];

    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Opened => "opened",
            Self::PutBack => "put-back",
            Self::Refused => "refused",
            Self::Removed => "removed",
            Self::Restored => "restored",
            Self::Skipped => "skipped",
        }
    }
}

impl AuditRecord {
    /// A review about which nothing is known yet.
    pub(crate) fn new(time: SystemTime) -> Self {
        Self {
            time,
            uid: String::new(),
            operation: None,
            other_kind: None,
            dry_run: false,
            namespace: String::new(),
            name: String::new(),
            user: User::default(),
            caller: None,
            outcome: ReviewOutcome::Invalid,
            code: None,
            fields: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Key service calls that this review made itself.
    pub fn unwraps(&self) -> usize {
        self.fields
            .iter()
            .filter(|field| field.source == Some(KeySource::Unwrapped))
            .count()
    }

    /// Appends the record as one line of JSON, line feed included.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(512 + (256 * self.fields.len()).min(MOST_FIELD_BYTES));
        out.push(b'{');
        push_member(out, "time");
        push_time(out, self.time);
        push_text(out, "uid", &self.uid);
        if let Some(operation) = self.operation {
            push_text(out, "operation", operation.as_str());
        }
        if let Some(kind) = &self.other_kind {
            push_text(out, "kind", kind);
        }
        push_flag(out, "dryRun", self.dry_run);
        push_text(out, "namespace", &self.namespace);
        push_text(out, "name", &self.name);
        self.user.write_json(out);
        if let Some(caller) = &self.caller {
            push_text(out, "caller", caller);
        }
        push_text(out, "outcome", self.outcome.as_str());
        if let Some(code) = self.code {
            push_text(out, "code", code.as_str());
        }
        push_member(out, "fields");
        out.push(b'[');
        let first = out.len();
        let mut left = self.fields.len();
        for field in &self.fields {
            if out.len() - first > MOST_FIELD_BYTES {
                break;
            }
            if out.len() > first {
                out.push(b',');
            }
            field.write_json(out);
            left -= 1;
        }
        out.push(b']');
        if left > 0 {
            push_number(out, "fieldsLeftOut", left as u64);
        }
        push_number(out, "unwraps", self.unwraps() as u64);
        push_number(
            out,
            "micros",
            u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        );
        out.extend_from_slice(b"}\n");
        escape_deceptive(out, start);
    }
}

/// Escapes what follows `start` once more, where others wrote what a terminal obeys or hides. Nearly every line is ASCII.
fn escape_deceptive(out: &mut Vec<u8>, start: usize) {
    let line = &out[start..];
    if line.is_ascii() {
        return;
    }
    if let Cow::Owned(escaped) = json(&String::from_utf8_lossy(line)) {
        out.truncate(start);
        out.extend_from_slice(escaped.as_bytes());
    }
}

impl User {
    fn write_json(&self, out: &mut Vec<u8>) {
        push_text(out, "user", &self.name);
        if !self.uid.is_empty() {
            push_text(out, "userUid", &self.uid);
        }
        if !self.groups.is_empty() {
            push_member(out, "groups");
            push_list(out, &self.groups);
        }
        if !self.extra.is_empty() {
            push_member(out, "extra");
            out.push(b'{');
            for (key, values) in &self.extra {
                push_any_member(out, key);
                push_list(out, values);
            }
            out.push(b'}');
        }
    }
}

impl FieldRecord {
    /// A field about which nothing else is known.
    pub(crate) fn new(field: &str, outcome: FieldOutcome) -> Self {
        Self {
            field: field.to_owned(),
            kid: None,
            key: None,
            envelope: None,
            outcome,
            code: None,
            source: None,
            signer: None,
            stored_before: false,
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        push_text(out, "field", within(&self.field, LONGEST_FIELD));
        if let Some(kid) = &self.kid {
            push_text(out, "kid", kid);
        }
        if let Some(key) = &self.key {
            push_text(out, "key", key);
        }
        if let Some(digest) = &self.envelope {
            push_member(out, "envelope");
            out.push(b'"');
            push_digest(out, digest);
            out.push(b'"');
        }
        push_text(out, "outcome", self.outcome.as_str());
        if let Some(code) = self.code {
            push_text(out, "code", code.as_str());
        }
        if self.stored_before {
            push_flag(out, "storedBefore", true);
        }
        if let Some(source) = self.source {
            push_text(out, "source", source.as_str());
        }
        if let Some(signer) = &self.signer {
            push_text(out, "signer", &signer.name);
            push_text(out, "signerKid", &signer.key_id);
            push_number(out, "signedAt", signer.at);
        }
        out.push(b'}');
    }
}

/// The first bytes of a text, at most so many.
fn within(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

fn push_list(out: &mut Vec<u8>, texts: &[String]) {
    out.push(b'[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_string(out, text);
    }
    out.push(b']');
}

/// The same text as the digest's `Display`, without the formatter.
pub(crate) fn push_digest(out: &mut Vec<u8>, digest: &ValueDigest) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [[0; 2]; 32];
    for (pair, byte) in hex.iter_mut().zip(digest.0) {
        *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
    out.extend_from_slice(b"sha256:");
    out.extend_from_slice(hex.as_flattened());
}

/// RFC 3339 in UTC with milliseconds, in quotes.
fn push_time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // A clock beyond the year 9999 is wrong anyway.
    let date = DateTime::from_unix_duration(since).unwrap_or(DateTime::INFINITY);
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    for (value, digits) in [
        (u32::from(date.year()), 1..5),
        (u32::from(date.month()), 6..8),
        (u32::from(date.day()), 9..11),
        (u32::from(date.hour()), 12..14),
        (u32::from(date.minutes()), 15..17),
        (u32::from(date.seconds()), 18..20),
        (since.subsec_millis(), 21..24),
    ] {
        let mut rest = value;
        for digit in text[digits].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(record: &AuditRecord) -> String {
        let mut out = Vec::new();
        record.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn time_text(seconds: u64) -> String {
        let mut out = Vec::new();
        push_time(&mut out, UNIX_EPOCH + Duration::from_secs(seconds));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn time_is_the_calendar_s() {
        for (seconds, text) in [
            (0, "\"1970-01-01T00:00:00.000Z\""),
            (951_782_399, "\"2000-02-28T23:59:59.000Z\""),
            (951_782_400, "\"2000-02-29T00:00:00.000Z\""),
            (1_709_251_199, "\"2024-02-29T23:59:59.000Z\""),
            (1_735_689_600, "\"2025-01-01T00:00:00.000Z\""),
            (4_107_542_400, "\"2100-03-01T00:00:00.000Z\""),
        ] {
            assert_eq!(time_text(seconds), text);
        }
    }

    #[test]
    fn a_line_is_json_on_one_line_with_everything_that_an_auditor_asks_for() {
        let mut record = AuditRecord::new(UNIX_EPOCH + Duration::from_millis(1_500));
        record.uid = "705ab4f5".into();
        record.operation = Some(Operation::Create);
        record.namespace = "payments".into();
        record.name = "db\n\"".into();
        record.user = User {
            name: "system:serviceaccount:flux:apply".into(),
            uid: "1".into(),
            groups: vec!["system:authenticated".into(), "g\n".into()],
            extra: vec![
                (
                    "authentication.kubernetes.io/pod-name".into(),
                    vec!["p".into()],
                ),
                ("q\"\n".into(), Vec::new()),
            ],
        };
        record.caller = Some("kube-apiserver".into());
        record.outcome = ReviewOutcome::Denied;
        record.code = Some(Code::WrongPlace);
        record.took = Duration::from_micros(42);
        record.fields = vec![FieldRecord {
            field: "password".into(),
            kid: Some("k".into()),
            key: Some("payments".into()),
            envelope: None,
            outcome: FieldOutcome::Refused,
            code: Some(Code::WrongPlace),
            source: Some(KeySource::Unwrapped),
            signer: Some(SignedBy {
                name: "dba".into(),
                key_id: "s".into(),
                at: 7,
            }),
            stored_before: false,
        }];
        let text = line(&record);
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "time": "1970-01-01T00:00:01.500Z", "uid": "705ab4f5", "operation": "CREATE", "dryRun": false,
                "namespace": "payments", "name": "db\n\"", "user": "system:serviceaccount:flux:apply",
                "userUid": "1", "groups": ["system:authenticated", "g\n"],
                "extra": {"authentication.kubernetes.io/pod-name": ["p"], "q\"\n": []}, "caller": "kube-apiserver",
                "outcome": "denied", "code": "wrong-place",
                "fields": [{"field": "password", "kid": "k", "key": "payments", "outcome": "refused",
                    "code": "wrong-place", "source": "unwrapped",
                    "signer": "dba", "signerKid": "s", "signedAt": 7}],
                "unwraps": 1, "micros": 42,
            })
        );
    }

    #[test]
    fn a_line_holds_nothing_that_a_terminal_obeys_or_hides() {
        let mut record = AuditRecord::new(UNIX_EPOCH);
        record.name = "db\u{1b}[2J\u{9b}\u{202e}\u{200b}\n::error::é".into();
        let text = line(&record);
        assert!(text.trim_end().chars().all(|c| !c.is_control()), "{text}");
        assert!(
            !text.contains(['\u{202e}', '\u{200b}']) && text.contains('é'),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["name"], record.name);
    }

    #[test]
    fn a_line_stays_short_whatever_a_secret_is_called_and_however_much_it_holds() {
        let field = |name: String| FieldRecord {
            field: name,
            kid: None,
            key: None,
            envelope: None,
            outcome: FieldOutcome::Refused,
            code: Some(Code::Damaged),
            source: None,
            signer: None,
            stored_before: false,
        };
        let mut record = AuditRecord::new(UNIX_EPOCH);
        record.fields = (0..100_000).map(|n| field(n.to_string())).collect();
        record.fields[0].field = "\u{e9}".repeat(1 << 20);
        let text = line(&record);
        assert!(text.len() < MOST_FIELD_BYTES + 4096, "{}", text.len());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fields = value["fields"].as_array().unwrap();
        assert_eq!(fields[0]["field"], "\u{e9}".repeat(LONGEST_FIELD / 2));
        let left_out = value["fieldsLeftOut"].as_u64().unwrap();
        assert_eq!(fields.len() as u64 + left_out, 100_000);
    }

    #[test]
    fn a_review_that_could_not_be_read_still_has_a_line() {
        let text = line(&AuditRecord::new(UNIX_EPOCH));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["outcome"], "invalid");
        assert_eq!(value["fields"], serde_json::json!([]));
    }
}
