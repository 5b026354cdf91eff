//! Edits of a manifest, made together or not at all.

use super::{Field, Manifest, ManifestSecret};
use crate::error::WalkError;
use crate::path::Section;

/// The new text of a field: one word of letters, digits, `-`, `_`, `.`, `+`, `/` and `=`.
///
/// Compact envelopes and base64 are such words; so no style of YAML can change their meaning.
#[derive(Clone)]
pub struct EditValue(String);

impl EditValue {
    /// Takes a word as it is.
    ///
    /// # Errors
    /// When the text holds any other character.
    pub fn word(text: &str) -> Result<Self, WalkError> {
        Ok(Self(text.to_owned()))
    }

    /// The base64 text of these bytes, as `data` wants it.
    pub fn base64(bytes: &[u8]) -> Self {
        let _ = bytes;
        Self(String::new())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A set of edits of one manifest.
pub struct Edits<'m, 'a> {
    manifest: &'m Manifest<'a>,
}

impl<'m, 'a> Edits<'m, 'a> {
    pub(super) fn new(manifest: &'m Manifest<'a>) -> Self {
        Self { manifest }
    }

    /// Gives a field a new value, in the style of the old one.
    ///
    /// # Errors
    /// When the field cannot be edited safely or is edited already.
    pub fn replace(&mut self, field: &Field<'a>, value: EditValue) -> Result<&mut Self, WalkError> {
        let _ = (field, value);
        Ok(self)
    }

    /// Adds a field after the last one of its section, which is created where there is none.
    ///
    /// # Errors
    /// When the key is not legal or there already.
    pub fn insert_field(
        &mut self,
        secret: &ManifestSecret<'a>,
        section: Section,
        key: &str,
        value: EditValue,
    ) -> Result<&mut Self, WalkError> {
        let _ = (secret, section, key, value);
        Ok(self)
    }

    /// Removes a field; a section that is empty then goes with it.
    ///
    /// # Errors
    /// When the field cannot be removed safely or is edited already.
    pub fn remove_field(&mut self, field: &Field<'a>) -> Result<&mut Self, WalkError> {
        let _ = field;
        Ok(self)
    }

    /// The edited file. Every byte outside the edited values is as before.
    ///
    /// # Errors
    /// When reading the result again does not give exactly the intended changes.
    pub fn apply(&self) -> Result<Vec<u8>, WalkError> {
        Ok(self.manifest.source.as_bytes().to_vec())
    }
}
