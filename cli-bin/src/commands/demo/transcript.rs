//! What the audience sees: 80 columns, sober, and every claim checked before it is printed.
use std::fmt::Display;
use std::io::Write;

use anyhow::{Context as _, bail};

/// One less than a terminal's 80, so that no terminal breaks a full line twice.
pub(super) const WIDTH: usize = 79;

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const CYAN: &str = "36";

/// Where the play is shown.
pub(super) struct Transcript<'a> {
    out: &'a mut dyn Write,
    color: bool,
    claims: usize,
}

impl<'a> Transcript<'a> {
    /// Shows on `out`.
    pub(super) fn new(out: &'a mut dyn Write, color: bool) -> Self {
        Self {
            out,
            color,
            claims: 0,
        }
    }

    /// How many claims were checked so far.
    pub(super) fn claims(&self) -> usize {
        self.claims
    }

    /// The heading of an act.
    pub(super) fn step(&mut self, number: usize, title: &str) -> anyhow::Result<()> {
        let text = self.paint(BOLD, &format!("{number}  {title}"));
        self.raw(&format!("\n{text}\n"))
    }

    /// The title of the play, or of its end.
    pub(super) fn title(&mut self, title: &str) -> anyhow::Result<()> {
        for line in wrap(title, WIDTH) {
            let line = self.paint(BOLD, &line);
            self.raw(&format!("{line}\n"))?;
        }
        Ok(())
    }

    /// Prose.
    pub(super) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        for line in wrap(text, WIDTH - 3) {
            self.raw(&format!("   {line}\n"))?;
        }
        Ok(())
    }

    /// A command as its player types it.
    pub(super) fn command(&mut self, words: &str) -> anyhow::Result<()> {
        for (index, line) in wrap_command(words, WIDTH - 7).iter().enumerate() {
            let prompt = if index == 0 { "$" } else { " " };
            let line = self.paint(CYAN, &format!("{prompt} {line}"));
            self.raw(&format!("   {line}\n"))?;
        }
        Ok(())
    }

    /// A line of a file or of a program's answer, cut at the edge.
    pub(super) fn quote(&mut self, line: &str) -> anyhow::Result<()> {
        let line = self.paint(DIM, &cut(line, WIDTH - 5));
        self.raw(&format!("     {line}\n"))
    }

    /// A longer answer, each of its lines wrapped.
    pub(super) fn answer(&mut self, text: &str) -> anyhow::Result<()> {
        for line in text.lines().flat_map(|line| wrap(line, WIDTH - 7)) {
            self.quote(&format!("  {line}"))?;
        }
        Ok(())
    }

    /// States what was just seen to be true. When it is not, the play ends with an error.
    pub(super) fn claim(&mut self, holds: bool, claim: &str) -> anyhow::Result<()> {
        if !holds {
            bail!("what the demo claims is not so: {claim}");
        }
        self.claims += 1;
        let mark = self.paint(GREEN, "ok");
        for (index, line) in wrap(claim, WIDTH - 6).iter().enumerate() {
            let lead = if index == 0 { mark.as_str() } else { "  " };
            self.raw(&format!("   {lead} {line}\n"))?;
        }
        Ok(())
    }

    /// As [`claim`](Self::claim), for two things that must be the same.
    pub(super) fn claim_equal<T: Copy + PartialEq + Display>(
        &mut self,
        found: T,
        expected: T,
        claim: &str,
    ) -> anyhow::Result<()> {
        if found != expected {
            bail!("what the demo claims is not so: {claim} (found {found}, expected {expected})");
        }
        self.claim(true, claim)
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> anyhow::Result<()> {
        self.raw("\n")
    }

    fn raw(&mut self, text: &str) -> anyhow::Result<()> {
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .context("failed to write to standard output")
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{style}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// `text` on lines of at most `width` characters, broken at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        let line = lines.last_mut().expect("there is always a line");
        let used = line.chars().count();
        if used > 0 && used + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if used > 0 {
            lines.push(String::new());
        }
        while let Some((split, _)) = word.char_indices().nth(width) {
            let (head, tail) = word.split_at(split);
            let line = lines.last_mut().expect("there is always a line");
            line.push_str(head);
            lines.push(String::new());
            word = tail;
        }
        let line = lines.last_mut().expect("there is always a line");
        line.push_str(word);
    }
    lines
}

/// A command on several lines, broken before options, each but the last ending in a backslash.
fn wrap_command(command: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for part in command_parts(command) {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(&part);
        } else if line.chars().count() + 1 + part.chars().count() <= width {
            line.push(' ');
            line.push_str(&part);
        } else {
            line.push_str(" \\");
            lines.push(format!(" {part}"));
        }
    }
    lines
}

/// Words outside quotes; what is in double quotes stays one part.
fn command_parts(command: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        quoted ^= character == '"';
        if character == ' ' && !quoted {
            parts.push(String::new());
        } else {
            parts
                .last_mut()
                .expect("there is always a part")
                .push(character);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The start of a line that is too long, marked as cut; control characters are shown as what they are.
fn cut(line: &str, width: usize) -> String {
    let visible: String = line
        .chars()
        .flat_map(|character| -> Vec<char> {
            if character.is_control() {
                character.escape_default().collect()
            } else {
                vec![character]
            }
        })
        .collect();
    if visible.chars().count() <= width {
        return visible;
    }
    let mut short: String = visible.chars().take(width - 3).collect();
    short.push_str("...");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let mut out = Vec::new();
        let mut transcript = Transcript::new(&mut out, false);
        let long = "word ".repeat(60) + &"x".repeat(300);
        transcript.title(&long).unwrap();
        transcript.say(&long).unwrap();
        transcript.quote(&long).unwrap();
        transcript.answer(&long).unwrap();
        transcript.claim(true, &long).unwrap();
        transcript
            .command("privy key trust card.json --fingerprint \"12345 12345 12345 12345 12345 12345 12345 12345\" --replace")
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() > 10);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn a_claim_that_does_not_hold_ends_the_play() {
        let mut out = Vec::new();
        let mut transcript = Transcript::new(&mut out, false);
        assert!(transcript.claim(false, "pigs fly").is_err());
        assert!(transcript.claim_equal(1, 2, "one is two").is_err());
        assert_eq!(transcript.claims(), 0);
        assert!(out.is_empty());
    }

    #[test]
    fn a_command_breaks_outside_quotes_alone() {
        let lines = wrap_command("privy a --long \"b c d\" --other e", 15);
        assert_eq!(lines, ["privy a --long \\", " \"b c d\" \\", " --other e"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(cut("a\u{1b}[2Jb", 40), "a\\u{1b}[2Jb");
    }
}
