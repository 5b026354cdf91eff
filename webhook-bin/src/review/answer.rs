//! The answer on the wire: written once, wiped when it is gone, because its patch holds plaintext.

use std::fmt;

use bytes::Bytes;
use jwe_envelope::Untrusted;
use jwe_envelope::secret::wipe;
use jwe_envelope::untrusted::Lines;
use kms_backends::TenantSlot;
use secret_walker::SecretPatch;

use crate::audit::json_out::{push_flag, push_member, push_number, push_string, push_text};
use crate::audit::{AuditRecord, FieldOutcome, FieldRecord, push_digest};

/// Longest warning that an API server hands on uncut, and what it hands on in all.
const LONGEST_WARNING: usize = 256;
const ALL_WARNINGS: usize = 4096;

/// Longest audit annotation that we write.
const LONGEST_ANNOTATION: usize = 1024;

/// What goes back to the caller, and what the audit log says about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// HTTP status: 200 for every review that can be answered, else 400, 429 or 503.
    pub status: u16,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u32>,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: WipingBody,
    /// For the audit log and the metrics.
    pub record: AuditRecord,
    /// What the review takes of its namespace's share, until the answer is written.
    pub(crate) share: Option<TenantSlot>,
}

/// Bytes that are wiped when the last owner drops them.
#[derive(Default)]
pub struct WipingBody(Vec<u8>);

impl WipingBody {
    /// Hands the bytes on without a copy; they are wiped when the last clone is gone.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    fn plain(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Drop for WipingBody {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl AsRef<[u8]> for WipingBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WipingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WipingBody({} bytes, <redacted>)", self.0.len())
    }
}

/// What a review is answered with.
#[derive(Debug)]
pub(super) enum ReviewResponse {
    /// Allowed, with a patch or without.
    Allowed(Option<SecretPatch>),
    /// Refused in a review: status code and message.
    Denied(u16, String),
    /// No review: HTTP status, `Retry-After`, text.
    Http(u16, Option<u32>, String),
}

impl ReviewResponse {
    pub(super) fn into_answer(self, record: AuditRecord, warnings: &[String]) -> Answer {
        if let Self::Http(status, retry_after, text) = self {
            return Answer {
                status,
                retry_after,
                content_type: "text/plain; charset=utf-8",
                body: WipingBody::plain(&mask_immutable_wording(Lines(&text).to_string())),
                record,
                share: None,
            };
        }
        Answer {
            status: 200,
            retry_after: None,
            content_type: "application/json",
            body: self.write_review(&record, warnings),
            record,
            share: None,
        }
    }

    fn write_review(self, record: &AuditRecord, warnings: &[String]) -> WipingBody {
        const PATCH: &[u8] = br#","patchType":"JSONPatch","patch":""#;
        const END: &[u8] = b"\"}}";
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"#,
        );
        push_text(&mut out, "uid", &record.uid);
        push_flag(&mut out, "allowed", matches!(self, Self::Allowed(_)));
        if let Self::Denied(code, message) = &self {
            push_member(&mut out, "status");
            out.push(b'{');
            push_text(&mut out, "status", "Failure");
            push_text(
                &mut out,
                "message",
                &mask_immutable_wording(Lines(message).to_string()),
            );
            push_text(&mut out, "reason", reason(*code));
            push_number(&mut out, "code", u64::from(*code));
            out.push(b'}');
        }
        push_warnings(&mut out, warnings);
        push_annotations(&mut out, record);
        let Self::Allowed(Some(patch)) = self else {
            out.extend_from_slice(b"}}");
            return WipingBody(out);
        };
        // The patch comes last and the buffer has its final size before: no copy of it is left behind.
        let length = patch.base64_len();
        out.reserve_exact(PATCH.len() + length + END.len());
        let mut body = WipingBody(out);
        let out = &mut body.0;
        out.extend_from_slice(PATCH);
        let start = out.len();
        out.resize(start + length, 0);
        patch.write_base64(&mut out[start..]);
        out.extend_from_slice(END);
        body
    }
}

/// The API's word for a status code. Never 409 nor 422: a deployment tool would delete the Secret on those.
fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        503 => "ServiceUnavailable",
        _ => "Forbidden",
    }
}

/// Deployment tools read "is immutable" and "immutable field", with any space between, as leave to delete the
/// Secret and create it again. An envelope can put words into our messages, but not these.
fn mask_immutable_wording(message: String) -> String {
    const WORD: &str = "immutable";
    let lower = message.to_ascii_lowercase();
    let mut changed = String::new();
    let mut copied = 0;
    for (start, _) in lower.match_indices(WORD) {
        let end = start + WORD.len();
        let blank_before = message[..start].ends_with(char::is_whitespace);
        let blank_after = message[end..].starts_with(char::is_whitespace);
        if blank_before || blank_after {
            changed.push_str(&message[copied..start]);
            changed.push_str("unchangeable");
            copied = end;
        }
    }
    if copied == 0 {
        return message;
    }
    changed.push_str(&message[copied..]);
    changed
}

fn push_warnings(out: &mut Vec<u8>, warnings: &[String]) {
    if warnings.is_empty() {
        return;
    }
    push_member(out, "warnings");
    out.push(b'[');
    let mut left = ALL_WARNINGS - LONGEST_WARNING;
    for (index, warning) in warnings.iter().enumerate() {
        let shown = Untrusted::new(warning).at_most(LONGEST_WARNING).to_string();
        let text = cut_to(&shown, LONGEST_WARNING);
        if index > 0 {
            out.push(b',');
        }
        if text.len() > left {
            let more = warnings.len() - index;
            push_string(out, &format!("and {more} more warnings of this kind"));
            break;
        }
        left -= text.len();
        push_string(out, &text);
    }
    out.push(b']');
}

fn cut_to(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let mut end = longest - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// What the API server's own audit log says about the review, at level Metadata too.
fn push_annotations(out: &mut Vec<u8>, record: &AuditRecord) {
    if record.fields.is_empty() {
        return;
    }
    push_member(out, "auditAnnotations");
    out.push(b'{');
    push_text(out, "outcome", record.outcome.as_str());
    if let Some(code) = record.code {
        push_text(out, "code", code.as_str());
    }
    let opened = record
        .fields
        .iter()
        .filter(|field| field.outcome == FieldOutcome::Opened)
        .count();
    push_number_text(out, "opened", opened);
    push_member(out, "fields");
    push_list(out, record.fields.iter().map(|field| field.field.as_str()));
    let restored = |field: &&FieldRecord| field.outcome == FieldOutcome::Restored;
    if record.fields.iter().any(|field| restored(&field)) {
        push_member(out, "restored");
        let restored = record.fields.iter().filter(restored);
        push_list(out, restored.map(|field| field.field.as_str()));
    }
    if record.fields.iter().any(|field| field.kid.is_some()) {
        push_member(out, "kid");
        let mut seen = Vec::new();
        push_list(
            out,
            record.fields.iter().filter_map(|field| {
                let kid = field.kid.as_deref()?;
                if seen.contains(&kid) {
                    return None;
                }
                seen.push(kid);
                Some(kid)
            }),
        );
    }
    let mut signers: Vec<String> = Vec::new();
    for signer in record
        .fields
        .iter()
        .filter_map(|field| field.signer.as_ref())
    {
        let text = format!("{}={}", signer.name, signer.key_id);
        if !signers.contains(&text) {
            signers.push(text);
        }
    }
    if !signers.is_empty() {
        push_member(out, "signer");
        push_list(out, signers.iter().map(String::as_str));
    }
    if record.fields.iter().any(|field| field.envelope.is_some()) {
        push_member(out, "envelope");
        push_digests(out, record);
    }
    out.push(b'}');
}

/// Annotations are strings.
fn push_number_text(out: &mut Vec<u8>, name: &'static str, value: usize) {
    push_member(out, name);
    out.push(b'"');
    crate::audit::json_out::push_digits(out, value as u64, 1);
    out.push(b'"');
}

fn push_list<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t str>) {
    let mut texts = texts.peekable();
    let Some(first) = texts.next() else {
        push_string(out, "");
        return;
    };
    if texts.peek().is_none() {
        push_string(out, &cut_to(first, LONGEST_ANNOTATION));
        return;
    }
    let mut list = first.to_owned();
    for text in texts {
        list.push(',');
        list.push_str(text);
        if list.len() > LONGEST_ANNOTATION {
            break;
        }
    }
    push_string(out, &cut_to(&list, LONGEST_ANNOTATION));
}

fn push_digests(out: &mut Vec<u8>, record: &AuditRecord) {
    out.push(b'"');
    let start = out.len();
    for digest in record
        .fields
        .iter()
        .filter_map(|field| field.envelope.as_ref())
    {
        if out.len() - start > LONGEST_ANNOTATION {
            out.extend_from_slice("…".as_bytes());
            break;
        }
        if out.len() > start {
            out.push(b',');
        }
        push_digest(out, digest);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_delete_a_secret() {
        for (message, expected) in [
            ("key \"is immutable\"", "key \"is unchangeable\""),
            ("Is\tIMMUTABLE.", "Is\tunchangeable."),
            ("immutable field", "unchangeable field"),
            ("(`immutable: true`)", "(`immutable: true`)"),
            (
                "ß is\u{a0}immutable immutable\nfield",
                "ß is\u{a0}unchangeable unchangeable\nfield",
            ),
            ("[immutable]", "[immutable]"),
            ("", ""),
        ] {
            assert_eq!(mask_immutable_wording(message.into()), expected);
        }
    }

    #[test]
    fn warnings_stay_within_what_an_api_server_hands_on() {
        let many: Vec<String> = (0..100)
            .map(|n| format!("{n} {}", "é".repeat(200)))
            .collect();
        let mut out = b"{".to_vec();
        push_warnings(&mut out, &many);
        out.push(b'}');
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let texts: Vec<&str> = value["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_str().unwrap())
            .collect();
        assert!(texts.iter().all(|text| text.len() <= 256));
        assert!(texts.iter().map(|text| text.len()).sum::<usize>() < 4096);
        assert_eq!(
            *texts.last().unwrap(),
            format!("and {} more warnings of this kind", 100 - (texts.len() - 1))
        );
    }

    #[test]
    fn debug_shows_no_body() {
        let body = WipingBody::plain("hunter2");
        assert_eq!(format!("{body:?}"), "WipingBody(7 bytes, <redacted>)");
        assert_eq!(body.into_bytes(), "hunter2".as_bytes());
    }
}
