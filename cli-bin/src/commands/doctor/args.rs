//! Flags of `privy doctor`.
use std::path::PathBuf;

use crate::cli::ReportFormat;

/// `privy doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  privy doctor
  privy doctor --card payments.card.json --test-namespace payments
      also seals a value for this key and has it opened in a dry run
  privy doctor --audit-policy /etc/kubernetes/audit.yaml --encryption-config /etc/kubernetes/encryption.yaml

Asks through kubectl, with your own rights; changes nothing; sees no value of any Secret. Exit code 1 means that there is a problem; what cannot be known is said, and is no problem.")]
pub struct Args {
    /// The kubectl to ask through
    #[arg(long, value_name = "PROGRAM", default_value = "kubectl")]
    pub kubectl: PathBuf,
    /// The administrator's kubeconfig, instead of kubectl's own choice
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context within it
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the dry runs; nothing is stored in it
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub test_namespace: String,
    /// A key card: a value is sealed for its key and opened in a dry run
    #[arg(long, value_name = "FILE")]
    pub card: Option<PathBuf>,
    /// The API server's audit policy
    #[arg(long, value_name = "FILE")]
    pub audit_policy: Option<PathBuf>,
    /// The API server's encryption configuration
    #[arg(long, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
