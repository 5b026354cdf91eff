//! Finds the Secrets of a document and reads what is not refused.

use std::collections::BTreeSet;

use super::error::Fault;
use super::excerpt::{Locator, Spot, error_at, error_without_excerpt};
use super::node::{Kind, Node, Pair, Style, Tag};
use super::resolve::not_a_string;
use super::{Field, ManifestSecret, Owned};
use crate::error::WalkError;
use crate::path::{FieldPath, Section, validate_key};
use crate::text::cut;

/// Lists may stand in lists; nobody nests them deeper than this.
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
enum Identity {
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
        path: &mut Vec<usize>,
        in_secret_list: bool,
    ) -> Result<(), WalkError> {
        if !matches!(node.kind, Kind::Mapping { .. }) {
            return Ok(());
        }
        match self.identify(node, in_secret_list)? {
            Identity::Other => Ok(()),
            Identity::Secret => self.secret(node, path),
            Identity::List { of_secrets } => self.list(node, path, of_secrets),
        }
    }

    fn list(
        &mut self,
        node: &'f Node<'a>,
        path: &mut Vec<usize>,
        of_secrets: bool,
    ) -> Result<(), WalkError> {
        let mut members = node
            .entries()
            .iter()
            .filter(|pair| pair.key.scalar_str() == Some("items"));
        let first = members.next();
        if let Some(second) = members.next() {
            return Err(self.twice(second, "the list"));
        }
        if let Some(pair) = first {
            match &pair.value.kind {
                Kind::Alias => return Err(self.alias(&pair.value, "`items`".to_owned())),
                Kind::Sequence { items } => {
                    for (index, item) in items.iter().enumerate() {
                        if matches!(item.kind, Kind::Alias) {
                            return Err(self.alias(item, format!("item {index} of the list")));
                        }
                        if path.len() < MAX_LISTS {
                            path.push(index);
                            self.object(item, path, of_secrets)?;
                            path.pop();
                        } else {
                            let fault = Fault::HiddenKind {
                                reason: "it stands in too many lists",
                            };
                            return Err(self.fail(Spot::value(item), fault));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells a core/v1 Secret from everything else, or refuses to guess.
    fn identify(
        &mut self,
        node: &'f Node<'a>,
        in_secret_list: bool,
    ) -> Result<Identity, WalkError> {
        let member = |name: &'static str| {
            node.entries()
                .iter()
                .filter(move |pair| pair.key.scalar_str() == Some(name))
        };
        let has = |name: &'static str| member(name).next().is_some();
        let merge = node.entries().iter().find(|pair| is_merge(&pair.key));
        let looks_like_object =
            has("apiVersion") || has("metadata") || has("data") || has("stringData");
        if let Some(kind) = member("kind").find(|pair| matches!(pair.value.kind, Kind::Alias)) {
            if !looks_like_object {
                return Ok(Identity::Other);
            }
            return Err(self.fail(
                Spot::value(&kind.value),
                Fault::HiddenKind {
                    reason: "its `kind` is an alias",
                },
            ));
        }
        if let (Some(merge), false, true) = (merge, has("kind"), looks_like_object) {
            return Err(self.fail(
                Spot::key(&merge.key),
                Fault::HiddenKind {
                    reason: "its `kind` may come from a merge key",
                },
            ));
        }
        let says =
            |kind: &'static str| member("kind").any(|pair| pair.value.scalar_str() == Some(kind));
        let implied = in_secret_list && !has("kind");
        if says("Secret") || implied {
            if let Some(second) = member("kind").nth(1) {
                return Err(self.twice(second, "the Secret"));
            }
            return match member("apiVersion").next().map(|pair| &pair.value) {
                None if implied || in_secret_list => Ok(Identity::Secret),
                None if has("data") || has("stringData") => {
                    let kind = member("kind").next().expect("the kind has just been found");
                    Err(self.fail(
                        Spot {
                            offset: kind.key.start,
                            shown: kind.value.end,
                        },
                        Fault::MissingApiVersion,
                    ))
                }
                Some(version) if matches!(version.kind, Kind::Alias) => Err(self.fail(
                    Spot::value(version),
                    Fault::HiddenKind {
                        reason: "its `apiVersion` is an alias",
                    },
                )),
                Some(version) if version.scalar_str() == Some("v1") => Ok(Identity::Secret),
                _ => Ok(Identity::Other),
            };
        }
        Ok(if says("List") || says("SecretList") {
            Identity::List {
                of_secrets: says("SecretList"),
            }
        } else {
            Identity::Other
        })
    }

    fn secret(&mut self, node: &'f Node<'a>, path: &[usize]) -> Result<(), WalkError> {
        self.plain_mapping(node, "the Secret")?;
        let (line, _) = self.locator.locate(node.start);
        let mut secret = ManifestSecret {
            document: self.document,
            items: path.to_vec(),
            line,
            name: None,
            generate_name: None,
            namespace: None,
            secret_type: None,
            immutable: false,
            annotations: Vec::new(),
            fields: Vec::new(),
        };
        for pair in node.entries() {
            let value = &pair.value;
            match pair.key.scalar_str() {
                Some("metadata") => self.metadata(value, &mut secret)?,
                Some("type") => secret.secret_type = self.public_text(value, "`type`")?,
                Some("immutable") => secret.immutable = self.flag(value)?,
                Some("data") => self.section(Section::Data, pair, &mut secret)?,
                Some("stringData") => self.section(Section::StringData, pair, &mut secret)?,
                _ => {}
            }
        }
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
        for pair in node.entries() {
            let value = &pair.value;
            match pair.key.scalar_str() {
                Some("name") => secret.name = self.public_text(value, "`metadata.name`")?,
                Some("generateName") => {
                    secret.generate_name = self.public_text(value, "`metadata.generateName`")?;
                }
                Some("namespace") => {
                    secret.namespace = self.public_text(value, "`metadata.namespace`")?;
                }
                Some("annotations") if value.is_null() => {}
                Some("annotations") => {
                    self.plain_mapping_unless_anchored(value, "`metadata.annotations`")?;
                    for pair in value.entries() {
                        let key = self.key(pair, "`metadata.annotations`")?;
                        let what = format!("annotation {:?}", cut(&key));
                        if let Some(text) = self.public_text(&pair.value, &what)? {
                            secret.annotations.push((key, text));
                        }
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
            return Err(self.fail(Spot::key(&holder.key), fault));
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
        let reason = crate::base64_text::fault(text)?;
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
    ) -> Result<Option<Owned<'a>>, WalkError> {
        if node.is_null() {
            return Ok(None);
        }
        match text_fault(node, what) {
            // Reading through one's own anchor is no guess; only edits would be.
            None | Some(Fault::Anchor { .. }) => {}
            Some(fault) => return Err(self.fail(Spot::value(node), fault)),
        }
        let Some((text, _)) = node.scalar() else {
            return Ok(None);
        };
        let (line, column) = self.locator.locate(node.start);
        Ok(Some(Owned {
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
            (Kind::Alias, _) => Err(self.alias(node, "`immutable`".to_owned())),
            (
                Kind::Scalar {
                    text,
                    style: Style::Plain,
                },
                Tag::None,
            ) => match text.as_str().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => Ok(true),
                "false" | "no" | "off" | "n" => Ok(false),
                _ => Err(self.fail(
                    Spot::value(node),
                    Fault::NotFlag {
                        what: "`immutable`",
                    },
                )),
            },
            _ => Err(self.fail(
                Spot::value(node),
                Fault::NotFlag {
                    what: "`immutable`",
                },
            )),
        }
    }

    fn plain_mapping(&mut self, node: &'f Node<'a>, what: &str) -> Result<(), WalkError> {
        if node.anchored {
            return Err(self.fail(
                Spot::value(node),
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
            Kind::Alias => return Err(self.alias(node, what.to_owned())),
            Kind::Mapping { .. } if node.tag == Tag::None => {}
            Kind::Mapping { .. } => {
                return Err(self.fail(
                    Spot::value(node),
                    Fault::Tag {
                        what: what.to_owned(),
                    },
                ));
            }
            _ => {
                return Err(self.fail(
                    Spot::value(node),
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
                    Spot::key(&pair.key),
                    Fault::MergeKey {
                        what: what.to_owned(),
                    },
                ));
            }
            if matches!(pair.key.kind, Kind::Alias) {
                return Err(self.alias(&pair.key, format!("a key of {what}")));
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
            Some(fault) => Err(self.fail(Spot::key(&pair.key), fault)),
        }
    }

    fn alias(&mut self, node: &'f Node<'a>, what: String) -> WalkError {
        self.fail(Spot::value(node), Fault::Alias { what })
    }

    fn twice(&mut self, pair: &'f Pair<'a>, what: &str) -> WalkError {
        let key = cut(pair.key.scalar_str().unwrap_or_default());
        self.fail(
            Spot::key(&pair.key),
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
        self.fail(Spot::value(node), fault)
    }

    fn fail(&mut self, spot: Spot, fault: Fault) -> WalkError {
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
        Kind::Alias => Some(Fault::Alias { what: what() }),
        _ if node.anchored => Some(Fault::Anchor { what: what() }),
        _ if node.tag == Tag::Other => Some(Fault::Tag { what: what() }),
        Kind::Mapping { .. } => Some(Fault::NotString {
            what: what(),
            kind: "a mapping",
        }),
        Kind::Sequence { .. } => Some(Fault::NotString {
            what: what(),
            kind: "a sequence",
        }),
        Kind::Scalar {
            text,
            style: Style::Plain,
        } if node.tag == Tag::None => {
            not_a_string(text.as_str()).map(|kind| Fault::NotString { what: what(), kind })
        }
        Kind::Scalar { .. } => None,
    }
}

fn is_merge(key: &Node<'_>) -> bool {
    // A quoted `<<` is an ordinary, if illegal, key to some readers and a merge key to others.
    key.scalar_str() == Some("<<")
}
