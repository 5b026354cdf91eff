//! Findings that were there before: they do not count, so that a repository with a past can begin with what is new.
//!
//! An entry names rule, file, Secret and field, never a line, which moves, and nothing of a value.
use std::collections::HashMap;
use std::path::Path;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, LintOutcome};
use crate::cli::lint::LintArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::text::{Shown as _, shell_path};

/// More than any baseline has.
const LIMIT: usize = 64 * 1024 * 1024;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    version: u32,
    findings: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// How many findings are told by nothing else.
    count: usize,
}

impl Entry {
    fn of(finding: &Finding) -> Self {
        Self {
            rule: finding.rule.to_string(),
            path: finding.path.clone(),
            secret: finding.secret.clone(),
            field: finding.field.clone(),
            count: 0,
        }
    }
}

/// Writes the findings that count.
///
/// # Errors
/// Exit 2 when the file cannot be written.
pub(super) fn write(file: &Path, outcome: &LintOutcome, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut counts: HashMap<Entry, usize> = HashMap::new();
    for finding in outcome.findings.iter().filter(|finding| finding.counts()) {
        *counts.entry(Entry::of(finding)).or_default() += 1;
    }
    let mut findings: Vec<Entry> = counts
        .into_iter()
        .map(|(entry, count)| Entry { count, ..entry })
        .collect();
    findings.sort();
    let written: usize = findings.iter().map(|entry| entry.count).sum();
    let baseline = Baseline {
        version: 1,
        findings,
    };
    let mut text = serde_json::to_vec_pretty(&baseline).map_err(Failure::usage)?;
    text.push(b'\n');
    files::create(file, &text, Audience::Usual, Existing::Replace)?;
    let findings = if written == 1 { "finding" } else { "findings" };
    io.say(format_args!(
        "{}: {written} {findings}; from now on: privy lint --baseline {}",
        file.shown(),
        shell_path(file)
    ));
    Ok(Exit::Done)
}

/// Marks the findings that the file has; what is over of an entry was dealt with.
///
/// # Errors
/// Exit 2 when it cannot be read.
pub(super) fn apply(
    file: &Path,
    args: &LintArgs,
    outcome: &mut LintOutcome,
) -> Result<(), Failure> {
    let bytes = files::read(file, LIMIT)?;
    let unusable = |error: anyhow::Error| {
        Failure::usage(error.context(format!("cannot use the baseline `{}`", file.shown())))
            .hint("write it again: privy lint --write-baseline FILE")
    };
    let baseline: Baseline =
        serde_json::from_slice(&bytes).map_err(|error| unusable(error.into()))?;
    if baseline.version != 1 {
        return Err(unusable(anyhow!(
            "it has version {}, and this program knows version 1",
            baseline.version
        )));
    }
    let mut left: HashMap<Entry, usize> = HashMap::new();
    for entry in baseline.findings {
        let count = entry.count;
        *left.entry(Entry { count: 0, ..entry }).or_default() += count;
    }
    for finding in outcome
        .findings
        .iter_mut()
        .filter(|finding| finding.counts())
    {
        if let Some(count) = left.get_mut(&Entry::of(finding))
            && *count > 0
        {
            *count -= 1;
            finding.suppressed = Some("it was there before, as the baseline says".to_owned());
        }
    }
    // A part of the repository does not show what happened to the others' entries.
    let whole = !args.staged && args.since.is_none() && args.paths.is_empty();
    let over: usize = left.values().sum();
    if whole && over > 0 {
        let findings = if over == 1 { "finding" } else { "findings" };
        outcome.unused.push(format!(
            "{}: {over} {findings} of the baseline are gone; write it again, so that they stay away",
            file.shown()
        ));
    }
    Ok(())
}
