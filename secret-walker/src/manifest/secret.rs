//! One Secret of a manifest and its fields, as they were read.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::WalkError;
use crate::path::{FieldPath, Section};
use crate::review::base64::decode;
use crate::text::Text;

/// A text of the manifest that is not secret, and where it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Located<'m> {
    /// The text as it reads.
    pub text: &'m str,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// The same, kept.
pub(super) struct OwnedText<'a> {
    pub(super) text: Text<'a>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl OwnedText<'_> {
    pub(super) fn located(&self) -> Located<'_> {
        Located {
            text: self.text.as_str(),
            line: self.line,
            column: self.column,
        }
    }
}

/// An annotation; one that is `null` has no value.
pub(super) struct Annotation<'a> {
    pub(super) name: String,
    pub(super) value: Option<OwnedText<'a>>,
}

/// Which entries of a Secret's mapping its members are, so that no edit looks for them again.
#[derive(Default)]
pub(super) struct SecretMembers {
    pub(super) metadata: Option<usize>,
    /// An entry of `metadata`.
    pub(super) annotations: Option<usize>,
    pub(super) data: Option<usize>,
    pub(super) string_data: Option<usize>,
}

/// One Secret of a manifest.
pub struct ManifestSecret<'a> {
    /// Which Secret of the manifest it is.
    pub(super) index: usize,
    pub(super) document: usize,
    /// The way to it through lists: which entry `items` is, and which item.
    pub(super) items: Vec<(usize, usize)>,
    pub(super) members: SecretMembers,
    pub(super) line: usize,
    pub(super) name: Option<OwnedText<'a>>,
    pub(super) generate_name: Option<OwnedText<'a>>,
    pub(super) namespace: Option<OwnedText<'a>>,
    pub(super) secret_type: Option<OwnedText<'a>>,
    pub(super) immutable: bool,
    /// In document order, as the entries of `annotations`.
    pub(super) annotations: Vec<Annotation<'a>>,
    /// The same by name.
    pub(super) annotations_by_name: Vec<usize>,
    pub(super) fields: Vec<Field<'a>>,
    /// The fields by path.
    pub(super) fields_by_path: Vec<usize>,
}

impl<'a> ManifestSecret<'a> {
    /// Which document of the file it is in, counted from 0.
    pub fn document(&self) -> usize {
        self.document
    }

    /// The line on which the Secret begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// `metadata.name`.
    pub fn name(&self) -> Option<Located<'_>> {
        self.name.as_ref().map(OwnedText::located)
    }

    /// `metadata.generateName`.
    pub fn generate_name(&self) -> Option<Located<'_>> {
        self.generate_name.as_ref().map(OwnedText::located)
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<Located<'_>> {
        self.namespace.as_ref().map(OwnedText::located)
    }

    /// `type`.
    pub fn secret_type(&self) -> Option<Located<'_>> {
        self.secret_type.as_ref().map(OwnedText::located)
    }

    /// Whether the Secret says that its values never change.
    pub fn immutable(&self) -> bool {
        self.immutable
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<Located<'_>> {
        let annotation = &self.annotations[self.annotation_entry(key)?];
        annotation.value.as_ref().map(OwnedText::located)
    }

    /// Which entry of `annotations` has this name.
    pub(super) fn annotation_entry(&self, key: &str) -> Option<usize> {
        let name = |entry: &usize| self.annotations[*entry].name.as_str();
        let at = self
            .annotations_by_name
            .binary_search_by_key(&key, name)
            .ok()?;
        Some(self.annotations_by_name[at])
    }

    /// All annotations in document order, with the position of their values.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, Located<'_>)> {
        self.annotations.iter().filter_map(|annotation| {
            let value = annotation.value.as_ref()?;
            Some((annotation.name.as_str(), value.located()))
        })
    }

    /// The fields of `data` and `stringData`, in document order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The field at this path.
    pub fn field(&self, path: &FieldPath) -> Option<&Field<'a>> {
        self.field_at(path.section(), path.key())
    }

    /// The field of this section with this key.
    fn field_at(&self, section: Section, key: &str) -> Option<&Field<'a>> {
        let name = |index: &usize| {
            let path = self.fields[*index].path();
            (path.section(), path.key())
        };
        let found = self
            .fields_by_path
            .binary_search_by(|index| name(index).cmp(&(section, key)));
        Some(&self.fields[self.fields_by_path[found.ok()?]])
    }

    /// Which entry of the Secret's mapping a section is.
    pub(super) fn section_entry(&self, section: Section) -> Option<usize> {
        match section {
            Section::Data => self.members.data,
            Section::StringData => self.members.string_data,
        }
    }

    /// Sorts what is looked up by name, once all is read.
    pub(super) fn sort(&mut self) {
        self.annotations_by_name = (0..self.annotations.len()).collect();
        self.annotations_by_name
            .sort_by(|a, b| self.annotations[*a].name.cmp(&self.annotations[*b].name));
        self.fields_by_path = (0..self.fields.len()).collect();
        self.fields_by_path
            .sort_by(|a, b| self.fields[*a].path.cmp(&self.fields[*b].path));
    }

    /// The keys that are in both `data` and `stringData`, of which the API server keeps the latter.
    pub fn keys_in_both(&self) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(|field| field.section() == Section::Data)
            .filter(|field| self.field_at(Section::StringData, field.key()).is_some())
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
    pub(super) source: &'a str,
    pub(super) document: usize,
    pub(super) secret: usize,
    /// Which entry of its section it is.
    pub(super) index: usize,
    pub(super) path: FieldPath,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) text: Result<Text<'a>, WalkError>,
    pub(super) not_base64: Option<WalkError>,
}

impl Field<'_> {
    /// Section and key.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// The section the field is in.
    pub fn section(&self) -> Section {
        self.path.section()
    }

    /// The key.
    pub fn key(&self) -> &str {
        self.path.key()
    }

    /// Which document of the file it is in, counted from 0.
    pub fn document(&self) -> usize {
        self.document
    }

    /// The line on which the value begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column at which the value begins, counted from 1 in characters.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The text as kubectl reads it from YAML or JSON; base64 still, for a field of `data`.
    ///
    /// # Errors
    /// [`WalkError::Manifest`] when the value is no plain string: an alias, an anchor, a number and so on.
    pub fn text(&self) -> Result<&str, WalkError> {
        self.text.as_ref().map(Text::as_str).map_err(Clone::clone)
    }

    /// The bytes of the value: decoded for `data`, the text itself for `stringData`.
    ///
    /// # Errors
    /// As [`Field::text`], and for a value of `data` that is not base64; its [`Field::text`] can still be had.
    pub fn value(&self) -> Result<Zeroizing<Vec<u8>>, WalkError> {
        let text = self.text()?;
        if let Some(error) = &self.not_base64 {
            return Err(error.clone());
        }
        Ok(Zeroizing::new(match self.section() {
            Section::Data => decode(text)?,
            Section::StringData => text.as_bytes().to_vec(),
        }))
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
