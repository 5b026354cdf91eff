//! Manifests whose values are missing.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::yaml::{Comment, File, Node, Pair};

/// Where a value could be opened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Under its name in its namespace.
    Strict,
    /// In its namespace.
    Namespace,
    /// Everywhere.
    Cluster,
}

/// A file with plain Secrets in place of what another tool encrypted.
pub struct Draft {
    /// The file; every value of the Secrets below is an empty text in it.
    pub text: String,
    /// In the order of the file.
    pub secrets: Vec<DraftSecret>,
}

/// A Secret of a draft.
pub struct DraftSecret {
    /// The line of the draft on which it begins, counted from 1.
    pub line: usize,
    /// The line of the original.
    pub line_before: usize,
    /// How people know it.
    pub name: String,
    /// How widely its values could be opened.
    pub scope: Scope,
    /// Keys and values, in the order of the file. The keys stand below `stringData`.
    pub values: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// One line of a manifest.
pub(super) struct Line<'f, 'a> {
    pub(super) depth: usize,
    pub(super) key: Word<'f, 'a>,
    pub(super) value: Option<Word<'f, 'a>>,
    /// Where it stood, for its comments.
    pub(super) at: Option<usize>,
}

/// A word of a manifest: as someone wrote it, or one of ours.
pub(super) enum Word<'f, 'a> {
    Theirs(&'f Node<'a>),
    /// Written as it is, in YAML and JSON alike.
    Ours(&'static str),
}

impl<'f, 'a> Line<'f, 'a> {
    /// As it was.
    pub(super) fn copied(depth: usize, pair: &'f Pair<'a>) -> Self {
        Self {
            depth,
            key: Word::Theirs(&pair.key),
            value: Some(Word::Theirs(&pair.value)),
            at: Some(pair.key.range.start),
        }
    }

    /// A key of ours, where something of theirs stood.
    pub(super) fn ours(
        depth: usize,
        key: &'static str,
        value: Option<Word<'f, 'a>>,
        at: Option<&Pair<'_>>,
    ) -> Self {
        Self {
            depth,
            key: Word::Ours(key),
            value,
            at: at.map(|pair| pair.key.range.start),
        }
    }
}

impl Word<'_, '_> {
    fn yaml(&self, source: &str) -> String {
        match self {
            Self::Ours(word) => (*word).to_owned(),
            Self::Theirs(node) => {
                let written = &source[node.range.clone()];
                if written.is_empty() || written.contains('\n') || written.starts_with(['|', '>']) {
                    quoted(node.text().unwrap_or_default())
                } else {
                    written.to_owned()
                }
            }
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Ours(word) if matches!(*word, "true" | "\"\"") => (*word).to_owned(),
            Self::Ours(word) => quoted(word),
            Self::Theirs(node) => quoted(node.text().unwrap_or_default()),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The document as YAML. No comment between `root`'s first and last byte is lost.
pub(super) fn yaml(lines: &[Line<'_, '_>], root: &Node<'_>, file: &File<'_>) -> String {
    let comments = Comments::of(lines, root, file);
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let indent = "  ".repeat(line.depth);
        for comment in &comments.above[index] {
            let _ = writeln!(text, "{indent}{comment}");
        }
        let _ = write!(text, "{indent}{}:", line.key.yaml(file.source));
        if let Some(value) = &line.value {
            text.push(' ');
            text.push_str(&value.yaml(file.source));
        }
        for comment in &comments.beside[index] {
            let _ = write!(text, " {comment}");
        }
        text.push('\n');
        for comment in &comments.below[index] {
            let _ = writeln!(text, "{indent}{comment}");
        }
    }
    for comment in &comments.behind {
        let _ = writeln!(text, "{comment}");
    }
    text.truncate(text.trim_end_matches('\n').len());
    if file.source.contains("\r\n") {
        return text.replace('\n', "\r\n");
    }
    text
}

/// The document as JSON, indented by two.
pub(super) fn json(lines: &[Line<'_, '_>]) -> String {
    let mut text = String::from("{");
    let mut depth = 0;
    for (index, line) in lines.iter().enumerate() {
        while depth > line.depth {
            let _ = write!(text, "\n{}}}", "  ".repeat(depth));
            depth -= 1;
        }
        if index > 0 && !text.ends_with('{') {
            text.push(',');
        }
        let _ = write!(
            text,
            "\n{}{}: ",
            "  ".repeat(line.depth + 1),
            line.key.json()
        );
        if let Some(value) = &line.value {
            text.push_str(&value.json());
        } else {
            text.push('{');
            depth += 1;
        }
    }
    while depth > 0 {
        let _ = write!(text, "\n{}}}", "  ".repeat(depth));
        depth -= 1;
    }
    text.push_str("\n}");
    text
}

/// Which comment goes with which line.
struct Comments<'a> {
    above: Vec<Vec<&'a str>>,
    beside: Vec<Vec<&'a str>>,
    below: Vec<Vec<&'a str>>,
    behind: Vec<&'a str>,
}

impl<'a> Comments<'a> {
    fn of(lines: &[Line<'_, '_>], root: &Node<'_>, file: &File<'a>) -> Self {
        let mut places: Vec<(usize, usize)> = lines
            .iter()
            .enumerate()
            .filter_map(|(index, line)| Some((line.at?, index)))
            .collect();
        places.sort_unstable();
        let mut all = Self {
            above: vec![Vec::new(); lines.len()],
            beside: vec![Vec::new(); lines.len()],
            below: vec![Vec::new(); lines.len()],
            behind: Vec::new(),
        };
        let inside = |comment: &&Comment| root.range.contains(&comment.range.start);
        for comment in file.comments.iter().filter(inside) {
            let text = file.source[comment.range.clone()].trim_end();
            let next = places.partition_point(|(at, _)| *at <= comment.range.start);
            let before = next.checked_sub(1).map(|place| places[place]);
            let same_line = |at: usize| file.line(at) == file.line(comment.range.start);
            match before {
                Some((at, index)) if !comment.alone && same_line(at) => {
                    all.beside[index].push(text);
                }
                // It ends a map: what follows is further out.
                Some((_, index)) if comment.alone && is_last(comment, file.source) => {
                    all.below[index].push(text);
                }
                _ => match places.get(next) {
                    Some((_, index)) => all.above[*index].push(text),
                    None => all.behind.push(text),
                },
            }
        }
        all
    }
}

/// Whether the next line with something on it is indented less than the comment.
fn is_last(comment: &Comment, source: &str) -> bool {
    let before = &source[..comment.range.start];
    let own = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let next = source[comment.range.end..]
        .lines()
        .skip(1)
        .map(|line| (line, line.trim_start()))
        .find(|(_, word)| !word.is_empty() && !word.starts_with('#'));
    next.is_some_and(|(line, word)| line.len() - word.len() < own)
}
