//! What is wrong with a manifest, where, and how it looks there without showing a value.

/// Why a value is not base64 that was wrapped in a folded block.
pub(crate) const FOLDED: &str = "it contains spaces";

/// A fault in a manifest, with its position.
///
/// Displayed in one line; [`ManifestError::render`] shows the place with a caret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{fault}", place(*line, *column))]
pub struct ManifestError {
    pub(crate) fault: Fault,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The line with everything masked that may be a value, and the caret's column in it.
    pub(crate) excerpt: Option<(String, usize)>,
    /// Whether there is a `{{` at the fault, the mark of a template.
    pub(crate) template: bool,
}

/// What is wrong with a manifest or with an edit of it.
///
/// `what` names a place for people, such as ``field `data/password` `` or `metadata.name`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The value is an alias (`*name`).
    #[error("{what} is an alias of a value elsewhere in the file")]
    Alias {
        /// The place.
        what: String,
    },

    /// The value carries an anchor (`&name`), so it may be used elsewhere too.
    #[error("{what} has an anchor, so other places may use it too")]
    Anchor {
        /// The place.
        what: String,
    },

    /// The same key occurs twice, so readers would differ about its value.
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

    /// An object's kind is behind an alias or a merge key.
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
    #[error("the file contains the line break {name}, which YAML readers treat differently")]
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

    /// Two versions of the file that a merge left side by side.
    #[error("the file has conflict markers of a merge")]
    MergeConflict,

    /// An object of kind Secret without `apiVersion`.
    #[error("a Secret without `apiVersion: v1`")]
    MissingApiVersion,

    /// A word of the API with a letter wrong: the API server ignores it or takes it for something else.
    #[error("{what} {text:?}; did you mean `{wanted}`?")]
    Misspelled {
        /// What is known of the place.
        what: &'static str,
        /// The word, cut short.
        text: String,
        /// The word that it resembles.
        wanted: &'static str,
    },

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
    #[error("{what} must be a string, but reads as {kind}")]
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
    #[error("{what} has a tag that changes how it is read")]
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

    /// The file ends with a block scalar and then spaces or tabs without a line break, which some readers count as a line.
    #[error(
        "the last line contains only spaces or tabs, and YAML readers differ on whether they belong to the value above"
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

    /// Whether the file looks like a template that must be rendered first.
    pub fn is_template(&self) -> bool {
        self.template
    }

    /// The line with whatever may be a value shown as `…`, and the caret's column in it, counted from 0.
    pub fn excerpt(&self) -> Option<(&str, usize)> {
        let (line, caret) = self.excerpt.as_ref()?;
        Some((line, *caret))
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
                "write the value here directly; if a value begins with `*`, quote it"
            }
            Fault::Anchor { .. } => "remove the anchor; if a value begins with `&`, quote it",
            Fault::DuplicateKey { .. } => "keep one of the two",
            Fault::HiddenKind { reason } if reason.contains("tag") => {
                "remove the tag, and write `apiVersion` and `kind` as plain words"
            }
            Fault::HiddenKind { .. } => "write `apiVersion` and `kind` in this object",
            Fault::Internal { .. } => {
                "please report this with the file's structure, without its values"
            }
            Fault::LineBreak { .. } => {
                "use LF or CRLF line breaks; inside a value, quote it and write the character as an escape"
            }
            Fault::MergeConflict => "resolve the merge first",
            Fault::MissingApiVersion => "add `apiVersion: v1`",
            Fault::Misspelled { .. } => {
                "correct the word; upper and lower case matter to the API server"
            }
            Fault::NotBase64 { reason, .. } if *reason == FOLDED => {
                "use `|` in place of `>`, which joins lines with spaces, or write the base64 on one line"
            }
            Fault::NotBase64 { .. } => {
                "values under `data` are base64; put plain text under `stringData`"
            }
            Fault::NotFlag { .. } => "write true or false, without quotes",
            Fault::NotJson { .. } => {
                "correct this place; JSON has neither comments nor trailing commas"
            }
            Fault::NotMapping { .. } => "write it as `key: value` pairs, or remove it",
            Fault::NotString { kind: "null", .. } => {
                "write `\"\"` for an empty value, or remove the key"
            }
            Fault::NotString { .. } => "quote it",
            Fault::NotUtf8 { utf16: true } => {
                "save the file as UTF-8; PowerShell's `>` writes UTF-16"
            }
            Fault::NotUtf8 { utf16: false } => "save the file as UTF-8",
            Fault::TrailingBlanks => "end the file with a newline",
            Fault::Tag { .. } => "remove the tag; text may carry `!!str`",
            Fault::TooLong { .. } => "put the Secrets into several files",
            Fault::NotYaml { reason } if reason.contains("tab") => {
                "indent with spaces: YAML does not allow tabs there"
            }
            Fault::NotYaml { reason } if reason.contains("BOM") => {
                "remove the byte order mark, which is invisible: `cat -v FILE` shows it"
            }
            Fault::NotYaml { .. } => "correct this place, or quote the value if it begins there",
            Fault::EditedTwice { .. }
            | Fault::KeyExists { .. }
            | Fault::NotEditable { .. }
            | Fault::NotWord
            | Fault::WrongManifest => return None,
        })
    }

    /// The message, the line with a caret, and the next step, in several lines without a final line break.
    ///
    /// Keys and structure are shown as they are; whatever may be a value is shown as `…`.
    pub fn render(&self) -> String {
        let mut text = self.render_without_hint();
        if let Some(hint) = self.hint() {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }

    /// As [`render`](Self::render), for anyone who puts the next step elsewhere.
    pub fn render_without_hint(&self) -> String {
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
        text
    }
}
