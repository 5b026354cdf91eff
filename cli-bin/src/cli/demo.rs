//! Flags of `privy demo`.
use std::path::PathBuf;

/// Arguments of `privy demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  privy demo             a few seconds, then everything is removed
  privy demo --keep      leaves the keys, manifests, configuration and logs for you to look at
  privy demo --show      prints the opened values instead of their lengths

Needs no cloud, no cluster and no network beyond this machine. Keys and values are made only for the demo.")]
pub struct DemoArgs {
    /// Print the opened values; without this, only their lengths
    #[arg(long)]
    pub show: bool,
    /// Keep the temporary folder and print where it is
    #[arg(long)]
    pub keep: bool,
    /// No colors; the variable NO_COLOR says the same
    #[arg(long)]
    pub no_color: bool,
    /// The webhook's program [default: privy-webhook beside this program]
    #[arg(long, value_name = "PROGRAM")]
    pub webhook: Option<PathBuf>,
}
