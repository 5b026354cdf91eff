//! `privy key` and its verbs.
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::format::{KeyFormat, ReportFormat};

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
    Sign(KeySignArgs),
    /// Compare a key's fingerprint with the key manager once, and remember the key
    Trust(TrustArgs),
    /// List the keys and signers that you trust
    List(ListArgs),
    /// No longer trust a key or a signer
    Remove(RemoveArgs),
    /// Have a Kubernetes KMS plugin wrap a private key, so that only the plugin opens the file
    Wrap(WrapArgs),
}

/// `privy key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How to print the list
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT")]
    pub output: ReportFormat,
}

/// `privy key remove`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy key list
  privy key remove payments
      the key is compared again before it is sealed for again
  privy key remove --signer dba
      their signatures no longer count, on key cards or on values

Only your own list changes: what is sealed stays sealed, and who may open it is decided by the webhook's configuration.")]
pub struct RemoveArgs {
    /// Its name, as `privy key list` shows it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The name is that of a signer
    #[arg(long)]
    pub signer: bool,
}

/// `privy key wrap`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy key wrap payments.pem --plugin /run/kms/socket --out payments.wrapped
      the webhook then names it as kms-plugin:/run/kms/socket?key=/etc/privy/payments.wrapped

The private key is encrypted under a key of its own, and the plugin encrypts that one. Anyone who has the file and may ask the plugin has the private key; the file by itself is of no use.")]
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
  privy key generate --kind ed25519 --out ~/manager.pem
      once: a key that signs, and does nothing else
  privy key show ~/manager.pem --output pem > keys/manager.pub.pem
      its public half, for the repository; custodians trust it once, with privy key trust --card-signer
  privy key sign keys/payments.card.json --with ~/manager.pem
      after every change of a card; commit keys/payments.card.json.jws with it

The signature is a compact JWS (RFC 7515) whose payload is the card. A rule of .privy.yaml asks for it with `signer: keys/manager.pub.pem`.")]
pub struct KeySignArgs {
    /// The key card
    pub card: PathBuf,
    /// The private key to sign with: PKCS#8 PEM of Ed25519, P-256 or RSA
    #[arg(long, value_name = "PRIVATE.pem")]
    pub with: PathBuf,
    /// Where the signature goes, if not beside the card as CARD.jws, where it is looked for
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What a new card says of its key, beside the key.
#[derive(Debug, Default, Args)]
pub struct NotedArgs {
    /// What people call the key; by default the name of its file, or its name in the key service
    #[arg(long)]
    pub name: Option<String>,
    /// A namespace that the key is meant for, noted in the card; may be given several times
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// A cluster that the key serves, noted in the card; may be given several times
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
}

/// `privy key generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  privy key generate --out ~/payments.pem --card payments.card.json

The private key stays where it was made, outside of every repository. The card is public: commit it beside the manifests. For production, make the key in a key service, where no one can copy it.")]
pub struct GenerateArgs {
    /// Where the private key goes (PKCS#8 PEM, readable only by you)
    #[arg(long, value_name = "PRIVATE.pem")]
    pub out: PathBuf,
    /// Where the public key card goes
    #[arg(long, value_name = "CARD.json")]
    pub card: Option<PathBuf>,
    /// What kind of key
    #[arg(long, value_enum, default_value_t = LocalKeyKind::Rsa4096)]
    pub kind: LocalKeyKind,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub noted: NotedArgs,
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
    /// The one algorithm of the key, where it is not RSA-OAEP-256 or ECDH-ES+A256KW
    #[arg(long, value_name = "ALG")]
    pub algorithm: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a group of flags")]
    pub noted: NotedArgs,
    /// Replace a card that exists
    #[arg(long)]
    pub force: bool,
}

/// `privy key show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Read the fingerprint over the telephone to those who want to seal for this key; they type it at `privy key trust`.")]
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
#[allow(clippy::struct_excessive_bools, reason = "one for each flag")]
pub struct TrustArgs {
    /// The key card, PEM or JWK
    #[arg(required_unless_present = "list")]
    pub file: Option<PathBuf>,
    /// The fingerprint as you heard it, where no one can be asked
    #[arg(long, value_name = "DIGITS")]
    pub fingerprint: Option<String>,
    /// The file is the public key of a signer of key cards (`privy key sign`): they may introduce keys to seal for
    #[arg(long, conflicts_with = "value_signer")]
    pub card_signer: bool,
    /// A card that they may sign, by its name, a pattern such as `team-*`, or `*` for all; may be given several times
    #[arg(long, value_name = "NAME", requires = "card_signer")]
    pub card: Vec<String>,
    /// The file is the public key of a signer of sealed values (`privy sign`)
    #[arg(long)]
    pub value_signer: bool,
    /// What `--value-signer` was called before.
    #[arg(long, hide = true, conflicts_with_all = ["card_signer", "value_signer"])]
    pub signer: bool,
    /// Trust this key in place of another that has its name
    #[arg(long)]
    pub replace: bool,
    /// List the keys and signers that you trust
    #[arg(long, conflicts_with_all = ["file", "fingerprint", "replace", "signer", "card_signer", "value_signer"])]
    pub list: bool,
    /// How to print the list
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, value_name = "FORMAT", requires = "list")]
    pub output: ReportFormat,
}

/// Kinds of local keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "named for what they are")]
pub enum LocalKeyKind {
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
