//! What is wrong with a configuration: every fault, each with its line.

use std::fmt;
use std::path::{Path, PathBuf};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// 0 where the fault is the file itself.
    line: u64,
    /// The member, as in `keys[1].aliases`.
    path: String,
    message: String,
}

impl Problem {
    /// A fault at a line and a member.
    pub fn new(line: u64, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            line,
            path: path.into(),
            message: message.into(),
        }
    }

    /// The line, counted from 1; 0 where the fault is the file itself.
    pub fn line(&self) -> u64 {
        self.line
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Every fault of one configuration file. Prints one per line, `FILE:LINE: MEMBER: WHAT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl Problems {
    /// No fault yet.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: Vec::new(),
        }
    }

    /// Notes a fault.
    pub fn add(&mut self, line: u64, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(line, path, message));
    }

    /// Notes a fault.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The same, by line.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.problems.sort_by_key(Problem::line);
        self
    }

    /// The faults, by line.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if problem.line > 0 {
                write!(f, ":{}", problem.line)?;
            }
            write!(f, ": {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Text from a file, quoted and cut short.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
