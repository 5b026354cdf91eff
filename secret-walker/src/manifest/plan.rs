//! What a set of edits will do: the new texts, by Secret, mapping and entry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::resolve::not_a_string;
use crate::error::{Fault, ManifestError, WalkError};
use crate::path::Section;
use crate::review::base64::{encode_into, encoded_len};

/// The new text of a field: one word of letters, digits and `-_.+/=`, or a text of JSON.
///
/// Compact envelopes and base64 are such words, and no style of YAML or JSON needs an escape for them. JSON envelopes
/// are written in single quotes in YAML, and escaped in JSON. Not meant for plaintext: the text is written into a file.
#[derive(Clone, Eq, PartialEq)]
pub struct EditValue {
    text: String,
    is_word: bool,
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=')
}

impl EditValue {
    /// A word, unchanged; it may be empty.
    ///
    /// # Errors
    /// [`Fault::NotWord`] when the text holds any other character.
    pub fn word(text: impl Into<String>) -> Result<Self, WalkError> {
        let text = text.into();
        if !text.bytes().all(is_word_byte) {
            return Err(without_place(Fault::NotWord));
        }
        Ok(Self {
            text,
            is_word: true,
        })
    }

    /// Takes a text of JSON in which nothing is escaped: printable ASCII without `'` and `\`.
    ///
    /// # Errors
    /// [`Fault::NotWord`] when the text holds any other character.
    pub fn json(text: impl Into<String>) -> Result<Self, WalkError> {
        let text = text.into();
        let fits = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\');
        if !text.bytes().all(fits) || text.trim_matches(' ') != text {
            return Err(without_place(Fault::NotWord));
        }
        let is_word = text.bytes().all(is_word_byte);
        Ok(Self { text, is_word })
    }

    /// An envelope as a field of this section wants it: base64 in `data`, the text itself in `stringData`. In an
    /// annotation it is a [`word`](Self::word).
    ///
    /// ```
    /// use secret_walker::{EditValue, Section};
    ///
    /// let text = "eyJlbmMi.a.b.c.d";
    /// assert_eq!(EditValue::envelope(text, Section::StringData)?.as_str(), text);
    /// assert_eq!(EditValue::envelope(text, Section::Data)?, EditValue::base64(text.as_bytes()));
    /// # Ok::<(), secret_walker::WalkError>(())
    /// ```
    ///
    /// # Errors
    /// [`Fault::NotWord`] for a text that `stringData` would have to escape; `data` takes every text.
    pub fn envelope(text: &str, section: Section) -> Result<Self, WalkError> {
        match section {
            Section::Data => Ok(Self::base64(text.as_bytes())),
            Section::StringData => Self::json(text),
        }
    }

    /// The base64 text of these bytes, as a field of `data` wants it.
    #[allow(
        clippy::missing_panics_doc,
        reason = "base64 is ASCII, whatever the bytes are"
    )]
    pub fn base64(bytes: &[u8]) -> Self {
        let mut text = vec![0; encoded_len(bytes.len())];
        encode_into(bytes, &mut text);
        Self {
            text: String::from_utf8(text).expect("base64 is ASCII"),
            is_word: true,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As YAML without quotes, where that says the same to every reader.
    pub(super) fn plain(&self) -> String {
        if self.is_word {
            plain(&self.text)
        } else {
            self.single_quoted()
        }
    }

    /// As YAML in single quotes.
    pub(super) fn single_quoted(&self) -> String {
        format!("'{}'", self.text)
    }

    /// In double quotes, as both YAML and JSON read it.
    pub(super) fn double_quoted(&self) -> String {
        format!("\"{}\"", self.text.replace('"', "\\\""))
    }
}

impl fmt::Debug for EditValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EditValue(<{} bytes>)", self.text.len())
    }
}

/// A mapping of a Secret that can be edited.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum EditedMap {
    Field(Section),
    Annotations,
}

impl EditedMap {
    /// The member's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Field(section) => section.as_str(),
            Self::Annotations => "annotations",
        }
    }

    /// The mapping that has the member.
    pub(super) const fn home(self) -> ParentMap {
        match self {
            Self::Field(_) => ParentMap::Secret,
            Self::Annotations => ParentMap::Metadata,
        }
    }
}

/// A mapping whose members are edited.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum ParentMap {
    Secret,
    Metadata,
}

/// What happens to one part of one Secret.
#[derive(Default)]
pub(super) struct EntryEdits {
    /// New texts by index of the entry.
    pub(super) replaced: BTreeMap<usize, EditValue>,
    pub(super) removed: BTreeSet<usize>,
    pub(super) inserted: Vec<(String, EditValue)>,
    inserted_names: BTreeSet<String>,
}

impl EntryEdits {
    pub(super) fn inserts(&self, name: &str) -> bool {
        self.inserted_names.contains(name)
    }

    pub(super) fn insert(&mut self, name: &str, value: EditValue) {
        self.inserted_names.insert(name.to_owned());
        self.inserted.push((name.to_owned(), value));
    }
}

/// By part.
pub(super) type SectionEdits = BTreeMap<EditedMap, EntryEdits>;

/// By index of the Secret and the mapping that has the parts.
pub(super) type ManifestEdits = BTreeMap<(usize, ParentMap), SectionEdits>;

/// A word without quotes, unless it could be taken for something other than a string.
pub(super) fn plain(word: &str) -> String {
    let starts_well = word
        .starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_' || first == '/');
    let dotted_key = word.len() > 1
        && word.starts_with('.')
        && word[1..].starts_with(|second: char| second.is_ascii_alphabetic());
    if (starts_well || dotted_key) && not_a_string(word).is_none() {
        word.to_owned()
    } else {
        format!("\"{word}\"")
    }
}

/// A fault of the edit rather than of a place in the file.
pub(super) fn without_place(fault: Fault) -> WalkError {
    ManifestError {
        fault,
        line: 0,
        column: 0,
        excerpt: None,
        template: false,
    }
    .into()
}
