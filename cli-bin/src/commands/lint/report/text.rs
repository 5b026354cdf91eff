//! Findings for people.
use std::fmt::Write as _;

use super::Paint;
use crate::cli::lint::LintFormat;
use crate::commands::lint::finding::{Finding, LintOutcome};
use crate::project::lint::rules::{Level, RuleId};
use crate::text::{one_line, printable};

/// Every finding with its line and next step, then the sums and what was not checked.
pub fn print(outcome: &LintOutcome, paint: Paint) -> String {
    let mut text = String::new();
    let shown = outcome
        .findings
        .iter()
        .filter(|finding| finding.suppressed.is_none());
    for finding in shown {
        one(&mut text, finding, paint);
    }
    summary(&mut text, outcome, paint);
    text
}

fn one(text: &mut String, finding: &Finding, paint: Paint) {
    let level = finding.rule.rule().level;
    let word = match level {
        Level::Error => paint.red("error"),
        Level::Warning => paint.yellow("warning"),
        Level::Note => paint.dim("note"),
    };
    let path = printable(&finding.path, 400);
    let place = paint.bold(&format!("{path}:{}:{}", finding.line, finding.column));
    let secret = finding.secret.as_deref().map(one_line);
    let field = finding.field.as_deref().map(one_line);
    let subject = match (&secret, &field) {
        (Some(secret), Some(field)) => format!("{secret} {field}: "),
        (Some(secret), None) => format!("{secret}: "),
        (None, Some(field)) => format!("{field}: "),
        (None, None) => String::new(),
    };
    let _ = writeln!(
        text,
        "{place}: {word}[{}]: {subject}{}",
        finding.rule,
        one_line(&finding.message)
    );
    if let Some((line, caret)) = &finding.excerpt {
        let number = finding.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(*caret);
        let _ = writeln!(
            text,
            "{margin} |\n{number} | {line}\n{margin} | {indent}{}",
            paint.red("^")
        );
    }
    let _ = writeln!(text, "next: {}\n", one_line(&finding.next));
}

fn summary(text: &mut String, outcome: &LintOutcome, paint: Paint) {
    let tally = &outcome.tally;
    let _ = writeln!(
        text,
        "{} checked: {}, {}, {} of them sealed",
        many(tally.files, "file"),
        many(tally.secrets, "Secret"),
        many(tally.values, "value"),
        tally.sealed
    );
    let (errors, warnings, notes) = (
        outcome.count(Level::Error),
        outcome.count(Level::Warning),
        outcome.count(Level::Note),
    );
    let found = if errors + warnings == 0 {
        paint.green("nothing found")
    } else {
        let sums = format!(
            "{} and {} found",
            many(errors, "error"),
            many(warnings, "warning")
        );
        if errors > 0 {
            paint.red(&sums)
        } else {
            paint.yellow(&sums)
        }
    };
    text.push_str(&found);
    if notes > 0 {
        let _ = write!(text, ", {}", many(notes, "note"));
    }
    if outcome.suppressed() > 0 {
        let _ = write!(text, ", {} allowed", outcome.suppressed());
    }
    text.push('\n');
    for (rule, reason, count) in allowed(outcome) {
        let line = format!("allowed: {count} × {rule}: {}", one_line(reason));
        let _ = writeln!(text, "{}", paint.dim(&line));
    }
    for line in &outcome.unused {
        let _ = writeln!(
            text,
            "{}",
            paint.yellow(&format!("unused: {}", one_line(line)))
        );
    }
    for line in &outcome.not_checked {
        let _ = writeln!(
            text,
            "{}",
            paint.dim(&format!("not checked: {}", one_line(line)))
        );
    }
}

/// What does not count, by rule and reason.
fn allowed(outcome: &LintOutcome) -> Vec<(RuleId, &str, usize)> {
    let mut sums: std::collections::BTreeMap<(RuleId, &str), usize> =
        std::collections::BTreeMap::new();
    for finding in &outcome.findings {
        if let Some(reason) = &finding.suppressed {
            *sums.entry((finding.rule, reason)).or_default() += 1;
        }
    }
    let sums = sums.into_iter();
    sums.map(|((rule, reason), count)| (rule, reason, count))
        .collect()
}

fn many(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}

/// The rules, for people or as JSON.
pub fn rules(format: LintFormat) -> String {
    let rules = RuleId::ALL.iter().map(|rule| rule.rule());
    if format != LintFormat::Text {
        let list: Vec<_> = rules
            .map(|rule| {
                serde_json::json!({
                    "id": rule.id, "level": rule.level.as_str(), "title": rule.title,
                    "why": rule.why, "next": rule.next,
                })
            })
            .collect();
        return format!("{:#}\n", serde_json::json!({ "rules": list }));
    }
    rules.fold(String::new(), |mut text, rule| {
        let _ = writeln!(
            text,
            "{:<22} {:<8} {}",
            rule.id,
            rule.level.as_str(),
            rule.title
        );
        text
    })
}
