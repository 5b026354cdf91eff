//! Finds the Secrets of a document and reads what is not refused.

use std::collections::BTreeSet;

use super::excerpt::{Locator, SourceSpan, error_at, error_without_excerpt};
use super::node::{Node, NodeKind, Pair, Style, Tag};
use super::resolve::not_a_string;
use super::secret::{Annotation, Field, ManifestSecret, OwnedText, SecretMembers};
use crate::error::WalkError;
use crate::error::{FOLDED, Fault};
use crate::path::{FieldPath, Section, validate_key};
use crate::text::cut;

/// How deep lists may be nested.
const MAX_LISTS: usize = 8;
/// Refused values beyond this number in one document are reported without an excerpt, which costs a walk of the tree.
const MAX_EXCERPTS: usize = 20;

/// One document on its way from tree to Secrets.
pub(super) struct Finder<'f, 'a> {
    pub(super) source: &'a str,
    pub(super) root: &'f Node<'a>,
    pub(super) document: usize,
    pub(super) locator: &'f mut Locator<'a>,
    pub(super) secrets: Vec<ManifestSecret<'a>>,
    pub(super) refused: usize,
}

/// What an object says it is.
enum ObjectKind {
    Secret,
    /// A `List`, or a `SecretList`, whose items need not repeat their kind.
    List {
        of_secrets: bool,
    },
    Other,
}

impl<'f, 'a> Finder<'f, 'a> {
    /// Looks for Secrets in the document's root and in the items of lists.
    pub(super) fn run(mut self) -> Result<Vec<ManifestSecret<'a>>, WalkError> {
        self.object(self.root, &mut Vec::new(), false)?;
        Ok(self.secrets)
    }

    fn object(
        &mut self,
        node: &'f Node<'a>,
        path: &mut Vec<(usize, usize)>,
        in_secret_list: bool,
    ) -> Result<(), WalkError> {
        if !matches!(node.kind, NodeKind::Mapping { .. }) {
            return Ok(());
        }
        match self.identify(node, in_secret_list)? {
            ObjectKind::Other => Ok(()),
            ObjectKind::Secret => self.secret(node, path),
            ObjectKind::List { of_secrets } => self.list(node, path, of_secrets),
        }
    }

    fn list(
        &mut self,
        node: &'f Node<'a>,
        path: &mut Vec<(usize, usize)>,
        of_secrets: bool,
    ) -> Result<(), WalkError> {
        let mut members = node
            .entries()
            .iter()
            .enumerate()
            .filter(|(_, pair)| pair.key.scalar_str() == Some("items"));
        let first = members.next();
        if let Some((_, second)) = members.next() {
            return Err(self.twice(second, "the list"));
        }
        if let Some((entry, pair)) = first {
            match &pair.value.kind {
                NodeKind::Alias => return Err(self.alias(&pair.value, "`items`".to_owned())),
                NodeKind::Sequence { items } => {
                    for (index, item) in items.iter().enumerate() {
                        if matches!(item.kind, NodeKind::Alias) {
                            return Err(self.alias(item, format!("item {index} of the list")));
                        }
                        if path.len() < MAX_LISTS {
                            path.push((entry, index));
                            self.object(item, path, of_secrets)?;
                            path.pop();
                        } else {
                            let fault = Fault::HiddenKind {
                                reason: "it is nested in too many lists",
                            };
                            return Err(self.fail(SourceSpan::value(item), fault));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells a core/v1 Secret from everything else; an error where that would be a guess.
    fn identify(
        &mut self,
        node: &'f Node<'a>,
        in_secret_list: bool,
    ) -> Result<ObjectKind, WalkError> {
        let member = |name: &'static str| {
            node.entries()
                .iter()
                .filter(move |pair| pair.key.scalar_str() == Some(name))
        };
        let has = |name: &'static str| member(name).next().is_some();
        let says =
            |kind: &'static str| member("kind").any(|pair| pair.value.scalar_str() == Some(kind));
        let merge = node.entries().iter().find(|pair| is_merge(&pair.key));
        if let Some(tagged) = node
            .entries()
            .iter()
            .find(|pair| pair.key.tag == Tag::Other)
        {
            let reason = "a key of it has a tag, by which it may be another key";
            return Err(self.fail(SourceSpan::key(&tagged.key), Fault::HiddenKind { reason }));
        }
        let looks_like_object = has("apiVersion")
            || has("metadata")
            || has("data")
            || has("stringData")
            || has("items")
            || merge.is_some();
        if let Some(kind) = member("kind").find(|pair| matches!(pair.value.kind, NodeKind::Alias)) {
            if !looks_like_object {
                return Ok(ObjectKind::Other);
            }
            return Err(self.fail(
                SourceSpan::value(&kind.value),
                Fault::HiddenKind {
                    reason: "its `kind` is an alias",
                },
            ));
        }
        let tagged = [
            ("apiVersion", "its `apiVersion` has a tag"),
            ("kind", "its `kind` has a tag"),
        ]
        .into_iter()
        .flat_map(|(name, reason)| member(name).map(move |pair| (pair, reason)))
        .find(|(pair, _)| pair.value.tag == Tag::Other);
        if let Some((pair, reason)) = tagged.filter(|_| looks_like_object) {
            return Err(self.fail(SourceSpan::value(&pair.value), Fault::HiddenKind { reason }));
        }
        // Whatever a merge key brings in may be a whole object, or the objects of a list.
        if let Some(merge) = merge.filter(|_| has("kind") && !has("items") && !says("Secret")) {
            let reason = "its `items` may come from a merge key";
            return Err(self.fail(SourceSpan::key(&merge.key), Fault::HiddenKind { reason }));
        }
        if let (Some(merge), false) = (merge, has("kind")) {
            let reason = "its `kind` may come from a merge key";
            return Err(self.fail(SourceSpan::key(&merge.key), Fault::HiddenKind { reason }));
        }
        let implied = in_secret_list && !has("kind");
        // Whatever has `items` is a list to kubectl and to deployment tools, whatever it is called.
        let items = member("items")
            .find(|pair| matches!(pair.value.kind, NodeKind::Sequence { .. } | NodeKind::Alias));
        if let Some(items) = items.filter(|_| says("Secret")) {
            let reason = "a Secret has no `items`, with which it is a list to some readers";
            return Err(self.fail(SourceSpan::key(&items.key), Fault::HiddenKind { reason }));
        }
        if says("Secret") || implied {
            self.check_version_once(node)?;
            if let Some(second) = member("kind").nth(1) {
                return Err(self.twice(second, "the Secret"));
            }
            return match member("apiVersion").next().map(|pair| &pair.value) {
                None if implied || in_secret_list => Ok(ObjectKind::Secret),
                None if has("data") || has("stringData") => {
                    let kind = member("kind").next().expect("the kind has just been found");
                    Err(self.fail(
                        SourceSpan {
                            offset: kind.key.start,
                            shown: kind.value.end,
                        },
                        Fault::MissingApiVersion,
                    ))
                }
                Some(version) if matches!(version.kind, NodeKind::Alias) => Err(self.fail(
                    SourceSpan::value(version),
                    Fault::HiddenKind {
                        reason: "its `apiVersion` is an alias",
                    },
                )),
                Some(version) if version.scalar_str().is_some_and(is_core_v1) => {
                    Ok(ObjectKind::Secret)
                }
                _ => Ok(ObjectKind::Other),
            };
        }
        self.check_spelling(node)?;
        Ok(
            if has("kind") && (items.is_some() || says("List") || says("SecretList")) {
                ObjectKind::List {
                    of_secrets: says("SecretList"),
                }
            } else {
                ObjectKind::Other
            },
        )
    }

    /// Refuses an object of the core API with values whose kind is `Secret` but for its case or a plural.
    fn check_spelling(&mut self, node: &'f Node<'a>) -> Result<(), WalkError> {
        let member = |name: &'static str| {
            node.entries()
                .iter()
                .filter(move |pair| pair.key.scalar_str() == Some(name))
        };
        let kind = member("kind").find(|pair| {
            let word = pair.value.scalar_str().unwrap_or_default();
            word.eq_ignore_ascii_case("secret") || word.eq_ignore_ascii_case("secrets")
        });
        let mut versions = member("apiVersion").peekable();
        let core = versions.peek().is_none()
            || versions.any(|pair| pair.value.scalar_str().is_some_and(is_core_v1));
        let has_values = member("data").chain(member("stringData")).next().is_some();
        let Some(kind) = kind.filter(|_| core && has_values) else {
            return Ok(());
        };
        let fault = Fault::Misspelled {
            what: "this object is of the unknown kind",
            text: cut(kind.value.scalar_str().unwrap_or_default()),
            wanted: "Secret",
        };
        Err(self.fail(SourceSpan::value(&kind.value), fault))
    }

    /// Refuses a Secret with two versions, of which readers take one or the other.
    fn check_version_once(&mut self, node: &'f Node<'a>) -> Result<(), WalkError> {
        let mut versions = node
            .entries()
            .iter()
            .filter(|pair| pair.key.scalar_str() == Some("apiVersion"));
        let is_core = |pair: &Pair<'_>| pair.value.scalar_str().is_some_and(is_core_v1);
        match (versions.next(), versions.next()) {
            (Some(first), Some(second)) if is_core(first) || is_core(second) => {
                Err(self.twice(second, "the Secret"))
            }
            _ => Ok(()),
        }
    }

    fn secret(&mut self, node: &'f Node<'a>, path: &[(usize, usize)]) -> Result<(), WalkError> {
        self.plain_mapping(node, "the Secret")?;
        let (line, _) = self.locator.locate(node.start);
        let mut secret = ManifestSecret {
            index: self.secrets.len(),
            document: self.document,
            items: path.to_vec(),
            members: SecretMembers::default(),
            line,
            name: None,
            generate_name: None,
            namespace: None,
            secret_type: None,
            immutable: false,
            annotations: Vec::new(),
            annotations_by_name: Vec::new(),
            fields: Vec::new(),
            fields_by_path: Vec::new(),
        };
        for (entry, pair) in node.entries().iter().enumerate() {
            let value = &pair.value;
            match pair.key.scalar_str() {
                Some("metadata") => {
                    secret.members.metadata = Some(entry);
                    self.metadata(value, &mut secret)?;
                }
                Some("type") => secret.secret_type = self.public_text(value, "`type`")?,
                Some("immutable") => secret.immutable = self.flag(value)?,
                Some("data") => {
                    secret.members.data = Some(entry);
                    self.section(Section::Data, pair, &mut secret)?;
                }
                Some("stringData") => {
                    secret.members.string_data = Some(entry);
                    self.section(Section::StringData, pair, &mut secret)?;
                }
                Some(word) => {
                    if let Some(wanted) = misspelled_section(word) {
                        let fault = Fault::Misspelled {
                            what: "a Secret has no member",
                            text: cut(word),
                            wanted,
                        };
                        return Err(self.fail(SourceSpan::key(&pair.key), fault));
                    }
                }
                None => {}
            }
        }
        secret.sort();
        self.secrets.push(secret);
        Ok(())
    }

    fn metadata(
        &mut self,
        node: &'f Node<'a>,
        secret: &mut ManifestSecret<'a>,
    ) -> Result<(), WalkError> {
        if node.is_null() {
            return Ok(());
        }
        self.plain_mapping_unless_anchored(node, "`metadata`")?;
        for (entry, pair) in node.entries().iter().enumerate() {
            let value = &pair.value;
            match pair.key.scalar_str() {
                Some("name") => secret.name = self.public_text(value, "`metadata.name`")?,
                Some("generateName") => {
                    secret.generate_name = self.public_text(value, "`metadata.generateName`")?;
                }
                Some("namespace") => {
                    secret.namespace = self.public_text(value, "`metadata.namespace`")?;
                }
                Some("annotations") if value.is_null() => {
                    secret.members.annotations = Some(entry);
                }
                Some("annotations") => {
                    secret.members.annotations = Some(entry);
                    self.plain_mapping_unless_anchored(value, "`metadata.annotations`")?;
                    for pair in value.entries() {
                        let name = self.key(pair, "`metadata.annotations`")?;
                        let what = format!("annotation {:?}", cut(&name));
                        let value = self.public_text(&pair.value, &what)?;
                        secret.annotations.push(Annotation { name, value });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn section(
        &mut self,
        section: Section,
        holder: &'f Pair<'a>,
        secret: &mut ManifestSecret<'a>,
    ) -> Result<(), WalkError> {
        let node = &holder.value;
        if node.anchored {
            let fault = Fault::Anchor {
                what: format!("`{section}`"),
            };
            return Err(self.fail(SourceSpan::key(&holder.key), fault));
        }
        if node.is_null() {
            return Ok(());
        }
        self.plain_mapping(node, &format!("`{section}`"))?;
        for (index, pair) in node.entries().iter().enumerate() {
            let path = FieldPath::new(section, self.key(pair, &format!("`{section}`"))?);
            let text = match text_fault(&pair.value, &field_name(&path)) {
                None => {
                    let (text, _) = pair
                        .value
                        .scalar()
                        .expect("whatever is no scalar has a fault");
                    Ok(text.clone())
                }
                Some(fault) => Err(self.refuse(&pair.value, fault)),
            };
            let not_base64 = match &text {
                Ok(text) if section == Section::Data => {
                    self.base64_fault(&path, text.as_str(), &pair.value)
                }
                _ => None,
            };
            let (line, column) = self.locator.locate(pair.value.start);
            secret.fields.push(Field {
                source: self.source,
                secret: self.secrets.len(),
                document: self.document,
                index,
                path,
                line,
                column,
                text,
                not_base64,
            });
        }
        Ok(())
    }

    /// Checked at once, because the place can only be shown while the tree is at hand.
    fn base64_fault(
        &mut self,
        path: &FieldPath,
        text: &str,
        node: &'f Node<'a>,
    ) -> Option<WalkError> {
        let mut reason = crate::review::base64::fault(text)?;
        let joined: String = text.split([' ', '\t']).collect();
        if joined.len() < text.len() && crate::review::base64::fault(&joined).is_none() {
            reason = FOLDED;
        }
        let fault = Fault::NotBase64 {
            what: field_name(path),
            reason,
        };
        Some(self.refuse(node, fault))
    }

    /// The text of a place that holds no secret.
    fn public_text(
        &mut self,
        node: &'f Node<'a>,
        what: &str,
    ) -> Result<Option<OwnedText<'a>>, WalkError> {
        if node.is_null() {
            return Ok(None);
        }
        match text_fault(node, what) {
            // Reading through one's own anchor is no guess; only edits would be.
            None | Some(Fault::Anchor { .. }) => {}
            Some(fault) => return Err(self.fail(SourceSpan::value(node), fault)),
        }
        let Some((text, _)) = node.scalar() else {
            return Ok(None);
        };
        let (line, column) = self.locator.locate(node.start);
        Ok(Some(OwnedText {
            text: text.clone(),
            line,
            column,
        }))
    }

    fn flag(&mut self, node: &'f Node<'a>) -> Result<bool, WalkError> {
        if node.is_null() {
            return Ok(false);
        }
        match (&node.kind, node.tag) {
            (NodeKind::Alias, _) => Err(self.alias(node, "`immutable`".to_owned())),
            (
                NodeKind::Scalar {
                    text,
                    style: Style::Plain,
                },
                Tag::None,
            ) => match text.as_str().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => Ok(true),
                "false" | "no" | "off" | "n" => Ok(false),
                _ => Err(self.fail(
                    SourceSpan::value(node),
                    Fault::NotFlag {
                        what: "`immutable`",
                    },
                )),
            },
            _ => Err(self.fail(
                SourceSpan::value(node),
                Fault::NotFlag {
                    what: "`immutable`",
                },
            )),
        }
    }

    fn plain_mapping(&mut self, node: &'f Node<'a>, what: &str) -> Result<(), WalkError> {
        if node.anchored {
            return Err(self.fail(
                SourceSpan::value(node),
                Fault::Anchor {
                    what: what.to_owned(),
                },
            ));
        }
        self.plain_mapping_unless_anchored(node, what)
    }

    /// Refuses aliases, merge keys, tags, duplicate keys and whatever is no mapping.
    fn plain_mapping_unless_anchored(
        &mut self,
        node: &'f Node<'a>,
        what: &str,
    ) -> Result<(), WalkError> {
        match &node.kind {
            NodeKind::Alias => return Err(self.alias(node, what.to_owned())),
            NodeKind::Mapping { .. } if node.tag == Tag::None => {}
            NodeKind::Mapping { .. } => {
                return Err(self.fail(
                    SourceSpan::value(node),
                    Fault::Tag {
                        what: what.to_owned(),
                    },
                ));
            }
            _ => {
                return Err(self.fail(
                    SourceSpan::value(node),
                    Fault::NotMapping {
                        what: what.to_owned(),
                    },
                ));
            }
        }
        let mut known = BTreeSet::new();
        for pair in node.entries() {
            if is_merge(&pair.key) {
                return Err(self.fail(
                    SourceSpan::key(&pair.key),
                    Fault::MergeKey {
                        what: what.to_owned(),
                    },
                ));
            }
            if matches!(pair.key.kind, NodeKind::Alias) {
                return Err(self.alias(&pair.key, format!("a key of {what}")));
            }
            if pair.key.tag == Tag::Other {
                let what = format!("a key of {what}");
                return Err(self.fail(SourceSpan::key(&pair.key), Fault::Tag { what }));
            }
            if let Some(key) = pair.key.scalar_str()
                && !known.insert(key)
            {
                return Err(self.twice(pair, what));
            }
        }
        Ok(())
    }

    /// A key that every reader takes for the same string.
    fn key(&mut self, pair: &'f Pair<'a>, what: &str) -> Result<String, WalkError> {
        match text_fault(&pair.key, &format!("a key of {what}")) {
            None => Ok(pair.key.scalar_str().unwrap_or_default().to_owned()),
            Some(fault) => Err(self.fail(SourceSpan::key(&pair.key), fault)),
        }
    }

    fn alias(&mut self, node: &'f Node<'a>, what: String) -> WalkError {
        self.fail(SourceSpan::value(node), Fault::Alias { what })
    }

    fn twice(&mut self, pair: &'f Pair<'a>, what: &str) -> WalkError {
        let key = cut(pair.key.scalar_str().unwrap_or_default());
        self.fail(
            SourceSpan::key(&pair.key),
            Fault::DuplicateKey {
                what: what.to_owned(),
                key,
            },
        )
    }

    /// The error of one value, which leaves its neighbors alone.
    fn refuse(&mut self, node: &'f Node<'a>, fault: Fault) -> WalkError {
        self.refused += 1;
        if self.refused > MAX_EXCERPTS {
            return error_without_excerpt(self.locator, node.start, fault).into();
        }
        self.fail(SourceSpan::value(node), fault)
    }

    fn fail(&mut self, spot: SourceSpan, fault: Fault) -> WalkError {
        error_at(self.locator, self.root, spot, fault).into()
    }
}

/// A field for people; a key that could confuse a terminal is quoted.
pub(super) fn field_name(path: &FieldPath) -> String {
    if validate_key(path.key()).is_ok() {
        format!("field `{path}`")
    } else {
        format!("field {:?}", cut(&path.to_string()))
    }
}

/// Why a node is not simply a string, if so.
fn text_fault(node: &Node<'_>, what: &str) -> Option<Fault> {
    let what = || what.to_owned();
    match &node.kind {
        NodeKind::Alias => Some(Fault::Alias { what: what() }),
        _ if node.anchored => Some(Fault::Anchor { what: what() }),
        _ if node.tag == Tag::Other => Some(Fault::Tag { what: what() }),
        NodeKind::Mapping { .. } => Some(Fault::NotString {
            what: what(),
            kind: "a mapping",
        }),
        NodeKind::Sequence { .. } => Some(Fault::NotString {
            what: what(),
            kind: "a sequence",
        }),
        NodeKind::Scalar {
            text,
            style: Style::Plain,
        } if node.tag == Tag::None => {
            not_a_string(text.as_str()).map(|kind| Fault::NotString { what: what(), kind })
        }
        NodeKind::Scalar { .. } => None,
    }
}

/// The section that a member of a Secret was meant to be: case, separators and one letter do not make another word.
fn misspelled_section(word: &str) -> Option<&'static str> {
    let plain: String = word
        .chars()
        .filter(|letter| !matches!(letter, '-' | '_'))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    [("data", "data"), ("stringdata", "stringData")]
        .into_iter()
        .find(|(wanted, _)| is_within_one_edit(&plain, wanted))
        .map(|(_, name)| name)
}

/// Whether at most one letter was added, left out or replaced, or two were exchanged.
fn is_within_one_edit(word: &str, wanted: &str) -> bool {
    let (a, b) = (word.as_bytes(), wanted.as_bytes());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([], [] | [_]) | ([_], []) => true,
        ([a0, a1, a @ ..], [b0, b1, b @ ..]) if a0 == b1 && a1 == b0 && a == b => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], _) if rest == b => true,
        (_, [_, rest @ ..]) => rest == a,
        _ => false,
    }
}

/// The API server reads a version with an empty group as the core's.
fn is_core_v1(version: &str) -> bool {
    matches!(version, "v1" | "/v1")
}

fn is_merge(key: &Node<'_>) -> bool {
    // A quoted `<<` is an ordinary, if illegal, key to some readers and a merge key to others.
    key.scalar_str() == Some("<<")
}
