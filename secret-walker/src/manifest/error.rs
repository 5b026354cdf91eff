//! What is wrong with a manifest, where, and how it looks there without showing a value.

/// A fault in a manifest.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ManifestError {
    fault: Fault,
    line: usize,
    column: usize,
}

/// What is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is longer than the walker reads.
    #[error("the file is too long")]
    TooLong,
}

impl ManifestError {
    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Counted from 1, in characters.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The next step, where there is one.
    pub fn hint(&self) -> Option<&str> {
        None
    }

    /// Message, place with a caret, and next step, in several lines. Values are shown as `…`.
    pub fn render(&self) -> String {
        self.to_string()
    }
}
