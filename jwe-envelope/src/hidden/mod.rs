//! Envelopes that a careless step hid: spaces, a byte order mark or quotation marks around them, one more layer of
//! base64, or a longer text that contains them.
//!
//! Nothing here decides what is opened. It finds ciphertext that would be stored as if it were a plain value.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::algorithm::KeyManagement;
use crate::base64url::encoded_len;
use crate::header::MAX_HEADER;
use crate::recognize::{Names, examine, trimmed};

/// Layers around an envelope that are removed.
const MAX_LAYERS: usize = 4;
/// Places within one word at which an envelope or its base64 is looked for, besides the beginning.
const MAX_STARTS: usize = 64;
/// Bytes decoded for each byte of the value, so that the work stays linear whatever the value contains.
const DECODED_PER_BYTE: usize = 16;
/// The shortest base64url of a protected header with `alg` and `enc`, or with `enc` only.
const SHORTEST_HEADER: usize = 20;
/// Tools wrap base64 after 64 or 76 characters; a shorter line is the last one.
const SHORTEST_WRAPPED_LINE: usize = 60;

/// An envelope that a value hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HiddenEnvelope {
    /// The value is the envelope with quotation marks around it, and perhaps spaces, newlines or a byte order mark.
    Wrapped(Vec<u8>),
    /// The value is the envelope in another encoding: base64 once too often, or UTF-16.
    Encoded(Vec<u8>),
    /// A longer text contains the envelope.
    Within,
}

impl HiddenEnvelope {
    /// The envelope without what is around it; `None` where it is a part of a longer text.
    pub fn envelope(&self) -> Option<&[u8]> {
        match self {
            Self::Wrapped(text) | Self::Encoded(text) => Some(text),
            Self::Within => None,
        }
    }
}

/// Finds an envelope in a value that [`recognize`](crate::recognize) takes for a plain one.
///
/// Looks for what a key of the profile could open (RSA-OAEP and ECDH-ES): other people's encrypted tokens are not
/// reported, and an envelope that is in the value as it is needs no such look. The work is linear in the value's
/// length.
///
/// ```
/// use jwe_envelope::{HiddenEnvelope, hidden_envelope};
///
/// let header = "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAtMjU2In0"; // {"enc":"A256GCM","alg":"RSA-OAEP-256"}
/// let text = format!("password={header}.a.b.c.d");
/// assert_eq!(hidden_envelope(text.as_bytes()), Some(HiddenEnvelope::Within));
/// assert_eq!(hidden_envelope(b"hunter2"), None);
/// ```
pub fn hidden_envelope(value: &[u8]) -> Option<HiddenEnvelope> {
    if !matches!(examine(trimmed(value)), Ok(None)) {
        return None;
    }
    let mut search = Search {
        budget: value.len().saturating_mul(DECODED_PER_BYTE),
    };
    search
        .around(value)
        .or_else(|| search.within(value, 0).then_some(HiddenEnvelope::Within))
}

/// One search, and how many bytes it may still decode.
struct Search {
    budget: usize,
}

impl Search {
    /// Removes layer after layer until an envelope is left, or something else.
    fn around(&mut self, value: &[u8]) -> Option<HiddenEnvelope> {
        let mut text = Zeroizing::new(value.to_vec());
        let mut encoded = false;
        for _ in 0..MAX_LAYERS {
            let bare = without_wrapping(&text);
            match examine(bare) {
                Ok(None) => {}
                found => {
                    let ours = match found {
                        Ok(Some(envelope)) => envelope
                            .recipients()
                            .iter()
                            .any(|recipient| is_ours(recipient.algorithm())),
                        // Damaged: what can still be read of its header tells.
                        _ => self.within(bare, MAX_LAYERS),
                    };
                    return ours.then(|| {
                        if encoded {
                            HiddenEnvelope::Encoded(bare.to_vec())
                        } else {
                            HiddenEnvelope::Wrapped(bare.to_vec())
                        }
                    });
                }
            }
            let inner = match narrowed(bare) {
                Some(inner) => inner,
                None => self.decoded(&joined(bare)?)?,
            };
            (text, encoded) = (inner, true);
        }
        None
    }

    /// Whether a text contains an envelope's protected header, as it is or in base64.
    fn within(&mut self, text: &[u8], layer: usize) -> bool {
        if let Some(inner) = narrowed(text) {
            return layer < MAX_LAYERS && self.within(&inner, layer + 1);
        }
        let named = Named::new(text);
        let mut rest = text;
        while let Some(start) = rest.iter().position(|byte| is_letter(*byte)) {
            let (word, end) = word(&rest[start..]);
            rest = &rest[start + end..];
            if word.len() >= SHORTEST_HEADER && self.word(&word, &named, layer) {
                return true;
            }
        }
        false
    }

    fn word(&mut self, word: &[u8], named: &Named, layer: usize) -> bool {
        let inside = memchr::memmem::find_iter(word, b"eyJ")
            .chain(memchr::memmem::find_iter(word, b"ZXlK"))
            .filter(|start| *start > 0)
            .take(MAX_STARTS);
        for start in std::iter::once(0).chain(inside) {
            let text = &word[start..];
            let header = &text[..text.len().min(encoded_len(MAX_HEADER))];
            let header = match header {
                // What base64 makes of `{`, or of a space before it.
                [b'e' | b'C' | b'D' | b'I', ..] => Some(Cow::Borrowed(header)),
                // The first letter was lost or altered when the envelope was copied.
                [b'y', b'J', ..] => Some(Cow::Owned([b"e", header].concat())),
                [_, b'y', b'J', ..] => Some(Cow::Owned([b"e", &header[1..]].concat())),
                _ => None,
            };
            let header = header.and_then(|header| self.decoded(&header));
            if header.is_some_and(|header| named.is_ours(&header)) {
                return true;
            }
            if layer < MAX_LAYERS && (start == 0 || text.starts_with(b"ZXlK")) {
                let inner = self.decoded(text);
                if inner.is_some_and(|inner| self.within(&inner, layer + 1)) {
                    return true;
                }
            }
        }
        false
    }

    /// What base64 of either alphabet stands for; a last character too many is left out.
    fn decoded(&mut self, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &alphabet::URL_SAFE,
            GeneralPurposeConfig::new()
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(DecodePaddingMode::RequireNone),
        );
        self.budget = self.budget.checked_sub(text.len())?;
        let whole = if text.len() % 4 == 1 {
            &text[..text.len() - 1]
        } else {
            text
        };
        let url_safe: Zeroizing<Vec<u8>> = Zeroizing::new(
            whole
                .iter()
                .map(|byte| match byte {
                    b'+' => b'-',
                    b'/' => b'_',
                    other => *other,
                })
                .collect(),
        );
        LENIENT.decode(url_safe.as_slice()).ok().map(Zeroizing::new)
    }
}

/// What the text around a header names, where the header itself does not name its algorithm.
struct Named {
    ciphertext: bool,
    algorithm: bool,
}

impl Named {
    fn new(text: &[u8]) -> Self {
        Self {
            ciphertext: memchr::memmem::find(text, b"ciphertext").is_some(),
            algorithm: names_ours(text),
        }
    }

    /// Whether this is the beginning of a header that a key of ours could serve.
    fn is_ours(&self, header: &[u8]) -> bool {
        if header.trim_ascii_start().first() != Some(&b'{') {
            return false;
        }
        let (mut encryption, mut algorithm) = (false, false);
        for name in Names::of(header) {
            match name.as_ref() {
                "enc" => encryption = true,
                "alg" => algorithm = true,
                _ => {}
            }
        }
        encryption
            && if algorithm {
                is_for_ours(header)
            } else {
                self.ciphertext && self.algorithm
            }
    }
}

/// Whether `alg` has a value of the profile. The text may be cut off or go on behind the header.
fn is_for_ours(header: &[u8]) -> bool {
    const NAME: &[u8] = b"\"alg\"";
    memchr::memmem::find_iter(header, NAME).any(|at| {
        let value = header[at + NAME.len()..].trim_ascii_start();
        value.strip_prefix(b":").is_some_and(|value| {
            let value = value.trim_ascii_start();
            value.starts_with(b"\"RSA-OAEP") || value.starts_with(b"\"ECDH-ES")
        })
    })
}

fn names_ours(text: &[u8]) -> bool {
    [&b"\"RSA-OAEP"[..], b"\"ECDH-ES"]
        .iter()
        .any(|name| memchr::memmem::find(text, name).is_some())
}

fn is_ours(algorithm: &str) -> bool {
    algorithm.parse::<KeyManagement>().is_ok()
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Without spaces, a byte order mark and one pair of quotation marks.
fn without_wrapping(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let text = text
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(text)
        .trim_ascii();
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] | [b'`', inner @ .., b'`'] => {
            inner.trim_ascii()
        }
        _ => text,
    }
}

/// A UTF-16 text of ASCII characters, without its zero bytes.
fn narrowed(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = match text {
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => rest,
        [0, _, ..] | [_, 0, ..] => text,
        _ => return None,
    };
    let narrow = text.iter().copied().filter(|byte| *byte != 0).collect();
    Some(Zeroizing::new(narrow))
}

/// The letters of a text that is nothing but base64, whatever lines it is broken into.
fn joined(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=' && !byte.is_ascii_whitespace())?;
    let text = &text[..=end];
    let fits = |byte: &u8| is_letter(*byte) || byte.is_ascii_whitespace();
    text.iter().all(fits).then(|| {
        let letters = text.iter().copied().filter(|byte| is_letter(*byte));
        Zeroizing::new(letters.collect())
    })
}

/// The word that a text begins with, put together where it is broken into long lines, and where it ends.
fn word(text: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let run = |from: usize| {
        text[from..]
            .iter()
            .position(|byte| !is_letter(*byte))
            .map_or(text.len(), |len| from + len)
    };
    let mut end = run(0);
    let (mut line, mut joined) = (end, None::<Vec<u8>>);
    while line >= SHORTEST_WRAPPED_LINE && matches!(text.get(end), Some(b'\n' | b'\r')) {
        let Some(next) = text[end..]
            .iter()
            .position(|byte| !byte.is_ascii_whitespace())
            .map(|blank| end + blank)
            .filter(|next| is_letter(text[*next]))
        else {
            break;
        };
        let next_end = run(next);
        joined
            .get_or_insert_with(|| text[..end].to_vec())
            .extend_from_slice(&text[next..next_end]);
        (line, end) = (next_end - next, next_end);
    }
    (joined.map_or(Cow::Borrowed(&text[..end]), Cow::Owned), end)
}

#[cfg(test)]
mod tests;
