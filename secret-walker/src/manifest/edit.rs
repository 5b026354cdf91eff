//! Edits of a manifest, made together or not at all.

use std::collections::BTreeMap;
use std::fmt;

use super::excerpt::{Locator, SourceSpan, error_at};
use super::file::Manifest;
use super::find::field_name;
use super::node::{Node, NodeKind, Pair, Tag};
use super::plan::{EditValue, EditedMap, EntryEdits, ManifestEdits, ParentMap, without_place};
use super::secret::{Field, ManifestSecret};
use super::splice::{FileStyle, Splice};
use super::verify::verify;
use crate::error::Fault;
use crate::error::WalkError;
use crate::path::{FieldPath, Section, validate_key};
use crate::text::cut;

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
    plans: ManifestEdits,
}

impl<'a> Manifest<'a> {
    /// Begins a set of edits, which are made together by [`Edits::apply`].
    pub fn edits(&self) -> Edits<'_, 'a> {
        Edits::new(self)
    }
}

impl<'m, 'a> Edits<'m, 'a> {
    fn new(manifest: &'m Manifest<'a>) -> Self {
        Self {
            manifest,
            plans: ManifestEdits::new(),
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
        if !matches!(old.kind, NodeKind::Scalar { .. })
            || old.anchored
            || old.tag == Tag::Other
            || empty_with_tag
        {
            field.text()?;
            return Err(self.not_editable(field, "only a tag is written there"));
        }
        self.untouched(field)?;
        self.plan(field.secret, EditedMap::Field(field.section()))
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
        let part = EditedMap::Field(section);
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
        if planned.is_some_and(|plan| plan.inserts(key)) {
            return Err(without_place(Fault::EditedTwice {
                what: field_name(&path),
            }));
        }
        self.plan(index, part).insert(key, value);
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
    /// For an invalid annotation name; where `metadata`, `annotations` or the value reach elsewhere; and for
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
            self.plan(index, EditedMap::Annotations).insert(name, value);
            return Ok(self);
        };
        let old = &pair.value;
        if !matches!(old.kind, NodeKind::Scalar { .. }) || old.anchored || old.tag != Tag::None {
            let fault = Fault::NotEditable {
                what: annotation_name(name),
                reason: "it has an anchor or a tag",
            };
            return Err(self.fail(index, old.start, fault));
        }
        self.plan(index, EditedMap::Annotations)
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
            self.plan(index, EditedMap::Annotations)
                .removed
                .insert(entry);
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
        self.plan(field.secret, EditedMap::Field(field.section()))
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
        let layout = FileStyle::new(self.manifest.source, self.manifest.json);
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

    fn plan(&mut self, secret: usize, part: EditedMap) -> &mut EntryEdits {
        self.plans
            .entry((secret, part.home()))
            .or_default()
            .entry(part)
            .or_default()
    }

    fn planned(&self, secret: usize, part: EditedMap) -> Option<&EntryEdits> {
        self.plans.get(&(secret, part.home()))?.get(&part)
    }

    fn index_of(&self, secret: &ManifestSecret<'a>) -> Result<usize, WalkError> {
        self.manifest
            .secrets
            .get(secret.index)
            .filter(|ours| std::ptr::eq(*ours, secret))
            .map(|ours| ours.index)
            .ok_or_else(|| without_place(Fault::WrongManifest))
    }

    /// The Secret's index, and where the annotation is, if it exists. Refuses what reaches elsewhere, and what is
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
        let Some(metadata) = manifest.home(index, ParentMap::Metadata) else {
            return not_editable(manifest.node(index), "the Secret has no `metadata`");
        };
        if metadata.anchored {
            return not_editable(metadata, "`metadata` has an anchor");
        }
        let annotations = secret.members.annotations;
        let Some(annotations) = annotations.map(|entry| &metadata.entries()[entry].value) else {
            return Ok((index, self.fresh(index, name)?));
        };
        if annotations.anchored {
            return not_editable(annotations, "`annotations` has an anchor");
        }
        let Some(at) = secret.annotation_entry(name) else {
            return Ok((index, self.fresh(index, name)?));
        };
        let planned = self.planned(index, EditedMap::Annotations);
        if planned.is_some_and(|plan| plan.replaced.contains_key(&at) || plan.removed.contains(&at))
        {
            return Err(without_place(Fault::EditedTwice {
                what: annotation_name(name),
            }));
        }
        Ok((index, Some((at, &annotations.entries()[at]))))
    }

    /// An annotation that is not there yet is added once.
    fn fresh<T>(&self, secret: usize, name: &str) -> Result<Option<T>, WalkError> {
        let planned = self.planned(secret, EditedMap::Annotations);
        if planned.is_some_and(|plan| plan.inserts(name)) {
            return Err(without_place(Fault::EditedTwice {
                what: annotation_name(name),
            }));
        }
        Ok(None)
    }

    fn untouched(&self, field: &Field<'a>) -> Result<(), WalkError> {
        let touched = self
            .planned(field.secret, EditedMap::Field(field.section()))
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
            .then(|| self.manifest.secrets[field.secret].section_entry(field.section()))
            .flatten();
        section
            .and_then(|entry| self.manifest.node(field.secret).entries().get(entry))
            .and_then(|section| section.value.entries().get(field.index))
            .ok_or_else(|| without_place(Fault::WrongManifest))
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
            SourceSpan {
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
        reason: "is not a valid annotation name",
    })
}

/// Applies replacements of disjoint ranges; `None` if they are not disjoint.
fn splice(source: &str, mut splices: Vec<Splice>) -> Option<Vec<u8>> {
    splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let growth: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut edited = Vec::with_capacity(source.len() + growth);
    let mut done = 0;
    for Splice { at, text } in splices {
        // An insertion into removed lines takes their place.
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
    without_place(Fault::Internal { reason })
}
