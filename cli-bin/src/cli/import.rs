//! `privy import`.
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;
use super::groups::{KeyArgs, LayoutArgs, SealingArgs};

/// `privy import`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Examples:
  privy import --open-with keys.yaml prod
      what would become of every SealedSecret below prod; nothing is written
  privy import --open-with keys.yaml --write prod
      the same, written into the files: all of them, or none
  privy import --write secrets/db.enc.yaml
      a Secret that SOPS encrypted; your own sops decrypts it, with the keys that it finds
  kubectl get secret -n payments db -o json | privy import - > db.yaml
      Secrets of a cluster, sealed

The private keys of the Sealed Secrets controller, old ones too:
  kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml

No cluster is asked unless you say --verify-live, and no plain value is written anywhere: each value is opened in memory, sealed for the key, and wiped. What was encrypted becomes a Secret in the same file, with the type, labels, annotations, comments and order that it had. SealedSecrets: values of the scope `strict` open in their place, those of `namespace-wide` in their namespace; `cluster-wide` needs --anywhere or --exact. Other files stay as they are, so the same command goes on where it stopped.

Deleting a SealedSecret deletes its Secret in the cluster: docs/migrate.md has the order that loses nothing.")]
pub struct ImportArgs {
    /// Manifests, folders of them, or patterns such as `prod/**/*.yaml`; `-` for Secrets of a cluster on standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Private keys that open SealedSecrets: PEM, or the controller's Secrets as YAML or JSON; may be given several times
    #[arg(long, value_name = "PRIVATE", help_heading = "Key")]
    pub open_with: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub key: KeyArgs,
    /// Namespace of manifests that name none
    #[arg(long, short, value_name = "NAME", help_heading = "Place")]
    pub namespace: Option<String>,
    /// Let values that could be opened in the whole cluster be opened in every namespace
    #[arg(long, conflicts_with = "exact", help_heading = "Place")]
    pub anywhere: bool,
    /// Seal every value for its own place only, however widely it could be opened before
    #[arg(long, help_heading = "Place")]
    pub exact: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub sealing: SealingArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub layout: LayoutArgs,
    /// The program that decrypts files of SOPS
    #[arg(long, value_name = "PROGRAM", default_value = "sops")]
    pub sops: PathBuf,
    /// Write comments that SOPS encrypted in plain text
    #[arg(long)]
    pub plain_comments: bool,
    /// Refuse unless every value equals the one in the cluster, which kubectl reads, as your user there
    #[arg(long, help_heading = "Cluster")]
    pub verify_live: bool,
    /// The context of kubectl's configuration
    #[arg(
        long,
        value_name = "NAME",
        requires = "verify_live",
        help_heading = "Cluster"
    )]
    pub context: Option<String>,
    /// Files to work on at once [default: as many as there are cores]
    #[arg(long, short, value_name = "NUMBER")]
    pub jobs: Option<NonZeroUsize>,
    /// Write the files; without it nothing is written
    #[arg(long)]
    pub write: bool,
    /// How to report what was done: for people on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
