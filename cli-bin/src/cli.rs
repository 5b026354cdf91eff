//! Arguments and help texts alone.
use clap::{Parser, Subcommand};

use crate::commands;

/// Seal values for Kubernetes with a public key.
#[derive(Debug, Parser)]
#[command(name = "privy", version, disable_help_subcommand = true)]
pub struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole journey on this machine: no cloud, no cluster
    #[cfg(feature = "demo")]
    Demo(commands::demo::Args),
}
