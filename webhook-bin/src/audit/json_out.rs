//! Writes JSON text straight into a buffer: answers and audit lines never pass through a tree of values.

use jwe_envelope::untrusted::is_deceptive;

/// Appends a JSON string, quotes included.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    // Nearly every text is written as it is. Without an early end the loop becomes vector instructions.
    if !bytes
        .iter()
        .fold(false, |found, byte| found | needs_escape(*byte))
    {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut copied = 0;
    for (at, letter) in text.char_indices() {
        let escape: &[u8] = match letter {
            '"' => br#"\""#,
            '\\' => br"\\",
            '\n' => br"\n",
            '\r' => br"\r",
            '\t' => br"\t",
            _ if is_deceptive(letter) => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[copied..at]);
        copied = at + letter.len_utf8();
        if escape.is_empty() {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u32| b"0123456789abcdef"[usize::from(*unit >> shift & 15)];
                out.extend_from_slice(br"\u");
                out.extend_from_slice(&[digit(12), digit(8), digit(4), digit(0)]);
            }
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&text.as_bytes()[copied..]);
    out.push(b'"');
}

/// Whether a byte is to be escaped, or may begin a letter that is: what JSON allows and terminals obey is escaped, too.
fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f..)
}

/// Appends `"name":`, with a comma before it unless it is the first member. The name is one of ours and needs no
/// escape; for any other there is [`push_any_member`].
#[allow(
    clippy::inline_always,
    reason = "a name of known length is copied without a call"
)]
#[inline(always)]
pub(crate) fn push_member(out: &mut Vec<u8>, name: &'static str) {
    debug_assert!(!name.bytes().any(needs_escape));
    push_comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// The same for a name that someone else chose.
pub(crate) fn push_any_member(out: &mut Vec<u8>, name: &str) {
    push_comma(out);
    push_string(out, name);
    out.push(b':');
}

fn push_comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{')) {
        out.push(b',');
    }
}

/// Appends a member whose value is a string.
#[allow(
    clippy::inline_always,
    reason = "a name of known length is copied without a call"
)]
#[inline(always)]
pub(crate) fn push_text(out: &mut Vec<u8>, name: &'static str, value: &str) {
    push_member(out, name);
    push_string(out, value);
}

/// Appends a member whose value is a number.
#[allow(
    clippy::inline_always,
    reason = "a name of known length is copied without a call"
)]
#[inline(always)]
pub(crate) fn push_number(out: &mut Vec<u8>, name: &'static str, value: u64) {
    push_member(out, name);
    push_digits(out, value, 1);
}

/// Appends a member whose value is `true` or `false`.
#[allow(
    clippy::inline_always,
    reason = "a name of known length is copied without a call"
)]
#[inline(always)]
pub(crate) fn push_flag(out: &mut Vec<u8>, name: &'static str, value: bool) {
    push_member(out, name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a decimal number of at least `width` digits.
pub(crate) fn push_digits(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at = at.min(digits.len() - width.clamp(1, digits.len()));
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back_as_they_were() {
        let every: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        for text in [
            "",
            "plain",
            "\"\\\n\r\t\u{0}\u{1f}\u{7f}",
            "é😀\u{2028}\u{202e}\u{e0041}\u{85}",
            &every,
        ] {
            let mut out = Vec::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            let shown = std::str::from_utf8(&out).unwrap();
            assert!(!shown.chars().any(is_deceptive), "{shown}");
        }
    }

    #[test]
    fn numbers_have_their_width() {
        for (value, width, text) in [
            (0, 1, "0"),
            (7, 2, "07"),
            (2026, 4, "2026"),
            (u64::MAX, 1, "18446744073709551615"),
            (123, 2, "123"),
        ] {
            let mut out = Vec::new();
            push_digits(&mut out, value, width);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn members_are_separated() {
        let mut out = b"{".to_vec();
        push_text(&mut out, "a", "b");
        push_number(&mut out, "n", 1);
        push_flag(&mut out, "f", false);
        assert_eq!(out, br#"{"a":"b","n":1,"f":false"#);
    }
}
