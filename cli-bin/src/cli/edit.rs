//! `privy edit`.
use std::path::PathBuf;

use clap::Args;

use super::groups::{BoundsArgs, KeyArgs, LayoutArgs, SealingArgs};

/// `privy edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy edit db.yaml
      key and place come from .privy.yaml
  EDITOR='code --wait' privy edit --key payments.card.json db.yaml

The editor shows the manifest with a placeholder for each sealed value: leave it, and the value stays as it is; put a new value in its place, and that is sealed when you leave the editor. Fields that you add are sealed, too. Plain values that you do not touch stay plain. A value of `data` is written in base64, one of `stringData` as it is.

What you type is kept in a file that only you can read, in XDG_RUNTIME_DIR where there is one, until the editor ends. It is then overwritten and removed, whatever happened. Vim, Neovim, Emacs, nano and micro are started so that they keep no copy; for another editor you must ensure this yourself.")]
pub struct EditArgs {
    /// The manifest
    pub file: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub key: KeyArgs,
    /// The place of what is new, in one word, wider than the manifest's own: namespace/name/field; `*` leaves name or field open
    #[arg(long = "for", value_name = "N/S/F", conflicts_with_all = ["namespace", "name", "anywhere"], help_heading = "Place")]
    pub place: Option<String>,
    /// Namespace of the Secrets, where the manifest does not say, or a pattern such as `team-*`
    #[arg(long, short, value_name = "NAME", help_heading = "Place")]
    pub namespace: Option<String>,
    /// Name of the Secret, a pattern such as `db-*`, or `*` for any, in place of the manifest's own
    #[arg(long, value_name = "NAME", help_heading = "Place")]
    pub name: Option<String>,
    /// Let the envelopes be opened in every namespace
    #[arg(long, conflicts_with = "namespace", help_heading = "Place")]
    pub anywhere: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub bounds: BoundsArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub sealing: SealingArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub layout: LayoutArgs,
}
