//! What stands against a value that is opened with a warning.

use crate::refusal::Refusal;

/// What stands against a value that is opened with a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It holds unless the opened value is the one that is stored: then nothing is introduced. A manifest that is
    /// applied again brings the envelope, while the API server has what was in it.
    UnlessStored(Refusal),
    /// Policy makes it a warning.
    Warned(Refusal),
}

impl Objection {
    pub(super) fn for_key(self, kid: Option<&str>) -> Self {
        match self {
            Self::UnlessStored(refusal) => Self::UnlessStored(refusal.for_key(kid)),
            Self::Warned(refusal) => Self::Warned(refusal.for_key(kid)),
        }
    }
}
