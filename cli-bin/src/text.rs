//! Small matters of text.
use std::fmt::Write as _;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Untrusted text for a terminal: control, direction and invisible characters escaped, and cut at `longest` characters.
pub fn printable(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == longest {
            out.push('…');
            break;
        }
        if letter.is_control() || is_invisible(letter) {
            let _ = write!(out, "{}", letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Characters that change how a text reads without being seen themselves.
pub fn is_invisible(letter: char) -> bool {
    matches!(u32::from(letter),
        0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0xE0000..=0xE0FFF)
}

/// A word for a shell: quoted where it needs to be.
pub fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_deceives() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{202e}c\n", 40),
            r"a\u{1b}[2Jb\u{202e}c\u{a}"
        );
        assert_eq!(printable("äöü", 2), "äö…");
        assert_eq!(printable("Zürich 東京", 40), "Zürich 東京");
    }

    #[test]
    fn quotes_for_shells() {
        assert_eq!(shell_word("keys/a.card.json"), "keys/a.card.json");
        assert_eq!(shell_word("my key.json"), "'my key.json'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
