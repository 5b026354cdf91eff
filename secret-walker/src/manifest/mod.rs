//! Manifests on disk: the Secrets in them, and edits that touch nothing else.

mod edit;
mod error;

use std::fmt;

use zeroize::Zeroizing;

pub use edit::{EditValue, Edits};
pub use error::{Fault, ManifestError};

use crate::error::WalkError;
use crate::path::{FieldPath, Section};

/// A file of manifests: YAML or JSON, one document or many, single objects or a `List`.
pub struct Manifest<'a> {
    source: &'a str,
    secrets: Vec<ManifestSecret<'a>>,
}

impl<'a> Manifest<'a> {
    /// Reads a file and finds the core/v1 Secrets in it.
    ///
    /// # Errors
    /// [`WalkError::Manifest`], which names line and column.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WalkError> {
        let _ = bytes;
        Ok(Self {
            source: "",
            secrets: Vec::new(),
        })
    }

    /// The Secrets, in the order of the file.
    pub fn secrets(&self) -> &[ManifestSecret<'a>] {
        &self.secrets
    }

    /// Begins a set of edits, which are made together by [`Edits::apply`].
    pub fn edits(&self) -> Edits<'_, 'a> {
        Edits::new(self)
    }
}

impl fmt::Debug for Manifest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// A text of the manifest that is not secret, and where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Located<'m> {
    /// The text as it reads.
    pub text: &'m str,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// One Secret of a manifest.
pub struct ManifestSecret<'a> {
    document: usize,
    fields: Vec<Field<'a>>,
}

impl<'a> ManifestSecret<'a> {
    /// Which document of the file it stands in, counted from 0.
    pub fn document(&self) -> usize {
        self.document
    }

    /// The line on which the Secret begins, counted from 1.
    pub fn line(&self) -> usize {
        1
    }

    /// `metadata.name`.
    pub fn name(&self) -> Option<Located<'_>> {
        None
    }

    /// `metadata.generateName`.
    pub fn generate_name(&self) -> Option<Located<'_>> {
        None
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<Located<'_>> {
        None
    }

    /// `type`.
    pub fn secret_type(&self) -> Option<Located<'_>> {
        None
    }

    /// Whether the Secret says that its values never change.
    pub fn immutable(&self) -> bool {
        false
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<Located<'_>> {
        self.annotations()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// All annotations in document order.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, Located<'_>)> {
        std::iter::empty()
    }

    /// The fields of `data` and `stringData`, in document order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The field at this path.
    pub fn field(&self, path: &FieldPath) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.path() == path)
    }

    /// The keys that stand in both `data` and `stringData`, of which the API server keeps the latter.
    pub fn keys_in_both(&self) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(|field| field.section() == Section::Data)
            .filter(|field| self.field(&FieldPath::string_data(field.key())).is_some())
            .map(Field::key)
    }
}

impl fmt::Debug for ManifestSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestSecret")
            .field("name", &self.name())
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// One field of `data` or `stringData`. Its `Debug` leaves the value out.
pub struct Field<'a> {
    path: FieldPath,
    line: usize,
    column: usize,
    source: &'a str,
}

impl Field<'_> {
    /// Section and key.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// The section the field stands in.
    pub fn section(&self) -> Section {
        self.path.section()
    }

    /// The key.
    pub fn key(&self) -> &str {
        self.path.key()
    }

    /// The line on which the value begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column at which the value begins, counted from 1 in characters.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The text as YAML or JSON reads it; base64 still, for a field of `data`.
    ///
    /// # Errors
    /// [`WalkError::Manifest`] when the value is no plain string: an alias, an anchor, a number and so on.
    pub fn text(&self) -> Result<&str, WalkError> {
        Ok(self.source)
    }

    /// The bytes of the value: decoded for `data`, the text itself for `stringData`.
    ///
    /// # Errors
    /// As [`Field::text`], and for a value of `data` that is not base64.
    pub fn value(&self) -> Result<Zeroizing<Vec<u8>>, WalkError> {
        Ok(Zeroizing::new(self.text()?.as_bytes().to_vec()))
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("path", &self.path)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
