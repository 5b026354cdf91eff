//! Flags that several verbs share.
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub use crate::project::Layout;

/// Which public keys to seal for.
#[derive(Debug, Default, Args)]
pub struct KeyArgs {
    /// Public key to seal for: key card, PEM, certificate, JWK, or a reference to a key service such as
    /// `vault-transit://…`; several keys make several recipients [default: from .privy.yaml]
    #[arg(long, short, value_name = "CARD|PEM|JWK", help_heading = "Key")]
    pub key: Vec<PathBuf>,
    /// Refuse a key of `--key` whose fingerprint you never compared [default: `trust: required` in your own configuration]
    #[arg(long, help_heading = "Key")]
    pub require_trusted: bool,
    /// Seal for places that the key card does not name, too; what the envelope is bound to stays the same
    #[arg(long, help_heading = "Key")]
    pub ignore_places: bool,
}

/// The place of a value.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// The place in one word: namespace/name/field; `*` leaves name or field open
    #[arg(long = "for", value_name = "N/S/F", conflicts_with_all = ["namespace", "name", "field"])]
    pub place: Option<String>,
    /// Namespace of the Secret, or a pattern such as `team-*`
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Name of the Secret, a pattern such as `db-*`, or `*` for any
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Key within the Secret's data, a pattern such as `user-*`, or `*` for any; the input is then one value
    #[arg(long, short, value_name = "FIELD")]
    pub field: Option<String>,
    /// Let the envelope be opened in every namespace
    #[arg(long, conflicts_with_all = ["place", "namespace"])]
    pub anywhere: bool,
}

/// What else bounds where and when an envelope may be opened.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub struct BoundsArgs {
    /// Cluster that the value is for; may be given several times [default: as the key card says]
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Only for this service account, at run time; the webhook leaves it closed
    #[arg(long, value_name = "SERVICE_ACCOUNT")]
    pub sa: Option<String>,
    /// Not introduced before: a date, a date with time, or a span such as 12h or 7d
    #[arg(long, value_name = "WHEN")]
    pub not_before: Option<String>,
    /// Not introduced after: a date, a date with time, or a span such as 90d
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
}

/// Where a value comes from and what may be done to it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Value")]
pub struct ValueArgs {
    /// Read the value from this file, or from standard input with `-`, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub value_file: Option<PathBuf>,
    /// Seal a value of no bytes
    #[arg(long)]
    pub allow_empty: bool,
    /// Turn text that PowerShell or Notepad saved as UTF-16 into UTF-8
    #[arg(long, value_enum, value_name = "ENCODING", conflicts_with = "raw")]
    pub decode: Option<Decode>,
    /// Drop one newline at the end of the value
    #[arg(long, conflicts_with = "raw")]
    pub strip_newline: bool,
    /// Take the bytes as they are, without checks or questions
    #[arg(long)]
    pub raw: bool,
    /// Caught so that it can be answered.
    #[arg(long = "value", hide = true, num_args = 0..=1, value_name = "NEVER")]
    pub forbidden_value: Option<Option<OsString>>,
}

/// Encodings that a value may be read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decode {
    /// UTF-16 that begins with a byte-order mark
    #[value(name = "utf-16")]
    Utf16,
}

/// What the envelope says of itself, and how it is written.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Envelope")]
pub struct SealingArgs {
    /// Who seals, for reviewers
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
    /// Why, for reviewers: a ticket, say
    #[arg(long, value_name = "REASON")]
    pub why: Option<String>,
    /// How the envelope is written [default: compact; general for several keys]
    #[arg(long, value_enum, value_name = "FORM")]
    pub serialization: Option<Form>,
    /// Sign what is sealed with this private key (PKCS#8 PEM of Ed25519, P-256 or RSA), for webhooks that open
    /// only what custodians signed [default: named by `sign-with` in your own configuration]
    #[arg(long, value_name = "PRIVATE.pem")]
    pub sign: Option<PathBuf>,
}

/// Where a manifest keeps its envelopes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Envelope")]
pub struct LayoutArgs {
    /// Where the manifest keeps the envelope [default: from .privy.yaml, or else where the value is]
    #[arg(long, value_enum, value_name = "LAYOUT")]
    pub layout: Option<Layout>,
}

/// RFC 7516 §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One word that survives templates, editors and shells
    Compact,
    /// JSON, one key
    Flattened,
    /// JSON, several keys
    General,
}
