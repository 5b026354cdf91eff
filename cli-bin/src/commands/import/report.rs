//! What was imported, for people and for programs.
use std::sync::Arc;

use crate::cli::import::ImportArgs;
use crate::failure::Failure;
use crate::import::Scope;
use crate::io::Io;
use crate::keys::Choice;
use crate::project::walk::Input;
use crate::text::{Shown as _, printable, shell_word};

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

/// What encrypted it.
#[derive(Clone, Copy)]
pub(super) enum Tool {
    /// None: a cluster has it.
    Live,
    SealedSecrets(Scope),
    Sops,
}

/// A Secret that was imported.
pub(super) struct Imported {
    pub(super) from: Tool,
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) values: usize,
    /// Whether the cluster has the very same values.
    pub(super) verified: bool,
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
    if args.verify_live {
        io.say(format_args!("every value equals the one in the cluster"));
    }
    if !args.write {
        io.say(format_args!(
            "nothing was written; add --write to write the files"
        ));
        return;
    }
    handover(outcomes, io);
    io.say(format_args!(
        "the history of the repository keeps the old ciphertext: a person who has the old private key can still open it"
    ));
}

/// For people, of what went to standard output.
pub(super) fn live(secrets: &[Imported], warnings: &[String], choice: &Choice, io: &mut Io<'_>) {
    for warning in warnings {
        io.say(format_args!("warning: {warning}"));
    }
    for secret in secrets {
        io.say(format_args!(
            "{}: {} sealed for {}",
            printable(&secret.name, 200),
            count(secret.values, "value"),
            choice.label()
        ));
    }
}

/// The order that loses nothing in a cluster, where SealedSecrets own what they made.
fn handover(outcomes: &[(Input, Outcome)], io: &mut Io<'_>) {
    /// Commands that are shown; docs/migrate.md has one for all.
    const MOST: usize = 20;
    let names: Vec<&str> = outcomes
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Imported { secrets, .. } => Some(secrets),
            _ => None,
        })
        .flatten()
        .filter(|secret| matches!(secret.from, Tool::SealedSecrets(_)))
        .map(|secret| secret.name.as_str())
        .collect();
    if names.is_empty() {
        return;
    }
    io.say(format_args!(
        "next, before you commit: when a SealedSecret is deleted, Kubernetes deletes its Secret with it"
    ));
    io.say(format_args!(
        "1. stop the controller: kubectl scale deployment -n kube-system sealed-secrets-controller --replicas=0"
    ));
    io.say(format_args!("2. let go of each Secret:"));
    for name in names.iter().take(MOST) {
        let (namespace, name) = name.split_once('/').unwrap_or(("NAMESPACE", name));
        io.say(format_args!(
            "   kubectl patch secret -n {} {} --type=json -p='[{{\"op\":\"remove\",\"path\":\"/metadata/ownerReferences\"}}]'",
            shell_word(namespace),
            shell_word(name)
        ));
    }
    if names.len() > MOST {
        io.say(format_args!("   … and {} more", names.len() - MOST));
    }
    io.say(format_args!(
        "3. commit and deploy, then look at `privy diff --live`; docs/migrate.md has every step, and the way back"
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
    let mut fact = serde_json::json!({
        "name": secret.name,
        "line": secret.line,
        "values": secret.values,
        "verified": secret.verified,
    });
    match secret.from {
        Tool::Live => {}
        Tool::Sops => fact["from"] = "sops".into(),
        Tool::SealedSecrets(scope) => {
            fact["from"] = "sealed-secrets".into();
            fact["scope"] = match scope {
                Scope::Strict => "strict",
                Scope::Namespace => "namespace-wide",
                Scope::Cluster => "cluster-wide",
            }
            .into();
        }
    }
    fact
}
