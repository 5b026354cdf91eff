//! Edits of a manifest, made together or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::Fault;
use super::excerpt::{Locator, Spot, error_at};
use super::find::field_name;
use super::node::{Kind, Node, Pair, Tag};
use super::splice::{Layout, Splice, plain};
use super::verify::verify;
use super::{Field, Manifest, ManifestError, ManifestSecret};
use crate::base64_text::{encode_into, encoded_len};
use crate::error::WalkError;
use crate::path::{FieldPath, Section, validate_key};
use crate::text::cut;

/// The new text of a field: one word of letters, digits and `-_.+/=`, or a text of JSON.
///
/// Compact envelopes and base64 are such words, and no style of YAML or JSON needs an escape for them. JSON envelopes
/// stand in single quotes in YAML, and escaped in JSON. Not meant for plaintext: the text is written into a file.
#[derive(Clone, Eq, PartialEq)]
pub struct EditValue {
    text: String,
    is_word: bool,
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=')
}

impl EditValue {
    /// Takes a word as it is; the empty one is a word, too.
    ///
    /// # Errors
    /// [`Fault::NotWord`] when the text holds any other character.
    pub fn word(text: impl Into<String>) -> Result<Self, WalkError> {
        let text = text.into();
        if !text.bytes().all(is_word_byte) {
            return Err(nowhere(Fault::NotWord));
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
            return Err(nowhere(Fault::NotWord));
        }
        let is_word = text.bytes().all(is_word_byte);
        Ok(Self { text, is_word })
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
pub(super) enum Part {
    Field(Section),
    Annotations,
}

impl Part {
    /// The member's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Field(section) => section.as_str(),
            Self::Annotations => "annotations",
        }
    }

    /// The mapping that has the member.
    pub(super) const fn home(self) -> Home {
        match self {
            Self::Field(_) => Home::Secret,
            Self::Annotations => Home::Metadata,
        }
    }
}

/// A mapping whose members are edited.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Home {
    Secret,
    Metadata,
}

/// What happens to one part of one Secret.
#[derive(Default)]
pub(super) struct Plan {
    /// New texts by index of the entry.
    pub(super) replaced: BTreeMap<usize, EditValue>,
    pub(super) removed: BTreeSet<usize>,
    pub(super) inserted: Vec<(String, EditValue)>,
}

/// By part.
pub(super) type Parts = BTreeMap<Part, Plan>;

/// By index of the Secret and the mapping that has the parts.
pub(super) type Plans = BTreeMap<(usize, Home), Parts>;

/// A set of edits of one manifest.
///
/// ```
/// use secret_walker::{EditValue, Manifest, Section};
///
/// let file = b"apiVersion: v1\nkind: Secret\nstringData:\n  password: hunter2 # old\n";
/// let manifest = Manifest::parse(file)?;
/// let secret = &manifest.secrets()[0];
/// let mut edits = manifest.edits();
/// edits.remove_field(&secret.fields()[0])?;
/// edits.insert_field(secret, Section::Data, "password", EditValue::base64(b"eyJlbmMi.a.b.c.d"))?;
/// assert_eq!(edits.apply()?, b"apiVersion: v1\nkind: Secret\ndata:\n  password: ZXlKbGJtTWkuYS5iLmMuZA==\n");
/// # Ok::<(), secret_walker::WalkError>(())
/// ```
pub struct Edits<'m, 'a> {
    manifest: &'m Manifest<'a>,
    plans: Plans,
}

impl<'m, 'a> Edits<'m, 'a> {
    pub(super) fn new(manifest: &'m Manifest<'a>) -> Self {
        Self {
            manifest,
            plans: Plans::new(),
        }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// Gives a field a new value: quoted as the old one was, without quotes where there were none and none are needed.
    ///
    /// The old value may be of any type, `null` and numbers too, since it is not read. Whatever reaches elsewhere is refused.
    ///
    /// # Errors
    /// For an alias, an anchor, a tag or a collection, and for a field that is edited already.
    pub fn replace(&mut self, field: &Field<'a>, value: EditValue) -> Result<&mut Self, WalkError> {
        let pair = self.pair(field)?;
        let old = &pair.value;
        let empty_with_tag = old.tag != Tag::None && old.is_empty_plain();
        if !matches!(old.kind, Kind::Scalar { .. })
            || old.anchored
            || old.tag == Tag::Other
            || empty_with_tag
        {
            field.text()?;
            return Err(self.not_editable(field, "only a tag is written there"));
        }
        self.untouched(field)?;
        self.plan(field.secret, Part::Field(field.section()))
            .replaced
            .insert(field.index, value);
        Ok(self)
    }

    /// Adds a field after the last one of its section, which is created where there is none.
    ///
    /// # Errors
    /// When the key is not legal, or is in this section already and is not removed by the same edits.
    pub fn insert_field(
        &mut self,
        secret: &ManifestSecret<'a>,
        section: Section,
        key: &str,
        value: EditValue,
    ) -> Result<&mut Self, WalkError> {
        validate_key(key)?;
        let index = self.index_of(secret)?;
        let path = FieldPath::new(section, key);
        let part = Part::Field(section);
        let planned = self.planned(index, part);
        if let Some(field) = secret.field(&path)
            && !planned.is_some_and(|plan| plan.removed.contains(&field.index))
        {
            return Err(self.located(
                field,
                Fault::KeyExists {
                    what: field_name(&path),
                },
            ));
        }
        if planned.is_some_and(|plan| plan.inserted.iter().any(|(other, _)| other == key)) {
            return Err(nowhere(Fault::EditedTwice {
                what: field_name(&path),
            }));
        }
        self.plan(index, part)
            .inserted
            .push((key.to_owned(), value));
        Ok(self)
    }

    /// Gives an annotation a value: replaces it where it is, adds it after the last one where it is not. `metadata`
    /// gets `annotations` where it has none.
    ///
    /// ```
    /// use secret_walker::{EditValue, Manifest};
    ///
    /// let file = b"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db # the shop's\nstringData: {}\n";
    /// let manifest = Manifest::parse(file)?;
    /// let mut edits = manifest.edits();
    /// edits.set_annotation(&manifest.secrets()[0], "example.com/seal", EditValue::word("eyJlbmMi.a.b.c.d")?)?;
    /// let expected = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db # the shop's\n  annotations:\n    \
    ///                 example.com/seal: eyJlbmMi.a.b.c.d\nstringData: {}\n";
    /// assert_eq!(edits.apply()?, expected.as_bytes());
    /// # Ok::<(), secret_walker::WalkError>(())
    /// ```
    ///
    /// # Errors
    /// For a name that is none of an annotation; where `metadata`, `annotations` or the value reach elsewhere; and for
    /// an annotation that is edited already.
    pub fn set_annotation(
        &mut self,
        secret: &ManifestSecret<'a>,
        name: &str,
        value: EditValue,
    ) -> Result<&mut Self, WalkError> {
        validate_annotation(name)?;
        let (index, found) = self.annotation(secret, name)?;
        let Some((entry, pair)) = found else {
            self.plan(index, Part::Annotations)
                .inserted
                .push((name.to_owned(), value));
            return Ok(self);
        };
        let old = &pair.value;
        if !matches!(old.kind, Kind::Scalar { .. }) || old.anchored || old.tag != Tag::None {
            let fault = Fault::NotEditable {
                what: annotation_name(name),
                reason: "it has an anchor or a tag",
            };
            return Err(self.fail(index, old.start, fault));
        }
        self.plan(index, Part::Annotations)
            .replaced
            .insert(entry, value);
        Ok(self)
    }

    /// Removes an annotation and its lines; `annotations` goes with the last one. One that is not there is fine.
    ///
    /// # Errors
    /// As [`set_annotation`](Self::set_annotation), and when other text shares its lines.
    pub fn remove_annotation(
        &mut self,
        secret: &ManifestSecret<'a>,
        name: &str,
    ) -> Result<&mut Self, WalkError> {
        let (index, found) = self.annotation(secret, name)?;
        if let Some((entry, _)) = found {
            self.plan(index, Part::Annotations).removed.insert(entry);
        }
        Ok(self)
    }

    /// Removes a field and its lines. A section that has no field left goes with it.
    ///
    /// # Errors
    /// When other text shares the field's lines, and for a field that is edited already.
    pub fn remove_field(&mut self, field: &Field<'a>) -> Result<&mut Self, WalkError> {
        self.pair(field)?;
        self.untouched(field)?;
        self.plan(field.secret, Part::Field(field.section()))
            .removed
            .insert(field.index);
        Ok(self)
    }

    /// The edited file. Every byte outside the edited values is as before.
    ///
    /// The result is read again and compared with the original, so a file is edited as intended or not at all.
    ///
    /// # Errors
    /// [`Fault::NotEditable`] for a style that cannot be edited in place, [`Fault::Internal`] when the comparison fails.
    pub fn apply(&self) -> Result<Vec<u8>, WalkError> {
        let mut splices = Vec::new();
        let layout = Layout::new(self.manifest.source, self.manifest.json);
        for ((secret, home), parts) in &self.plans {
            let root = self
                .manifest
                .home(*secret, *home)
                .ok_or_else(|| internal("there is no `metadata`"))?;
            let made = layout.edit(root, parts);
            splices.extend(made.map_err(|(offset, fault)| self.fail(*secret, offset, fault))?);
        }
        let edited =
            splice(self.manifest.source, splices).ok_or_else(|| internal("two edits overlap"))?;
        verify(self.manifest, &self.plans, &edited).map_err(internal)?;
        Ok(edited)
    }

    fn plan(&mut self, secret: usize, part: Part) -> &mut Plan {
        self.plans
            .entry((secret, part.home()))
            .or_default()
            .entry(part)
            .or_default()
    }

    fn planned(&self, secret: usize, part: Part) -> Option<&Plan> {
        self.plans.get(&(secret, part.home()))?.get(&part)
    }

    fn index_of(&self, secret: &ManifestSecret<'a>) -> Result<usize, WalkError> {
        self.manifest
            .secrets
            .iter()
            .position(|ours| std::ptr::eq(ours, secret))
            .ok_or_else(|| nowhere(Fault::WrongManifest))
    }

    /// The Secret's index, and where the annotation stands, if it does. Refuses what reaches elsewhere, and what is
    /// edited already.
    #[allow(clippy::type_complexity, reason = "used twice, in this file")]
    fn annotation(
        &self,
        secret: &ManifestSecret<'a>,
        name: &str,
    ) -> Result<(usize, Option<(usize, &'m Pair<'a>)>), WalkError> {
        let index = self.index_of(secret)?;
        let manifest: &'m Manifest<'a> = self.manifest;
        let not_editable = |node: &Node<'_>, reason| {
            let fault = Fault::NotEditable {
                what: annotation_name(name),
                reason,
            };
            Err(self.fail(index, node.start, fault))
        };
        let Some(metadata) = manifest.home(index, Home::Metadata) else {
            return not_editable(manifest.node(index), "the Secret has no `metadata`");
        };
        if metadata.anchored {
            return not_editable(metadata, "`metadata` has an anchor");
        }
        let Some(annotations) = member(metadata, "annotations").map(|pair| &pair.value) else {
            return Ok((index, self.fresh(index, name)?));
        };
        if annotations.anchored {
            return not_editable(annotations, "`annotations` has an anchor");
        }
        let at = annotations
            .entries()
            .iter()
            .position(|pair| pair.key.scalar_str() == Some(name));
        let Some(at) = at else {
            return Ok((index, self.fresh(index, name)?));
        };
        let planned = self.planned(index, Part::Annotations);
        if planned.is_some_and(|plan| plan.replaced.contains_key(&at) || plan.removed.contains(&at))
        {
            return Err(nowhere(Fault::EditedTwice {
                what: annotation_name(name),
            }));
        }
        Ok((index, Some((at, &annotations.entries()[at]))))
    }

    /// An annotation that is not there yet is added once.
    fn fresh<T>(&self, secret: usize, name: &str) -> Result<Option<T>, WalkError> {
        let planned = self.planned(secret, Part::Annotations);
        if planned.is_some_and(|plan| plan.inserted.iter().any(|(other, _)| other == name)) {
            return Err(nowhere(Fault::EditedTwice {
                what: annotation_name(name),
            }));
        }
        Ok(None)
    }

    fn untouched(&self, field: &Field<'a>) -> Result<(), WalkError> {
        let touched = self
            .planned(field.secret, Part::Field(field.section()))
            .is_some_and(|plan| {
                plan.replaced.contains_key(&field.index) || plan.removed.contains(&field.index)
            });
        if touched {
            return Err(self.located(
                field,
                Fault::EditedTwice {
                    what: field_name(field.path()),
                },
            ));
        }
        Ok(())
    }

    /// The entry a field was read from.
    fn pair(&self, field: &Field<'a>) -> Result<&'m Pair<'a>, WalkError> {
        let ours = std::ptr::eq(field.source, self.manifest.source)
            && field.secret < self.manifest.secrets.len();
        let section = ours
            .then(|| member(self.manifest.node(field.secret), field.section().as_str()))
            .flatten();
        section
            .and_then(|section| section.value.entries().get(field.index))
            .ok_or_else(|| nowhere(Fault::WrongManifest))
    }

    fn not_editable(&self, field: &Field<'a>, reason: &'static str) -> WalkError {
        self.located(
            field,
            Fault::NotEditable {
                what: field_name(field.path()),
                reason,
            },
        )
    }

    fn located(&self, field: &Field<'a>, fault: Fault) -> WalkError {
        match self.pair(field) {
            Ok(pair) => self.fail(field.secret, pair.value.start, fault),
            Err(error) => error,
        }
    }

    fn fail(&self, secret: usize, offset: usize, fault: Fault) -> WalkError {
        let document = self.manifest.secrets[secret].document;
        let root = self.manifest.documents[document]
            .tree
            .as_ref()
            .expect("a document with Secrets keeps its tree");
        error_at(
            &mut Locator::new(self.manifest.source),
            root,
            Spot {
                offset,
                shown: offset,
            },
            fault,
        )
        .into()
    }
}

impl fmt::Debug for Edits<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edited = self.plans.values().flat_map(BTreeMap::values);
        let count: usize = edited
            .map(|plan| plan.replaced.len() + plan.removed.len() + plan.inserted.len())
            .sum();
        write!(f, "Edits(<{count} fields>)")
    }
}

/// The entry of a mapping with this name.
pub(super) fn member<'n, 'a>(map: &'n Node<'a>, name: &str) -> Option<&'n Pair<'a>> {
    map.entries()
        .iter()
        .find(|pair| pair.key.scalar_str() == Some(name))
}

/// An annotation for people.
fn annotation_name(name: &str) -> String {
    format!("annotation {:?}", cut(name))
}

/// A name as the API server wants it, [RFC 1123](https://www.rfc-editor.org/rfc/rfc1123#section-2) domain and all:
/// `example.com/name`, the part behind the slash of at most 63 characters that begins and ends with a letter or digit.
fn validate_annotation(name: &str) -> Result<(), WalkError> {
    let (domain, own) = name.split_once('/').unwrap_or(("x", name));
    let ends_well = |text: &str| {
        let ends = [text.bytes().next(), text.bytes().next_back()];
        ends.iter()
            .all(|byte| byte.is_some_and(|byte| byte.is_ascii_alphanumeric()))
    };
    let domain_fits = domain.len() <= 253
        && ends_well(domain)
        && domain.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
        });
    let own_fits = own.len() <= 63
        && ends_well(own)
        && own
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if domain_fits && own_fits {
        return Ok(());
    }
    Err(WalkError::InvalidKey {
        key: cut(name),
        reason: "is no name of an annotation",
    })
}

/// Applies replacements of disjoint ranges; `None` if they are not disjoint.
fn splice(source: &str, mut splices: Vec<Splice>) -> Option<Vec<u8>> {
    splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let growth: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut edited = Vec::with_capacity(source.len() + growth);
    let mut done = 0;
    for Splice { at, text } in splices {
        // An insertion into lines that go away comes to stand where they were.
        let start = if at.is_empty() {
            at.start.max(done)
        } else {
            at.start
        };
        edited.extend_from_slice(source.get(done..start)?.as_bytes());
        edited.extend_from_slice(text.as_bytes());
        done = at.end.max(start);
    }
    edited.extend_from_slice(source.get(done..)?.as_bytes());
    Some(edited)
}

fn internal(reason: &'static str) -> WalkError {
    nowhere(Fault::Internal { reason })
}

/// A fault of the edit rather than of a place in the file.
fn nowhere(fault: Fault) -> WalkError {
    ManifestError {
        fault,
        line: 0,
        column: 0,
        excerpt: None,
        template: false,
    }
    .into()
}
