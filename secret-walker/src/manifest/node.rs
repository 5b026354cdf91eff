//! A document as a tree whose nodes know which bytes they are.

use std::hash::{DefaultHasher, Hash};

use crate::text::Text;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Style {
    /// Without quotes. In JSON: a number or `true`, `false` or `null`.
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
    /// `!!str`, or `!` only, which says the same of a scalar.
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
    pub(super) kind: NodeKind<'a>,
}

#[derive(Debug)]
pub(super) enum NodeKind<'a> {
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
            NodeKind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    pub(super) fn scalar(&self) -> Option<(&Text<'a>, Style)> {
        match &self.kind {
            NodeKind::Scalar { text, style } => Some((text, *style)),
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

    /// Whether nothing is written where the value would be.
    pub(super) fn is_empty_plain(&self) -> bool {
        self.start == self.end
            && matches!(
                self.kind,
                NodeKind::Scalar {
                    style: Style::Plain,
                    ..
                }
            )
    }

    /// The last scalar or alias in document order.
    pub(super) fn last_leaf(&self) -> &Self {
        let last = match &self.kind {
            NodeKind::Mapping { entries, .. } => entries.last().map(|pair| &pair.value),
            NodeKind::Sequence { items } => items.last(),
            NodeKind::Alias | NodeKind::Scalar { .. } => None,
        };
        last.map_or(self, Self::last_leaf)
    }

    /// Feeds everything that a reader can tell apart, but for positions.
    pub(super) fn digest(&self, state: &mut DefaultHasher) {
        self.anchored.hash(state);
        self.tag.hash(state);
        match &self.kind {
            NodeKind::Alias => 0.hash(state),
            NodeKind::Scalar { text, style } => (1, text.as_str(), style).hash(state),
            NodeKind::Sequence { items } => {
                (2, items.len()).hash(state);
                for item in items {
                    item.digest(state);
                }
            }
            NodeKind::Mapping { flow, entries } => {
                (3, flow, entries.len()).hash(state);
                for pair in entries {
                    pair.key.digest(state);
                    pair.value.digest(state);
                }
            }
        }
    }

    /// Whether both are written the same way and mean the same, wherever they are.
    pub(super) fn same_as(&self, other: &Node<'_>) -> bool {
        self.anchored == other.anchored
            && self.tag == other.tag
            && match (&self.kind, &other.kind) {
                (NodeKind::Alias, NodeKind::Alias) => true,
                (
                    NodeKind::Scalar { text: a, style: x },
                    NodeKind::Scalar { text: b, style: y },
                ) => a.as_str() == b.as_str() && x == y,
                (NodeKind::Sequence { items: a }, NodeKind::Sequence { items: b }) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b))
                }
                (
                    NodeKind::Mapping {
                        flow: x,
                        entries: a,
                    },
                    NodeKind::Mapping {
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

/// Whether the key's value is a map whose values are secret.
pub(super) fn is_section(key: &Node<'_>) -> bool {
    matches!(key.scalar_str(), Some("data" | "stringData"))
}
