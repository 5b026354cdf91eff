//! Text from others, made safe for terminals, logs and CI systems: escaped and cut in one place, for every output.
//!
//! [`Untrusted`] is for a word of theirs in a sentence of ours. [`Lines`] is for a whole text that is about to be
//! written, as the last line of defence; [`json`] is the same for JSON.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Text from others that is about to become part of a message.
///
/// `Display` escapes control characters (newlines and ESC among them), invisible characters, the controls of
/// bidirectional text and the beginnings of CI workflow commands, and cuts what is too long. `Debug` puts the same
/// between quotation marks and escapes those, and backslashes, too.
///
/// ```
/// use jwe_envelope::Untrusted;
///
/// let name = Untrusted::new("db\n::error::\u{1b}[2Jdone");
/// assert_eq!(name.to_string(), r"db\n::error::\u{1b}[2Jdone");
/// assert_eq!(format!("{:?}", Untrusted::new("a\"b").at_most(2)), r#""a\"…""#);
/// assert_eq!(Untrusted::new("::error::x").to_string(), r"\u{3a}:error::x");
/// ```
#[derive(Clone, Copy)]
pub struct Untrusted<'a> {
    text: &'a str,
    longest: usize,
}

impl<'a> Untrusted<'a> {
    /// Characters that are shown unless [`at_most`](Self::at_most) says otherwise.
    pub const LONGEST: usize = 64;

    /// Text from others.
    pub const fn new(text: &'a str) -> Self {
        Self {
            text,
            longest: Self::LONGEST,
        }
    }

    /// The same, with another number of characters shown.
    #[must_use]
    pub const fn at_most(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The characters that are shown, **not escaped**, with the mark of what is cut off.
    ///
    /// For error types, which keep a short copy and escape it when they are displayed.
    pub fn cut(&self) -> String {
        let (text, more) = self.shown();
        let mut cut = text.to_owned();
        if more {
            cut.push('…');
        }
        cut
    }

    /// The characters that are shown, **not escaped**, without a mark of what is cut off.
    pub fn beginning(&self) -> &'a str {
        self.shown().0
    }

    /// The characters that are shown, and whether more follow.
    fn shown(&self) -> (&'a str, bool) {
        match self.text.char_indices().nth(self.longest) {
            None => (self.text, false),
            Some((end, _)) => (&self.text[..end], true),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, quoted: bool) -> fmt::Result {
        let (text, more) = self.shown();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            match character {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '"' | '\\' if quoted => write!(f, "\\{character}")?,
                _ if is_deceptive(character) || begins_command(text, rest) => {
                    write!(f, "{}", character.escape_unicode())?;
                }
                _ => f.write_char(character)?,
            }
            rest = &rest[character.len_utf8()..];
        }
        if more { f.write_char('…') } else { Ok(()) }
    }
}

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl fmt::Debug for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.write(f, true)?;
        f.write_char('"')
    }
}

/// A text of several lines, ours with words of others in it, that is about to be written.
///
/// Newlines stay. Everything else that [`Untrusted`] escapes is escaped, and no line begins with a workflow command.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a>(pub &'a str);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.split_inclusive('\n') {
            let mut rest = line;
            while let Some(character) = rest.chars().next() {
                if character != '\n' && (is_deceptive(character) || begins_command(line, rest)) {
                    write!(f, "{}", character.escape_unicode())?;
                } else {
                    f.write_char(character)?;
                }
                rest = &rest[character.len_utf8()..];
            }
        }
        Ok(())
    }
}

/// JSON text with `\u` escapes for what [`Untrusted`] escapes: the same values, safe to print.
///
/// `text` must be JSON: what is escaped here occurs in its strings only.
pub fn json(text: &str) -> Cow<'_, str> {
    let safe = |(at, character): (usize, char)| {
        matches!(character, '\n' | '\r' | '\t')
            || !(is_deceptive(character) || in_hashes(text, &text[at..]))
    };
    if text.char_indices().all(safe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    for (at, character) in text.char_indices() {
        if safe((at, character)) {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(out)
}

/// Whether a character moves the cursor, ends the line, turns the direction of writing, or cannot be seen.
pub fn is_deceptive(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// Characters that change how a text reads without being seen themselves: the controls of bidirectional text
/// (UAX #9), line separators, and characters without a shape of their own that text can hide in.
pub const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}'
            | '\u{034f}'
            | '\u{061c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether a workflow command begins at `rest`, a tail of `line`.
///
/// `::name …::` is a command of GitHub's at the start of a line, after any white space; `##[name]` (GitHub, Azure),
/// `##vso[` and `##teamcity[` are commands wherever they stand.
fn begins_command(line: &str, rest: &str) -> bool {
    let before = &line[..line.len() - rest.len()];
    (rest.starts_with("::") && before.trim_start().is_empty()) || in_hashes(line, rest)
}

/// Whether `rest`, a tail of `text`, begins with the second of two hashes before a word and a bracket.
fn in_hashes(text: &str, rest: &str) -> bool {
    let Some(behind) = rest.strip_prefix('#') else {
        return false;
    };
    text[..text.len() - rest.len()].ends_with('#')
        && behind
            .trim_start_matches(|letter: char| letter.is_ascii_alphanumeric())
            .starts_with('[')
}

/// Untrusted text, cut short so that an error stays an error's size; errors escape it when they are displayed.
pub(crate) fn cut(text: &str) -> String {
    Untrusted::new(text).cut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_on_one_line_and_are_seen_whole() {
        for (text, shown) in [
            ("a\u{1b}[2Jb\u{202e}c\n", r"a\u{1b}[2Jb\u{202e}c\n"),
            ("a\r\n\tb\u{85}\u{2028}", r"a\r\n\tb\u{85}\u{2028}"),
            ("Zürich 東京 \"x\\", "Zürich 東京 \"x\\"),
            (
                "pass\u{200b}word\u{feff}\u{e0041}",
                r"pass\u{200b}word\u{feff}\u{e0041}",
            ),
            ("::error file=a::b", r"\u{3a}:error file=a::b"),
            ("\u{a0} ::add-mask::b", "\u{a0} \\u{3a}:add-mask::b"),
            ("a::b", "a::b"),
            ("a ##[command]", r"a #\u{23}[command]"),
            (
                "##vso[task.x]##teamcity[y]",
                r"#\u{23}vso[task.x]#\u{23}teamcity[y]",
            ),
            ("## a [b]", "## a [b]"),
        ] {
            assert_eq!(Untrusted::new(text).to_string(), shown);
        }
        assert_eq!(format!("{:?}", Untrusted::new("\"a\\\n")), r#""\"a\\\n""#);
    }

    #[test]
    fn words_of_others_are_cut_to_the_bound() {
        assert_eq!(Untrusted::new("äöü").at_most(2).to_string(), "äö…");
        assert_eq!(Untrusted::new("äöü").at_most(3).to_string(), "äöü");
        let long = "\u{1b}".repeat(9_000);
        assert!(Untrusted::new(&long).to_string().len() <= 64 * "\\u{1b}".len() + "…".len());
    }

    #[test]
    fn whole_texts_keep_their_lines_and_lose_commands() {
        let text = "error: x\u{9b}2J\n  ::error::y\nhint: a ::b ##[c]\n";
        let shown = "error: x\\u{9b}2J\n  \\u{3a}:error::y\nhint: a ::b #\\u{23}[c]\n";
        assert_eq!(Lines(text).to_string(), shown);
        assert_eq!(Lines(shown).to_string(), shown, "once is enough");
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({"a\u{9b}\u{202e}": ["\u{7f}\u{1d173}##[error]x", "plain"]});
        for text in [
            value.to_string(),
            serde_json::to_string_pretty(&value).unwrap(),
        ] {
            let safe = json(&text);
            assert!(
                !safe.chars().any(|c| c != '\n' && is_deceptive(c)) && !safe.contains("##["),
                "{safe}"
            );
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
                value
            );
        }
        assert!(matches!(json("{\"a\": 1}\n"), Cow::Borrowed(_)));
    }
}
