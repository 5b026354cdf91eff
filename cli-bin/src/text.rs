//! Small matters of text.
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use jwe_envelope::Untrusted;
pub use jwe_envelope::untrusted::{is_deceptive, is_invisible};

/// Whether a name, or a pattern that ends in `*`, covers another name or pattern. The `*` stands for at least one
/// character, as it does in a place. Which users a pattern means is for [`fits`](unseal_policy::name_pattern::fits).
pub fn covers(pattern: &str, other: &str) -> bool {
    match (pattern.strip_suffix('*'), other.strip_suffix('*')) {
        (Some(beginning), Some(other)) => other.starts_with(beginning),
        (Some(beginning), None) => other.len() > beginning.len() && other.starts_with(beginning),
        (None, _) => pattern == other,
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Untrusted text for a message: escaped, and cut at `longest` characters.
pub fn printable(text: &str, longest: usize) -> String {
    Untrusted::new(text).at_most(longest).to_string()
}

/// Paths and words of the operating system in messages.
pub trait Shown {
    /// Escaped, and whole unless it is absurdly long.
    fn shown(&self) -> String;
}

impl Shown for Path {
    fn shown(&self) -> String {
        self.as_os_str().shown()
    }
}

impl Shown for OsStr {
    fn shown(&self) -> String {
        const LONGEST: usize = 1024;
        printable(&self.to_string_lossy(), LONGEST)
    }
}

/// A sentence with words of others in it, on one line and escaped.
pub fn one_line(text: &str) -> String {
    printable(text, usize::MAX)
}

/// A word for a shell: quoted where it needs to be.
///
/// What must not reach a terminal raw is written in `$'…'`, which bash, zsh, ksh and POSIX.1-2024 read.
pub fn shell_word(word: &str) -> String {
    shell_bytes(word.as_bytes())
}

/// A path for a shell: quoted where it needs to be, and never read as a flag.
pub fn shell_path(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.starts_with(b"-") {
        return shell_bytes(&[b"./", bytes].concat());
    }
    shell_bytes(bytes)
}

fn shell_bytes(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) && !bytes.starts_with(b"::") {
        return bytes.iter().copied().map(char::from).collect();
    }
    let mut word = String::new();
    let mut raw = false;
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '\'' || letter == '\\' {
                word.push('\\');
                word.push(letter);
            } else if is_deceptive(letter) || (letter == '#' && word.ends_with('#')) {
                raw = true;
                let mut buffer = [0; 4];
                for byte in letter.encode_utf8(&mut buffer).bytes() {
                    push_octal(&mut word, byte);
                }
            } else {
                word.push(letter);
            }
        }
        for byte in chunk.invalid() {
            raw = true;
            push_octal(&mut word, *byte);
        }
    }
    if raw {
        return format!("$'{word}'");
    }
    // Without escapes of bytes, ordinary quotes say the same to every shell.
    let text = String::from_utf8_lossy(bytes);
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Always three digits, so that a digit behind it is not read as a part of it.
fn push_octal(word: &mut String, byte: u8) {
    let _ = write!(word, "\\{byte:03o}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_a_card_covers_names_and_narrower_patterns() {
        for (meant, place) in [
            ("payments", "payments"),
            ("team-*", "team-a"),
            ("team-*", "team-*"),
            ("team-*", "team-a-*"),
        ] {
            assert!(covers(meant, place), "{meant} {place}");
        }
        for (meant, place) in [
            ("payments", "payments-test"),
            ("payments", "payments-*"),
            ("team-*", "team-"),
            ("team-*", "team"),
            ("team-a-*", "team-*"),
            ("team-*", "*"),
        ] {
            assert!(!covers(meant, place), "{meant} {place}");
        }
    }

    #[test]
    fn quotes_for_shells() {
        assert_eq!(shell_word("keys/a.card.json"), "keys/a.card.json");
        assert_eq!(shell_word("my key.json"), "'my key.json'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("::error::x"), "'::error::x'");
        assert_eq!(shell_word("-a"), "-a");
        assert_eq!(shell_path(Path::new("--key=x")), "./--key=x");
        assert_eq!(shell_path(Path::new("-a b")), "'./-a b'");
        assert_eq!(shell_path(Path::new("-")), "./-");
        assert_eq!(shell_word("a\u{1b}1'\\\n"), r"$'a\0331\'\\\012'");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_the_very_bytes_of_a_quoted_path() {
        use std::os::unix::ffi::OsStrExt as _;
        for name in [
            &b"a b"[..],
            b"it's",
            b"a\\b",
            b"\x1b[2J\n::error::1'\\'",
            b"##[error]x",
            b"\xff\xfe1",
            "\u{202e}txt".as_bytes(),
            b"$(id)`id`\"!*?~",
            b"",
        ] {
            let word = shell_path(Path::new(std::ffi::OsStr::from_bytes(name)));
            assert!(
                !word.chars().any(is_deceptive) && !word.contains("##["),
                "{word}"
            );
            let output = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {word}")])
                .output()
                .unwrap();
            assert_eq!(output.stdout, name, "{word}");
        }
    }
}
