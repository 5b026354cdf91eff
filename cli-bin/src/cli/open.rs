//! `privy open`.
use std::path::PathBuf;

use clap::Args;

use super::format::ValueFormat;

/// `privy open`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  privy open --key payments.pem db.yaml password
  privy open --key payments.pem --for payments/db/password < password.jwe
  privy open --key payments.pem --for payments/db/store --out store < store.jwe
  privy open --key old.jwk --key new.jwk --for a/b/c --output json < c.jwe
  privy open --key vault-transit://transit/payments --for a/b/c < c.jwe

The envelope is checked and opened by the same code that the webhook runs in the cluster, for the place that you name. A key given as a JWK is found by the JWK's own `kid`, too, and is used only with the JWK's `alg`. An envelope without `kid` is tried with the key when only one is given.")]
pub struct OpenArgs {
    /// A manifest whose value is opened; its place comes from the manifest. Without it, one envelope on standard input
    #[arg(value_name = "FILE", conflicts_with = "place")]
    pub file: Option<PathBuf>,
    /// The field of the manifest; may be left out where only one is sealed
    #[arg(value_name = "FIELD", conflicts_with_all = ["place", "field"])]
    pub of_manifest: Option<String>,
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
    /// Assume that this service account asks, as at run time. The name is taken on your word and proves nothing: anyone who holds the private key can open the value
    #[arg(long, value_name = "SERVICE_ACCOUNT")]
    pub sa: Option<String>,
    /// Write the value to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the value's bytes, or one JSON object about what happened
    #[arg(long, value_enum, default_value_t = ValueFormat::Raw, value_name = "FORMAT")]
    pub output: ValueFormat,
}
