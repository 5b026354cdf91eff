//! The JSON serializations (RFC 7516 §7.2): general, and flattened for one recipient.

use std::borrow::Cow;

use crate::envelope::{Envelope, Serialization};
use crate::error::ParseError;
use crate::parts::{CIPHERTEXT, JweParts, MAX_RECIPIENTS, RecipientParts};
use crate::strict_json::{self, JsonMembers, JsonValue};

pub(crate) const TEXT: &str = "JSON envelope";

/// Parses a text that claims to be an envelope in JSON.
pub(crate) fn parse(text: &[u8]) -> Result<Envelope<'_>, ParseError> {
    let text = std::str::from_utf8(text).map_err(|_| ParseError::Utf8 { part: TEXT })?;
    sort(strict_json::read_object(text, TEXT)?)?.check()
}

/// Sorts the members; RFC 7516 §7.2 wants unknown ones ignored.
fn sort(members: JsonMembers<'_>) -> Result<JweParts<'_>, ParseError> {
    let (mut protected, mut unprotected, mut recipients) = (None, None, None);
    let (mut header, mut encrypted_key) = (None, None);
    let (mut aad, mut iv, mut ciphertext, mut tag) = (None, None, None, None);
    for (name, node) in members {
        match name.as_ref() {
            "aad" => aad = Some(filled_text(node, "aad")?),
            // An empty value has an empty ciphertext, and the member must be there.
            "ciphertext" => ciphertext = Some(node.string("ciphertext")?),
            "encrypted_key" => encrypted_key = Some(filled_text(node, "encrypted_key")?),
            "header" => header = Some(filled_object(node, "header")?),
            "iv" => iv = Some(filled_text(node, "iv")?),
            "protected" => protected = Some(filled_text(node, "protected")?),
            "recipients" => recipients = Some(recipient_list(node)?),
            "tag" => tag = Some(filled_text(node, "tag")?),
            "unprotected" => unprotected = Some(filled_object(node, "unprotected")?),
            _ => {}
        }
    }
    let (serialization, recipients) = match (recipients, header, encrypted_key) {
        (None, header, encrypted_key) => {
            let only = RecipientParts {
                header,
                encrypted_key: encrypted_key.unwrap_or_default(),
            };
            (Serialization::Flattened, vec![only])
        }
        (Some(recipients), None, None) => (Serialization::General, recipients),
        (Some(_), Some(_), _) => {
            return Err(ParseError::AmbiguousRecipients { member: "header" });
        }
        (Some(_), None, Some(_)) => {
            return Err(ParseError::AmbiguousRecipients {
                member: "encrypted_key",
            });
        }
    };
    Ok(JweParts {
        serialization,
        protected,
        unprotected,
        recipients,
        aad,
        iv: iv.unwrap_or_default(),
        ciphertext: ciphertext.ok_or(ParseError::Missing { part: CIPHERTEXT })?,
        tag: tag.unwrap_or_default(),
    })
}

fn recipient_list(node: JsonValue<'_>) -> Result<Vec<RecipientParts<'_>>, ParseError> {
    let JsonValue::Array(items) = node else {
        return Err(ParseError::WrongType {
            name: "recipients",
            expected: "an array of objects",
        });
    };
    if items.is_empty() {
        return Err(ParseError::NoRecipients);
    }
    if items.len() > MAX_RECIPIENTS {
        return Err(ParseError::TooManyRecipients {
            limit: MAX_RECIPIENTS,
        });
    }
    items.into_iter().map(recipient).collect()
}

fn recipient(node: JsonValue<'_>) -> Result<RecipientParts<'_>, ParseError> {
    let JsonValue::Object(members) = node else {
        return Err(ParseError::WrongType {
            name: "recipients",
            expected: "an array of objects",
        });
    };
    let (mut header, mut encrypted_key) = (None, None);
    for (name, node) in members {
        match name.as_ref() {
            "encrypted_key" => encrypted_key = Some(filled_text(node, "encrypted_key")?),
            "header" => header = Some(filled_object(node, "header")?),
            _ => {}
        }
    }
    Ok(RecipientParts {
        header,
        encrypted_key: encrypted_key.unwrap_or_default(),
    })
}

/// A string with something in it: RFC 7516 §7.2.1 wants a member without a value left out.
fn filled_text<'a>(node: JsonValue<'a>, member: &'static str) -> Result<Cow<'a, str>, ParseError> {
    let text = node.string(member)?;
    if text.is_empty() {
        return Err(ParseError::Empty { member });
    }
    Ok(text)
}

fn filled_object<'a>(
    node: JsonValue<'a>,
    member: &'static str,
) -> Result<JsonMembers<'a>, ParseError> {
    let members = node.object(member)?;
    if members.is_empty() {
        return Err(ParseError::Empty { member });
    }
    Ok(members)
}

/// Prints flattened JSON; `None` with several recipients, or when neither `protected` nor `header` would
/// mark it as an envelope.
pub(crate) fn print_flattened(envelope: &Envelope<'_>) -> Option<String> {
    let [recipient] = envelope.recipients.as_slice() else {
        return None;
    };
    if envelope.protected.is_none() && recipient.header.is_none() {
        return None;
    }
    let mut out = Writer::new(envelope);
    out.headers(envelope);
    out.raw("header", recipient.header.as_deref());
    out.text("encrypted_key", &recipient.encrypted_key);
    out.content(envelope);
    Some(out.finish())
}

/// Prints general JSON.
pub(crate) fn print_general(envelope: &Envelope<'_>) -> String {
    let mut out = Writer::new(envelope);
    out.headers(envelope);
    let recipients: Vec<String> = envelope
        .recipients
        .iter()
        .map(|recipient| {
            let mut inner = Writer {
                json: String::new(),
            };
            inner.raw("header", recipient.header.as_deref());
            inner.text("encrypted_key", &recipient.encrypted_key);
            inner.finish()
        })
        .collect();
    out.raw("recipients", Some(&format!("[{}]", recipients.join(","))));
    out.content(envelope);
    out.finish()
}

/// Writes members whose texts need no escaping: base64url, or JSON already.
struct Writer {
    json: String,
}

impl Writer {
    fn new(envelope: &Envelope<'_>) -> Self {
        Self {
            json: String::with_capacity(envelope.ciphertext.len() + 1024),
        }
    }

    fn headers(&mut self, envelope: &Envelope<'_>) {
        self.text(
            "protected",
            envelope.protected.as_deref().unwrap_or_default(),
        );
        self.raw("unprotected", envelope.unprotected.as_deref());
    }

    fn content(&mut self, envelope: &Envelope<'_>) {
        self.text("aad", envelope.aad.as_deref().unwrap_or_default());
        self.text("iv", &envelope.iv);
        self.member("ciphertext");
        self.json.extend(["\"", &envelope.ciphertext, "\""]);
        self.text("tag", &envelope.tag);
    }

    /// A base64url text, left out when it is empty.
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.member(name);
            self.json.extend(["\"", text, "\""]);
        }
    }

    fn raw(&mut self, name: &str, json: Option<&str>) {
        if let Some(json) = json {
            self.member(name);
            self.json.push_str(json);
        }
    }

    fn member(&mut self, name: &str) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.json.extend(["\"", name, "\":"]);
    }

    fn finish(mut self) -> String {
        self.json
            .push_str(if self.json.is_empty() { "{}" } else { "}" });
        self.json
    }
}
