//! Findings for programs; `schemas/cli/lint.schema.json` describes them.
use serde_json::{Value, json};

use crate::commands::lint::finding::{Finding, LintOutcome};
use crate::project::lint::rules::Level;
use crate::text::one_line;

/// One JSON object.
pub fn print(outcome: &LintOutcome) -> String {
    let findings: Vec<Value> = outcome.findings.iter().map(one).collect();
    let report = json!({
        "version": 1,
        "findings": findings,
        "summary": {
            "files": outcome.tally.files,
            "secrets": outcome.tally.secrets,
            "values": outcome.tally.values,
            "sealed": outcome.tally.sealed,
            "errors": outcome.count(Level::Error),
            "warnings": outcome.count(Level::Warning),
            "notes": outcome.count(Level::Note),
            "suppressed": outcome.suppressed(),
        },
        "notChecked": outcome.not_checked,
        "unused": outcome.unused,
    });
    format!("{report:#}\n")
}

fn one(finding: &Finding) -> Value {
    let mut value = json!({
        "rule": finding.rule.as_str(),
        "level": finding.rule.rule().level.as_str(),
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "message": one_line(&finding.message),
        "next": one_line(&finding.next),
    });
    let members = [
        ("secret", &finding.secret),
        ("field", &finding.field),
        ("suppressed", &finding.suppressed),
    ];
    for (name, text) in members {
        if let Some(text) = text {
            value[name] = json!(text);
        }
    }
    value
}
