//! What can be wrong with a Secret, a manifest or an edit.

#[cfg(feature = "manifest")]
mod manifest;

#[cfg(feature = "manifest")]
pub(crate) use manifest::FOLDED;
#[cfg(feature = "manifest")]
pub use manifest::{Fault, ManifestError};

/// Why a Secret could not be walked, patched or edited.
///
/// No variant holds a value of a Secret, or any part of one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// A value of `data` is not what the API server accepts as base64.
    #[error("value is not base64: {reason}")]
    Base64 {
        /// What is wrong, without any of the value.
        reason: &'static str,
    },

    /// The same member occurs twice, so readers would differ about its value.
    #[error("{object} has the member {member:?} twice")]
    DuplicateMember {
        /// The object with the two members: `the object`, `metadata`, `data` and so on.
        object: &'static str,
        /// The member's name, cut short.
        member: String,
    },

    /// A patch already replaces this field.
    #[error("field `{path}` is patched twice")]
    DuplicatePatch {
        /// The field, for people.
        path: String,
    },

    /// A key that no API server accepts.
    #[error("key {key:?} {reason}")]
    InvalidKey {
        /// The key, cut short.
        key: String,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },

    /// A text that is not a field path.
    #[error("{path:?} is not the path of a field; `data/password` and `stringData/password` are")]
    InvalidPath {
        /// The text, cut short.
        path: String,
    },

    /// A manifest cannot be read or edited; it says where and shows the place.
    #[cfg(feature = "manifest")]
    #[error(transparent)]
    Manifest(Box<ManifestError>),

    /// The text is not the JSON of one object.
    #[error("not the JSON of one object: {reason}, at byte {offset}")]
    NotJson {
        /// Where reading stopped.
        offset: usize,
        /// What was expected there.
        reason: &'static str,
    },

    /// `stringData` holds text, and these bytes are not UTF-8.
    #[error("value of field `{path}` is not UTF-8 text; put it under `data`")]
    NotText {
        /// The field, for people.
        path: String,
    },

    /// More members or elements than any API server stores in one object.
    #[error("{member} has more than {most} entries")]
    TooMany {
        /// The object or array, for people.
        member: &'static str,
        /// How many are read.
        most: usize,
    },

    /// A member has another type than Kubernetes gives it.
    #[error("{member} must be {expected}")]
    WrongType {
        /// The member, for people.
        member: &'static str,
        /// The type it must have.
        expected: &'static str,
    },
}

#[cfg(feature = "manifest")]
impl From<ManifestError> for WalkError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(Box::new(error))
    }
}

impl WalkError {
    /// The error over several lines: for a fault of a manifest with its line, a caret and the next step.
    pub fn render(&self) -> String {
        match self {
            #[cfg(feature = "manifest")]
            Self::Manifest(error) => error.render(),
            other => other.to_string(),
        }
    }

    /// The place and fault in a manifest, where this is about one.
    #[cfg(feature = "manifest")]
    pub fn manifest(&self) -> Option<&ManifestError> {
        match self {
            Self::Manifest(error) => Some(error),
            _ => None,
        }
    }
}
