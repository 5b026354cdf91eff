//! `privy set`.
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;
use super::groups::{BoundsArgs, KeyArgs, LayoutArgs, SealingArgs, ValueArgs};

/// `privy set`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy set db.yaml password
      asks for the value, twice, without showing it
  privy set db.yaml keystore.p12 --value-file keystore.p12
      takes any bytes from a file
  pwgen -s 32 1 | privy set db.yaml password --strip-newline
      takes the value from another program
  privy set new.yaml password --namespace payments --name db
      makes the file

Only the named field is written. The other fields stay as they are, and no one needs to be able to read them. A value is never taken from the command line, where every user of the machine could see it.")]
pub struct SetArgs {
    /// The manifest; it is made when it does not exist
    pub file: PathBuf,
    /// The key within the Secret's data, such as `password`
    pub field: String,
    /// Check everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to report what was done: for people on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub key: KeyArgs,
    /// Namespace of the Secret, where the manifest does not say
    #[arg(long, short, value_name = "NAME", help_heading = "Place")]
    pub namespace: Option<String>,
    /// Name of the Secret: needed for a new file, and to choose among several Secrets in one file
    #[arg(long, value_name = "NAME", help_heading = "Place")]
    pub name: Option<String>,
    /// The place in one word, wider than the manifest's own: namespace/name/field; `*` leaves name or field open
    #[arg(long = "for", value_name = "N/S/F", conflicts_with_all = ["namespace", "name", "anywhere"], help_heading = "Place")]
    pub place: Option<String>,
    /// Let the envelope be opened in every namespace
    #[arg(long, help_heading = "Place")]
    pub anywhere: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub bounds: BoundsArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub value: ValueArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub sealing: SealingArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub layout: LayoutArgs,
    /// Caught so that it can be answered without being repeated.
    #[arg(hide = true)]
    pub stray: Vec<std::ffi::OsString>,
}
