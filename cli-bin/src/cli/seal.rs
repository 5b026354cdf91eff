//! `privy seal`.
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;
use super::groups::{BoundsArgs, KeyArgs, LayoutArgs, PlaceArgs, SealingArgs, ValueArgs};

/// `privy seal`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy seal --key payments.card.json --for payments/db/password < password
      one value in, one envelope out
  privy seal -i prod/db.yaml prod/api.yaml
      manifests in place; key and place come from .privy.yaml
  privy seal -i .
      every manifest of this folder and of those below it
  privy seal --key payments.card.json < secret.yaml > sealed.yaml
      a manifest in, a manifest out
  privy seal -i --sign me.pem prod/db.yaml
      signed as well, for a webhook that opens only what custodians signed
  privy seal --rewrite prod/db.yaml
      envelopes of other tools, rewritten into a form that the webhook opens

With --field (or --for) the input is one value, byte for byte, and the result is one envelope. Without, the input is manifests: every plain value of every Secret in them is sealed for the place that the manifest gives it. Values that are sealed already, comments and layout stay as they are, byte for byte.

Where an envelope may be opened is part of it. What you leave open makes it wider, so you say it:
  --for payments/db/password      only this field of this Secret
  --for 'payments/db-*/password'  Secrets whose name begins with `db-`
  --for 'payments/*/*'            any field of any Secret of the namespace
  --anywhere                      any namespace")]
pub struct SealArgs {
    /// Manifests to seal, folders of them, or patterns such as `prod/**/*.yaml`; standard input when there is none, or for `-`
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write the sealed manifests back into their files: all of them, or none when one is refused
    #[arg(long, short)]
    pub in_place: bool,
    /// Rewrite envelopes in forms that admission does not open, in their files and without a key; nothing is sealed
    #[arg(long, conflicts_with_all = [
        "KeyArgs", "PlaceArgs", "BoundsArgs", "ValueArgs", "SealingArgs", "LayoutArgs",
    ])]
    pub rewrite: bool,
    /// Files to work on at once [default: as many as there are cores]
    #[arg(long, short, value_name = "NUMBER", requires = "in_place")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Write the result to this file instead of standard output
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    pub out: Option<PathBuf>,
    /// Check everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to report what was done: for people on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub key: KeyArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub place: PlaceArgs,
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
}
