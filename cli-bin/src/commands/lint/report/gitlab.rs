//! Findings for merge requests of GitLab: its code quality report, a list of issues in the form of Code Climate.
use std::collections::HashMap;

use serde_json::{Value, json};

use crate::commands::lint::finding::LintOutcome;
use crate::project::lint::rules::Level;
use crate::text::one_line;

/// One list. What does not count is not in it.
pub fn print(outcome: &LintOutcome) -> String {
    // Two issues with one fingerprint would be shown as one.
    let mut known: HashMap<String, usize> = HashMap::new();
    let issues: Vec<Value> = outcome
        .findings
        .iter()
        .filter(|finding| finding.suppressed.is_none())
        .map(|finding| {
            let fingerprint = finding.fingerprint();
            let number = known.entry(fingerprint.clone()).or_default();
            *number += 1;
            json!({
                "description": one_line(&finding.sentence()),
                "check_name": finding.rule.as_str(),
                "fingerprint": format!("{fingerprint}|{number}"),
                "severity": match finding.rule.rule().level {
                    Level::Error => "critical",
                    Level::Warning => "major",
                    Level::Note => "info",
                },
                "location": { "path": finding.path, "lines": { "begin": finding.line } },
            })
        })
        .collect();
    format!("{:#}\n", Value::from(issues))
}
