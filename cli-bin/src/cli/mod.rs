//! Arguments and help texts only.

#[cfg(feature = "demo")]
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod edit;
pub mod format;
pub mod groups;
pub mod import;
pub mod inspect;
pub mod key;
pub mod lint;
pub mod open;
pub mod render;
pub mod rewrap;
pub mod seal;
pub mod set;
pub mod sign;
pub mod subject;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use format::{KeyFormat, ReportFormat, ValueFormat};
pub use inspect::InspectArgs;
pub use key::{
    FetchArgs, GenerateArgs, KeyCommand, KeySignArgs, LocalKeyKind, RemoveArgs, ShowArgs,
    TrustArgs, WrapArgs,
};
pub use open::OpenArgs;
pub use seal::SealArgs;
pub use set::SetArgs;

const EXAMPLES: &str = "\
Everyday use:
  privy set db.yaml password      give the field `password` a new value
  privy seal -i db.yaml           seal every plain value of a Secret manifest
  privy inspect db.yaml           what is sealed, for which place and key

For the first time:
  privy key trust payments.card.json
                                  compare the key's fingerprint by telephone
  privy demo                      see the whole journey on this machine

Exit codes: 0 done, 1 refused or found something, 2 wrong usage or configuration, 3 key service not available.
With a code other than 0, nothing is on standard output but JSON and reports that were asked for.";

/// Seal values for Kubernetes with a public key
///
/// Sealing needs a public key: no cluster, no network, no right to read the values that are already there.
/// Only the cluster, whose key service holds the private key, opens them.
#[derive(Debug, Parser)]
#[command(
    name = "privy",
    version,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    max_term_width = 110,
    arg_required_else_help = true
)]
pub struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give one field of a manifest its first or a new value
    Set(SetArgs),
    /// Seal a value from standard input, or the values of whole manifests
    #[command(alias = "encrypt")]
    Seal(SealArgs),
    /// Open a manifest in your editor, and seal what is new in it
    Edit(edit::EditArgs),
    /// Sign values that are already sealed, with your own private key
    Sign(sign::SignArgs),
    /// Open values in memory and seal them again, for a new key or version
    Rewrap(rewrap::RewrapArgs),
    /// Take over Secrets that another tool encrypted
    Import(import::ImportArgs),
    /// Show what an envelope or a manifest says of itself; needs no private key
    Inspect(InspectArgs),
    /// Show what changed in sealed values, between commits, files, or files and a cluster
    Diff(diff::DiffArgs),
    /// Check files and repositories: what is open, damaged, misplaced or sealed for the wrong key
    Lint(lint::LintArgs),
    /// Open one envelope with a local private key or a key service
    #[command(alias = "decrypt")]
    Open(OpenArgs),
    /// Make, fetch, show and trust keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print the manifests that put the webhook into a cluster
    Render(Box<render::RenderArgs>),
    /// Look at a cluster as its administrator and say what is wrong
    Doctor(Box<doctor::DoctorArgs>),
    /// Show the whole journey on this machine: no cloud, no cluster
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Write manual pages into a folder
    #[command(after_help = "For yourself:  privy man ~/.local/share/man/man1")]
    Man {
        /// The folder, which must exist
        folder: PathBuf,
    },
    /// Print the completion script of a shell
    #[command(
        after_help = "For bash:  privy completions bash > ~/.local/share/bash-completion/completions/privy"
    )]
    Completions {
        /// The shell that you use
        shell: clap_complete::Shell,
    },
}
