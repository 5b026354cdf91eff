//! Why a file cannot be imported. It repeats no value.

use std::fmt;

/// A reason, where it is, and what to do about it.
#[derive(Debug)]
pub struct Fault {
    line: Option<usize>,
    reason: String,
    hint: Option<&'static str>,
}

impl Fault {
    /// On this line, counted from 1.
    pub(super) fn on(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            reason: reason.into(),
            hint: None,
        }
    }

    /// Of the whole input.
    pub(super) fn of(reason: impl Into<String>) -> Self {
        Self {
            line: None,
            reason: reason.into(),
            hint: None,
        }
    }

    /// Adds the next step.
    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The next step.
    pub fn next(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for Fault {}
