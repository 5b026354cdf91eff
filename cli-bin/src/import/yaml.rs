//! A file of YAML or JSON as trees that know their bytes, with its comments.
//!
//! `secret-walker` reads Secrets only; what is read here is everything else, and none of it is a plain value.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};
use secret_walker::{MAX_DEPTH, MAX_DOCUMENTS, MAX_MANIFEST_BYTES, MAX_NODES};

use super::fault::Fault;
use crate::text::printable;

/// A file, read.
pub(super) struct File<'a> {
    pub(super) source: &'a str,
    /// The roots of documents that are not empty.
    pub(super) documents: Vec<Node<'a>>,
    pub(super) comments: Vec<Comment>,
    lines: Vec<usize>,
}

/// A comment, from its `#` to the end of its line.
#[derive(Clone)]
pub(super) struct Comment {
    pub(super) range: Range<usize>,
    /// Whether nothing else is on its line.
    pub(super) alone: bool,
}

pub(super) struct Node<'a> {
    /// From its first byte to behind its last.
    pub(super) range: Range<usize>,
    pub(super) kind: Kind<'a>,
}

pub(super) enum Kind<'a> {
    Map { flow: bool, entries: Vec<Pair<'a>> },
    List,
    Text { text: Cow<'a, str>, plain: bool },
}

pub(super) struct Pair<'a> {
    pub(super) key: Node<'a>,
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn entries(&self) -> &[Pair<'a>] {
        match &self.kind {
            Kind::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is `null`, written out or left empty.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Text { text, plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Pair<'a>> {
        self.entries()
            .iter()
            .find(|pair| pair.key.text() == Some(name))
    }

    /// The text of a member.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.value.text()
    }
}

impl File<'_> {
    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }
}

/// Reads a file; the size comes first.
///
/// # Errors
/// What cannot be read without guessing: aliases, tags, keys that occur twice.
pub(super) fn read(bytes: &[u8]) -> Result<File<'_>, Fault> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(Fault::of(format!(
            "it is longer than {MAX_MANIFEST_BYTES} bytes"
        )));
    }
    let source = std::str::from_utf8(bytes).map_err(|_| Fault::of("it is not UTF-8"))?;
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(true);
    let lines = std::iter::once(0)
        .chain(source.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    let mut builder = Builder {
        file: File {
            source,
            documents: Vec::new(),
            comments: Vec::new(),
            lines,
        },
        open: Vec::new(),
        nodes: 0,
        last_end: 0,
    };
    for event in Parser::new_from_str_with_options(source, options) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(source.len());
                return Err(Fault::on(
                    builder.file.line(at),
                    "it is neither YAML nor JSON from here on",
                ));
            }
        }
    }
    Ok(builder.file)
}

struct Builder<'a> {
    file: File<'a>,
    /// Collections whose end is still to come, and the key whose value comes next.
    open: Vec<(Node<'a>, Option<Node<'a>>)>,
    nodes: usize,
    last_end: usize,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, span: Span) -> Result<(), Fault> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::Comment(..) => {
                let before = &self.file.source[..range.start];
                let line = before.rfind('\n').map_or(0, |at| at + 1);
                self.file.comments.push(Comment {
                    alone: before[line..].trim().is_empty(),
                    range,
                });
            }
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    return Err(self.odd(range.start));
                }
                let plain = style == ScalarStyle::Plain;
                let text = if plain && range.is_empty() {
                    Cow::Borrowed("")
                } else {
                    text
                };
                // Where a block scalar ends, the parser is at the beginning of what follows.
                let end = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        self.file.source[..range.end].trim_end().len()
                    }
                    _ => range.end,
                };
                self.last_end = end.max(self.last_end);
                self.add(Node {
                    range: range.start..end.max(range.start),
                    kind: Kind::Text { text, plain },
                })?;
            }
            Event::MappingStart(style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    return Err(self.odd(range.start));
                }
                let flow = style == StructureStyle::Flow;
                self.begin(
                    range,
                    Kind::Map {
                        flow,
                        entries: Vec::new(),
                    },
                )?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    return Err(self.odd(range.start));
                }
                self.begin(range, Kind::List)?;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some((mut node, _)) = self.open.pop() else {
                    return Ok(());
                };
                if matches!(node.kind, Kind::Map { flow: true, .. }) {
                    self.last_end = range.end.max(self.last_end);
                }
                node.range.end = self.last_end.max(node.range.start);
                self.add(node)?;
            }
            Event::Alias(..) | Event::UnresolvedAlias(..) => return Err(self.odd(range.start)),
            _ => {}
        }
        Ok(())
    }

    fn odd(&self, at: usize) -> Fault {
        Fault::on(
            self.file.line(at),
            "it has an anchor, an alias or a tag, which are not followed",
        )
        .hint("write the value out")
    }

    fn begin(&mut self, range: Range<usize>, kind: Kind<'a>) -> Result<(), Fault> {
        if self.open.len() == MAX_DEPTH {
            return Err(Fault::on(
                self.file.line(range.start),
                "it is nested too deeply",
            ));
        }
        self.open.push((Node { range, kind }, None));
        Ok(())
    }

    fn add(&mut self, node: Node<'a>) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Fault::of(format!("it has more than {MAX_NODES} values")));
        }
        let Some((parent, key)) = self.open.last_mut() else {
            if self.file.documents.len() == MAX_DOCUMENTS {
                return Err(Fault::of(format!(
                    "it has more than {MAX_DOCUMENTS} documents"
                )));
            }
            let empty = node.is_null();
            if !empty {
                self.file.documents.push(node);
            }
            return Ok(());
        };
        let Kind::Map { entries, .. } = &mut parent.kind else {
            return Ok(());
        };
        match key.take() {
            None => *key = Some(node),
            Some(key) => entries.push(Pair { key, value: node }),
        }
        Ok(())
    }
}

/// Refuses a key that occurs twice: of two values, readers take one or the other.
pub(super) fn refuse_twice(node: &Node<'_>, file: &File<'_>) -> Result<(), Fault> {
    let mut keys: Vec<_> = node
        .entries()
        .iter()
        .map(|pair| (pair.key.text(), pair.key.range.start))
        .collect();
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if pair[0].0 == pair[1].0 {
            return Err(Fault::on(
                file.line(pair[1].1),
                format!(
                    "`{}` occurs twice",
                    printable(pair[1].0.unwrap_or("?"), 100)
                ),
            ));
        }
    }
    node.entries()
        .iter()
        .try_for_each(|pair| refuse_twice(&pair.value, file))
}
