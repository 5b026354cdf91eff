//! From a plan to replacements of bytes, in the style of what is around them.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lines::{line_end, line_start};
use super::node::{Node, NodeKind, Pair, Style};
use super::plan::{EditValue, EditedMap, EntryEdits, SectionEdits, plain};
use crate::error::Fault;

/// Bytes that give way to a text.
#[derive(Debug)]
pub(super) struct Splice {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

type Faulty<T> = Result<T, (usize, Fault)>;

/// How the file is written.
pub(super) struct FileStyle<'s> {
    source: &'s str,
    json: bool,
    newline: &'static str,
}

/// How entries of one flow mapping are written.
#[derive(Clone, Copy)]
struct FlowStyle {
    quoted: bool,
    compact: bool,
}

impl<'s> FileStyle<'s> {
    pub(super) fn new(source: &'s str, json: bool) -> Self {
        let first = source.find('\n').unwrap_or_default();
        let newline = if source[..first].ends_with('\r') {
            "\r\n"
        } else {
            "\n"
        };
        Self {
            source,
            json,
            newline,
        }
    }

    /// All edits of a Secret's parts, or of its metadata's.
    pub(super) fn edit(&self, root: &Node<'_>, sections: &SectionEdits) -> Faulty<Vec<Splice>> {
        let mut splices = Vec::new();
        let mut emptied = BTreeSet::new();
        let mut created = Vec::new();
        for (section, plan) in sections {
            match root
                .entries()
                .iter()
                .position(|pair| pair.key.scalar_str() == Some(section.as_str()))
            {
                None => created.push((*section, plan)),
                Some(index) => {
                    let pair = &root.entries()[index];
                    for (entry, value) in &plan.replaced {
                        splices.extend(self.replace(&pair.value.entries()[*entry], value)?);
                    }
                    let survivors = pair.value.entries().len() - plan.removed.len();
                    if survivors == 0 && plan.inserted.is_empty() && !plan.removed.is_empty() {
                        emptied.insert(index);
                    } else {
                        splices.extend(self.reshape(root, pair, plan)?);
                    }
                }
            }
        }
        splices.extend(self.drop_sections(root, &emptied)?);
        if !created.is_empty() {
            splices.push(self.create_sections(root, &created));
        }
        Ok(splices)
    }

    /// A new text for one value.
    fn replace(&self, pair: &Pair<'_>, text: &EditValue) -> Faulty<Vec<Splice>> {
        let value = &pair.value;
        let at = value.start..value.end;
        let one = |at, text| Ok(vec![Splice { at, text }]);
        match value.scalar() {
            Some((_, Style::Plain)) if value.is_empty_plain() => match self.colon(pair) {
                Some(colon) => one(colon + 1..colon + 1, format!(" {}", text.plain())),
                None => Err(not_editable(value, "it has no colon")),
            },
            Some((_, Style::Plain)) if self.json => one(at, text.double_quoted()),
            Some((_, Style::Plain)) => one(at, text.plain()),
            Some((_, Style::SingleQuoted)) => one(at, text.single_quoted()),
            Some((_, Style::DoubleQuoted)) => one(at, text.double_quoted()),
            Some((_, Style::Block)) => self.replace_block(value, text),
            None => Err(not_editable(value, "it is not a scalar")),
        }
    }

    /// The header becomes the new text, so a comment behind it stays; the lines of the body go.
    fn replace_block(&self, value: &Node<'_>, text: &EditValue) -> Faulty<Vec<Splice>> {
        let written = &self.source[value.start..];
        if !written.starts_with(['|', '>']) {
            return Err(not_editable(value, "the start of its block was not found"));
        }
        let header = 1 + written[1..]
            .bytes()
            .take_while(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9'))
            .count();
        let mut splices = vec![Splice {
            at: value.start..value.start + header,
            text: text.plain(),
        }];
        let body_start = line_end(self.source, value.start);
        // Blank lines behind the content separate it from what follows, and stay.
        let body =
            self.source[body_start..value.end.max(body_start)].trim_end_matches(['\r', '\n', ' ']);
        if !body.is_empty() {
            let body_end = line_end(self.source, body_start + body.len());
            splices.push(Splice {
                at: body_start..body_end,
                text: String::new(),
            });
        }
        Ok(splices)
    }

    /// Removes and inserts entries of a section that keeps or gets at least one.
    fn reshape(&self, root: &Node<'_>, pair: &Pair<'_>, plan: &EntryEdits) -> Faulty<Vec<Splice>> {
        let map = &pair.value;
        let entries = map.entries();
        if let NodeKind::Mapping { flow: false, .. } = map.kind {
            let mut splices = self.remove_lines(map, &plan.removed, value_before(root, pair))?;
            if !plan.inserted.is_empty() {
                let last_removed = plan.removed.contains(&(entries.len() - 1));
                let lines = Self::lines(self.column(map), &plan.inserted);
                splices.push(self.insert_lines(map.end, &lines, last_removed));
            }
            return Ok(splices);
        }
        let style = self.flow_style(map, pair);
        if entries.is_empty() {
            return if plan.inserted.is_empty() {
                Ok(Vec::new())
            } else {
                self.fill(root, pair, style, &plan.inserted)
                    .map(|splice| vec![splice])
            };
        }
        let separator = self.separator(map, style);
        let texts: Vec<String> = plan
            .inserted
            .iter()
            .map(|(key, value)| Self::flow_entry(style, key, value))
            .collect();
        if plan.removed.len() == entries.len() {
            let at = entries[0].key.start..self.value_end(&entries[entries.len() - 1]);
            return Ok(vec![Splice {
                at,
                text: texts.join(&format!(",{separator}")),
            }]);
        }
        let mut splices = self.remove_from_flow(map, &plan.removed);
        if !texts.is_empty() {
            splices.push(self.append_to_flow(map, &separator, &texts));
        }
        Ok(splices)
    }

    /// First entries for a section that is `{}`, `null` or nothing at all.
    fn fill(
        &self,
        root: &Node<'_>,
        pair: &Pair<'_>,
        style: FlowStyle,
        inserted: &[(String, EditValue)],
    ) -> Faulty<Splice> {
        let value = &pair.value;
        let texts: Vec<String> = inserted
            .iter()
            .map(|(key, value)| Self::flow_entry(style, key, value))
            .collect();
        let joined = texts.join(if style.compact { "," } else { ", " });
        if matches!(value.kind, NodeKind::Mapping { .. }) {
            return Ok(Splice {
                at: value.start + 1..value.start + 1,
                text: joined,
            });
        }
        if !value.is_empty_plain() {
            return Ok(Splice {
                at: value.start..value.end,
                text: format!("{{{joined}}}"),
            });
        }
        let colon = self
            .colon(pair)
            .ok_or_else(|| not_editable(value, "it has no colon"))?;
        if matches!(root.kind, NodeKind::Mapping { flow: true, .. }) {
            return Ok(Splice {
                at: colon + 1..colon + 1,
                text: format!(" {{{joined}}}"),
            });
        }
        let lines = Self::lines(self.column(root) + self.step(root), inserted);
        Ok(self.insert_lines(colon + 1, &lines, false))
    }

    /// Takes whole sections out of a Secret.
    fn drop_sections(&self, root: &Node<'_>, emptied: &BTreeSet<usize>) -> Faulty<Vec<Splice>> {
        if matches!(root.kind, NodeKind::Mapping { flow: true, .. }) {
            return Ok(self.remove_from_flow(root, emptied));
        }
        let mut splices = Vec::new();
        for index in emptied {
            let pair = &root.entries()[*index];
            let all: BTreeSet<usize> = (0..pair.value.entries().len()).collect();
            if !self.begins_line(&pair.key) {
                // Behind a dash the key must stay; an empty mapping says the same as none.
                let colon = self
                    .colon(pair)
                    .ok_or_else(|| not_editable(&pair.key, "it has no colon"))?;
                splices.push(Splice {
                    at: colon + 1..pair.value.end,
                    text: " {}".to_owned(),
                });
            } else if matches!(pair.value.kind, NodeKind::Mapping { flow: true, .. }) {
                splices.extend(self.remove_lines(root, &BTreeSet::from([*index]), None)?);
            } else {
                let header = line_start(self.source, pair.key.start)..self.after_line(pair.key.end);
                splices.push(Splice {
                    at: header,
                    text: String::new(),
                });
                splices.extend(self.remove_lines(&pair.value, &all, value_before(root, pair))?);
            }
        }
        Ok(splices)
    }

    /// Sections that were not there, after the last entry of the Secret.
    fn create_sections(&self, root: &Node<'_>, created: &[(EditedMap, &EntryEdits)]) -> Splice {
        let entries = root.entries();
        let last = &entries[entries.len() - 1];
        if matches!(root.kind, NodeKind::Mapping { flow: false, .. }) {
            let column = self.column(root);
            let mut lines = Vec::new();
            for (section, plan) in created {
                lines.push(format!("{}{}:", " ".repeat(column), section.as_str()));
                lines.extend(Self::lines(column + self.step(root), &plan.inserted));
            }
            return self.insert_lines(last.value.end.max(last.key.end), &lines, false);
        }
        let style = self.flow_style(root, last);
        let separator = self.separator(root, style);
        let texts: Vec<String> = created
            .iter()
            .map(|(section, plan)| self.flow_section(root, style, &separator, *section, plan))
            .collect();
        self.append_to_flow(root, &separator, &texts)
    }

    /// A section as one entry of a flow mapping, over several lines where its neighbors are.
    fn flow_section(
        &self,
        root: &Node<'_>,
        style: FlowStyle,
        separator: &str,
        section: EditedMap,
        plan: &EntryEdits,
    ) -> String {
        let texts: Vec<String> = plan
            .inserted
            .iter()
            .map(|(key, value)| Self::flow_entry(style, key, value))
            .collect();
        let colon = if style.compact { ":" } else { ": " };
        let name = if style.quoted {
            format!("\"{}\"", section.as_str())
        } else {
            section.as_str().to_owned()
        };
        if !separator.contains('\n') {
            return format!(
                "{name}{colon}{{{}}}",
                texts.join(if style.compact { "," } else { ", " })
            );
        }
        let closing = line_start(self.source, root.end - 1);
        let outer = root.end - 1 - closing;
        let indent = separator.trim_start_matches(['\r', '\n']).len();
        let step = if self.source[closing..root.end - 1].trim().is_empty() && indent > outer {
            indent - outer
        } else {
            2
        };
        let inner = format!("{separator}{}", " ".repeat(step));
        format!(
            "{name}{colon}{{{inner}{}{separator}}}",
            texts.join(&format!(",{inner}"))
        )
    }

    /// Lines of a block mapping.
    fn lines(column: usize, inserted: &[(String, EditValue)]) -> Vec<String> {
        let indent = " ".repeat(column);
        inserted
            .iter()
            .map(|(key, value)| format!("{indent}{}: {}", plain(key), value.plain()))
            .collect()
    }

    /// Puts lines behind the line on which something ends.
    fn insert_lines(&self, end: usize, lines: &[String], line_is_removed: bool) -> Splice {
        let at = self.after_line(end);
        let joined = lines.join(self.newline);
        let text = if self.source[..at].ends_with('\n') || line_is_removed {
            format!("{joined}{}", self.newline)
        } else {
            format!("{}{joined}", self.newline)
        };
        Splice { at: at..at, text }
    }

    /// Takes the lines of entries out of a block mapping; `before` is what is before its first entry.
    fn remove_lines<'n, 'a>(
        &self,
        map: &'n Node<'a>,
        removed: &BTreeSet<usize>,
        mut before: Option<&'n Node<'a>>,
    ) -> Faulty<Vec<Splice>> {
        let mut splices = Vec::new();
        for (index, pair) in map.entries().iter().enumerate() {
            if !removed.contains(&index) {
                before = Some(&pair.value);
                continue;
            }
            if !self.begins_line(&pair.key) {
                return Err(not_editable(
                    &pair.key,
                    "other text precedes it on its line",
                ));
            }
            let mut end = self.after_line(pair.value.end.max(pair.key.end));
            if before.is_some_and(|before| self.keeps_blank_lines(before)) {
                // Blank lines left behind would become part of the value above.
                end += blank_lines(&self.source[end..]);
            }
            splices.push(Splice {
                at: line_start(self.source, pair.key.start)..end,
                text: String::new(),
            });
        }
        Ok(splices)
    }

    /// Whether blank lines behind this node would be part of its value: it ends with `|+` or `>+`.
    fn keeps_blank_lines(&self, node: &Node<'_>) -> bool {
        match &node.kind {
            NodeKind::Scalar {
                style: Style::Block,
                ..
            } => {
                let header = &self.source[node.start..line_end(self.source, node.start)];
                header
                    .split([' ', '\t'])
                    .next()
                    .is_some_and(|indicators| indicators.contains('+'))
            }
            NodeKind::Mapping {
                flow: false,
                entries,
            } => entries
                .last()
                .is_some_and(|pair| self.keeps_blank_lines(&pair.value)),
            NodeKind::Sequence { items } => items
                .last()
                .is_some_and(|item| self.keeps_blank_lines(item)),
            _ => false,
        }
    }

    /// Takes entries and the commas between them out of a flow mapping that keeps at least one.
    fn remove_from_flow(&self, map: &Node<'_>, removed: &BTreeSet<usize>) -> Vec<Splice> {
        let entries = map.entries();
        let mut splices = Vec::new();
        let mut index = 0;
        while index < entries.len() {
            let first = index;
            while removed.contains(&index) {
                index += 1;
            }
            if index > first {
                let at = if first > 0 {
                    self.value_end(&entries[first - 1])..self.value_end(&entries[index - 1])
                } else {
                    entries[0].key.start
                        ..entries
                            .get(index)
                            .map_or(self.value_end(&entries[index - 1]), |next| next.key.start)
                };
                splices.push(Splice {
                    at,
                    text: String::new(),
                });
            }
            index += 1;
        }
        splices
    }

    fn append_to_flow(&self, map: &Node<'_>, separator: &str, texts: &[String]) -> Splice {
        let entries = map.entries();
        let end = self.value_end(&entries[entries.len() - 1]);
        let rest = &self.source[end..map.end];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let joined = texts.join(&format!(",{separator}"));
        // YAML allows a comma behind the last entry.
        if rest[blank..].starts_with(',') {
            let at = end + blank + 1;
            return Splice {
                at: at..at,
                text: format!("{separator}{joined}"),
            };
        }
        Splice {
            at: end..end,
            text: format!(",{separator}{joined}"),
        }
    }

    fn flow_entry(style: FlowStyle, key: &str, value: &EditValue) -> String {
        let colon = if style.compact { ":" } else { ": " };
        if style.quoted {
            format!("\"{key}\"{colon}{}", value.double_quoted())
        } else {
            format!("{}{colon}{}", plain(key), value.plain())
        }
    }

    /// As the mapping's first entry is written, or else the entry that the mapping is the value of.
    fn flow_style(&self, map: &Node<'_>, holder: &Pair<'_>) -> FlowStyle {
        let sample = map.entries().first().unwrap_or(holder);
        let quoted = self.json || matches!(sample.key.scalar(), Some((_, Style::DoubleQuoted)));
        let compact = quoted
            && self.source[sample.key.end..].starts_with(':')
            && sample.value.start == sample.key.end + 1;
        FlowStyle { quoted, compact }
    }

    /// What is between a comma and the next entry of this mapping.
    fn separator(&self, map: &Node<'_>, style: FlowStyle) -> String {
        let entries = map.entries();
        let last = &entries[entries.len() - 1];
        let before = &self.source[map.start..last.key.start];
        let blank = &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..];
        match blank.rfind('\n') {
            Some(at) => format!("{}{}", self.newline, &blank[at + 1..]),
            None if style.compact => String::new(),
            None => " ".to_owned(),
        }
    }

    /// Behind the value, or behind the colon of an entry without one.
    fn value_end(&self, pair: &Pair<'_>) -> usize {
        if pair.value.is_empty_plain() {
            self.colon(pair).map_or(pair.key.end, |colon| colon + 1)
        } else {
            pair.value.end
        }
    }

    fn colon(&self, pair: &Pair<'_>) -> Option<usize> {
        let rest = &self.source[pair.key.end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        rest[blank..]
            .starts_with(':')
            .then_some(pair.key.end + blank)
    }

    /// The column of a block mapping's keys.
    fn column(&self, map: &Node<'_>) -> usize {
        let first = map
            .entries()
            .first()
            .map_or(map.start, |pair| pair.key.start);
        let start = line_start(self.source, first);
        self.source[start..first]
            .trim_start_matches('\u{feff}')
            .chars()
            .count()
    }

    /// By how much this Secret indents what is in its members.
    fn step(&self, root: &Node<'_>) -> usize {
        let outer = self.column(root);
        let inner = root.entries().iter().map(|pair| &pair.value);
        let inner =
            inner.filter(|value| matches!(&value.kind, NodeKind::Mapping { flow: false, .. }));
        inner
            .map(|value| self.column(value))
            .find(|column| *column > outer)
            .map_or(2, |column| column - outer)
    }

    fn begins_line(&self, node: &Node<'_>) -> bool {
        self.source[line_start(self.source, node.start)..node.start]
            .bytes()
            .all(|byte| byte == b' ')
    }

    /// Where the line after this offset begins, which is here if a line begins here.
    fn after_line(&self, offset: usize) -> usize {
        if offset > 0 && self.source.as_bytes()[offset - 1] == b'\n' {
            return offset;
        }
        self.source[offset..]
            .find('\n')
            .map_or(self.source.len(), |at| offset + at + 1)
    }
}

/// The value of the entry before this one.
fn value_before<'n, 'a>(map: &'n Node<'a>, pair: &Pair<'a>) -> Option<&'n Node<'a>> {
    let index = map
        .entries()
        .iter()
        .position(|other| std::ptr::eq(other, pair))?;
    map.entries()
        .get(index.checked_sub(1)?)
        .map(|before| &before.value)
}

/// The length of the blank lines at the beginning.
fn blank_lines(text: &str) -> usize {
    text.split_inclusive('\n')
        .take_while(|line| line.trim_matches([' ', '\r', '\n']).is_empty())
        .map(str::len)
        .sum()
}

fn not_editable(node: &Node<'_>, reason: &'static str) -> (usize, Fault) {
    (
        node.start,
        Fault::NotEditable {
            what: "this place".to_owned(),
            reason,
        },
    )
}
