//! What counts as an envelope. Every value of every Secret comes through here, most of them plain, so
//! the answer for those is found in their first bytes, without an allocation.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::envelope::{Envelope, Recognized};
use crate::error::ParseError;
use crate::{compact, json};

/// Bytes of an envelope's text. A value of 1 MiB needs 1,398,102 of them.
pub const MAX_ENVELOPE: usize = 3 * 512 * 1024;

/// Says what a value is, spaces and newlines around it and a byte order mark before it trimmed.
///
/// An envelope is a compact text that starts with `eyJ` and has four dots, or whose first part decodes
/// to a JSON object with `enc`; or a JSON object with `ciphertext` and with `protected`, `header` or
/// `recipients`. What claims to be one and is not well-formed, or is larger than 1.5 MiB, is
/// [`Malformed`](Recognized::Malformed); everything else is [`Plain`](Recognized::Plain): a signed
/// token (two dots, no `enc`), for one, or several of them one per line.
///
/// Admission opens fewer forms than are recognized: see [`is_openable_form`](crate::is_openable_form).
pub fn recognize(value: &[u8]) -> Recognized<'_> {
    match examine(trimmed(value)) {
        Ok(None) => Recognized::Plain,
        Ok(Some(envelope)) => Recognized::Sealed(Box::new(envelope)),
        Err(fault) => Recognized::Malformed(fault),
    }
}

/// The text without what editors and shells put around it.
pub(crate) fn trimmed(value: &[u8]) -> &[u8] {
    let text = value.trim_ascii();
    text.strip_prefix("\u{feff}".as_bytes())
        .map_or(text, <[u8]>::trim_ascii_start)
}

impl<'a> Envelope<'a> {
    /// Parses any of the three serializations, trimmed as [`recognize`] does.
    ///
    /// Borrows from `text`: the ciphertext is looked at once, to see that it is base64url, and neither copied
    /// nor decoded.
    ///
    /// # Errors
    /// [`ParseError::NotAnEnvelope`] when [`recognize`] would call the text plain; any other
    /// variant says what is damaged.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        examine(trimmed(text))?.ok_or(ParseError::NotAnEnvelope)
    }
}

/// Parses what claims to be an envelope; `None` when the text does not.
pub(crate) fn examine(text: &[u8]) -> Result<Option<Envelope<'_>>, ParseError> {
    let parse = match text.first() {
        Some(b'{') if claims_json(text) => json::parse,
        // What base64url makes of `{`, or of a space before it.
        Some(b'e' | b'C' | b'D' | b'I') if claims_compact(text) => compact::parse,
        _ => return Ok(None),
    };
    if text.len() > MAX_ENVELOPE {
        return Err(ParseError::TooLarge {
            len: text.len(),
            limit: MAX_ENVELOPE,
        });
    }
    match parse(text) {
        // Signed tokens, one per line, have four dots too. A first part that is whole and has no
        // `enc` is not an envelope that was broken over lines.
        Err(ParseError::Broken) if is_signed_token(text) => Ok(None),
        result => result.map(Some),
    }
}

fn claims_compact(text: &[u8]) -> bool {
    (text.starts_with(b"eyJ") && memchr::memchr_iter(b'.', text).take(4).count() == 4)
        || first_object(text).is_some_and(|object| Names::of(&object).any(|name| name == "enc"))
}

fn is_signed_token(text: &[u8]) -> bool {
    first_object(text).is_some_and(|object| {
        serde_json::from_slice::<serde::de::IgnoredAny>(&object).is_ok()
            && Names::of(&object).all(|name| name != "enc")
    })
}

/// What the first part decodes to, when that begins as a JSON object does. Lenient on purpose: padding
/// or a stray bit shall make a text damaged, not plain.
fn first_object(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    const GLANCE: usize = 64;
    // Most values that come this far are found out by their first characters.
    let glance = &text[..text.len().min(GLANCE)];
    let glance = glance.split(|&byte| byte == b'.' || byte == b'=').next()?;
    let mut start = [0; GLANCE];
    let whole = glance.len() / 4 * 4;
    let len = LENIENT.decode_slice(&glance[..whole], &mut start).ok()?;
    if start[..len].trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let end = memchr::memchr2(b'.', b'=', text).unwrap_or(text.len());
    // A single character encodes no byte: the text was truncated there.
    let end = if end % 4 == 1 { end - 1 } else { end };
    LENIENT.decode(&text[..end.min(MAX_ENVELOPE)]).ok()
}

fn claims_json(text: &[u8]) -> bool {
    names_of_envelope(text, || Names::of(text))
}

/// The same for a text whose first letter is another than `{`, or is missing.
pub(crate) fn members_claim_json(text: &[u8]) -> bool {
    names_of_envelope(text, || Names::within(text))
}

fn names_of_envelope<'t>(text: &[u8], names: impl FnOnce() -> Names<'t>) -> bool {
    // A name may hide behind escapes; a text with neither costs one pass at the speed of memory.
    if memchr::memmem::find(text, b"ciphertext").is_none()
        && memchr::memmem::find(text, br"\u").is_none()
    {
        return false;
    }
    let (mut ciphertext, mut other) = (false, false);
    for name in names() {
        match name.as_ref() {
            "ciphertext" => ciphertext = true,
            "header" | "protected" | "recipients" => other = true,
            _ => {}
        }
        if ciphertext && other {
            return true;
        }
    }
    false
}

/// The names of an object's own members. Goes on as far as the text is JSON-like, so that a damaged
/// envelope still is one, and keeps no stack, so that depth costs nothing.
pub(crate) struct Names<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl<'t> Names<'t> {
    pub(crate) fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Those of an object whose `{` is another letter, or is missing.
    fn within(text: &'t [u8]) -> Self {
        Self {
            text,
            at: usize::from(text.first() != Some(&b'"')),
            depth: 1,
        }
    }

    /// The string that begins at `self.at`, quotation marks included.
    fn string(&mut self) -> Option<&'t [u8]> {
        let start = self.at;
        let mut at = start + 1;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.text.get(at..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Some(&self.text[start..=at]);
            }
            at += 2;
        }
    }
}

impl<'t> Iterator for Names<'t> {
    type Item = Cow<'t, str>;

    fn next(&mut self) -> Option<Cow<'t, str>> {
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    let string = self.string()?;
                    let rest = self.text[self.at..].trim_ascii_start();
                    if self.depth == 1 && rest.first() == Some(&b':') {
                        return Some(unquoted(string));
                    }
                    continue;
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return None;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// The content of a JSON string; a broken one is never a name that we look for.
fn unquoted(string: &[u8]) -> Cow<'_, str> {
    let inner = &string[1..string.len() - 1];
    if inner.contains(&b'\\') {
        Cow::Owned(serde_json::from_slice(string).unwrap_or_default())
    } else {
        Cow::Borrowed(std::str::from_utf8(inner).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
