//! `privy sign`.
use std::path::PathBuf;

use clap::Args;

use super::format::ReportFormat;

/// `privy sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy key generate --kind ed25519 --out ~/me.pem
      once: a key that signs, and does nothing else
  privy key show me.pem --output pem > me.pub.pem
      its public half, for the administrator, who adds it to `signers`
  privy sign db.yaml --key me.pem
      every sealed value of the file
  privy sign prod --key me.pem --field password

Sign only what you sealed yourself, or what a person whom you trust sealed while you watched: no one can look into an envelope, and you sign for whatever it opens to. A signature is for one envelope and so for one place; it is kept in the annotation `privyseal.dev/sig.FIELD`. Values that this key has signed already are left as they are. `privy set`, `seal` and `edit` sign what they seal with --sign.")]
pub struct SignArgs {
    /// Manifests, folders of them, or patterns such as `prod/**/*.yaml`
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The private key to sign with: PKCS#8 PEM of Ed25519, P-256 or RSA [default: named by `sign-with` in your own
    /// configuration]
    #[arg(long, short, value_name = "PRIVATE.pem")]
    pub key: Option<PathBuf>,
    /// Sign only this field; may be given several times
    #[arg(long, short, value_name = "FIELD")]
    pub field: Vec<String>,
    /// Check everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to report what was done: for people on standard error, or as JSON on standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}
