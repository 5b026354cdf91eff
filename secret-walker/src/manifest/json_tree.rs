//! JSON documents as the same trees as YAML ones.

use super::node::{Node, NodeKind, Pair, Style, Tag};
use super::yaml::{MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};
use crate::json::cursor::{Cursor, JsonFault};
use crate::text::Text;

/// Reads one JSON value after another, as kubectl does with a file that begins with a brace.
pub(super) fn documents(source: &str, start: usize) -> Result<Vec<Option<Node<'_>>>, JsonFault> {
    let mut cursor = Cursor::starting_at(source, start);
    let mut documents = Vec::new();
    while cursor.peek().is_some() {
        if documents.len() == MAX_DOCUMENTS {
            return Err(cursor.fault("too many documents in one file"));
        }
        documents.push(Some(
            TreeReader {
                source,
                cursor: &mut cursor,
                nodes: 0,
                depth: 0,
            }
            .value()?,
        ));
    }
    Ok(documents)
}

struct TreeReader<'r, 'a> {
    source: &'a str,
    cursor: &'r mut Cursor<'a>,
    nodes: usize,
    depth: usize,
}

impl<'a> TreeReader<'_, 'a> {
    /// Recursion is bounded by `MAX_DEPTH`.
    fn value(&mut self) -> Result<Node<'a>, JsonFault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.cursor.fault("too many values in one document"));
        }
        let first = self.cursor.peek();
        let start = self.cursor.offset();
        let kind = match first {
            Some(b'{') => self.nested(Self::members)?,
            Some(b'[') => self.nested(Self::items)?,
            Some(b'"') => NodeKind::Scalar {
                text: self.cursor.string()?,
                style: Style::DoubleQuoted,
            },
            _ => {
                self.cursor.skip_scalar()?;
                let text = Text::Borrowed(&self.source[start..self.cursor.offset()]);
                NodeKind::Scalar {
                    text,
                    style: Style::Plain,
                }
            }
        };
        Ok(Node {
            start,
            end: self.cursor.offset(),
            anchored: false,
            tag: Tag::None,
            kind,
        })
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<NodeKind<'a>, JsonFault>,
    ) -> Result<NodeKind<'a>, JsonFault> {
        if self.depth == MAX_DEPTH {
            return Err(self.cursor.fault("nested too deeply"));
        }
        self.depth += 1;
        self.cursor.bump();
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    fn members(&mut self) -> Result<NodeKind<'a>, JsonFault> {
        let mut entries = Vec::new();
        if self.cursor.peek() == Some(b'}') {
            self.cursor.bump();
            return Ok(NodeKind::Mapping {
                flow: true,
                entries,
            });
        }
        loop {
            if self.cursor.peek() != Some(b'"') {
                return Err(self.cursor.fault("expected the name of a member in quotes"));
            }
            let key = self.value()?;
            self.cursor
                .expect(b':', "expected a colon after the name of a member")?;
            let value = self.value()?;
            entries.push(Pair { key, value });
            if !self.cursor.another_member()? {
                return Ok(NodeKind::Mapping {
                    flow: true,
                    entries,
                });
            }
        }
    }

    fn items(&mut self) -> Result<NodeKind<'a>, JsonFault> {
        let mut items = Vec::new();
        if self.cursor.peek() == Some(b']') {
            self.cursor.bump();
            return Ok(NodeKind::Sequence { items });
        }
        loop {
            items.push(self.value()?);
            match self.cursor.peek() {
                Some(b',') => self.cursor.bump(),
                Some(b']') => {
                    self.cursor.bump();
                    return Ok(NodeKind::Sequence { items });
                }
                _ => {
                    return Err(self
                        .cursor
                        .fault("expected a comma or the end of the array"));
                }
            }
        }
    }
}
