//! A look at a file's bytes that costs no parsing: can there be a Secret in it at all?

/// Whether a file can hold a Secret that [`Manifest::parse`](crate::Manifest::parse) would find or report: the word is
/// there, something is escaped or tagged that could be the word (`!!binary U2VjcmV0`), or the encoding is one that is
/// refused.
///
/// Every command that walks folders asks this and nothing else, so that what one of them reports is not passed over by
/// another.
///
/// ```
/// use secret_walker::may_hold_secret;
///
/// assert!(may_hold_secret(b"kind: Secret"));
/// assert!(may_hold_secret(br#"{"kind": "S\u0065cret"}"#));
/// assert!(!may_hold_secret(b"kind: ConfigMap"));
/// ```
pub fn may_hold_secret(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"Secret").is_some()
        || has_misspelled_kind(bytes)
        || memchr::memchr(b'\\', bytes).is_some()
        || TAGS.iter().any(|tag| memchr::memmem::find(bytes, tag).is_some())
        || is_utf16(bytes)
        // Binary, or UTF-32: worth a report rather than silence.
        || memchr::memchr(0, &bytes[..bytes.len().min(4)]).is_some()
}

/// Whether a `kind` reads as `Secret` but for its case or a plural: kubectl takes it for another kind, people do not.
fn has_misspelled_kind(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"kind").any(|at| {
        let behind = &bytes[at + 4..];
        let begin = behind
            .iter()
            .position(|byte| !matches!(byte, b'"' | b'\'' | b' ' | b'\t' | b':'));
        let word = behind
            .get(begin.unwrap_or(behind.len())..)
            .unwrap_or_default();
        word.get(..6)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"secret"))
    })
}

/// How tags of YAML itself are written: short, in full, and under a name of the file's own.
const TAGS: [&[u8]; 3] = [b"!!", b"!<", b"%TAG"];

/// By its byte order mark, or by the zero byte beside the first ASCII character.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    #[test]
    fn a_file_in_utf_16_is_never_passed_over() {
        let text = "kind: Secret";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: [u8; 2], text: &[u8]| [&mark[..], text].concat();
        for bytes in [
            marked([0xff, 0xfe], &little),
            marked([0xfe, 0xff], &big),
            little,
            big,
        ] {
            assert!(may_hold_secret(&bytes), "{bytes:?}");
            let error = Manifest::parse(&bytes).unwrap_err().to_string();
            assert!(error.contains("UTF-16"), "{error}");
        }
    }

    #[test]
    fn a_file_without_the_word_is_passed_over_unless_something_is_escaped() {
        assert!(!may_hold_secret(b"apiVersion: v1\nkind: ConfigMap\n"));
        assert!(may_hold_secret(b"kind: Secret"));
        assert!(may_hold_secret(br#"{"kind": "S\u0065cret"}"#));
        assert!(may_hold_secret(b"\xef\xbf\xbd\0"));
        assert!(may_hold_secret(br#"{"kind": "secret"}"#));
        assert!(may_hold_secret(b"kind:  SECRET\n"));
        assert!(!may_hold_secret(b"secretName: db\nkind: Pod\n"));
        assert!(!may_hold_secret(b""));
    }
}
