//! Findings for the log of a GitHub job: workflow commands, which are shown beside the lines of a pull request.
use std::fmt::Write as _;

use crate::commands::lint::finding::LintOutcome;
use crate::project::lint::rules::Level;
use crate::text::one_line;

/// One command a line. What does not count is not in it.
pub fn print(outcome: &LintOutcome) -> String {
    let mut text = String::new();
    let shown = outcome
        .findings
        .iter()
        .filter(|finding| finding.suppressed.is_none());
    for finding in shown {
        let command = match finding.rule.rule().level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let _ = writeln!(
            text,
            "::{command} file={},line={},col={},title={}::{}",
            property(&finding.path),
            finding.line,
            finding.column,
            property(&format!("privy lint: {}", finding.rule)),
            data(&finding.sentence()),
        );
    }
    text
}

/// What stands behind the second `::`. Control characters, and others that deceive, are escaped before: no line of
/// another person's begins a command.
fn data(text: &str) -> String {
    one_line(text).replace('%', "%25")
}

/// A property ends at a comma, and the properties end at a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    #[test]
    fn nothing_ends_a_property_or_a_command() {
        assert_eq!(property("a,line=1::b%"), "a%2Cline=1%3A%3Ab%25");
        let data = data("x\n::error::y\r");
        assert!(!data.contains(['\n', '\r']), "{data:?}");
    }
}
