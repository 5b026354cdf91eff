//! The compact serialization (RFC 7516 §7.1): `protected.encrypted_key.iv.ciphertext.tag`.

use std::borrow::Cow;

use crate::envelope::{Envelope, Serialization};
use crate::error::ParseError;
use crate::parts::{JweParts, PROTECTED, RecipientParts};

/// Parses a text that claims to be a compact envelope.
pub(crate) fn parse(text: &[u8]) -> Result<Envelope<'_>, ParseError> {
    split(text).and_then(JweParts::check).map_err(|fault| {
        // Line breaks show as many faults, the first of them seldom the telling one.
        if text.iter().any(u8::is_ascii_whitespace) {
            ParseError::Broken
        } else {
            fault
        }
    })
}

fn split(text: &[u8]) -> Result<JweParts<'_>, ParseError> {
    let text = std::str::from_utf8(text).map_err(|_| ParseError::Utf8 {
        part: "compact envelope",
    })?;
    // Never more than six pieces, however many dots there are.
    let mut segments = [text; 5];
    let (mut found, mut start) = (1, 0);
    for dot in memchr::memchr_iter(b'.', text.as_bytes()).take(segments.len()) {
        if let Some([segment, next]) = segments.get_mut(found - 1..=found) {
            *segment = &text[start..dot];
            *next = &text[dot + 1..];
        }
        (found, start) = (found + 1, dot + 1);
    }
    if found != segments.len() {
        return Err(ParseError::Segments { found });
    }
    let [protected, encrypted_key, iv, ciphertext, tag] = segments;
    if protected.is_empty() {
        return Err(ParseError::Missing { part: PROTECTED });
    }
    Ok(JweParts {
        serialization: Serialization::Compact,
        protected: Some(Cow::Borrowed(protected)),
        unprotected: None,
        recipients: vec![RecipientParts {
            header: None,
            encrypted_key: Cow::Borrowed(encrypted_key),
        }],
        aad: None,
        iv: Cow::Borrowed(iv),
        ciphertext: Cow::Borrowed(ciphertext),
        tag: Cow::Borrowed(tag),
    })
}

/// Prints; `None` when the envelope has a part that compact cannot hold.
pub(crate) fn print(envelope: &Envelope<'_>) -> Option<String> {
    let [recipient] = envelope.recipients.as_slice() else {
        return None;
    };
    let protected = envelope.protected.as_deref()?;
    if envelope.unprotected.is_some() || envelope.aad.is_some() || recipient.header.is_some() {
        return None;
    }
    let parts = [
        protected,
        &recipient.encrypted_key,
        &envelope.iv,
        &envelope.ciphertext,
        &envelope.tag,
    ];
    Some(parts.join("."))
}
