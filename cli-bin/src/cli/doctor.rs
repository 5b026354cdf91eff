//! Flags of `privy doctor`.
use std::path::PathBuf;

use super::format::ReportFormat;
use super::subject::RightHolder;

/// `privy doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  privy doctor
  privy doctor --card payments.card.json --test-namespace payments
      also seals a value for this key and has it opened in a dry run
  privy doctor --who payments-ci/deployer
      asks only in which namespaces this service account may have values opened
  privy doctor --audit-policy /etc/kubernetes/audit.yaml --encryption-config /etc/kubernetes/encryption.yaml

Asks through kubectl, with your own rights; changes nothing; sees no value of any Secret.

Exit codes: 0 no problem; 1 a problem was found; 2 wrong usage, or the cluster cannot be reached; 4 no problem was found, but something could not be known (`unknown`). A check that needs a flag which was not given is `skipped` and changes no exit code.")]
pub struct DoctorArgs {
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
    /// Make no check; list the namespaces in which NAMESPACE/SERVICE_ACCOUNT (or user:NAME, group:NAME) has the right to
    /// have values opened
    #[arg(long, value_name = "WHO", value_parser = RightHolder::parse_who)]
    pub who: Option<RightHolder>,
    /// Someone who may act as the API server, or have values opened without the right `unseal`, and is trusted with it, as
    /// the report names them; may be given several times
    #[arg(long, value_name = "KIND:NAME", value_parser = RightHolder::parse)]
    pub accept_impersonator: Vec<RightHolder>,
    /// Someone who may have values opened without the right `unseal` and is trusted with it; may be given several times
    #[arg(long, value_name = "KIND:NAME", value_parser = RightHolder::parse)]
    pub accept_unsealer: Vec<RightHolder>,
    /// Another mutating webhook or policy on Secrets that is known and trusted; may be given several times
    #[arg(long, value_name = "NAME")]
    pub accept_webhook: Vec<String>,
    /// Legacy service account tokens are wanted: their policy may be missing
    #[arg(long)]
    pub accept_legacy_tokens: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
