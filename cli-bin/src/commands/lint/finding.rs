//! What was found, and where.
use crate::project::lint::rules::{Level, RuleId};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// The file, as the user would name it.
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// `namespace/name`, as far as known.
    pub secret: Option<String>,
    /// `data/password`.
    pub field: Option<String>,
    /// What is wrong; lower case, no full stop, never a value.
    pub message: String,
    /// The next step.
    pub next: String,
    /// The line with everything masked that may be a value, and the caret's column in it.
    pub excerpt: Option<(String, usize)>,
    /// Why it does not count, where `.privy.yaml` says so.
    pub suppressed: Option<String>,
}

impl Finding {
    /// At the beginning of a file, with the rule's own next step.
    pub fn new(rule: RuleId, path: &str, message: impl Into<String>) -> Self {
        Self {
            rule,
            path: path.to_owned(),
            line: 1,
            column: 1,
            secret: None,
            field: None,
            message: message.into(),
            next: rule.rule().next.to_owned(),
            excerpt: None,
            suppressed: None,
        }
    }

    /// What stays the same when lines move: rule, file, Secret and field.
    pub fn fingerprint(&self) -> String {
        let parts = [
            self.rule.as_str(),
            &self.path,
            self.secret.as_deref().unwrap_or_default(),
            self.field.as_deref().unwrap_or_default(),
        ];
        parts.join("|")
    }

    /// Secret, field, what is wrong and the next step, for a report without a layout of its own.
    pub fn sentence(&self) -> String {
        let subject: Vec<&str> = [self.secret.as_deref(), self.field.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        let subject = match subject[..] {
            [] => String::new(),
            _ => format!("{}: ", subject.join(" ")),
        };
        format!("{subject}{}. Next step: {}.", self.message, self.next)
    }

    /// Whether it makes the exit code 1.
    pub fn counts(&self) -> bool {
        self.suppressed.is_none() && self.rule.rule().level > Level::Note
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that were opened.
    pub files: usize,
    /// Secrets in them.
    pub secrets: usize,
    /// Values of those Secrets.
    pub values: usize,
    /// Values that are envelopes.
    pub sealed: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.secrets += other.secrets;
        self.values += other.values;
        self.sealed += other.sealed;
    }
}

/// Everything that one run found.
#[derive(Debug, Default)]
pub struct LintOutcome {
    /// By path, line and column.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub tally: Tally,
    /// What was not checked, and how it could be.
    pub not_checked: Vec<String>,
    /// Allowances and entries of the baseline that nothing is found for any more.
    pub unused: Vec<String>,
}

impl LintOutcome {
    /// How many unsuppressed findings there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.suppressed.is_none() && finding.rule.rule().level == level)
            .count()
    }

    /// How many are suppressed.
    pub fn suppressed(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.suppressed.is_some())
            .count()
    }
}

/// The lines of a file, found once for all of its findings.
#[derive(Clone, Debug)]
pub struct LineIndex<'s> {
    source: &'s str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'s> LineIndex<'s> {
    /// Of what is before a value on its line no more is looked at, so that one long line costs no more than many.
    const LOOKED_AT: usize = 400;

    /// Of this file.
    pub fn new(source: &'s str) -> Self {
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let behind = source.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            source,
            starts: std::iter::once(0).chain(behind).collect(),
        }
    }

    /// The line of a value, with nothing of it but its key: whatever else stands on the line may be secret.
    pub fn excerpt(&self, line: usize, column: usize) -> Option<(String, usize)> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        if start == self.source.len() {
            return None;
        }
        let before = column.checked_sub(1)?;
        let mut letters = self.source[start..]
            .chars()
            .take_while(|letter| *letter != '\n');
        let looked_at = before.min(Self::LOOKED_AT);
        let before_value: String = letters.by_ref().take(looked_at).collect();
        // Far behind the beginning of a line there is a value, or there would be no finding.
        let after = looked_at < before || letters.next().is_some_and(|letter| letter != '\r');
        let shown = if looked_at == before && is_key_alone(&before_value) {
            before_value
        } else {
            let indent = before_value.len() - before_value.trim_start_matches(' ').len();
            let indent = " ".repeat(indent);
            if before_value.trim().is_empty() {
                indent
            } else {
                format!("{indent}… ")
            }
        };
        let caret = shown.chars().count();
        Some((if after { format!("{shown}…") } else { shown }, caret))
    }
}

/// Indentation, list marks, one key and a colon.
fn is_key_alone(before: &str) -> bool {
    let text = before.trim_start_matches([' ', '-']).trim_end();
    let Some(key) = text.strip_suffix(':') else {
        return false;
    };
    let key = key.trim_matches(['"', '\'']);
    before.len() < 120
        && !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::LineIndex;

    #[test]
    fn shows_the_key_and_never_a_value() {
        for (source, column, expected) in [
            ("  password: hunter2", 13, ("  password: …", 12)),
            ("  \"a\": hunter2", 8, ("  \"a\": …", 7)),
            ("{a: hunter2, b: hunter3}", 17, ("… …", 2)),
            ("    hunter2", 5, ("    …", 4)),
            ("  - password: x", 15, ("  - password: …", 14)),
            ("hunter2 hunter2: hunter2", 18, ("… …", 2)),
        ] {
            let (line, caret) = LineIndex::new(source).excerpt(1, column).unwrap();
            assert_eq!((line.as_str(), caret), expected, "{source}");
        }
    }

    #[test]
    fn lines_are_found_by_their_number() {
        let lines = LineIndex::new("\u{feff}a: b\r\n\nc: \r\n  d: e");
        for (line, column, expected) in [
            (1, 4, Some(("a: …", 3))),
            (2, 1, Some(("", 0))),
            (3, 4, Some(("c: ", 3))),
            (4, 6, Some(("  d: …", 5))),
            (5, 1, None),
        ] {
            let found = lines.excerpt(line, column);
            let found = found.as_ref().map(|(text, caret)| (text.as_str(), *caret));
            assert_eq!(found, expected, "{line}");
        }
        let long = format!("{{{}", "a: hunter2, ".repeat(100));
        let expected = Some(("… …".to_owned(), 2));
        assert_eq!(LineIndex::new(&long).excerpt(1, 1_000), expected);
    }
}
