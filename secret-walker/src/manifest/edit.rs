//! Edits of a manifest, made together or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::Fault;
use super::excerpt::{Locator, Spot, error_at};
use super::find::field_name;
use super::node::{Kind, Node, Pair, Tag};
use super::splice::{Layout, Splice};
use super::verify::verify;
use super::{Field, Manifest, ManifestError, ManifestSecret};
use crate::base64_text::{encode_into, encoded_len};
use crate::error::WalkError;
use crate::path::{FieldPath, Section, validate_key};

/// The new text of a field: one word of letters, digits and `-_.+/=`.
///
/// Compact envelopes and base64 are such words, and no style of YAML or JSON needs an escape for them.
/// Not meant for plaintext: the word is written into a file.
#[derive(Clone, Eq, PartialEq)]
pub struct EditValue(String);

impl EditValue {
    /// Takes a word as it is; the empty one is a word, too.
    ///
    /// # Errors
    /// [`Fault::NotWord`] when the text holds any other character.
    pub fn word(text: impl Into<String>) -> Result<Self, WalkError> {
        let text = text.into();
        let fits = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=')
        };
        if text.bytes().all(fits) {
            Ok(Self(text))
        } else {
            Err(nowhere(Fault::NotWord))
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
        Self(String::from_utf8(text).expect("base64 is ASCII"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EditValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EditValue(<{} bytes>)", self.0.len())
    }
}

/// What happens to one section of one Secret.
#[derive(Default)]
pub(super) struct Plan {
    /// New texts by index of the entry.
    pub(super) replaced: BTreeMap<usize, EditValue>,
    pub(super) removed: BTreeSet<usize>,
    pub(super) inserted: Vec<(String, EditValue)>,
}

/// By index of the Secret, then section.
pub(super) type Plans = BTreeMap<usize, BTreeMap<Section, Plan>>;

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
        self.plan(field.secret, field.section())
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
        let index = self
            .manifest
            .secrets
            .iter()
            .position(|ours| std::ptr::eq(ours, secret));
        let index = index.ok_or_else(|| nowhere(Fault::WrongManifest))?;
        let path = FieldPath::new(section, key);
        let planned = self.planned(index, section);
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
        self.plan(index, section)
            .inserted
            .push((key.to_owned(), value));
        Ok(self)
    }

    /// Removes a field and its lines. A section that has no field left goes with it.
    ///
    /// # Errors
    /// When other text shares the field's lines, and for a field that is edited already.
    pub fn remove_field(&mut self, field: &Field<'a>) -> Result<&mut Self, WalkError> {
        self.pair(field)?;
        self.untouched(field)?;
        self.plan(field.secret, field.section())
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
        for (secret, sections) in &self.plans {
            let root = self.manifest.node(*secret);
            let layout = Layout::new(self.manifest.source, self.manifest.json);
            let made = layout.edit(root, sections);
            splices.extend(made.map_err(|(offset, fault)| self.fail(*secret, offset, fault))?);
        }
        let edited =
            splice(self.manifest.source, splices).ok_or_else(|| internal("two edits overlap"))?;
        verify(self.manifest, &self.plans, &edited).map_err(internal)?;
        Ok(edited)
    }

    fn plan(&mut self, secret: usize, section: Section) -> &mut Plan {
        self.plans
            .entry(secret)
            .or_default()
            .entry(section)
            .or_default()
    }

    fn planned(&self, secret: usize, section: Section) -> Option<&Plan> {
        self.plans.get(&secret)?.get(&section)
    }

    fn untouched(&self, field: &Field<'a>) -> Result<(), WalkError> {
        let touched = self
            .planned(field.secret, field.section())
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
            .then(|| section_of(self.manifest.node(field.secret), field.section()))
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

/// The entry of a Secret that holds a section.
pub(super) fn section_of<'n, 'a>(secret: &'n Node<'a>, section: Section) -> Option<&'n Pair<'a>> {
    secret
        .entries()
        .iter()
        .find(|pair| pair.key.scalar_str() == Some(section.as_str()))
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
