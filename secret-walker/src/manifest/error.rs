//! What is wrong with a manifest, where, and how it looks there without showing a value.

/// A fault in a manifest, with the place where it stands.
///
/// Displayed in one line; [`ManifestError::render`] shows the place with a caret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{fault}", place(*line, *column))]
pub struct ManifestError {
    pub(super) fault: Fault,
    pub(super) line: usize,
    pub(super) column: usize,
    /// The line with everything masked that may be a value, and the caret's column in it.
    pub(super) excerpt: Option<(String, usize)>,
    /// Whether `{{` stands where it matters, which is the mark of a template.
    pub(super) template: bool,
}

/// What is wrong with a manifest or with an edit of it.
///
/// `what` names a place for people, such as ``field `data/password` `` or `metadata.name`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The value is an alias (`*name`).
    #[error("{what} is an alias of something that stands elsewhere")]
    Alias {
        /// The place.
        what: String,
    },

    /// The value carries an anchor (`&name`), so it may be used elsewhere too.
    #[error("{what} carries an anchor, so other places may use it too")]
    Anchor {
        /// The place.
        what: String,
    },

    /// The same key stands twice, so readers would differ about its value.
    #[error("{what} has the key {key:?} twice")]
    DuplicateKey {
        /// The mapping.
        what: String,
        /// The key, cut short.
        key: String,
    },

    /// A field is edited twice in one set of edits.
    #[error("{what} is edited twice")]
    EditedTwice {
        /// The place.
        what: String,
    },

    /// An object's kind stands behind an alias or a merge key.
    #[error("cannot tell whether this object is a Secret: {reason}")]
    HiddenKind {
        /// What hides it.
        reason: &'static str,
    },

    /// The edited file does not read as intended; nothing is written.
    #[error("the edited file would not read as intended ({reason}); nothing was changed")]
    Internal {
        /// Which check failed.
        reason: &'static str,
    },

    /// A field that is to be inserted is there already.
    #[error("{what} is there already")]
    KeyExists {
        /// The place.
        what: String,
    },

    /// A line break that YAML 1.1 and 1.2 do not agree on.
    #[error("the file holds the line break {name}, which readers of YAML do not agree on")]
    LineBreak {
        /// Its name.
        name: &'static str,
    },

    /// A merge key (`<<`) brings in entries from elsewhere.
    #[error("{what} has a merge key, which brings in entries from elsewhere")]
    MergeKey {
        /// The mapping.
        what: String,
    },

    /// An object of kind Secret without `apiVersion`.
    #[error("a Secret without `apiVersion: v1`")]
    MissingApiVersion,

    /// A value under `data` is not base64.
    #[error("{what} is not base64: {reason}")]
    NotBase64 {
        /// The place.
        what: String,
        /// What is wrong, without any of the value.
        reason: &'static str,
    },

    /// The place is written in a way that cannot be edited without guessing.
    #[error("{what} cannot be edited in place: {reason}")]
    NotEditable {
        /// The place.
        what: String,
        /// Why.
        reason: &'static str,
    },

    /// A flag was expected.
    #[error("{what} must be true or false")]
    NotFlag {
        /// The place.
        what: &'static str,
    },

    /// The file begins with a brace but is not JSON.
    #[error("not JSON: {reason}")]
    NotJson {
        /// What was expected.
        reason: &'static str,
    },

    /// A mapping was expected.
    #[error("{what} must be a mapping")]
    NotMapping {
        /// The place.
        what: String,
    },

    /// A string was expected; some reader takes this for something else.
    #[error("{what} must be a string and reads as {kind}")]
    NotString {
        /// The place.
        what: String,
        /// What it reads as.
        kind: &'static str,
    },

    /// The file is not UTF-8.
    #[error("the file is not UTF-8 text{}", if *utf16 { " but UTF-16" } else { "" })]
    NotUtf8 {
        /// Whether it begins as UTF-16 does.
        utf16: bool,
    },

    /// An edit's new text is not one word.
    #[error("the new text must be one word of letters, digits and `-_.+/=`")]
    NotWord,

    /// The file is not YAML that can be read.
    #[error("not YAML: {reason}")]
    NotYaml {
        /// What is wrong, in the parser's words.
        reason: String,
    },

    /// An explicit tag (`!!binary`) changes how the value reads.
    #[error("{what} carries a tag that changes how it reads")]
    Tag {
        /// The place.
        what: String,
    },

    /// The file is longer than the walker reads.
    #[error("the file is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },

    /// The file ends with a block scalar and then blanks without a line break, which some readers count as a line.
    #[error(
        "the last line holds blanks alone, and readers do not agree whether they belong to the value above"
    )]
    TrailingBlanks,

    /// The field belongs to another manifest.
    #[error("the field belongs to another manifest")]
    WrongManifest,
}

/// Faults of an edit as such have no place in the file.
fn place(line: usize, column: usize) -> String {
    if line == 0 {
        String::new()
    } else {
        format!("line {line}, column {column}: ")
    }
}

impl ManifestError {
    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Counted from 1; 0 for a fault that has no place in the file.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Counted from 1, in characters; 0 for a fault that has no place in the file.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The next step, where there is one to name.
    pub fn hint(&self) -> Option<&'static str> {
        if self.template {
            return Some(
                "this looks like a template: render it first, or put the sealed value into the template's values",
            );
        }
        Some(match &self.fault {
            Fault::Alias { .. } | Fault::MergeKey { .. } => {
                "write the value out in this place; if a value begins with `*`, quote it"
            }
            Fault::Anchor { .. } => "remove the anchor; if a value begins with `&`, quote it",
            Fault::DuplicateKey { .. } => "keep one of the two",
            Fault::HiddenKind { .. } => "write `apiVersion` and `kind` out in this object",
            Fault::Internal { .. } => {
                "please report this with the file's structure, without its values"
            }
            Fault::LineBreak { .. } => {
                "use LF or CRLF line breaks; inside a value, quote it and write the character as an escape"
            }
            Fault::MissingApiVersion => "add `apiVersion: v1`",
            Fault::NotBase64 { .. } => {
                "values under `data` are base64; text as it is belongs under `stringData`"
            }
            Fault::NotString { .. } => "quote it",
            Fault::NotUtf8 { utf16: true } => {
                "save the file as UTF-8; PowerShell's `>` writes UTF-16"
            }
            Fault::NotUtf8 { utf16: false } => "save the file as UTF-8",
            Fault::TrailingBlanks => "end the file with a line break",
            Fault::Tag { .. } => "remove the tag; text may carry `!!str`",
            Fault::NotFlag { .. }
            | Fault::NotJson { .. }
            | Fault::NotYaml { .. }
            | Fault::EditedTwice { .. }
            | Fault::KeyExists { .. }
            | Fault::NotEditable { .. }
            | Fault::NotMapping { .. }
            | Fault::NotWord
            | Fault::TooLong { .. }
            | Fault::WrongManifest => return None,
        })
    }

    /// The message, the line with a caret, and the next step, in several lines without a final line break.
    ///
    /// Keys and structure are shown as they are; whatever may be a value is shown as `…`.
    pub fn render(&self) -> String {
        let mut text = self.to_string();
        if let Some((line, caret)) = &self.excerpt {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let indent = " ".repeat(*caret);
            for part in [
                "\n", &margin, " |\n", &number, " | ", line, "\n", &margin, " | ", &indent, "^",
            ] {
                text.push_str(part);
            }
        }
        if let Some(hint) = self.hint() {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }
}
