//! Findings in words, and in the forms of programs.

pub mod github;
pub mod gitlab;
pub mod json;
pub mod sarif;
pub mod text;

use std::fmt::Write as _;

use jwe_envelope::untrusted::Lines;

use crate::io::Io;

/// The codes of our colours, and of their end.
const CODES: [&str; 6] = ["1;31", "1;33", "32", "2", "1", "0"];

/// Whether words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// Never.
    pub const NONE: Self = Self(false);

    /// On a terminal that wants it: `NO_COLOR` and `TERM=dumb` say no, `CLICOLOR_FORCE` and `FORCE_COLOR` say yes even to
    /// a pipe.
    pub fn for_stdout(io: &Io<'_>) -> Self {
        let set = |name: &str| (io.environment)(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            return Self(false);
        }
        let forced = ["CLICOLOR_FORCE", "FORCE_COLOR"];
        if forced
            .iter()
            .any(|name| set(name).is_some_and(|value| value != "0"))
        {
            return Self(true);
        }
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let off = set("CLICOLOR").is_some_and(|value| value == "0");
        Self(io.terminal.stdout && !dumb && !off)
    }

    /// A report as it is written: what others' words would do to a terminal or a CI system is escaped, our colours stay.
    pub fn finish(self, text: &str) -> String {
        if !self.0 {
            return Lines(text).to_string();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((at, mark)) = CODES
            .iter()
            .filter_map(|code| {
                let mark = format!("\u{1b}[{code}m");
                rest.find(&mark).map(|at| (at, mark))
            })
            .min()
        {
            let _ = write!(out, "{}{mark}", Lines(&rest[..at]));
            rest = &rest[at + mark.len()..];
        }
        let _ = write!(out, "{}", Lines(rest));
        out
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Something bad.
    pub fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// Something doubtful.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    /// Something good.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Something beside the point.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Something to begin with.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
