//! A file of manifests: its documents as trees, and the Secrets in them.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use super::excerpt::{Locator, byte_order_mark, syntax_error};
use super::find::Finder;
use super::node::{Node, NodeKind, Style};
use super::plan::ParentMap;
use super::quick_look::{is_utf16, may_hold_secret};
use super::secret::ManifestSecret;
use super::{json_tree, yaml};
use crate::error::{Fault, ManifestError, WalkError};

/// The longest file that is read: 8 MiB, some eight Secrets of the largest size.
pub const MAX_MANIFEST_BYTES: usize = 8 * 1024 * 1024;

/// A file of manifests: YAML or JSON, one document or many, single objects or a `List`.
///
/// What is not a core/v1 Secret is passed over and stays as it is.
pub struct Manifest<'a> {
    pub(super) source: &'a str,
    pub(super) json: bool,
    pub(super) documents: Vec<Document<'a>>,
    pub(super) secrets: Vec<ManifestSecret<'a>>,
}

/// One document; its tree is kept where it holds a Secret.
pub(super) struct Document<'a> {
    pub(super) tree: Option<Node<'a>>,
    pub(super) digest: u64,
}

impl<'a> Manifest<'a> {
    /// Reads a file and finds the core/v1 Secrets in it.
    ///
    /// A file that begins with a brace is read as JSON if it is JSON, everything else as YAML.
    ///
    /// # Errors
    /// [`WalkError::Manifest`], which names line and column: for text that cannot be read, limits that are
    /// passed, and whatever would make it a guess what a Secret is or which fields it has. A single *value* that
    /// cannot be read without guessing is an error of [`Field::text`](super::Field::text) only, so that its neighbors
    /// can be edited.
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
        if !json && may_hold_secret(source.as_bytes()) {
            refuse_odd_line_breaks(source)?;
        }
        if !json && !manifest.secrets.is_empty() {
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

    /// kubectl reads a file as if it ended with a line break, so spaces and tabs at its end become a line of a block scalar.
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
    pub(super) fn home(&self, secret: usize, home: ParentMap) -> Option<&Node<'a>> {
        let node = self.node(secret);
        match home {
            ParentMap::Secret => Some(node),
            ParentMap::Metadata => {
                let entry = node.entries().get(self.secrets[secret].members.metadata?)?;
                Some(&entry.value).filter(|node| matches!(node.kind, NodeKind::Mapping { .. }))
            }
        }
    }

    /// The node of one of our Secrets.
    pub(super) fn node(&self, secret: usize) -> &Node<'a> {
        let secret = &self.secrets[secret];
        let mut node = self.documents[secret.document]
            .tree
            .as_ref()
            .expect("a document with Secrets keeps its tree");
        for (entry, item) in &secret.items {
            let NodeKind::Sequence { items } = &node.entries()[*entry].value.kind else {
                unreachable!("the path was made while walking this tree")
            };
            node = &items[*item];
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
    let utf16 = is_utf16(bytes);
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
    // A quoted key or a comment: meant as JSON, and kubectl reads it as nothing else.
    let as_json = json_fault.filter(|_| {
        begins[1..]
            .trim_start_matches([' ', '\t', '\r', '\n'])
            .starts_with(['"', '/'])
    });
    if let Some(json) = as_json {
        let fault = Fault::NotJson {
            reason: json.reason,
        };
        return Err(syntax_error(source, json.offset, &[], fault).into());
    }
    yaml::documents(source)
        .map(|trees| (trees, false))
        .map_err(|fault| match conflict_marker(source) {
            Some(at) => syntax_error(source, at, &[], Fault::MergeConflict).into(),
            None => syntax_error(
                source,
                fault.offset,
                &fault.keys,
                Fault::NotYaml {
                    reason: fault.reason,
                },
            )
            .into(),
        })
}

/// Where Git put the first of two versions of some lines.
fn conflict_marker(source: &str) -> Option<usize> {
    let begins = |at: usize| at == 0 || source.as_bytes()[at - 1] == b'\n';
    let (first, _) = source
        .match_indices("<<<<<<< ")
        .find(|(at, _)| begins(*at))?;
    let second = source[first..].contains("\n=======") && source[first..].contains("\n>>>>>>> ");
    second.then_some(first)
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
