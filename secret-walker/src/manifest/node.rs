//! A document as a tree whose nodes know which bytes they are.

use std::hash::{DefaultHasher, Hash};

use crate::text::Text;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Style {
    /// Without quotes. In JSON: a number or one of the three words.
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|`, `>` and what follows them.
    Block,
}

/// An explicit tag, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Tag {
    None,
    /// `!!str`, or `!` alone, which says the same of a scalar.
    Text,
    Other,
}

/// A node, and the bytes it is written with: from its first to behind its last, without
/// tag, anchor and, for a block scalar, without trailing blank lines that mean nothing.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) anchored: bool,
    pub(super) tag: Tag,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Alias,
    Mapping { flow: bool, entries: Vec<Pair<'a>> },
    Scalar { text: Text<'a>, style: Style },
    Sequence { items: Vec<Node<'a>> },
}

/// One entry of a mapping.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) key: Node<'a>,
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The entries of a mapping; none for anything else.
    pub(super) fn entries(&self) -> &[Pair<'a>] {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    pub(super) fn scalar(&self) -> Option<(&Text<'a>, Style)> {
        match &self.kind {
            Kind::Scalar { text, style } => Some((text, *style)),
            _ => None,
        }
    }

    /// The text of a scalar, whatever its type.
    pub(super) fn scalar_str(&self) -> Option<&str> {
        self.scalar().map(|(text, _)| text.as_str())
    }

    /// Whether the node is `null`, written out or left empty.
    pub(super) fn is_null(&self) -> bool {
        self.tag == Tag::None
            && self.scalar().is_some_and(|(text, style)| {
                style == Style::Plain
                    && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            })
    }

    /// Whether nothing is written where the value would stand.
    pub(super) fn is_empty_plain(&self) -> bool {
        self.start == self.end
            && matches!(
                self.kind,
                Kind::Scalar {
                    style: Style::Plain,
                    ..
                }
            )
    }

    /// The last scalar or alias in document order.
    pub(super) fn last_leaf(&self) -> &Self {
        let last = match &self.kind {
            Kind::Mapping { entries, .. } => entries.last().map(|pair| &pair.value),
            Kind::Sequence { items } => items.last(),
            Kind::Alias | Kind::Scalar { .. } => None,
        };
        last.map_or(self, Self::last_leaf)
    }

    /// Feeds everything that a reader can tell apart, but for positions.
    pub(super) fn digest(&self, state: &mut DefaultHasher) {
        self.anchored.hash(state);
        self.tag.hash(state);
        match &self.kind {
            Kind::Alias => 0.hash(state),
            Kind::Scalar { text, style } => (1, text.as_str(), style).hash(state),
            Kind::Sequence { items } => {
                (2, items.len()).hash(state);
                for item in items {
                    item.digest(state);
                }
            }
            Kind::Mapping { flow, entries } => {
                (3, flow, entries.len()).hash(state);
                for pair in entries {
                    pair.key.digest(state);
                    pair.value.digest(state);
                }
            }
        }
    }

    /// Whether both are written the same way and mean the same, wherever they stand.
    pub(super) fn same_as(&self, other: &Node<'_>) -> bool {
        self.anchored == other.anchored
            && self.tag == other.tag
            && match (&self.kind, &other.kind) {
                (Kind::Alias, Kind::Alias) => true,
                (Kind::Scalar { text: a, style: x }, Kind::Scalar { text: b, style: y }) => {
                    a.as_str() == b.as_str() && x == y
                }
                (Kind::Sequence { items: a }, Kind::Sequence { items: b }) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b))
                }
                (
                    Kind::Mapping {
                        flow: x,
                        entries: a,
                    },
                    Kind::Mapping {
                        flow: y,
                        entries: b,
                    },
                ) => {
                    x == y
                        && a.len() == b.len()
                        && a.iter()
                            .zip(b)
                            .all(|(a, b)| a.key.same_as(&b.key) && a.value.same_as(&b.value))
                }
                _ => false,
            }
    }
}
