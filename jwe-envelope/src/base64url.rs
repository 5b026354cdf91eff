//! Base64url as RFC 7515 §2 wants it, strictly: no padding, no white space, zero trailing bits
//! (RFC 4648 §3.5), so that every text has exactly one reading and every reading one text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What is wrong with a text that should be base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base64Fault {
    /// A character outside the alphabet, at this byte.
    Character(usize),
    /// No byte string has an encoding of this length.
    Length,
    /// The last character carries bits that belong to no byte.
    TrailingBits,
}

/// Checks a text without decoding it.
pub(crate) fn check(text: &[u8]) -> Result<(), Base64Fault> {
    // Blocks of a fixed size become straight vector code, and still stop early in what is not base64url.
    const BLOCK: usize = 256;
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let good = |block: &[u8]| {
        block
            .iter()
            .fold(true, |good, &byte| good & in_alphabet(byte))
    };
    if !(blocks.iter().all(|block| good(block)) && good(rest)) {
        let at = text.iter().position(|&byte| !in_alphabet(byte));
        return Err(Base64Fault::Character(at.unwrap_or_default()));
    }
    let unused = match text.len() % 4 {
        0 => return Ok(()),
        1 => return Err(Base64Fault::Length),
        2 => 0b1111,
        _ => 0b11,
    };
    match text.last() {
        Some(&last) if value(last) & unused != 0 => Err(Base64Fault::TrailingBits),
        _ => Ok(()),
    }
}

/// How many bytes a well-formed text of `len` characters stands for.
pub(crate) const fn decoded_len(len: usize) -> usize {
    len / 4 * 3 + [0, 0, 1, 2][len % 4]
}

/// How many characters `len` bytes become.
pub(crate) const fn encoded_len(len: usize) -> usize {
    len / 3 * 4 + [0, 2, 3][len % 3]
}

/// Decodes; `None` when the text is not strict base64url.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Appends the decoded bytes to `out`; `None` when the text is not strict base64url.
pub(crate) fn decode_into(text: &str, out: &mut Vec<u8>) -> Option<()> {
    URL_SAFE_NO_PAD.decode_vec(text, out).ok()
}

/// Decodes into `out` and says how many bytes that were; `None` when there is too little room or the text is not strict
/// base64url.
pub(crate) fn decode_slice(text: &str, out: &mut [u8]) -> Option<usize> {
    URL_SAFE_NO_PAD.decode_slice(text, out).ok()
}

/// Encodes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Letters and digits are moved to the top of the positive signed bytes, where one comparison tells them
/// from everything else, and no branch is taken: vector instructions know both.
#[allow(clippy::needless_bitwise_bool, reason = "no branch per character")]
const fn in_alphabet(byte: u8) -> bool {
    const TOP: u8 = i8::MAX.cast_unsigned();
    let letter = (byte | 0x20).wrapping_add(TOP - b'z').cast_signed() > i8::MAX - 26;
    let digit = byte.wrapping_add(TOP - b'9').cast_signed() > i8::MAX - 10;
    letter | digit | (byte == b'-') | (byte == b'_')
}

/// The six bits of a character that is in the alphabet.
const fn value(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_engine_refuses_trailing_bits_and_padding() {
        assert_eq!(URL_SAFE_NO_PAD.decode("AA").unwrap(), [0]);
        assert!(URL_SAFE_NO_PAD.decode("AB").is_err());
        assert!(URL_SAFE_NO_PAD.decode("AAB").is_err());
        assert!(URL_SAFE_NO_PAD.decode("AA==").is_err());
        assert!(URL_SAFE_NO_PAD.decode("AA\n").is_err());
        assert!(URL_SAFE_NO_PAD.decode("+/==").is_err());
    }

    #[test]
    fn every_byte_is_in_the_alphabet_or_not_as_in_rfc_4648() {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for byte in 0..=u8::MAX {
            let position = ALPHABET.iter().position(|&known| known == byte);
            assert_eq!(in_alphabet(byte), position.is_some(), "{byte:#x}");
            if let Some(position) = position {
                assert_eq!(usize::from(value(byte)), position);
            }
        }
    }

    #[test]
    fn names_the_fault_and_where_it_is() {
        assert_eq!(check(b"AAAA"), Ok(()));
        assert_eq!(check(b""), Ok(()));
        assert_eq!(check(b"AAAAA"), Err(Base64Fault::Length));
        assert_eq!(check(b"AB"), Err(Base64Fault::TrailingBits));
        assert_eq!(check(b"AAB"), Err(Base64Fault::TrailingBits));
        assert_eq!(check(b"AA=="), Err(Base64Fault::Character(2)));
        let mut long = vec![b'A'; 1000];
        long[777] = b'+';
        assert_eq!(check(&long), Err(Base64Fault::Character(777)));
    }

    proptest! {
        #[test]
        fn check_agrees_with_the_decoder(text in "[A-Za-z0-9_+/= -]{0,40}") {
            prop_assert_eq!(check(text.as_bytes()).is_ok(), decode(&text).is_some());
        }

        #[test]
        fn lengths_agree_with_the_encoder(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), encoded_len(bytes.len()));
            prop_assert_eq!(bytes.len(), decoded_len(text.len()));
            prop_assert_eq!(decode(&text), Some(bytes));
        }
    }
}
