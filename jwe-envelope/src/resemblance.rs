//! Whether a value that does not begin as an envelope has the parts of one: damaged in its first letters, or quoted.

use crate::base64url;
use crate::recognize::{MAX_ENVELOPE, members_claim_json, trimmed};

/// Characters of an initialization vector of 12 or 16 bytes.
const IV: [usize; 2] = [16, 22];
/// Characters of a tag of 16, 24 or 32 bytes.
const TAG: [usize; 3] = [22, 32, 43];
/// Fewer characters no protected header has: `{"enc":"A128GCM"}`.
const SHORTEST_HEADER: usize = 20;
/// Characters of a header that may be none of base64url.
const MOST_DAMAGED: usize = 4;

/// Whether a value that [`recognize`](crate::recognize) calls plain has the parts of an envelope that a key pair could open.
///
/// True for five words with the lengths of a compact envelope's, whatever the first letters are, and for a text that would
/// be a JSON envelope if it began with `{`. A guess, for a caller who would lose something by storing an envelope unopened:
/// no ordinary value looks like this, and a token under a symmetric key (`dir`, `A*KW`, `PBES2`) is told by its header.
pub fn resembles_envelope(value: &[u8]) -> bool {
    let text = trimmed(value);
    text.len() <= 2 * MAX_ENVELOPE && (has_compact_parts(text) || has_json_members(text))
}

fn has_compact_parts(text: &[u8]) -> bool {
    let mut dots = memchr::memchr_iter(b'.', text);
    let mut ends = [0; 4];
    for end in &mut ends {
        let Some(dot) = dots.next() else {
            return false;
        };
        *end = dot;
    }
    if dots.next().is_some() {
        return false;
    }
    let [first, second, third, fourth] = ends;
    let header = &text[..first];
    header.len() + 4 >= SHORTEST_HEADER
        && IV.contains(&(third - second - 1))
        && TAG.contains(&(text.len() - fourth - 1))
        && text[first..]
            .iter()
            .all(|byte| is_base64url(*byte) || *byte == b'.')
        && header.iter().filter(|byte| !is_base64url(**byte)).count() <= MOST_DAMAGED
        && !names_symmetric_key(header)
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a header that may have lost or changed some first letters names a symmetric algorithm.
fn names_symmetric_key(header: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [b"\"dir\"", b"\"A128", b"\"A192", b"\"A256", b"\"PBES2-"];
    // Letters may be missing or damaged, so the rest is read in each of the four ways that base64 can fall, and from the
    // second group on, which then begins within the name of `alg`.
    (0..8).any(|start| {
        let rest = header.get(start..).unwrap_or_default();
        let whole = &rest[..rest.len() / 4 * 4];
        std::str::from_utf8(whole)
            .ok()
            .and_then(base64url::decode)
            .is_some_and(|json| {
                let after_alg =
                    memchr::memmem::find(&json, b"lg\":").map_or(&[][..], |at| &json[at + 4..]);
                NAMES.iter().any(|name| after_alg.starts_with(name))
            })
    })
}

fn has_json_members(text: &[u8]) -> bool {
    !matches!(text.first(), Some(b'{')) && members_claim_json(text)
}

#[cfg(test)]
mod tests {
    use super::resembles_envelope;
    use crate::base64url;

    fn compact(header: &str) -> String {
        let header = base64url::encode(header.as_bytes());
        format!("{header}.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
    }

    #[test]
    fn an_envelope_with_damaged_first_letters_has_its_parts() {
        let text = compact(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#);
        for damaged in [
            text.replacen('e', "f", 1),
            text.replacen("eyJ", "", 1),
            text.replacen("ey", "XX", 1),
            text.replacen("ey", "e!", 1),
            text.replacen("ey", "\u{e9}y", 1),
            format!("x{text}"),
            format!("\n{}\n", &text[1..]),
        ] {
            assert!(resembles_envelope(damaged.as_bytes()), "{damaged}");
        }
        let json = r#"{"protected":"eyJ","ciphertext":"AAAA"}"#;
        for damaged in [
            json.replacen('{', "[", 1),
            json.replacen('{', "", 1),
            json.replacen('{', "x", 1),
        ] {
            assert!(resembles_envelope(damaged.as_bytes()), "{damaged}");
        }
    }

    #[test]
    fn a_token_under_a_symmetric_key_is_no_loss() {
        for algorithm in ["dir", "A128KW", "A256GCMKW", "PBES2-HS256+A128KW"] {
            let text = compact(&format!(r#"{{"alg":"{algorithm}","enc":"A256GCM"}}"#));
            for damaged in [
                text.replacen('e', "f", 1),
                text.replacen('e', "", 1),
                format!("x{text}"),
            ] {
                assert!(!resembles_envelope(damaged.as_bytes()), "{damaged}");
            }
        }
    }

    #[test]
    fn ordinary_values_do_not() {
        let letters = "A".repeat(40);
        for value in [
            "",
            "hunter2",
            "a.b.c.d.e",
            "10.0.0.1.example.org",
            "v2.local.AAAAAAAAAAAAAAAA.BBBB.CCCCCCCCCCCCCCCCCCCCCC",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA",
            "{\"protected\":1}",
            "[{\"ciphertext\":1,\"protected\":1}]",
            "\"ciphertext\" and \"protected\"",
            "ciphertext: a\nprotected: b\n",
            "https://user:pass@a.b.c.example.org/path",
            &format!("{letters}.{letters}.{letters}.{letters}.{letters}"),
        ] {
            assert!(!resembles_envelope(value.as_bytes()), "{value}");
        }
    }
}
