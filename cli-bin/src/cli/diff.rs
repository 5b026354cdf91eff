//! Arguments of `privy diff`.
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;

/// `privy diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy diff                       the last commit and the working tree
  privy diff main                  a branch and the working tree
  privy diff main...HEAD           what was committed here since the branch left main
  privy diff main HEAD -- prod     two commits, one folder
  privy diff --cached              what is staged for the next commit
  privy diff old/ new/             two folders, or two files
  privy diff --live prod/          the manifests and the cluster that kubectl talks to

No value is shown, and none is opened. It shows that a value was sealed again; whether the value changed cannot be determined from what is public, and the report says where it goes by the sealer's own claim. With --live it compares which fields there are, and envelopes in annotations; kubectl reads the Secrets, as your user there.

Exit codes: 0 compared, 1 differences with --exit-code, 2 wrong usage, 3 the cluster did not answer.")]
pub struct DiffArgs {
    /// Two commits, one commit, two files or two folders [default: HEAD and the working tree; A...B compares B with its merge base]
    #[arg(value_name = "REV|PATH")]
    pub sides: Vec<String>,
    /// Only these files and folders
    #[arg(last = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Compare with what is staged, not with the working tree
    #[arg(long, alias = "staged", conflicts_with = "live")]
    pub cached: bool,
    /// Compare files with the cluster
    #[arg(long)]
    pub live: bool,
    /// The context of kubectl's configuration
    #[arg(long, value_name = "NAME", requires = "live")]
    pub context: Option<String>,
    /// Namespace of manifests that do not name theirs
    #[arg(long, short, value_name = "NAME", requires = "live")]
    pub namespace: Option<String>,
    /// End with 1 when there are differences
    #[arg(long)]
    pub exit_code: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
