//! What a terminal sends while a hidden value is typed or pasted, byte by byte.
use zeroize::{Zeroize as _, Zeroizing};

/// The end of a paste, in terminals that mark pastes. The beginning is `ESC [ 200 ~`.
const PASTE_END: &[u8] = b"\x1b[201~";
/// More than a Secret holds.
const LONGEST: usize = 2 * 1024 * 1024;

/// What a byte did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It belongs to the value, or edits it.
    More,
    /// A paste of this many lines ended.
    Pasted(usize),
    /// Enter, which ends a value of one line.
    Enter,
    /// Ctrl-D: this is the end.
    End,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-\.
    Quit,
    /// Longer than any value.
    TooLong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Typed,
    /// Behind ESC.
    Escape,
    /// Behind `ESC [`, with the number that follows.
    Sequence(u32),
    /// In a paste, with this many bytes of its end seen.
    Paste(usize),
}

/// A value that is being entered. Wiped when dropped.
pub(super) struct HiddenEntry {
    value: Zeroizing<Vec<u8>>,
    state: State,
    /// Whether Enter is a newline.
    several_lines: bool,
    /// The last byte was a carriage return, which has become a newline already.
    behind_return: bool,
    pasted_lines: usize,
}

impl HiddenEntry {
    pub(super) fn new() -> Self {
        Self {
            value: Zeroizing::new(Vec::with_capacity(4096)),
            state: State::Typed,
            several_lines: false,
            behind_return: false,
            pasted_lines: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// From here on a newline belongs to the value, the one that was just typed included if there is text before it.
    pub(super) fn take_several_lines(&mut self) {
        self.several_lines = true;
        if !self.value.is_empty() {
            self.push(b'\n');
        }
    }

    /// The value, whose bytes are now the caller's.
    pub(super) fn into_value(self) -> Zeroizing<Vec<u8>> {
        self.value
    }

    pub(super) fn feed(&mut self, byte: u8) -> Step {
        // Terminals send CR for Enter; CR LF is one newline.
        let behind_return = std::mem::replace(&mut self.behind_return, byte == b'\r');
        if byte == b'\n' && behind_return {
            return Step::More;
        }
        match self.state {
            State::Paste(seen) => self.feed_pasted(byte, seen),
            State::Typed => self.feed_typed(byte),
            State::Escape => {
                self.state = match byte {
                    b'[' | b'O' => State::Sequence(0),
                    _ => State::Typed,
                };
                if matches!(byte, 0x03 | b'\r' | b'\n') {
                    return self.feed_typed(byte);
                }
                Step::More
            }
            State::Sequence(number) => {
                self.state = match byte {
                    b'0'..=b'9' => {
                        let digit = u32::from(byte - b'0');
                        State::Sequence(number.saturating_mul(10).saturating_add(digit))
                    }
                    b'~' if number == 200 => {
                        self.pasted_lines = 1;
                        State::Paste(0)
                    }
                    0x40..=0x7e => State::Typed,
                    _ => State::Sequence(u32::MAX),
                };
                if byte == 0x03 {
                    Step::Interrupt
                } else {
                    Step::More
                }
            }
        }
    }

    fn feed_typed(&mut self, byte: u8) -> Step {
        match byte {
            b'\r' | b'\n' if self.several_lines => self.push(b'\n'),
            b'\r' | b'\n' => Step::Enter,
            0x03 => Step::Interrupt,
            0x04 => Step::End,
            0x1c => Step::Quit,
            0x1b => {
                self.state = State::Escape;
                Step::More
            }
            // Backspace takes a whole character.
            0x08 | 0x7f => {
                let length = self.value.len();
                let start = (0..length)
                    .rev()
                    .find(|at| self.value[*at] & 0xc0 != 0x80)
                    .unwrap_or(0);
                self.cut(start)
            }
            // Ctrl-U: all of it.
            0x15 => self.cut(0),
            // Ctrl-W: the last word.
            0x17 => {
                let end = self.value.trim_ascii_end().len();
                let before = self.value[..end]
                    .iter()
                    .rposition(u8::is_ascii_whitespace)
                    .map_or(0, |at| at + 1);
                self.cut(before)
            }
            b'\t' | 0x20.. => self.push(byte),
            _ => Step::More,
        }
    }

    /// Everything in a paste belongs to the value, except Ctrl-C: the end may never come.
    fn feed_pasted(&mut self, byte: u8, seen: usize) -> Step {
        if byte == 0x03 {
            return Step::Interrupt;
        }
        if byte == PASTE_END[seen] {
            if seen + 1 < PASTE_END.len() {
                self.state = State::Paste(seen + 1);
                return Step::More;
            }
            self.state = State::Typed;
            return Step::Pasted(self.pasted_lines);
        }
        for belongs in &PASTE_END[..seen] {
            if self.push(*belongs) == Step::TooLong {
                return Step::TooLong;
            }
        }
        self.state = State::Paste(0);
        match byte {
            b'\x1b' => {
                self.state = State::Paste(1);
                Step::More
            }
            b'\r' | b'\n' => {
                self.pasted_lines += 1;
                self.push(b'\n')
            }
            _ => self.push(byte),
        }
    }

    fn cut(&mut self, length: usize) -> Step {
        self.value[length..].zeroize();
        self.value.truncate(length);
        Step::More
    }

    fn push(&mut self, byte: u8) -> Step {
        if self.value.len() == LONGEST {
            return Step::TooLong;
        }
        if self.value.len() == self.value.capacity() {
            // A vector that grows by itself leaves its old bytes behind; this one is wiped when replaced.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * self.value.capacity()));
            larger.extend_from_slice(&self.value);
            self.value = larger;
        }
        self.value.push(byte);
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that are not [`Step::More`], and the value.
    fn fed(bytes: &[u8]) -> (Vec<Step>, Vec<u8>) {
        let mut entry = HiddenEntry::new();
        let steps = bytes.iter().map(|byte| entry.feed(*byte));
        let steps = steps.filter(|step| *step != Step::More).collect();
        (steps, entry.into_value().to_vec())
    }

    #[test]
    fn lines_are_edited_as_they_are_typed() {
        for (typed, value) in [
            (&b"hunter2"[..], &b"hunter2"[..]),
            ("pä\u{7f}\u{7f}x".as_bytes(), b"x"),
            (b"one two \x17three", b"one three"),
            (b"wrong\x15right", b"right"),
            (b"a\x1b[Db\x1bOAc\x1b[1;5Dd\tx\x01", b"abcd\tx"),
            (b"\x7f\x08\x15\x17", b""),
        ] {
            assert_eq!(fed(typed), (vec![], value.to_vec()));
        }
    }

    #[test]
    fn a_paste_is_taken_whole() {
        for (pasted, lines, value) in [
            (&b"\x1b[200~a\r\rb\x1b[201~"[..], 3, &b"a\n\nb"[..]),
            (b"\x1b[200~a\r\nb\n\x1b[201~", 3, b"a\nb\n"),
            (
                b"\x1b[200~\x04\x15\x7f\x1b[20\x1b[A\x1b[201~",
                1,
                b"\x04\x15\x7f\x1b[20\x1b[A",
            ),
        ] {
            assert_eq!(fed(pasted), (vec![Step::Pasted(lines)], value.to_vec()));
        }
    }

    #[test]
    fn an_end_of_a_paste_within_a_paste_ends_nothing_but_the_paste() {
        let (steps, value) = fed(b"\x1b[200~a\x1b[201~b\rc\x1b[201~");
        assert_eq!(steps, [Step::Pasted(1), Step::Enter]);
        assert_eq!(value, b"abc");
    }

    #[test]
    fn ctrl_c_interrupts_wherever_it_comes() {
        for before in [
            &b""[..],
            b"x",
            b"\x1b",
            b"\x1b[",
            b"\x1b[200~a\r",
            b"\x1b[200~\x1b[20",
        ] {
            let mut entry = HiddenEntry::new();
            for byte in before {
                entry.feed(*byte);
            }
            assert_eq!(entry.feed(0x03), Step::Interrupt, "{before:?}");
        }
    }

    #[test]
    fn several_lines_end_at_ctrl_d() {
        let mut entry = HiddenEntry::new();
        for byte in b"a" {
            entry.feed(*byte);
        }
        assert_eq!(entry.feed(b'\r'), Step::Enter);
        entry.take_several_lines();
        for byte in b"\r\nb\r" {
            assert_eq!(entry.feed(*byte), Step::More);
        }
        assert_eq!(entry.feed(0x04), Step::End);
        assert_eq!(*entry.into_value(), b"a\n\nb\n");
    }

    #[test]
    fn nothing_grows_beyond_the_bound() {
        let mut entry = HiddenEntry::new();
        for _ in 0..LONGEST {
            assert_eq!(entry.feed(b'x'), Step::More);
        }
        assert_eq!(entry.feed(b'x'), Step::TooLong);
    }
}
