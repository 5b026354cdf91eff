//! YAML documents as trees.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use zeroize::Zeroizing;

use super::lines::{line_end, line_start};
use super::node::{Node, NodeKind, Pair, Style, Tag, is_section};
use crate::text::Text;

/// How deep collections may be nested.
pub const MAX_DEPTH: usize = 128;
/// How many nodes one document may hold.
pub const MAX_NODES: usize = 500_000;
/// How many documents one file may hold.
pub const MAX_DOCUMENTS: usize = 10_000;

/// Why a text is not YAML that we read; the reason repeats none of it.
pub(super) struct YamlFault {
    pub(super) offset: usize,
    pub(super) reason: String,
    /// The keys known so far in the document at fault: what may be shown of it.
    pub(super) keys: Vec<Range<usize>>,
}

/// Reads all documents; an empty one gives no tree.
///
/// Aliases are kept as they are and never followed, so no input grows on being read.
pub(super) fn documents(source: &str) -> Result<Vec<Option<Node<'_>>>, YamlFault> {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    // Another crate of the build may have switched the collecting of comments on.
    options.set_emit_comments(false);
    let mut builder = Builder {
        source,
        documents: Vec::new(),
        open: Vec::new(),
        root: None,
        nodes: 0,
        last_end: 0,
        keys: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(source, options) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let offset = error.marker().byte_offset().unwrap_or(source.len());
                Err((offset, reason(&error)))
            }
        };
        taken.map_err(|(offset, reason)| YamlFault {
            offset,
            reason,
            keys: std::mem::take(&mut builder.keys),
        })?;
    }
    Ok(builder.documents)
}

/// The parser's own words, unless they would repeat a character of the file.
fn reason(error: &granit_parser::ScanError) -> String {
    match error.kind() {
        granit_parser::ErrorKind::UnexpectedCharacter { .. } => {
            "a character that no value can begin with".to_owned()
        }
        _ => error.info(),
    }
}

/// A collection whose end is still to come.
struct OpenCollection<'a> {
    node: Node<'a>,
    /// The key whose value comes next.
    key: Option<Node<'a>>,
}

struct Builder<'a> {
    source: &'a str,
    documents: Vec<Option<Node<'a>>>,
    open: Vec<OpenCollection<'a>>,
    root: Option<Node<'a>>,
    nodes: usize,
    /// Behind the last byte that is known to be content.
    last_end: usize,
    keys: Vec<Range<usize>>,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, span: Span) -> Result<(), (usize, String)> {
        let range = span.byte_range().unwrap_or(0..0);
        let tag_end = span
            .tag_span()
            .and_then(|tag| tag.byte_range())
            .map_or(0, |tag| tag.end);
        let leaf = |kind, anchor, tag| Node {
            start: range.start,
            end: range.end,
            anchored: anchor != 0,
            tag,
            kind,
        };
        match event {
            Event::DocumentEnd => {
                if self.documents.len() == MAX_DOCUMENTS {
                    return Err((
                        range.start,
                        format!("more than {MAX_DOCUMENTS} documents in one file"),
                    ));
                }
                self.documents.push(self.root.take());
                self.nodes = 0;
                self.keys.clear();
                self.last_end = self.last_end.max(range.end);
            }
            Event::DocumentStart(..) => self.last_end = self.last_end.max(range.end),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.add(leaf(NodeKind::Alias, 0, Tag::None))?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map_or(Tag::None, classify);
                let text = match text {
                    // An empty plain scalar is reported as `~`, but nothing is written there.
                    _ if style == ScalarStyle::Plain && range.is_empty() => Text::Borrowed(""),
                    std::borrow::Cow::Borrowed(text) => Text::Borrowed(text),
                    std::borrow::Cow::Owned(text) => Text::Owned(Zeroizing::new(text)),
                };
                let blank = text.as_str().bytes().all(|byte| byte == b'\n');
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let mut node = leaf(NodeKind::Scalar { text, style }, anchor, tag);
                if style == Style::Block {
                    let from = self.last_end.max(tag_end);
                    if let Some(block) = BlockScalar::find(self.source, from, &range, blank) {
                        node.start = block.header.start;
                        node.end = block.end;
                    }
                }
                self.add(node)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = tag.as_deref().map_or(Tag::None, classify);
                self.open(leaf(NodeKind::Sequence { items: Vec::new() }, anchor, tag))?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let tag = tag.as_deref().map_or(Tag::None, classify);
                let flow = style == granit_parser::StructureStyle::Flow;
                self.open(leaf(
                    NodeKind::Mapping {
                        flow,
                        entries: Vec::new(),
                    },
                    anchor,
                    tag,
                ))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let OpenCollection { mut node, .. } =
                    self.open.pop().expect("the parser ends only what it began");
                // A flow collection ends with its bracket, a block one with its last child.
                node.end = if range.is_empty() {
                    self.last_end.max(node.start)
                } else {
                    range.end
                };
                self.close(node)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, node: Node<'a>) -> Result<(), (usize, String)> {
        if self.open.len() == MAX_DEPTH {
            return Err((node.start, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.count(node.start)?;
        self.last_end = self.last_end.max(node.end);
        self.open.push(OpenCollection { node, key: None });
        Ok(())
    }

    fn add(&mut self, node: Node<'a>) -> Result<(), (usize, String)> {
        self.count(node.start)?;
        self.close(node)
    }

    fn count(&mut self, offset: usize) -> Result<(), (usize, String)> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            Err((
                offset,
                format!("more than {MAX_NODES} values in one document"),
            ))
        } else {
            Ok(())
        }
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, node: Node<'a>) -> Result<(), (usize, String)> {
        self.last_end = self.last_end.max(node.end);
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.kind {
            NodeKind::Sequence { items } => items.push(node),
            NodeKind::Mapping { entries, .. } => {
                if let Some(key) = parent.key.take() {
                    entries.push(Pair { key, value: node });
                } else {
                    let range = node.start..node.end;
                    let scalar = matches!(node.kind, NodeKind::Scalar { .. });
                    parent.key = Some(node);
                    if scalar && !self.inside_a_value() {
                        self.keys.push(range);
                    }
                }
            }
            NodeKind::Alias | NodeKind::Scalar { .. } => {
                return Err((node.start, "a value inside a scalar".to_owned()));
            }
        }
        Ok(())
    }
}

impl Builder<'_> {
    /// Whether the innermost open collection is, or is part of, a value of `data` or `stringData`.
    fn inside_a_value(&self) -> bool {
        let section = self
            .open
            .iter()
            .position(|open| open.key.as_ref().is_some_and(is_section));
        section.is_some_and(|section| self.open.len() > section + 2)
    }
}

fn classify(tag: &granit_parser::Tag) -> Tag {
    let non_specific = tag.original_parts() == ("", "!") || tag.original_parts() == ("!", "");
    if non_specific || tag.is_yaml_core_schema_tag("str") {
        Tag::Text
    } else {
        Tag::Other
    }
}

/// A block scalar's header and where its last line of content ends.
pub(super) struct BlockScalar {
    /// `|` or `>` and the indicators behind it.
    pub(super) header: Range<usize>,
    /// Before the line break of the last line of content, or behind blank lines that belong to the value.
    pub(super) end: usize,
}

impl BlockScalar {
    /// Looks for the header from where the last content ended; `content` is where the parser saw the text,
    /// `blank` whether that is nothing but line breaks.
    fn find(source: &str, from: usize, content: &Range<usize>, blank: bool) -> Option<Self> {
        let header = header(source, from)?;
        let line_end = line_end(source, header.end);
        let body = source.get(line_end..content.end.max(line_end))?;
        if content.start <= line_end || blank {
            // Without content there may still be blank lines that `+` keeps.
            let keeps = source[header.clone()].contains('+');
            let end = if keeps {
                line_end + body.trim_end_matches(' ').len()
            } else {
                header.end
            };
            return Some(Self { header, end });
        }
        let indent = content.start - line_start(source, content.start);
        // The parser's range runs into the indentation of what follows.
        let mut end = line_start_if_blank(source, content.end);
        if !source[header.clone()].contains('+') {
            // A line of more spaces than the indentation is content; any other blank line means nothing.
            loop {
                let start = line_start(source, end);
                let line = source[start..end].trim_end_matches('\r');
                if line.len() > indent
                    || line.bytes().any(|byte| byte != b' ')
                    || start <= content.start
                {
                    break;
                }
                end = start - 1;
            }
            if source.as_bytes().get(end.wrapping_sub(1)) == Some(&b'\r') {
                end -= 1;
            }
        }
        Some(Self { header, end })
    }
}

/// The first `|` or `>` behind white space, comments, tags, anchors and the indicators `:`, `-`, `?` and `---`.
fn header(source: &str, from: usize) -> Option<Range<usize>> {
    let bytes = source.as_bytes();
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'|' | b'>' => {
                let rest = &bytes[at + 1..];
                let length = rest
                    .iter()
                    .take_while(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9'))
                    .count();
                return Some(at..at + 1 + length);
            }
            b'#' => at = line_end(source, at),
            b'!' | b'&' => {
                let rest = &bytes[at..];
                at += rest
                    .iter()
                    .take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
                    .count();
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b'-' | b'?' | b'.' => at += 1,
            _ => return None,
        }
    }
}

fn line_start_if_blank(source: &str, offset: usize) -> usize {
    let start = line_start(source, offset);
    if source[start..offset].bytes().all(|byte| byte == b' ') {
        start
    } else {
        offset
    }
}
