//! A JSON reader that walks over bytes it does not need and borrows those it does.
//!
//! Grammar: [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259). It never recurses, so depth costs no stack.

use zeroize::Zeroizing;

use crate::text::Text;

/// How deep arrays and objects may be nested.
///
/// Field ownership needs about twenty levels, and anyone who writes an object may write it deeper. An API server reads
/// 10,000 and stands around an object in some more, so what it stores is never too deep to be looked at.
pub const MAX_JSON_DEPTH: u32 = 10_100;

/// Why a text is not the JSON expected, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct JsonFault {
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}

/// A place in a JSON text; everything before it has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// The open arrays and objects, one bit for each: set for an object. Ordinary depths need no allocation.
#[derive(Default)]
struct Containers {
    depth: u32,
    /// The innermost ones, the lowest bit last.
    bits: u128,
    /// Those around them, 128 in each.
    around: Vec<u128>,
}

impl Containers {
    fn enter(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(u128::BITS) {
            self.around.push(self.bits);
        }
        self.depth += 1;
        self.bits = self.bits << 1 | u128::from(object);
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(u128::BITS) {
            self.bits = self.around.pop().unwrap_or_default();
        }
    }

    fn innermost_is_object(&self) -> bool {
        self.bits & 1 == 1
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Continues at a byte offset, which the caller knows to be a character boundary.
    #[cfg(feature = "manifest")]
    pub(crate) fn starting_at(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    #[cfg(feature = "manifest")]
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Steps over one value of any type and gives its text.
    pub(crate) fn raw_value(&mut self) -> Result<&'a str, JsonFault> {
        self.peek();
        let start = self.at;
        self.skip_value()?;
        // A value begins and ends with ASCII characters.
        Ok(&self.text[start..self.at])
    }

    /// The next byte that is not space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Steps over one byte that [`Cursor::peek`] has just shown.
    pub(crate) fn bump(&mut self) {
        self.at += 1;
    }

    pub(crate) fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), JsonFault> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault(reason))
        }
    }

    pub(crate) fn expect_end(&mut self) -> Result<(), JsonFault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("unexpected text after the end of the object")),
        }
    }

    pub(crate) fn fault(&self, reason: &'static str) -> JsonFault {
        JsonFault {
            offset: self.at,
            reason,
        }
    }

    /// Reads a string, borrowed from the input unless it holds escapes.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, JsonFault> {
        let start = self.at;
        let (raw, escaped) = self.raw_string()?;
        if escaped {
            unescape(raw, start + 1).map(Text::Owned)
        } else {
            Ok(Text::Borrowed(raw))
        }
    }

    /// Reads the name of a member and the colon after it.
    pub(crate) fn member_name(&mut self) -> Result<Text<'a>, JsonFault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected the name of a member in quotes"));
        }
        let name = self.string()?;
        self.expect(b':', "expected a colon after the name of a member")?;
        Ok(name)
    }

    /// After a member of an object: whether another one follows.
    pub(crate) fn another_member(&mut self) -> Result<bool, JsonFault> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.fault("expected a comma or the end of the object")),
        }
    }

    /// Takes `true`, `false` or `null` if it is next.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        self.peek();
        let here = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let taken = here.starts_with(word.as_bytes());
        if taken {
            self.at += word.len();
        }
        taken
    }

    /// Steps over one value of any type, checking its grammar.
    pub(crate) fn skip_value(&mut self) -> Result<(), JsonFault> {
        let mut containers = Containers::default();
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if containers.depth == MAX_JSON_DEPTH {
                        return Err(self.fault("nested too deeply"));
                    }
                    self.at += 1;
                    let object = open == b'{';
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        containers.enter(object);
                        if object {
                            self.skip_member_name()?;
                        }
                        continue;
                    }
                }
                _ => self.skip_scalar()?,
            }
            loop {
                if containers.depth == 0 {
                    return Ok(());
                }
                let object = containers.innermost_is_object();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.skip_member_name()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.at += 1,
                    Some(b']') if !object => self.at += 1,
                    _ => return Err(self.fault("expected a comma or the end of what was opened")),
                }
                containers.leave();
            }
        }
    }

    /// Steps over a string, a number or `true`, `false` or `null`.
    pub(crate) fn skip_scalar(&mut self) -> Result<(), JsonFault> {
        match self.peek() {
            Some(b'"') => self.raw_string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.skip_number(),
            Some(_)
                if ["true", "false", "null"]
                    .into_iter()
                    .any(|word| self.take_word(word)) =>
            {
                Ok(())
            }
            _ => Err(self.fault("expected a value")),
        }
    }

    fn skip_member_name(&mut self) -> Result<(), JsonFault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected the name of a member in quotes"));
        }
        self.raw_string()?;
        self.expect(b':', "expected a colon after the name of a member")
    }

    fn skip_number(&mut self) -> Result<(), JsonFault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), JsonFault> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.fault("expected a digit"))
        } else {
            Ok(())
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The text between the quotes as written, and whether it holds escapes.
    fn raw_string(&mut self) -> Result<(&'a str, bool), JsonFault> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at += plain_run(&bytes[at.min(bytes.len())..]);
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    // Both ends are next to an ASCII quote, hence character boundaries.
                    return Ok((&self.text[start..at], escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    at += match bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if is_hex(bytes.get(at + 2..at + 6)) => 6,
                        _ => {
                            return Err(JsonFault {
                                offset: at,
                                reason: "unknown escape in a string",
                            });
                        }
                    };
                }
                Some(_) => {
                    return Err(JsonFault {
                        offset: at,
                        reason: "control character in a string",
                    });
                }
                None => {
                    return Err(JsonFault {
                        offset: self.at,
                        reason: "unterminated string",
                    });
                }
            }
        }
    }
}

/// How many bytes are before the next quote, backslash or control character.
///
/// A review is mostly strings, and this is where its time would go: short ones are looked at in two steps of eight
/// bytes, longer ones with vector instructions.
fn plain_run(bytes: &[u8]) -> usize {
    const SHORT: usize = 16;
    let short = &bytes[..bytes.len().min(SHORT)];
    let run = short_run(short);
    if run < SHORT {
        return run;
    }
    let rest = &bytes[SHORT..];
    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    // Without an early end the loop becomes vector instructions; there is nothing to find in nearly every string.
    let control = |byte: &u8| *byte < 0x20;
    if rest[..end]
        .iter()
        .fold(false, |found, byte| found | control(byte))
    {
        return SHORT + rest[..end].iter().position(control).unwrap_or(end);
    }
    SHORT + end
}

fn short_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut run = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks_exact gives eight bytes"));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special = zero_in(word ^ (ONES * u64::from(b'"')))
            | zero_in(word ^ (ONES * u64::from(b'\\')))
            | control;
        if special != 0 {
            // The lowest mark is exact; only marks above it can be false.
            return run + special.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    let rest = bytes.get(run..).unwrap_or_default();
    run + rest
        .iter()
        .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
        .count()
}

fn is_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Resolves escapes whose grammar [`Cursor::raw_string`] has checked.
fn unescape(raw: &str, offset: usize) -> Result<Zeroizing<String>, JsonFault> {
    // An escape is never shorter than what it stands for, so the buffer never moves.
    let mut out = Zeroizing::new(String::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let here = &rest[at..];
        let (character, length) = match here.as_bytes()[1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode_escape(here).ok_or(JsonFault {
                offset: offset + (raw.len() - here.len()),
                reason: "half of a surrogate pair in a string",
            })?,
            itself => (char::from(itself), 2),
        };
        out.push(character);
        rest = &here[length..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The character that `\uXXXX`, or a pair of them, stands for and the length of its escape.
fn unicode_escape(escape: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(escape.get(at + 2..at + 6)?, 16).ok();
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 6));
    }
    let low = (escape.get(6..8) == Some("\\u"))
        .then(|| unit(6))
        .flatten()?;
    if !(0xD800..0xDC00).contains(&first) || !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    let combined = 0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00);
    char::from_u32(combined).map(|character| (character, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(text: &str) -> Result<(), JsonFault> {
        let mut cursor = Cursor::new(text);
        cursor.skip_value()?;
        cursor.expect_end()
    }

    fn read(text: &str) -> Result<String, JsonFault> {
        Cursor::new(text)
            .string()
            .map(|text| text.as_str().to_owned())
    }

    #[test]
    fn skips_what_serde_json_accepts_and_no_more() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.5e-7",
            "\"\"",
            "[]",
            "{}",
            "[[],{}]",
            "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}",
            " [ 1 , 2 ] ",
            "",
            "tru",
            "01",
            "-",
            "1.",
            "1e",
            "+1",
            ".5",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1]",
            "[1}",
            "[",
            "{",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\t\"",
            "\"\u{1f}\"",
            "1 2",
            "[1 2]",
            "nullx",
            "\"\\u0041\\/\\b\"",
            "\"\u{7f}é\u{10ffff}\"",
            "{\"a\" : 1 , \"a\" : 2}",
        ] {
            let expected = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            assert_eq!(skip(text).is_ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn bounds_depth() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(skip(&nested(MAX_JSON_DEPTH as usize)), Ok(()));
        let fault = skip(&nested(MAX_JSON_DEPTH as usize + 1)).unwrap_err();
        assert_eq!(
            fault,
            JsonFault {
                offset: MAX_JSON_DEPTH as usize,
                reason: "nested too deeply"
            }
        );
        // The innermost bits stay right while the oldest are in use.
        for pairs in [50, 63, 64, 65, 128, 129, 5_000] {
            let mixed = "{\"a\":[".repeat(pairs) + &"]}".repeat(pairs);
            assert_eq!(skip(&mixed), Ok(()), "{pairs}");
            let crossed = mixed.replacen("]}", "}]", 1);
            assert!(skip(&crossed).is_err(), "{pairs}");
            let outermost = format!("{}}}", &mixed[..mixed.len() - 2]);
            assert!(skip(&outermost).is_err(), "{pairs}");
        }
    }

    #[test]
    fn resolves_escapes() {
        assert_eq!(
            read(r#""a\n\t\r\b\f\/\\\"z""#).unwrap(),
            "a\n\t\r\u{8}\u{c}/\\\"z"
        );
        assert_eq!(read(r#""\u00e9\uD83D\uDE00!""#).unwrap(), "é😀!");
        assert_eq!(
            read(r#""\ud83d""#).unwrap_err().reason,
            "half of a surrogate pair in a string"
        );
        assert_eq!(read(r#""\ud83dx\ude00""#).unwrap_err().offset, 1);
        assert_eq!(read(r#""x\ude00\ud83d""#).unwrap_err().offset, 2);
    }

    #[test]
    fn borrows_a_string_without_escapes() {
        assert!(matches!(
            Cursor::new("\"plain\"").string(),
            Ok(Text::Borrowed("plain"))
        ));
    }

    #[test]
    fn finds_the_first_special_byte_at_every_offset() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for at in 0..40 {
                for filler in [
                    b'a', 0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0xff, 0xa2, 0xdc,
                ] {
                    let mut bytes = vec![filler; 40];
                    bytes[at] = special;
                    assert_eq!(plain_run(&bytes), at, "{special} after {at} of {filler}");
                }
            }
        }
        assert_eq!(plain_run(b""), 0);
        assert_eq!(plain_run(&[b'a'; 17]), 17);
    }
}
