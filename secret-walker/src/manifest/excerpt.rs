//! Positions for people, and lines shown with their values masked.

use std::ops::Range;

use super::lines::{line_end, line_start};
use super::node::{Node, NodeKind, Tag, is_section};
use crate::error::{Fault, ManifestError};

/// Turns offsets into lines and columns; cheapest when asked in ascending order.
pub(super) struct Locator<'a> {
    source: &'a str,
    /// An offset whose line and column are known.
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Locator<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        // A byte order mark takes no column.
        Self {
            source,
            at: byte_order_mark(source),
            line: 1,
            column: 1,
        }
    }

    /// Line and column, both from 1, the column in characters.
    pub(super) fn locate(&mut self, offset: usize) -> (usize, usize) {
        if offset < self.at {
            *self = Self::new(self.source);
        }
        let passed = self.source.get(self.at..offset).unwrap_or_default();
        if let Some(last) = passed.rfind('\n') {
            self.line += passed.bytes().filter(|byte| *byte == b'\n').count();
            self.column = 1 + passed[last + 1..].chars().count();
        } else {
            self.column += passed.chars().count();
        }
        self.at = self.at.max(offset.min(self.source.len()));
        (self.line, self.column)
    }
}

/// The length of the byte order mark at the beginning.
pub(super) fn byte_order_mark(source: &str) -> usize {
    if source.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    }
}

/// What an error is about: an offset, and how much of its line may be shown.
#[derive(Clone, Copy)]
pub(super) struct SourceSpan {
    pub(super) offset: usize,
    /// The end of a key or the begin of a value on the offset's line.
    pub(super) shown: usize,
}

impl SourceSpan {
    /// A value, itself not shown.
    pub(super) fn value(node: &Node<'_>) -> Self {
        Self {
            offset: node.start,
            shown: node.start,
        }
    }

    /// A key, shown to its end.
    pub(super) fn key(node: &Node<'_>) -> Self {
        Self {
            offset: node.start,
            shown: node.end,
        }
    }
}

/// An error in a document that has been read.
pub(super) fn error_at(
    locator: &mut Locator<'_>,
    root: &Node<'_>,
    spot: SourceSpan,
    fault: Fault,
) -> ManifestError {
    let SourceSpan { offset, shown } = spot;
    let source = locator.source;
    let mut hidden = Vec::new();
    hide_values(root, root.start, &mut hidden);
    let mut hidden = merged(hidden).into_iter().peekable();
    let start = line_start(source, offset).max(byte_order_mark(source));
    let mut line = String::new();
    let mut caret = None;
    let mut masked = false;
    for (at, character) in source[start..shown.max(start)]
        .char_indices()
        .map(|(at, character)| (start + at, character))
    {
        if at == offset {
            caret = Some(line.chars().count());
        }
        while hidden.next_if(|range| range.end <= at).is_some() {}
        if hidden.peek().is_some_and(|range| range.contains(&at)) {
            if !masked {
                line.push('…');
            }
            masked = true;
        } else {
            line.push(if character.is_control() {
                ' '
            } else {
                character
            });
            masked = false;
        }
    }
    let rest = &source[shown.max(start)..line_end(source, shown.max(start))];
    finish(locator, offset, line, rest, caret, fault)
}

/// The same ranges, ascending and disjoint.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// An error with its position and without an excerpt.
pub(super) fn error_without_excerpt(
    locator: &mut Locator<'_>,
    offset: usize,
    fault: Fault,
) -> ManifestError {
    let (line, column) = locator.locate(offset);
    ManifestError {
        fault,
        line,
        column,
        excerpt: None,
        template: false,
    }
}

/// An error where reading stopped: of its line, only keys that were read already are shown.
pub(super) fn syntax_error(
    source: &str,
    offset: usize,
    keys: &[Range<usize>],
    fault: Fault,
) -> ManifestError {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let start = line_start(source, offset)
        .max(byte_order_mark(source))
        .min(offset);
    let end = line_end(source, offset);
    let mut line = String::new();
    let mut at = start;
    for key in keys
        .iter()
        .filter(|key| key.start >= start && key.end <= offset)
        .filter(|key| is_word(&source[(*key).clone()]))
    {
        line.push_str(&structure(&source[at..key.start]));
        line.push_str(&source[key.clone()]);
        at = key.end;
    }
    let behind_key = at > start && source[at..end].starts_with(':');
    if behind_key {
        line.push_str(": ");
        at = end.min(at + 1);
    } else if at == start {
        let indent = source[start..end].len() - source[start..end].trim_start_matches(' ').len();
        line.push_str(&" ".repeat(indent));
        at = start + indent;
    }
    let mut error = finish(
        &mut Locator::new(source),
        offset,
        line,
        &source[at..end],
        None,
        fault,
    );
    error.template = source[..end].contains("{{");
    error
}

fn finish(
    locator: &mut Locator<'_>,
    offset: usize,
    mut line: String,
    rest: &str,
    caret: Option<usize>,
    fault: Fault,
) -> ManifestError {
    const LONGEST: usize = 100;
    let (number, column) = locator.locate(offset);
    let mut caret = caret.unwrap_or_else(|| line.chars().count());
    // A tag or an anchor before the value is masked already, and the caret belongs under that mark.
    if line.ends_with('…') {
        caret = caret.min(line.chars().count() - 1);
    } else if let Some(behind_colon) = rest.strip_prefix(':') {
        line.push_str(if behind_colon.trim().is_empty() {
            ":"
        } else {
            ": …"
        });
    } else if !rest.trim().is_empty() {
        line.push('…');
    }
    let length = line.chars().count();
    if length > LONGEST {
        // Keep what is around the caret.
        let from = caret.saturating_sub(LONGEST / 2);
        line = std::iter::once('…')
            .chain(line.chars().skip(from).take(LONGEST))
            .collect();
        caret = caret - from + 1;
    }
    let template = ["{{", "\"{{", "'{{"]
        .iter()
        .any(|mark| locator.source[offset..].starts_with(mark));
    ManifestError {
        fault,
        line: number,
        column,
        excerpt: Some((line, caret)),
        template,
    }
}

/// Whether a key is what people use for keys. Where a colon was forgotten, what reads as a key may hold a value.
fn is_word(key: &str) -> bool {
    let word = key.trim_matches(['"', '\'']);
    word == "<<"
        || word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}

/// What separates two keys on one line, with everything masked that is not punctuation.
fn structure(between: &str) -> String {
    let mut line = String::new();
    for character in between.chars() {
        match character {
            ' ' | '{' | '[' | ',' => line.push(character),
            _ if line.ends_with('…') => {}
            _ => line.push('…'),
        }
    }
    line
}

/// Collects what must not be shown: all scalars and aliases that are not keys, with tags and anchors before them.
fn hide_values(node: &Node<'_>, from: usize, hidden: &mut Vec<Range<usize>>) {
    match &node.kind {
        NodeKind::Alias | NodeKind::Scalar { .. } => hidden.push(from.min(node.start)..node.end),
        NodeKind::Mapping { flow, entries } => {
            let mut before = node.start + usize::from(*flow);
            for pair in entries {
                // A value without its key may read as a tag or an anchor before a key that is not there.
                if pair.key.tag != Tag::None || pair.key.anchored {
                    hidden.push(before.min(pair.key.start)..pair.key.start);
                }
                before = pair.value.end;
                if !pair.key.scalar_str().is_some_and(is_word) {
                    hidden.push(pair.key.start..pair.key.end);
                }
                // Behind the colon and one space; a tag or an anchor may stand before the value.
                let from = (pair.key.end + 2).min(pair.value.start);
                if is_section(&pair.key) {
                    // An unquoted `{word}` is a mapping to YAML and a secret to its author.
                    for field in pair.value.entries() {
                        hidden.push((field.key.end + 2).min(field.value.start)..field.value.end);
                    }
                }
                hide_values(&pair.value, from, hidden);
            }
        }
        NodeKind::Sequence { items } => {
            let mut from = node.start;
            for item in items {
                hide_values(item, (from + 1).min(item.start), hidden);
                from = item.end;
            }
        }
    }
}
