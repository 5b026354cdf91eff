//! Arguments of `privy lint`.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::project::lint::rules::RuleId;

/// `privy lint`.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  privy lint                         the repository, with the keys of its .privy.yaml
  privy lint --key payments.card.json prod/
                                     no configuration needed
  privy lint --policy webhook.yaml   as the webhook with this configuration would decide
  privy lint --staged                what the next commit would contain
  privy lint --since origin/main     what a branch changed
  privy lint --write-baseline .privy-baseline.json
                                     accept what is there; later: --baseline .privy-baseline.json
  privy lint --output sarif > privy.sarif

Folders are searched for *.yaml, *.yml, *.json and *.jwe. Nothing is opened, no key service is asked and nothing is written. With --policy, what passes cannot fail admission but for the key service, for who submits it and for what only an opened value shows; without, the report names the checks that were not made.

Exit codes: 0 nothing found (notes do not count), 1 errors or warnings found, 2 wrong usage or configuration.")]
pub struct LintArgs {
    /// Files and folders [default: the current folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Public keys that values may be sealed for: key card, PEM, certificate or JWK
    /// [default: those of .privy.yaml]
    #[arg(long, short, value_name = "CARD|PEM|JWK")]
    pub key: Vec<PathBuf>,
    /// Decide by this configuration of the webhook
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Check only this rule; may be given several times
    #[arg(long, value_name = "ID")]
    pub rule: Vec<RuleId>,
    /// Do not check this rule; may be given several times
    #[arg(long, value_name = "ID")]
    pub allow: Vec<RuleId>,
    /// Read the names of the files from this file, or from standard input with `-`: one per line, or with NUL between
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Check what is staged in Git for the next commit, as it is staged; for a hook
    #[arg(long, conflicts_with_all = ["files_from", "since"])]
    pub staged: bool,
    /// Check only files that differ from this commit, or from where its history and ours parted
    #[arg(long, value_name = "COMMIT", conflicts_with = "files_from")]
    pub since: Option<String>,
    /// Findings that are in this file do not count: a repository with a past begins with what is new
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write what is found to this file, for --baseline; exit code 0
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "staged", "since"])]
    pub write_baseline: Option<PathBuf>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = LintFormat::Text, value_name = "FORMAT")]
    pub output: LintFormat,
    /// List the rules
    #[arg(long)]
    pub list_rules: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For code scanning, SARIF 2.1.0
    Sarif,
    /// For the log of a GitHub job: findings beside the lines of a pull request
    Github,
    /// For merge requests of GitLab: a code quality report
    Gitlab,
}
