//! What was imported, for people and for programs.
use std::sync::Arc;

use crate::cli::import::ImportArgs;
use crate::failure::Failure;
use crate::import::Scope;
use crate::io::Io;
use crate::keys::Choice;
use crate::project::walk::Input;
use crate::text::{Shown as _, printable};

/// What came of one file.
pub(super) enum Outcome {
    /// Found, not named, and nothing to import.
    Passed,
    /// Named, and nothing to import.
    Nothing,
    /// Found, and not looked at, for this reason.
    PassedOver(String),
    /// With these Secrets in it.
    Imported {
        secrets: Vec<Imported>,
        warnings: Vec<String>,
        choice: Arc<Choice>,
    },
}

/// A Secret that was imported.
pub(super) struct Imported {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) scope: Scope,
    pub(super) values: usize,
}

/// For people.
pub(super) fn text(args: &ImportArgs, outcomes: &[(Input, Outcome)], io: &mut Io<'_>) {
    let would = if args.write { "" } else { "would be " };
    let (mut files, mut secrets_in_all, mut values_in_all) = (0, 0, 0);
    for (input, outcome) in outcomes {
        let path = input.path.shown();
        match outcome {
            Outcome::Passed => {}
            Outcome::Nothing => {
                io.say(format_args!("{path}: nothing to import, left as it is"));
            }
            Outcome::PassedOver(why) => io.say(format_args!("note: {path}: {why}")),
            Outcome::Imported {
                secrets,
                warnings,
                choice,
            } => {
                for warning in warnings {
                    io.say(format_args!("warning: {path}: {warning}"));
                }
                files += 1;
                secrets_in_all += secrets.len();
                for secret in secrets {
                    values_in_all += secret.values;
                    io.say(format_args!(
                        "{path}: {} of {} {would}sealed for {}",
                        count(secret.values, "value"),
                        printable(&secret.name, 200),
                        choice.label()
                    ));
                }
            }
        }
    }
    io.say(format_args!(
        "{} in {} of {} {would}imported",
        count(values_in_all, "value"),
        count(secrets_in_all, "Secret"),
        count(files, "file"),
    ));
    if files == 0 {
        return;
    }
    if !args.write {
        io.say(format_args!(
            "nothing was written; add --write to write the files"
        ));
        return;
    }
    io.say(format_args!(
        "before you commit: a cluster that deletes a SealedSecret deletes its Secret with it; docs/migrate.md has the \
         order that loses nothing"
    ));
    io.say(format_args!(
        "the history of the repository keeps the old ciphertext: a person who has the old private key can still open it"
    ));
}

fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    }
}

/// For programs: `schemas/cli/import.schema.json` describes it.
pub(super) fn json(
    args: &ImportArgs,
    outcomes: &[(Input, Outcome)],
    not_searched: Option<serde_json::Value>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let mut sums = (0, 0, 0);
    let mut files = Vec::new();
    for (input, outcome) in outcomes {
        let mut file = serde_json::json!({ "path": input.path.display().to_string() });
        let word = match outcome {
            Outcome::Passed => continue,
            Outcome::Nothing => "nothing-to-import",
            Outcome::PassedOver(why) => {
                file["warnings"] = serde_json::json!([why]);
                "passed-over"
            }
            Outcome::Imported {
                secrets,
                warnings,
                choice,
            } => {
                sums.0 += 1;
                sums.1 += secrets.len();
                sums.2 += secrets.iter().map(|secret| secret.values).sum::<usize>();
                file["secrets"] = secrets.iter().map(fact).collect();
                file["warnings"] = warnings.clone().into();
                file["keys"] = choice.facts();
                "imported"
            }
        };
        file["outcome"] = word.into();
        files.push(file);
    }
    let mut report = serde_json::json!({
        "version": 1,
        "dryRun": !args.write,
        "files": files,
        "summary": { "files": outcomes.len(), "changed": sums.0, "secrets": sums.1, "values": sums.2 },
    });
    if let Some(folders) = not_searched {
        report["notSearched"] = folders;
    }
    io.report(&format!("{report:#}\n"), true)
}

fn fact(secret: &Imported) -> serde_json::Value {
    let scope = match secret.scope {
        Scope::Strict => "strict",
        Scope::Namespace => "namespace-wide",
        Scope::Cluster => "cluster-wide",
    };
    serde_json::json!({
        "from": "sealed-secrets",
        "name": secret.name,
        "line": secret.line,
        "scope": scope,
        "values": secret.values,
    })
}
