//! Where a value is in a Secret: `data/password` for people, a JSON Pointer for patches.

use std::fmt;
use std::str::FromStr;

use crate::error::WalkError;
use crate::text::cut;

/// The two maps of a Secret that hold values.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Section {
    /// `data`: values in base64.
    Data,
    /// `stringData`: values as they are; the API server folds them into `data`.
    StringData,
}

impl Section {
    /// The member's name in a Secret.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::StringData => "stringData",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field of a Secret: a section and a key in it.
///
/// Displayed as `data/password`; parsed from the same text, which refuses keys that
/// no API server would take. A path made by [`FieldPath::new`] may hold any key.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FieldPath {
    section: Section,
    key: String,
}

impl FieldPath {
    /// The field with this key; the key is not checked.
    pub fn new(section: Section, key: impl Into<String>) -> Self {
        Self {
            section,
            key: key.into(),
        }
    }

    /// A field of `data`.
    pub fn data(key: impl Into<String>) -> Self {
        Self::new(Section::Data, key)
    }

    /// A field of `stringData`.
    pub fn string_data(key: impl Into<String>) -> Self {
        Self::new(Section::StringData, key)
    }

    /// Which of the two maps the field is in.
    pub fn section(&self) -> Section {
        self.section
    }

    /// The key in that map.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The path as a JSON Pointer, [RFC 6901](https://www.rfc-editor.org/rfc/rfc6901#section-3):
    /// `~` is written `~0` and `/` is written `~1`.
    pub fn json_pointer(&self) -> String {
        let mut pointer = String::with_capacity(self.key.len() + 16);
        pointer.push('/');
        pointer.push_str(self.section.as_str());
        pointer.push('/');
        push_pointer_token(&mut pointer, &self.key);
        pointer
    }
}

/// Writes one part of a JSON Pointer.
pub(crate) fn push_pointer_token(pointer: &mut String, token: &str) {
    for character in token.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.section, self.key)
    }
}

impl FromStr for FieldPath {
    type Err = WalkError;

    fn from_str(text: &str) -> Result<Self, WalkError> {
        let (section, key) = match text.split_once('/') {
            Some(("data", key)) => (Section::Data, key),
            Some(("stringData", key)) => (Section::StringData, key),
            _ => return Err(WalkError::InvalidPath { path: cut(text) }),
        };
        validate_key(key)?;
        Ok(Self::new(section, key))
    }
}

/// Checks a key of `data` or `stringData` as the API server will: 1 to 253 characters of
/// letters, digits, `-`, `_` and `.`, and neither `.` nor a name that begins with `..`.
///
/// # Errors
/// [`WalkError::InvalidKey`] for any other key.
pub fn validate_key(key: &str) -> Result<(), WalkError> {
    let reason = if key.is_empty() {
        "is empty"
    } else if key.len() > 253 {
        "is longer than 253 characters"
    } else if !key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    {
        "may contain only letters, digits, `-`, `_` and `.`"
    } else if key == "." || key.starts_with("..") {
        "would name a folder when mounted as a file"
    } else {
        return Ok(());
    };
    Err(WalkError::InvalidKey {
        key: cut(key),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_and_reads_the_same_text() {
        for text in ["data/password", "stringData/tls.key", "data/a_b-C.9"] {
            let path: FieldPath = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
        }
        assert_eq!("data/x".parse::<FieldPath>().unwrap(), FieldPath::data("x"));
        assert_eq!(
            "stringData/x".parse::<FieldPath>().unwrap(),
            FieldPath::string_data("x")
        );
    }

    #[test]
    fn escapes_a_pointer_once() {
        assert_eq!(
            FieldPath::data("a/b~c~1").json_pointer(),
            "/data/a~1b~0c~01"
        );
        assert_eq!(FieldPath::string_data("").json_pointer(), "/stringData/");
    }

    #[test]
    fn refuses_other_paths_and_keys() {
        for text in ["password", "Data/x", "metadata/name", "", "/data/x", "data"] {
            assert!(
                matches!(
                    text.parse::<FieldPath>(),
                    Err(WalkError::InvalidPath { .. })
                ),
                "{text:?}"
            );
        }
        for text in [
            "data/", "data/a/b", "data/ü", "data/a b", "data/.", "data/..", "data/..x",
        ] {
            assert!(
                matches!(text.parse::<FieldPath>(), Err(WalkError::InvalidKey { .. })),
                "{text:?}"
            );
        }
        assert!(validate_key(&"k".repeat(253)).is_ok());
        assert!(validate_key(&"k".repeat(254)).is_err());
        assert!(validate_key(".dockerconfigjson").is_ok());
        assert!(validate_key("...").is_err());
    }
}
