//! `privy rewrap`.
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;
use super::groups::KeyArgs;

/// `privy rewrap`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy rewrap --open-with old.pem prod
      every sealed value below prod, for the key that .privy.yaml names now
  privy rewrap --open-with vault-transit://transit/payments --key payments.card.json .
      from every version that the key service still decrypts with, to the card's active key
  privy rewrap --open-with old.pem --sign me.pem prod/db.yaml
      signatures are made again, for values whose signature you can check

Each value is opened in memory and sealed again under a new content key. Its place, its limits and what it says of who sealed it stay the same; the value is neither shown nor written. Values that are sealed for the new key already are left as they are, so the same command goes on where it was interrupted. Each file is written whole, as soon as it is done.

What was committed before stays in the history of the repository, sealed for the old key: a person who has that key can still open it. Where a private key was disclosed, change the values themselves.")]
pub struct RewrapArgs {
    /// Manifests, folders of them, or patterns such as `prod/**/*.yaml`
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A private key that opens the values: PKCS#8 PEM, JWK, or the reference of a key service; may be given several times
    #[arg(long, required = true, value_name = "PRIVATE", help_heading = "Key")]
    pub open_with: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub key: KeyArgs,
    /// Sign again what was signed before, with this private key [default: named by `sign-with` in your own configuration]
    #[arg(long, value_name = "PRIVATE.pem", help_heading = "Key")]
    pub sign: Option<PathBuf>,
    /// Most calls of a key service in a second [default: 100]
    #[arg(long, value_name = "CALLS", help_heading = "Key")]
    pub calls_per_second: Option<NonZeroU32>,
    /// Files to work on at once [default: as many as there are cores; 32 with a key service]
    #[arg(long, short, value_name = "NUMBER")]
    pub jobs: Option<NonZeroUsize>,
    /// Open and seal everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to report what was done: for people on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
