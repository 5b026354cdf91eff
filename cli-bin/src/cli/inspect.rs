//! `privy inspect`.
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;

/// `privy inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy inspect db.yaml              a table of the manifest's fields
  privy inspect prod                 of every manifest in a folder
  privy inspect < password.jwe       one envelope in full
  privy inspect --output json db.yaml

Nothing is opened, and no private key is needed. What an envelope says of who sealed it, when and why is a claim of the sealer. Exit code 1 means that something is damaged, or is where it cannot be opened.")]
pub struct InspectArgs {
    /// Files with manifests or an envelope, folders of manifests, or patterns; standard input when there is none
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
