//! The audit line of one review: who, what, which keys, which envelopes, what became of it. Never a value,
//! never ciphertext.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jwe_envelope::EnvelopeDigest;
use kms_backends::KeySource;

use crate::decide::Code;
use crate::json_out::{
    push_any_member, push_flag, push_member, push_number, push_string, push_text,
};
use crate::signatures::SignedBy;

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
    /// What became of the review.
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

/// What became of a review.
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
    pub envelope: Option<EnvelopeDigest>,
    /// What became of it.
    pub outcome: FieldOutcome,
    /// Why it was refused, or left or opened with a warning.
    pub code: Option<Code>,
    /// Where the content key came from.
    pub source: Option<KeySource>,
    /// Who signed it, where the configuration names that signer.
    pub signer: Option<SignedBy>,
}

/// What became of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldOutcome {
    /// Left as it is.
    Left,
    /// Its value is in the patch.
    Opened,
    /// It stands in the way of the Secret.
    Refused,
    /// Its annotation is gone, and the value goes with it.
    Removed,
    /// A Secret was created with a sealed annotation and its value, and the envelope could not be opened: the value
    /// stays as it came.
    Restored,
    /// Nothing is wrong with it; another field stands in the way.
    Skipped,
}

impl FieldOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Left,
        Self::Opened,
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
        out.reserve(512 + 256 * self.fields.len());
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
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            field.write_json(out);
        }
        out.push(b']');
        push_number(out, "unwraps", self.unwraps() as u64);
        push_number(
            out,
            "micros",
            u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        );
        out.extend_from_slice(b"}\n");
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
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        push_text(out, "field", &self.field);
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
pub(crate) fn push_digest(out: &mut Vec<u8>, digest: &EnvelopeDigest) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [[0; 2]; 32];
    for (pair, byte) in hex.iter_mut().zip(digest.as_bytes()) {
        *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
    out.extend_from_slice(b"sha256:");
    out.extend_from_slice(hex.as_flattened());
}

/// RFC 3339 in UTC with milliseconds, in quotes.
fn push_time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil_date(days);
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    for (value, digits) in [
        (year, 1..5),
        (month, 6..8),
        (day, 9..11),
        (second / 3600, 12..14),
        (second / 60 % 60, 15..17),
        (second % 60, 18..20),
        (u64::from(since.subsec_millis()), 21..24),
    ] {
        let mut rest = value;
        for digit in text[digits].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    out.extend_from_slice(&text);
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01. Counted from 1 March of year 0,
/// because then the day that comes and goes is the last one of the year.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let from_march = days + 719_468;
    let (era, day_of_era) = (from_march / 146_097, from_march % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
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
    fn a_review_that_could_not_be_read_still_has_a_line() {
        let text = line(&AuditRecord::new(UNIX_EPOCH));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["outcome"], "invalid");
        assert_eq!(value["fields"], serde_json::json!([]));
    }
}
