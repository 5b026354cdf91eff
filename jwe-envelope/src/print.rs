//! Envelope to text, in each of the three serializations.

use std::fmt;

use crate::envelope::{Envelope, Serialization};
use crate::{compact, json};

impl Envelope<'_> {
    /// The text in the given serialization; `None` when it cannot be written so
    /// (compact or flattened with several recipients, compact with headers outside `protected`).
    pub fn to_text(&self, serialization: Serialization) -> Option<String> {
        match serialization {
            Serialization::Compact => compact::print(self),
            Serialization::Flattened => json::print_flattened(self),
            Serialization::General => Some(json::print_general(self)),
        }
    }
}

impl fmt::Display for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each serialization can print what was parsed from it or drafted for it.
        let text = self.to_text(self.serialization).ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}
