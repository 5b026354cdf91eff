//! Flags of `privy render`.
use std::path::PathBuf;

use clap::ValueEnum;

use super::inputs;

/// `privy render`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  privy render --only backstop | kubectl apply -f -
      first of all: from now on no sealed value is stored as it is
  privy render --ca ca.crt --card payments.card.json --unseal payments/deployer | kubectl apply -f -
      the webhook in the cluster, called through the API server itself
  privy render --callers mtls --url https://10.0.0.7:10250 --ca ca.crt
      the registration of a webhook that runs elsewhere

Prints manifests, changes nothing. The order is the order in which to apply them. To take the webhook away, delete what `--only webhook` prints; keep the backstop, without which the next sync writes ciphertext over live values.")]
pub struct Args {
    /// How the API server proves itself to the webhook
    #[arg(long, value_enum, default_value_t = CallerMode::Aggregated, value_name = "MODE")]
    pub callers: CallerMode,
    /// The authority (PEM) that signed the webhook's certificate
    #[arg(long, value_name = "FILE", required_unless_present = "only")]
    pub ca: Option<PathBuf>,
    /// Namespace of the webhook
    #[arg(long, short, value_name = "NAME", default_value = "privy-seal", value_parser = inputs::name)]
    pub namespace: String,
    /// Image of the webhook
    #[arg(long, value_name = "IMAGE", default_value = concat!("privy-webhook:", env!("CARGO_PKG_VERSION")), value_parser = inputs::image)]
    pub image: String,
    /// The webhook's configuration; by default one that serves the keys of the cards
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A key card to serve; may be given several times
    #[arg(long, value_name = "FILE")]
    pub card: Vec<PathBuf>,
    /// The public key of a signer that the configuration names, to stand beside it; may be given several times
    #[arg(long, value_name = "FILE", requires = "config")]
    pub signer: Vec<PathBuf>,
    /// The webhook runs outside the cluster and is called at this address (not with aggregated callers)
    #[arg(long, value_name = "URL", value_parser = inputs::url, conflicts_with = "external_name")]
    pub url: Option<String>,
    /// The webhook runs outside the cluster under this DNS name: a Service of type ExternalName points at it
    #[arg(long, value_name = "HOST", value_parser = inputs::name)]
    pub external_name: Option<String>,
    /// Port of the webhook's Service
    #[arg(long, value_name = "PORT", default_value_t = 443, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Never call the webhook for this namespace, beside kube-system and its own; may be given several times
    #[arg(long, value_name = "NAMESPACE", value_parser = inputs::name)]
    pub exempt: Vec<String>,
    /// Refuse plain values in these namespaces (`all`: in all that are not exempt)
    #[arg(long, value_name = "NAMESPACES", value_parser = inputs::must_be_sealed)]
    pub must_be_sealed: Option<MustBeSealed>,
    /// Grant a service account the right to have values opened in its namespace; may be given several times
    #[arg(long, value_name = "NAMESPACE/SERVICE_ACCOUNT", value_parser = inputs::grant)]
    pub unseal: Vec<Grant>,
    /// Let the webhook ask the API server a second time who may unseal
    #[arg(long)]
    pub subject_access_review: bool,
    /// Print this part alone
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Option<Part>,
}

/// How the API server proves itself to the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CallerMode {
    /// Through the API server's aggregation layer; on any cluster
    Aggregated,
    /// By a client certificate that the API server is configured with
    Mtls,
    /// On the API server's own host
    Loopback,
}

/// What can be printed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The policy that refuses sealed values which nobody opened
    Backstop,
    /// The webhook and its registration
    Webhook,
    /// The registration of the webhook
    Registration,
    /// The rights to have values opened
    Rights,
}

/// Where plain values are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MustBeSealed {
    /// In every namespace that is not exempt.
    All,
    /// In these.
    In(Vec<String>),
}

/// A right to have values opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where.
    pub namespace: String,
    /// Who: a service account of that namespace.
    pub service_account: String,
}
