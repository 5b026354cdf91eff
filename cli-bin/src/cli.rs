//! Arguments and help texts alone.

pub mod edit;
pub mod groups;
pub mod sign;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use groups::{BoundsArgs, KeyArgs, LayoutArgs, PlaceArgs, SealingArgs, ValueArgs};

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
    Seal(SealArgs),
    /// Open a manifest in your editor, and seal what is new in it
    Edit(edit::EditArgs),
    /// Vouch for what is sealed already, with a private key of your own
    Sign(sign::SignArgs),
    /// Show what an envelope or a manifest says of itself; needs no private key
    Inspect(InspectArgs),
    /// Tell what became of sealed values, between commits, files, or files and a cluster
    Diff(crate::commands::diff::args::DiffArgs),
    /// Check files and repositories: what is open, damaged, misplaced or sealed for the wrong key
    Lint(crate::commands::lint::args::LintArgs),
    /// Open one envelope with a local private key or a key service
    Open(OpenArgs),
    /// Make, fetch, show and trust keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print the manifests that put the webhook into a cluster
    Render(Box<commands::render::Args>),
    /// Look at a cluster as its administrator and say what is wrong
    Doctor(Box<commands::doctor::Args>),
    /// Show the whole journey on this machine: no cloud, no cluster
    #[cfg(feature = "demo")]
    Demo(commands::demo::Args),
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

Only the named field is written. The other fields stay as they are, and nobody needs to be able to read them. A value is never taken from the command line, where every user of the machine could see it.")]
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

With --field (or --for) the input is one value, byte for byte, and the result is one envelope. Without, the input is manifests: every plain value of every Secret in them is sealed for the place where it stands. Values that are sealed already, comments and layout stay as they are, byte for byte.

Where an envelope may be opened is part of it. What you leave open makes it wider, so you say it:
  --for payments/db/password      this field of this Secret alone
  --for 'payments/db-*/password'  Secrets whose name begins with `db-`
  --for 'payments/*/*'            any field of any Secret of the namespace
  --anywhere                      any namespace")]
pub struct SealArgs {
    /// Manifests to seal, folders of them, or patterns such as `prod/**/*.yaml`; standard input when there is none
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write the sealed manifests back into their files: all of them, or none when one is refused
    #[arg(long, short)]
    pub in_place: bool,
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

/// `privy inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy inspect db.yaml              a table of the manifest's fields
  privy inspect < password.jwe       one envelope in full
  privy inspect --output json db.yaml

Nothing is opened, and no private key is needed. What an envelope says of who sealed it, when and why is a claim of whoever sealed it. Exit code 1 means that something is damaged, or stands where it cannot be opened.")]
pub struct InspectArgs {
    /// Files with manifests or an envelope; standard input when there is none
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}

/// `privy open`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy open --key payments.pem --for payments/db/password < password.jwe
  privy open --key payments.pem --for payments/db/store --out store < store.jwe
  privy open --key old.jwk --key new.jwk --for a/b/c --output json < c.jwe
  privy open --key vault-transit://transit/payments --for a/b/c < c.jwe

The envelope is checked and opened by the same code that the webhook runs in the cluster, for the place that you name. A key given as a JWK is found by the JWK's own `kid`, too, and is used with the JWK's `alg` alone. An envelope without `kid` is tried with the key when only one is given.")]
pub struct OpenArgs {
    /// A private key: PKCS#8 PEM, JWK, a JWK Set with one key, or the reference of a key service; may be given several times
    #[arg(long, short, required = true, value_name = "PRIVATE")]
    pub key: Vec<PathBuf>,
    /// The place in one word: namespace/name/field
    #[arg(long = "for", value_name = "N/S/F", conflicts_with_all = ["namespace", "name", "field"])]
    pub place: Option<String>,
    /// Namespace of the Secret in which the envelope stands
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Name of that Secret
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Key within its data
    #[arg(long, short, value_name = "FIELD")]
    pub field: Option<String>,
    /// Open envelopes that say nothing of where they belong, as other tools make them
    #[arg(long)]
    pub allow_unbound: bool,
    /// Name of the cluster, for envelopes that name the clusters they are for
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Open as this service account would at run time
    #[arg(long, value_name = "SERVICE_ACCOUNT")]
    pub sa: Option<String>,
    /// Write the value to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the value's bytes, or one JSON object about what happened
    #[arg(long, value_enum, default_value_t = ValueFormat::Raw, value_name = "FORMAT")]
    pub output: ValueFormat,
}

/// `privy key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a private key in a file, and its key card for others to seal with
    Generate(GenerateArgs),
    /// Ask a key service for a public key, and write its key card
    Fetch(FetchArgs),
    /// Show a key: its id, its strength and its fingerprints
    Show(ShowArgs),
    /// Sign a key card, so that custodians who trust the signer need not compare its fingerprint
    Sign(SignArgs),
    /// Compare a key's fingerprint with the key manager once, and remember the key
    Trust(TrustArgs),
    /// Have a Kubernetes KMS plugin wrap a private key, so that only the plugin opens the file
    Wrap(WrapArgs),
}

/// `privy key wrap`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy key wrap payments.pem --plugin /run/kms/socket --out payments.wrapped
      the webhook then names it as kms-plugin:/run/kms/socket?key=/etc/privy/payments.wrapped

The private key is encrypted under a key of its own, and the plugin encrypts that one. Whoever has the file and may ask the plugin has the private key; the file alone is of no use.")]
pub struct WrapArgs {
    /// The private key file (PEM or JWK)
    #[arg(value_name = "PRIVATE.pem")]
    pub key: PathBuf,
    /// The plugin's socket
    #[arg(long, value_name = "SOCKET")]
    pub plugin: PathBuf,
    /// Where the wrapped key goes
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `privy key sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy key generate --kind ed25519 --out manager.pem
      once: a key that signs, and does nothing else
  privy key show manager.pem --output pem > keys/manager.pub.pem
      its public half, for the repository; custodians trust it once, with privy key trust --signer
  privy key sign keys/payments.card.json --with manager.pem
      after every change of a card; commit keys/payments.card.json.jws with it

The signature is a compact JWS (RFC 7515) whose payload is the card. A rule of .privy.yaml asks for it with `signer: keys/manager.pub.pem`.")]
pub struct SignArgs {
    /// The key card
    pub card: PathBuf,
    /// The private key to sign with: PKCS#8 PEM of Ed25519, P-256 or RSA
    #[arg(long, value_name = "PRIVATE.pem")]
    pub with: PathBuf,
    /// Where the signature goes, if not beside the card as CARD.jws, where it is looked for
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `privy key generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  privy key generate --out payments.pem --card payments.card.json

The private key stays where it was made. The card is public: commit it beside the manifests. For production, make the key in a key service, where nobody can copy it.")]
pub struct GenerateArgs {
    /// Where the private key goes (PKCS#8 PEM, readable by you alone)
    #[arg(long, value_name = "PRIVATE.pem")]
    pub out: PathBuf,
    /// Where the public key card goes
    #[arg(long, value_name = "CARD.json")]
    pub card: Option<PathBuf>,
    /// What people call the key; by default the name of the file
    #[arg(long)]
    pub name: Option<String>,
    /// What kind of key
    #[arg(long, value_enum, default_value_t = Kind::Rsa4096)]
    pub kind: Kind,
    /// A namespace that the key is meant for, noted in the card; may be given several times
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// A cluster that the key serves, noted in the card; may be given several times
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Replace files that exist: what was sealed for a replaced key can no longer be opened
    #[arg(long)]
    pub force: bool,
}

/// `privy key fetch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy key fetch vault-transit://transit/payments --out payments.card.json
  privy key fetch aws-kms://arn:aws:kms:eu-central-1:111122223333:key/ID > payments.card.json

The key service is reached as its own tool reaches it, by what the environment says (VAULT_ADDR, AWS_PROFILE, and so on; docs/key-services.md). A reference without a version yields a card of every version that decrypts, the newest active. The private key stays where it is.")]
pub struct FetchArgs {
    /// The key: `vault-transit://…`, `aws-kms://arn:…`, `gcp-kms://…`, `azure-kv://…`, `pkcs11:…`
    #[arg(value_name = "REFERENCE")]
    pub uri: String,
    /// Where the key card goes; standard output when it is left out
    #[arg(long, value_name = "CARD.json")]
    pub out: Option<PathBuf>,
    /// What people call the key; by default its name in the key service
    #[arg(long)]
    pub name: Option<String>,
    /// The one algorithm of the key, where it is not RSA-OAEP-256 or ECDH-ES+A256KW
    #[arg(long, value_name = "ALG")]
    pub algorithm: Option<String>,
    /// A namespace that the key is meant for, noted in the card; may be given several times
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// A cluster that the key serves, noted in the card; may be given several times
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Replace a card that exists
    #[arg(long)]
    pub force: bool,
}

/// `privy key show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Read the fingerprint over the telephone to whoever wants to seal for this key; they type it at `privy key trust`.")]
pub struct ShowArgs {
    /// A key card, PEM, certificate or JWK; of a private key the public half is shown
    pub file: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t = KeyFormat::Text, value_name = "FORMAT")]
    pub output: KeyFormat,
}

/// `privy key trust`.
#[derive(Debug, Args)]
#[command(after_help = "\
Call the key manager on a number that you know, and have the fingerprint read to you: twelve groups of five digits. It is not shown here, so that it cannot be confirmed without being heard.

Trusted keys are kept in your own configuration, not in the repository: in PRIVY_CONFIG_DIR, or else XDG_CONFIG_HOME/privy, ~/.config/privy, or privy under APPDATA on Windows.")]
pub struct TrustArgs {
    /// The key card, PEM or JWK
    #[arg(required_unless_present = "list")]
    pub file: Option<PathBuf>,
    /// The fingerprint as you heard it, where nobody can be asked
    #[arg(long, value_name = "DIGITS")]
    pub fingerprint: Option<String>,
    /// The file is the public key of somebody who signs key cards (`privy key sign`) or sealed values (`privy sign`)
    #[arg(long)]
    pub signer: bool,
    /// Trust this key in place of another that has its name
    #[arg(long)]
    pub replace: bool,
    /// List the keys that you trust
    #[arg(long, conflicts_with_all = ["file", "fingerprint", "replace", "signer"])]
    pub list: bool,
    /// How to print the list
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT", requires = "list")]
    pub output: ReportFormat,
}

/// Kinds of local keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "named for what they are")]
pub enum Kind {
    #[value(name = "rsa-4096")]
    Rsa4096,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "p256")]
    P256,
    #[value(name = "p384")]
    P384,
    #[value(name = "p521")]
    P521,
    #[value(name = "x25519")]
    X25519,
    /// Signs key cards and sealed values, and cannot be sealed for
    #[value(name = "ed25519")]
    Ed25519,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How an opened value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ValueFormat {
    /// The value's bytes, and nothing else
    Raw,
    /// One JSON object, on success and refusal
    Json,
}

/// How a key is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyFormat {
    /// For people
    Text,
    /// Id, algorithm and fingerprints for programs
    Json,
    /// The public JWK
    Jwk,
    /// The public key as PEM
    Pem,
    /// A key card
    Card,
}
