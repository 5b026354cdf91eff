//! Secrets that Kustomize generates: their values stand in the kustomization or in files beside it.
use std::path::Path;

use jwe_envelope::{Recognized, recognize};

use super::check::Subject;
use super::finding::{Finding, Tally};
use super::judge::{Judge, Target};
use super::kustomize::{Generated, Source, Value};
use super::rules::RuleId;
use crate::io::files;
use crate::text::printable;

/// A generated Secret holds no more.
const LIMIT: usize = 2 * 1024 * 1024;

/// Checks one generator.
pub fn check(generated: &Generated, subject: &Subject<'_>) -> (Vec<Finding>, Tally) {
    let mut check = GeneratorCheck {
        generated,
        subject,
        findings: Vec::new(),
        tally: Tally {
            secrets: 1,
            ..Tally::default()
        },
    };
    for source in &generated.sources {
        check.source(source);
    }
    (check.findings, check.tally)
}

struct GeneratorCheck<'c, 's> {
    generated: &'c Generated,
    subject: &'c Subject<'s>,
    findings: Vec<Finding>,
    tally: Tally,
}

impl GeneratorCheck<'_, '_> {
    fn source(&mut self, source: &Source) {
        match &source.value {
            Value::Literal(literal) => {
                let (key, value) = literal.split_once('=').unwrap_or((literal, ""));
                // Kustomize takes one pair of quotation marks away.
                let value = unquoted(value);
                self.value(key, value.as_bytes(), source, "the literal");
            }
            Value::File(key, path) => {
                if let Some(bytes) = self.read(path, source) {
                    self.value(key, &bytes, source, &format!("the file `{}`", name(path)));
                }
            }
            Value::Lines(path) => {
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

    fn read(&mut self, path: &Path, source: &Source) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        match files::read(path, LIMIT) {
            Ok(bytes) => Some(bytes),
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

    fn value(&mut self, key: &str, value: &[u8], source: &Source, from: &str) {
        self.tally.values += 1;
        let recognized = recognize(value);
        match &recognized {
            Recognized::Plain
                if value.trim_ascii().is_empty() || super::check::is_public(value) => {}
            Recognized::Plain => {
                let message = format!("{from} of a secretGenerator is not sealed");
                let next =
                    "seal the value and name the file with the envelope under `files:`".to_owned();
                self.add(RuleId::Plaintext, Some(key), message, Some(next), source);
            }
            Recognized::Malformed(error) => {
                let message = format!("damaged envelope: {}", printable(&error.to_string(), 200));
                self.add(RuleId::Damaged, Some(key), message, None, source);
            }
            Recognized::Sealed(envelope) => {
                self.tally.sealed += 1;
                let judge = Judge::new(self.subject);
                let mut found = judge.keys(envelope);
                let kind = self.generated.secret_type.as_deref().unwrap_or_default();
                found.extend(judge.filter(value, kind, false));
                found.extend(judge.width(envelope));
                for placement in &self.generated.placements {
                    let name = format!(
                        "{}{}{}",
                        placement.prefix, self.generated.name, placement.suffix
                    );
                    let target = Target {
                        namespace: placement
                            .namespace
                            .clone()
                            .or_else(|| self.generated.namespace.clone()),
                        // A hash follows, which nobody knows before the values do.
                        name: if self.generated.hashed {
                            format!("{name}-")
                        } else {
                            name
                        },
                        generated: self.generated.hashed,
                        key,
                        signature: None,
                        through: placement.through.as_deref(),
                    };
                    found.extend(judge.target_verdicts(&recognized, &target));
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
        source: &Source,
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
        finding.suppressed = self.subject.governing.reason_for(rule).map(str::to_owned);
        if !self.findings.contains(&finding) {
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
