//! Findings for code scanning: SARIF 2.1.0, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
use serde_json::{Value, json};

use crate::commands::lint::finding::{Finding, LintOutcome};
use crate::project::lint::rules::{Level, LintRule, RuleId};
use crate::text::one_line;

const HELP: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/lint.md");

/// The most results of a run that GitHub's code scanning takes.
const MOST_RESULTS: usize = 25_000;

/// One log with one run. Neither values nor excerpts are in it.
pub fn print(outcome: &LintOutcome) -> String {
    let rules: Vec<Value> = RuleId::ALL
        .iter()
        .map(|rule| descriptor(rule.rule()))
        .collect();
    // The gravest first, where not all of them fit; their order stays.
    let mut kept: Vec<_> = outcome.findings.iter().enumerate().collect();
    kept.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.rule.rule().level));
    kept.truncate(MOST_RESULTS);
    kept.sort_by_key(|(index, _)| *index);
    let results: Vec<Value> = kept.iter().map(|(_, finding)| result(finding)).collect();
    let left_out = outcome.findings.len() - results.len();
    let mut notifications: Vec<Value> = outcome
        .not_checked
        .iter()
        .map(|line| notification("note", &format!("not checked: {line}")))
        .collect();
    if left_out > 0 {
        let text = format!(
            "{left_out} findings are left out: code scanning takes {MOST_RESULTS}. `privy lint --output json` lists all"
        );
        notifications.push(notification("warning", &text));
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "privy lint",
                "informationUri": HELP,
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn notification(level: &str, text: &str) -> Value {
    json!({ "level": level, "message": { "text": one_line(text) } })
}

fn descriptor(rule: &LintRule) -> Value {
    json!({
        "id": rule.id,
        "name": pascal(rule.id),
        "shortDescription": { "text": sentence(rule.title) },
        "fullDescription": { "text": rule.why },
        "helpUri": format!("{HELP}#{}", rule.id),
        "help": {
            "text": format!("{} Next step: {}.", rule.why, rule.next),
            "markdown": format!("{}\n\n**Next step:** {}.", rule.why, rule.next),
        },
        "defaultConfiguration": { "level": rule.level.as_str() },
        "properties": {
            "tags": ["security"],
            // A score as CVSS has it, by which code scanning sorts; notes have none.
            "security-severity": match rule.level {
                Level::Error => "8.0",
                Level::Warning => "5.0",
                Level::Note => "0.0",
            },
        },
    })
}

fn result(finding: &Finding) -> Value {
    let index = RuleId::ALL.iter().position(|rule| *rule == finding.rule);
    let mut value = json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": index,
        "level": finding.rule.rule().level.as_str(),
        "message": { "text": one_line(&finding.sentence()) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": artifact(&finding.path),
                "region": { "startLine": finding.line, "startColumn": finding.column },
            },
        }],
        // Lines move; the rule, the Secret and its field stay.
        "partialFingerprints": { "privySeal/v1": finding.fingerprint() },
    });
    if let Some(reason) = &finding.suppressed {
        value["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    value
}

fn artifact(path: &str) -> Value {
    if path.starts_with(['/', '<']) {
        return json!({ "uri": uri(path) });
    }
    json!({ "uri": uri(path), "uriBaseId": "%SRCROOT%" })
}

/// RFC 3986: what is not unreserved is written in hexadecimal.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(uri, "%{byte:02X}");
        }
        uri
    })
}

fn pascal(id: &str) -> String {
    let mut name = String::new();
    for word in id.split('-') {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

fn sentence(title: &str) -> String {
    let (first, rest) = title.split_at(title.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}.", first.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{pascal, sentence, uri};

    #[test]
    fn texts_fit_their_places() {
        assert_eq!(pascal("wrong-place"), "WrongPlace");
        assert_eq!(sentence("a value"), "A value.");
        assert_eq!(uri("prod/my db.yaml"), "prod/my%20db.yaml");
    }
}
