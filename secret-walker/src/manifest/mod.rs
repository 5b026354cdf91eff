//! Manifests on disk: the Secrets in them, and edits that touch nothing else.

mod edit;
mod error;
mod excerpt;
mod find;
mod json_tree;
mod node;
mod resolve;
mod splice;
mod verify;
mod yaml;

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use zeroize::Zeroizing;

use edit::Home;
pub use edit::{EditValue, Edits};
pub use error::{Fault, ManifestError};
pub use yaml::{MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};

use crate::error::WalkError;
use crate::path::{FieldPath, Section};
use crate::text::Text;
use excerpt::{Locator, byte_order_mark, syntax_error};
use find::Finder;
use node::{Node, Style};

/// The longest file that is read: 8 MiB, some eight Secrets of the largest size.
pub const MAX_MANIFEST_BYTES: usize = 8 * 1024 * 1024;

/// A file of manifests: YAML or JSON, one document or many, single objects or a `List`.
///
/// What is not a core/v1 Secret is passed over and stays as it is.
pub struct Manifest<'a> {
    source: &'a str,
    json: bool,
    documents: Vec<Document<'a>>,
    secrets: Vec<ManifestSecret<'a>>,
}

/// One document; its tree is kept where it holds a Secret.
struct Document<'a> {
    tree: Option<Node<'a>>,
    digest: u64,
}

impl<'a> Manifest<'a> {
    /// Reads a file and finds the core/v1 Secrets in it.
    ///
    /// A file that begins with a brace is read as JSON if it is JSON, everything else as YAML.
    ///
    /// # Errors
    /// [`WalkError::Manifest`], which names line and column: for text that cannot be read, limits that are
    /// passed, and whatever would make it a guess what a Secret is or which fields it has. A single *value* that
    /// cannot be read without guessing is an error of [`Field::text`] alone, so that its neighbors can be edited.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WalkError> {
        let source = text_of(bytes)?;
        let (trees, json) = read(source)?;
        let mut manifest = Self {
            source,
            json,
            documents: Vec::with_capacity(trees.len()),
            secrets: Vec::new(),
        };
        let mut locator = Locator::new(source);
        for (index, tree) in trees.into_iter().enumerate() {
            let before = manifest.secrets.len();
            if let Some(root) = &tree {
                let secrets = std::mem::take(&mut manifest.secrets);
                manifest.secrets = Finder {
                    source,
                    root,
                    document: index,
                    locator: &mut locator,
                    secrets,
                    refused: 0,
                }
                .run()?;
            }
            let mut digest = DefaultHasher::new();
            if let Some(root) = &tree {
                root.digest(&mut digest);
            }
            let tree = tree.filter(|_| manifest.secrets.len() > before);
            manifest.documents.push(Document {
                tree,
                digest: digest.finish(),
            });
        }
        if !manifest.secrets.is_empty() && !json {
            refuse_odd_line_breaks(source)?;
            manifest.refuse_trailing_blanks()?;
        }
        Ok(manifest)
    }

    /// The Secrets, in the order of the file.
    pub fn secrets(&self) -> &[ManifestSecret<'a>] {
        &self.secrets
    }

    /// Whether the file is JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// How many documents the file has, Secrets or not.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Begins a set of edits, which are made together by [`Edits::apply`].
    pub fn edits(&self) -> Edits<'_, 'a> {
        Edits::new(self)
    }

    /// kubectl reads a file as if it ended with a line break, so blanks at its end become a line of a block scalar.
    fn refuse_trailing_blanks(&self) -> Result<(), WalkError> {
        let tail = self.source.rsplit('\n').next().unwrap_or_default();
        let blanks = !tail.is_empty() && tail.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
        let last = self
            .documents
            .last()
            .and_then(|document| document.tree.as_ref())
            .map(Node::last_leaf);
        if blanks && last.is_some_and(|last| matches!(last.scalar(), Some((_, Style::Block)))) {
            let at = self.source.len() - tail.len();
            return Err(syntax_error(self.source, at, &[], Fault::TrailingBlanks).into());
        }
        Ok(())
    }

    /// The Secret itself, or its `metadata`, where that is a mapping.
    fn home(&self, secret: usize, home: Home) -> Option<&Node<'a>> {
        let node = self.node(secret);
        match home {
            Home::Secret => Some(node),
            Home::Metadata => edit::member(node, "metadata")
                .map(|pair| &pair.value)
                .filter(|node| matches!(node.kind, node::Kind::Mapping { .. })),
        }
    }

    /// The node of one of our Secrets.
    fn node(&self, secret: usize) -> &Node<'a> {
        let secret = &self.secrets[secret];
        let mut node = self.documents[secret.document]
            .tree
            .as_ref()
            .expect("a document with Secrets keeps its tree");
        for index in &secret.items {
            let items = node
                .entries()
                .iter()
                .find(|pair| pair.key.scalar_str() == Some("items"));
            let Some(node::Kind::Sequence { items }) = items.map(|pair| &pair.value.kind) else {
                unreachable!("the path was made while walking this tree")
            };
            node = &items[*index];
        }
        node
    }
}

impl fmt::Debug for Manifest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("json", &self.json)
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

/// The same, kept.
struct Owned<'a> {
    text: Text<'a>,
    line: usize,
    column: usize,
}

impl Owned<'_> {
    fn located(&self) -> Located<'_> {
        Located {
            text: self.text.as_str(),
            line: self.line,
            column: self.column,
        }
    }
}

/// One Secret of a manifest.
pub struct ManifestSecret<'a> {
    document: usize,
    /// The way to it through the `items` of lists.
    items: Vec<usize>,
    line: usize,
    name: Option<Owned<'a>>,
    generate_name: Option<Owned<'a>>,
    namespace: Option<Owned<'a>>,
    secret_type: Option<Owned<'a>>,
    immutable: bool,
    annotations: Vec<(String, Owned<'a>)>,
    fields: Vec<Field<'a>>,
}

impl<'a> ManifestSecret<'a> {
    /// Which document of the file it stands in, counted from 0.
    pub fn document(&self) -> usize {
        self.document
    }

    /// The line on which the Secret begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// `metadata.name`.
    pub fn name(&self) -> Option<Located<'_>> {
        self.name.as_ref().map(Owned::located)
    }

    /// `metadata.generateName`.
    pub fn generate_name(&self) -> Option<Located<'_>> {
        self.generate_name.as_ref().map(Owned::located)
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<Located<'_>> {
        self.namespace.as_ref().map(Owned::located)
    }

    /// `type`.
    pub fn secret_type(&self) -> Option<Located<'_>> {
        self.secret_type.as_ref().map(Owned::located)
    }

    /// Whether the Secret says that its values never change.
    pub fn immutable(&self) -> bool {
        self.immutable
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<Located<'_>> {
        self.annotations()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// All annotations in document order, with the position of their values.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, Located<'_>)> {
        self.annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.located()))
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
    source: &'a str,
    document: usize,
    secret: usize,
    /// Which entry of its section it is.
    index: usize,
    path: FieldPath,
    line: usize,
    column: usize,
    text: Result<Text<'a>, WalkError>,
    not_base64: Option<WalkError>,
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

    /// Which document of the file it stands in, counted from 0.
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
            Section::Data => crate::base64_text::decode(text)?,
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

/// Bounds the length and checks the encoding before anything else looks at the bytes.
fn text_of(bytes: &[u8]) -> Result<&str, WalkError> {
    let at_start = |fault| ManifestError {
        fault,
        line: 1,
        column: 1,
        excerpt: None,
        template: false,
    };
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(at_start(Fault::TooLong {
            limit: MAX_MANIFEST_BYTES,
        })
        .into());
    }
    let utf16 = matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]
    );
    if utf16 {
        return Err(at_start(Fault::NotUtf8 { utf16 }).into());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("checked up to here");
        let (line, column) = Locator::new(valid).locate(valid.len());
        let fault = Fault::NotUtf8 { utf16 };
        ManifestError {
            fault,
            line,
            column,
            excerpt: None,
            template: false,
        }
        .into()
    })
}

type Trees<'a> = Vec<Option<Node<'a>>>;

/// The documents as trees, and whether they are JSON.
fn read(source: &str) -> Result<(Trees<'_>, bool), WalkError> {
    let start = byte_order_mark(source);
    let begins = source[start..].trim_start_matches([' ', '\t', '\r', '\n']);
    let json_fault = if begins.starts_with('{') {
        match json_tree::documents(source, start) {
            Ok(trees) => return Ok((trees, true)),
            Err(fault) => Some(fault),
        }
    } else {
        None
    };
    yaml::documents(source)
        .map(|trees| (trees, false))
        .map_err(|fault| {
            let as_json = json_fault.filter(|_| {
                begins[1..]
                    .trim_start_matches([' ', '\t', '\r', '\n'])
                    .starts_with('"')
            });
            match as_json {
                Some(json) => syntax_error(
                    source,
                    json.offset,
                    &fault.keys,
                    Fault::NotJson {
                        reason: json.reason,
                    },
                )
                .into(),
                None => syntax_error(
                    source,
                    fault.offset,
                    &fault.keys,
                    Fault::NotYaml {
                        reason: fault.reason,
                    },
                )
                .into(),
            }
        })
}

/// Readers of YAML 1.1 end a line at these characters and readers of 1.2 do not.
fn refuse_odd_line_breaks(source: &str) -> Result<(), WalkError> {
    let lone_return = source
        .as_bytes()
        .windows(2)
        .position(|pair| pair[0] == b'\r' && pair[1] != b'\n');
    let lone_return = lone_return.or_else(|| source.ends_with('\r').then(|| source.len() - 1));
    let odd = [
        ("U+0085", source.find('\u{85}')),
        ("U+2028", source.find('\u{2028}')),
        ("U+2029", source.find('\u{2029}')),
        ("CR", lone_return),
    ];
    match odd.into_iter().find_map(|(name, at)| Some((name, at?))) {
        Some((name, at)) => Err(syntax_error(source, at, &[], Fault::LineBreak { name }).into()),
        None => Ok(()),
    }
}
