//! Base64 as the API server reads it, and how to look at a value without decoding all of it.
//!
//! The API server is written in Go, whose reader of JSON takes standard base64 with padding,
//! passes over `\r` and `\n` wherever they are, and does not mind unused bits in the last character.

use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode::RequireCanonical;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, DecodeSliceError, Engine};
use zeroize::{Zeroize, Zeroizing};

use crate::error::WalkError;

/// As Go's `base64.StdEncoding`, once line breaks are gone.
const KUBERNETES: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a value of `data`.
///
/// The bytes may be secret: the vector never moves while it is filled, so wiping it wipes the only copy.
///
/// # Errors
/// [`WalkError::Base64`] when the API server would not accept the text either. It does not repeat any of it.
pub fn decode(text: &str) -> Result<Vec<u8>, WalkError> {
    match decode_joined(text.as_bytes()) {
        // Line breaks are rare: looked for only where they can be what is wrong.
        Err(_) if has_line_break(text) => decode_joined(&without_line_breaks(text)),
        result => result,
    }
}

fn decode_joined(text: &[u8]) -> Result<Vec<u8>, WalkError> {
    let mut decoded = vec![0; text.len().div_ceil(4) * 3];
    match KUBERNETES.decode_slice(text, &mut decoded) {
        Ok(length) => {
            decoded.truncate(length);
            Ok(decoded)
        }
        Err(error) => {
            decoded.zeroize();
            Err(WalkError::Base64 {
                reason: reason(&error),
            })
        }
    }
}

/// What is wrong with a text that [`decode`] would not accept.
#[cfg(feature = "manifest")]
pub(crate) fn fault(text: &str) -> Option<&'static str> {
    match decode(text) {
        Ok(mut decoded) => {
            decoded.zeroize();
            None
        }
        Err(WalkError::Base64 { reason }) => Some(reason),
        Err(_) => None,
    }
}

/// How many bytes a value of `data` decodes to, without decoding it.
///
/// Exact for a text that [`decode`] accepts, and never too small for any other.
pub fn decoded_len(text: &str) -> usize {
    let breaks = if has_line_break(text) {
        text.bytes().filter(|byte| is_line_break(*byte)).count()
    } else {
        0
    };
    let padding = text
        .bytes()
        .rev()
        .filter(|byte| !is_line_break(*byte))
        .take(2)
        .take_while(|byte| *byte == b'=')
        .count();
    let characters = text.len() - breaks;
    (characters.div_ceil(4) * 3).saturating_sub(padding)
}

/// Whether a value of `data` decodes to something that begins with `prefix`.
///
/// Looks at as many characters as the prefix needs. What follows them may be anything.
pub fn starts_with_base64(text: &str, prefix: &[u8]) -> bool {
    let mut expected = prefix.iter();
    for byte in LazyBytes::new(text).take(prefix.len()) {
        if expected.next() != Some(&byte) {
            return false;
        }
    }
    expected.as_slice().is_empty()
}

/// Decodes the first bytes of a value of `data` into `head` and says how many there are.
///
/// Fewer than `head` holds when the value is shorter, or stops being base64 before.
pub fn decode_head(text: &str, head: &mut [u8]) -> usize {
    let mut filled = 0;
    for (place, byte) in head.iter_mut().zip(LazyBytes::new(text)) {
        *place = byte;
        filled += 1;
    }
    filled
}

/// Encodes into `out`, which must hold exactly [`encoded_len`] bytes.
pub(crate) fn encode_into(bytes: &[u8], out: &mut [u8]) {
    let written = KUBERNETES
        .encode_slice(bytes, out)
        .expect("the caller sized the buffer by encoded_len");
    debug_assert_eq!(written, out.len());
}

/// The length of the base64 text of so many bytes.
pub(crate) fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

fn has_line_break(text: &str) -> bool {
    text.bytes().any(is_line_break)
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn without_line_breaks(text: &str) -> Zeroizing<Vec<u8>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
    joined.extend(text.bytes().filter(|byte| !is_line_break(*byte)));
    joined
}

/// The reason without the character at fault, which may be part of a secret.
fn reason(error: &DecodeSliceError) -> &'static str {
    match error {
        DecodeSliceError::DecodeError(DecodeError::InvalidByte(..)) => {
            "it contains an invalid character"
        }
        DecodeSliceError::DecodeError(DecodeError::InvalidPadding) => {
            "the padding at its end is wrong or missing"
        }
        _ => "its length is invalid",
    }
}

/// Decodes one byte at a time until something is not base64.
struct LazyBytes<'a> {
    text: std::slice::Iter<'a, u8>,
    bits: u32,
    held: u32,
}

impl<'a> LazyBytes<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes().iter(),
            bits: 0,
            held: 0,
        }
    }
}

impl Iterator for LazyBytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        while self.held < 8 {
            let byte = self.text.find(|byte| !is_line_break(**byte))?;
            self.bits = self.bits << 6 | u32::from(sextet(*byte)?);
            self.held += 6;
        }
        self.held -= 8;
        Some((self.bits >> self.held & 0xff) as u8)
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<String> {
        decode(text)
            .ok()
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn decodes_what_go_decodes() {
        for (text, bytes) in [
            ("", ""),
            ("YQ==", "a"),
            ("YWI=", "ab"),
            ("YWJj", "abc"),
            ("YW\nJj\r\n", "abc"),
            ("YQ=\n=\n", "a"),
            ("\n", ""),
            // Unused bits that are not zero.
            ("YR==", "a"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(bytes), "{text:?}");
            assert_eq!(decoded_len(text), bytes.len(), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "YQ", "YQ=", "Y", "YWI", "YWJj=", "====", "=", "YW Jj", "YW-_", "YQ==YQ==", "\u{e9}",
            "YWJjY", "YQ==\tx",
        ] {
            assert!(
                matches!(decode(text), Err(WalkError::Base64 { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn does_not_repeat_a_value_in_the_error() {
        let error = decode("hunter2!").unwrap_err();
        assert_eq!(
            error.to_string(),
            "value is not base64: it contains an invalid character"
        );
        assert_eq!(
            format!("{error:?}"),
            "Base64 { reason: \"it contains an invalid character\" }"
        );
    }

    #[test]
    fn looks_at_the_head_alone() {
        let text = "ZXlKbGJtTWlPaUpCTWpVMlIwTk5JbjA=";
        assert!(starts_with_base64(text, b"eyJ"));
        assert!(starts_with_base64(text, b"eyJlbmMiOi"));
        assert!(starts_with_base64(text, b""));
        assert!(!starts_with_base64(text, b"eyK"));
        assert!(starts_with_base64("Z\nXlK!!!", b"eyJ"));
        assert!(!starts_with_base64("ZXl", b"eyJ"));
        assert!(!starts_with_base64("YQ==", b"ab"));
        let mut head = [0; 4];
        assert_eq!(decode_head("YWI=", &mut head), 2);
        assert_eq!(&head[..2], b"ab");
        assert_eq!(decode_head(text, &mut head), 4);
        assert_eq!(&head, b"eyJl");
        assert_eq!(decode_head("!", &mut head), 0);
    }

    #[test]
    fn measures_without_decoding() {
        for length in 0..50 {
            let bytes = vec![7; length];
            let mut text = vec![0; encoded_len(length)];
            encode_into(&bytes, &mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(decoded_len(&text), length);
            assert_eq!(decode(&text).unwrap(), bytes);
        }
    }
}
