//! What was found, and where.
use super::rules::{Level, RuleId};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub struct Outcome {
    /// By path, line and column.
    pub findings: Vec<Finding>,
    /// How much was looked at.
    pub tally: Tally,
    /// What was not checked, and how it could be.
    pub not_checked: Vec<String>,
}

impl Outcome {
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

/// The line of a value, with nothing of it but its key: whatever else stands on the line may be secret.
pub fn excerpt(source: &str, line: usize, column: usize) -> Option<(String, usize)> {
    let text = source
        .strip_prefix('\u{feff}')
        .unwrap_or(source)
        .lines()
        .nth(line.checked_sub(1)?)?;
    let before: String = text.chars().take(column.checked_sub(1)?).collect();
    let after = text.chars().nth(column - 1).is_some();
    let shown = if is_key_alone(&before) {
        before
    } else {
        let indent: String = before.chars().take_while(|letter| *letter == ' ').collect();
        if before.trim().is_empty() {
            indent
        } else {
            format!("{indent}… ")
        }
    };
    let caret = shown.chars().count();
    Some((if after { format!("{shown}…") } else { shown }, caret))
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
    use super::excerpt;

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
            let (line, caret) = excerpt(source, 1, column).unwrap();
            assert_eq!((line.as_str(), caret), expected, "{source}");
        }
    }
}
