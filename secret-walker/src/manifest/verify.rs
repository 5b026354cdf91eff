//! Reads an edited file again and holds it against the original: nothing but the plan may differ.

use std::collections::HashMap;

use super::file::Manifest;
use super::node::{Node, NodeKind, Style, Tag};
use super::plan::{EntryEdits, ManifestEdits, SectionEdits};
use super::resolve::not_a_string;

/// Which check fails, if any.
pub(super) fn verify(
    old: &Manifest<'_>,
    plans: &ManifestEdits,
    edited: &[u8],
) -> Result<(), &'static str> {
    let new = Manifest::parse(edited).map_err(|_| "it cannot be read")?;
    if new.json != old.json {
        return Err("its format differs");
    }
    if new.documents.len() != old.documents.len() || new.secrets.len() != old.secrets.len() {
        return Err("the number of objects differs");
    }
    let planned = plans
        .iter()
        .map(|((secret, home), parts)| Some((std::ptr::from_ref(old.home(*secret, *home)?), parts)))
        .collect::<Option<_>>()
        .ok_or("an edited mapping is missing")?;
    let check = Check { planned };
    for (old, new) in old.documents.iter().zip(&new.documents) {
        let same = match (&old.tree, &new.tree) {
            (Some(old), Some(new)) => check.node(old, new),
            (None, None) => old.digest == new.digest,
            _ => false,
        };
        if !same {
            return Err("a place differs that was not edited, or an edit is missing");
        }
    }
    Ok(())
}

struct Check<'p, 'a> {
    /// ManifestEdits by the node of the Secret or of its metadata, compared by address and never followed.
    planned: HashMap<*const Node<'a>, &'p SectionEdits>,
}

impl<'a> Check<'_, 'a> {
    fn node(&self, old: &Node<'a>, new: &Node<'_>) -> bool {
        if let Some(sections) = self.planned.get(&std::ptr::from_ref(old)) {
            return self.parts(old, new, sections);
        }
        match (&old.kind, &new.kind) {
            (NodeKind::Mapping { entries: a, .. }, NodeKind::Mapping { entries: b, .. }) => {
                old.tag == new.tag
                    && old.anchored == new.anchored
                    && a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(a, b)| a.key.same_as(&b.key) && self.node(&a.value, &b.value))
            }
            (NodeKind::Sequence { items: a }, NodeKind::Sequence { items: b }) => {
                old.tag == new.tag
                    && old.anchored == new.anchored
                    && a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| self.node(a, b))
            }
            _ => old.same_as(new),
        }
    }

    /// A mapping whose parts are edited; another of its members may be such a mapping, too.
    fn parts(&self, old: &Node<'a>, new: &Node<'_>, sections: &SectionEdits) -> bool {
        let plan_of = |key: Option<&str>| {
            sections
                .iter()
                .find(|(section, _)| key == Some(section.as_str()))
                .map(|(_, plan)| plan)
        };
        let mut found = new.entries().iter().peekable();
        for pair in old.entries() {
            let Some(plan) = plan_of(pair.key.scalar_str()) else {
                let same = found.next().is_some_and(|new| {
                    new.key.same_as(&pair.key)
                        && if self.planned.contains_key(&std::ptr::from_ref(&pair.value)) {
                            self.node(&pair.value, &new.value)
                        } else {
                            new.value.same_as(&pair.value)
                        }
                });
                if !same {
                    return false;
                }
                continue;
            };
            let here = found.next_if(|new| new.key.same_as(&pair.key));
            let survivors = pair.value.entries().len() - plan.removed.len() + plan.inserted.len();
            match here {
                Some(new) if Self::section(Some(&pair.value), &new.value, plan) => {}
                None if survivors == 0 => {}
                _ => return false,
            }
        }
        for (section, plan) in sections {
            let was_there = old
                .entries()
                .iter()
                .any(|pair| pair.key.scalar_str() == Some(section.as_str()));
            if !was_there {
                let Some(new) = found.next() else {
                    return false;
                };
                if !reads_as(&new.key, section.as_str()) || !Self::section(None, &new.value, plan) {
                    return false;
                }
            }
        }
        found.next().is_none()
    }

    fn section(old: Option<&Node<'a>>, new: &Node<'_>, plan: &EntryEdits) -> bool {
        let mut found = new.entries().iter();
        for (index, pair) in old.map_or(&[][..], Node::entries).iter().enumerate() {
            if plan.removed.contains(&index) {
                continue;
            }
            let Some(new) = found.next() else {
                return false;
            };
            let value_fits = match plan.replaced.get(&index) {
                Some(value) => reads_as(&new.value, value.as_str()),
                None => new.value.same_as(&pair.value),
            };
            if !value_fits || !new.key.same_as(&pair.key) {
                return false;
            }
        }
        for (key, value) in &plan.inserted {
            if !found
                .next()
                .is_some_and(|new| reads_as(&new.key, key) && reads_as(&new.value, value.as_str()))
            {
                return false;
            }
        }
        found.next().is_none()
            && matches!(new.kind, NodeKind::Mapping { .. })
            && !new.anchored
            && new.tag == Tag::None
    }
}

/// Whether every reader takes the node for this string.
fn reads_as(node: &Node<'_>, word: &str) -> bool {
    let Some((text, style)) = node.scalar() else {
        return false;
    };
    let string = style != Style::Plain || node.tag == Tag::Text || not_a_string(word).is_none();
    text.as_str() == word && string && !node.anchored && node.tag != Tag::Other
}
