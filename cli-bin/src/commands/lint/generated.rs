//! Secrets that Kustomize generates: their values are in the kustomization or in files beside it.
use std::collections::{HashMap, HashSet};
use std::path::Path;

use jwe_envelope::{Recognized, hidden_envelope, is_openable_form, recognize};

use super::finding::{Finding, Tally};
use super::kustomize::{Generated, GeneratedSource, GeneratorValue};
use super::policy_check::{ClusterPlace, PolicyCheck};
use super::setup::GENERATOR_BYTES;
use super::subject::LintSubject;
use crate::project::lint::rules::RuleId;
use crate::text::printable;

/// A generated Secret holds no more.
const LIMIT: usize = 2 * 1024 * 1024;

/// Checks one generator.
pub fn check(generated: &Generated, subject: &LintSubject<'_>) -> (Vec<Finding>, Tally) {
    let mut check = GeneratorCheck {
        generated,
        subject,
        findings: Vec::new(),
        known: HashSet::new(),
        suppressed: HashMap::new(),
        tally: Tally {
            secrets: 1,
            ..Tally::default()
        },
    };
    let mut files_of_lines = HashSet::new();
    for source in &generated.sources {
        // Naming one file of lines again adds nothing to the Secret, however often that is done.
        if let GeneratorValue::Lines(path) = &source.value
            && !files_of_lines.insert(path)
        {
            continue;
        }
        check.source(source);
    }
    (check.findings, check.tally)
}

struct GeneratorCheck<'c, 's> {
    generated: &'c Generated,
    subject: &'c LintSubject<'s>,
    findings: Vec<Finding>,
    known: HashSet<Finding>,
    /// Why findings of a rule do not count here, by rules that were asked about.
    suppressed: HashMap<RuleId, Option<String>>,
    tally: Tally,
}

impl GeneratorCheck<'_, '_> {
    fn source(&mut self, source: &GeneratedSource) {
        match &source.value {
            GeneratorValue::Literal(literal) => {
                let (key, value) = literal.split_once('=').unwrap_or((literal, ""));
                // Kustomize takes one pair of quotation marks away.
                let value = unquoted(value);
                self.value(key, value.as_bytes(), source, "the literal");
            }
            GeneratorValue::File(key, path) => {
                if let Some(bytes) = self.read(path, source) {
                    self.value(key, &bytes, source, &format!("the file `{}`", name(path)));
                }
            }
            GeneratorValue::Patched(key, value) => self.value(key, value, source, "the value"),
            GeneratorValue::Lines(path) => {
                let Some(bytes) = self.read(path, source) else {
                    return;
                };
                let Ok(text) = std::str::from_utf8(&bytes) else {
                    return self.add(
                        RuleId::InvalidYaml,
                        None,
                        format!("`{}` is not UTF-8 text", name(path)),
                        None,
                        source,
                    );
                };
                for line in text
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                {
                    let (key, value) = line.split_once('=').unwrap_or((line, ""));
                    self.value(
                        key,
                        value.as_bytes(),
                        source,
                        &format!("a line of `{}`", name(path)),
                    );
                }
            }
        }
    }

    fn read(
        &mut self,
        path: &Path,
        source: &GeneratedSource,
    ) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        match self.subject.setup.contents.read(path, LIMIT) {
            Ok(bytes) if self.subject.setup.take_generator_bytes(bytes.len()) => Some(bytes),
            Ok(_) => {
                let message = format!(
                    "generators name files of more than {} MiB together; `{}` was not checked",
                    GENERATOR_BYTES / 1024 / 1024,
                    name(path)
                );
                self.add(RuleId::Unreadable, None, message, None, source);
                None
            }
            Err(failure) => {
                self.add(
                    RuleId::Unreadable,
                    None,
                    printable(&failure.message(), 300),
                    None,
                    source,
                );
                None
            }
        }
    }

    fn value(&mut self, key: &str, value: &[u8], source: &GeneratedSource, from: &str) {
        self.tally.values += 1;
        let maker = match source.value {
            GeneratorValue::Patched(..) => "patch",
            _ => "secretGenerator",
        };
        let recognized = recognize(value);
        match &recognized {
            Recognized::Plain
                if value.trim_ascii().is_empty() || super::check::is_public(value) => {}
            Recognized::Plain if let Some(hidden) = hidden_envelope(value) => {
                let (message, _) = super::check::hidden_words(&hidden, "");
                let next = "write the envelope itself, as `privy seal --rewrite` does, into a file that is named under `files:`";
                let message = format!("{from} of a {maker} is {message}");
                self.add(
                    RuleId::SlipsPastFilter,
                    Some(key),
                    message,
                    Some(next.to_owned()),
                    source,
                );
            }
            Recognized::Plain => {
                let message = format!("{from} of a {maker} is not sealed");
                let next = match source.value {
                    GeneratorValue::Patched(..) => {
                        "put an envelope in its place: privy seal --for NAMESPACE/NAME/FIELD"
                    }
                    _ => "seal the value and name the file with the envelope under `files:`",
                };
                let next = next.to_owned();
                self.add(RuleId::Plaintext, Some(key), message, Some(next), source);
            }
            Recognized::Malformed(error) => {
                let message = format!("damaged envelope: {}", printable(&error.to_string(), 200));
                self.add(RuleId::Damaged, Some(key), message, None, source);
            }
            Recognized::Sealed(envelope) => {
                self.tally.sealed += 1;
                let policy_check = PolicyCheck::new(self.subject);
                let mut found = policy_check.keys(envelope);
                found.extend(policy_check.filter(envelope, value, false));
                found.extend(policy_check.width(envelope));
                for placement in &self.generated.placements {
                    let name = format!(
                        "{}{}{}",
                        placement.prefix, self.generated.name, placement.suffix
                    );
                    let target = ClusterPlace {
                        namespace: placement
                            .namespace
                            .clone()
                            .or_else(|| self.generated.namespace.clone()),
                        // A hash follows, which no one knows before the values do.
                        name: if self.generated.hashed {
                            format!("{name}-")
                        } else {
                            name
                        },
                        generated: self.generated.hashed,
                        key,
                        signature: None,
                        through: placement.through.as_deref(),
                        openable: is_openable_form(value),
                    };
                    found.extend(policy_check.issues_in_place(&recognized, &target));
                }
                for (rule, message, next) in found {
                    let next = if rule == RuleId::WrongPlace && self.generated.hashed {
                        Some(format!(
                            "seal the value for the name `{}-*`, or switch the hash off with `disableNameSuffixHash: true`",
                            printable(&self.generated.name, 100)
                        ))
                    } else {
                        next
                    };
                    self.add(rule, Some(key), message, next, source);
                }
            }
        }
    }

    fn add(
        &mut self,
        rule: RuleId,
        key: Option<&str>,
        message: String,
        next: Option<String>,
        source: &GeneratedSource,
    ) {
        if !self.subject.setup.checks(rule) {
            return;
        }
        let mut finding = Finding::new(rule, &self.generated.file, message);
        if let Some(next) = next {
            finding.next = next;
        }
        finding.line = source.line;
        finding.column = source.column;
        finding.secret = Some(printable(&self.generated.name, 100));
        finding.field = key.map(|key| format!("data/{}", printable(key, 100)));
        let path_rules = &self.subject.path_rules;
        let reason = self
            .suppressed
            .entry(rule)
            .or_insert_with(|| path_rules.reason_for(rule).map(str::to_owned));
        finding.suppressed.clone_from(reason);
        if self.known.insert(finding.clone()) {
            self.findings.push(finding);
        }
    }
}

fn unquoted(value: &str) -> &str {
    for mark in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark))
        {
            return inner;
        }
    }
    value
}

fn name(path: &Path) -> String {
    printable(&path.file_name().unwrap_or_default().to_string_lossy(), 100)
}
