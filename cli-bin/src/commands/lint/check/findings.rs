//! Where a finding is, and how it gets onto the list.
use std::collections::{HashMap, HashSet};

use secret_walker::{Field, ManifestSecret, WalkError, validate_key};

use crate::commands::lint::finding::{Finding, LineIndex, Tally};
use crate::commands::lint::subject::LintSubject;
use crate::project::lint::rules::RuleId;
use crate::text::printable;

/// Where a finding is.
#[derive(Clone, Copy)]
pub(super) struct Spot<'s> {
    pub(super) secret: &'s str,
    pub(super) field: Option<&'s str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The check of one file, and what it found so far.
pub(super) struct FileCheck<'c, 's> {
    pub(super) subject: &'c LintSubject<'s>,
    pub(super) lines: LineIndex<'c>,
    pub(super) findings: Vec<Finding>,
    pub(super) known: HashSet<Finding>,
    /// Why findings of a rule do not count in this file, by rules that were asked about.
    pub(super) suppressed: HashMap<RuleId, Option<String>>,
    pub(super) tally: Tally,
}

impl FileCheck<'_, '_> {
    pub(super) fn unreadable(
        &mut self,
        error: &WalkError,
        secret: Option<&str>,
        field: Option<&str>,
    ) {
        let Some(fault) = error.manifest() else {
            return self.unreadable_as(RuleId::InvalidYaml, error, secret, field);
        };
        let rule = match fault.fault() {
            secret_walker::Fault::TooLong { .. } => RuleId::Oversize,
            _ if fault.is_template() => RuleId::Template,
            _ => RuleId::InvalidYaml,
        };
        self.unreadable_as(rule, error, secret, field);
    }

    pub(super) fn unreadable_as(
        &mut self,
        rule: RuleId,
        error: &WalkError,
        secret: Option<&str>,
        field: Option<&str>,
    ) {
        let mut finding = Finding::new(rule, self.subject.name, error.to_string());
        if let Some(fault) = error.manifest() {
            finding.message = fault.fault().to_string();
            finding.line = fault.line().max(1);
            finding.column = fault.column().max(1);
            finding.excerpt = fault
                .excerpt()
                .map(|(line, caret)| (line.to_owned(), caret));
            if let Some(hint) = fault.hint().filter(|_| rule != RuleId::Template) {
                hint.clone_into(&mut finding.next);
            }
        }
        finding.secret = secret.map(str::to_owned);
        finding.field = field.map(str::to_owned);
        self.push(finding);
    }

    pub(super) fn add(
        &mut self,
        rule: RuleId,
        message: impl Into<String>,
        next: Option<String>,
        spot: Spot<'_>,
    ) {
        if !self.subject.setup.checks(rule) {
            return;
        }
        let mut finding = Finding::new(rule, self.subject.name, message);
        if let Some(next) = next {
            finding.next = next;
        }
        finding.line = spot.line;
        finding.column = spot.column;
        finding.secret = Some(spot.secret.to_owned()).filter(|secret| !secret.is_empty());
        finding.field = spot.field.map(str::to_owned);
        finding.excerpt = self.lines.excerpt(spot.line, spot.column);
        self.push(finding);
    }

    pub(super) fn push(&mut self, mut finding: Finding) {
        if !self.subject.setup.checks(finding.rule) {
            return;
        }
        let path_rules = &self.subject.path_rules;
        let reason = self
            .suppressed
            .entry(finding.rule)
            .or_insert_with(|| path_rules.reason_for(finding.rule).map(str::to_owned));
        finding.suppressed.clone_from(reason);
        if self.known.insert(finding.clone()) {
            self.findings.push(finding);
        }
    }
}

pub(super) fn spot<'s>(label: &'s str, field: &Field<'_>, path: &'s str) -> Spot<'s> {
    Spot {
        secret: label,
        field: Some(path),
        line: field.line(),
        column: field.column(),
    }
}

/// `namespace/name` as the manifest has them.
pub(super) fn label(secret: &ManifestSecret<'_>) -> String {
    let name = match (secret.name(), secret.generate_name()) {
        (Some(name), _) => printable(name.text, 100),
        (None, Some(prefix)) => format!("{}*", printable(prefix.text, 100)),
        (None, None) => "?".to_owned(),
    };
    match secret.namespace() {
        Some(namespace) => format!("{}/{name}", printable(namespace.text, 100)),
        None => name,
    }
}

pub(super) fn quoted(key: &str) -> String {
    if validate_key(key).is_ok() {
        format!("`{key}`")
    } else {
        format!("{:?}", printable(key, 64))
    }
}
