//! Flags of `privy render`.
use std::path::PathBuf;

use clap::ValueEnum;

/// `privy render`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  privy render --only backstop | kubectl apply -f -
      first of all: from now on no sealed value is stored as it is
  privy render --ca ca.crt --card payments.card.json --unseal payments=payments-ci/deployer | kubectl apply -f -
      the webhook in the cluster, called through the API server itself
  privy render --callers mtls --url https://10.0.0.7:10250 --ca ca.crt
      the registration of a webhook that runs elsewhere

Prints manifests, changes nothing. The order is the order in which to apply them. Never pipe it to `kubectl delete`: that would delete the namespace with the only copy of a key, and the backstop, without which the next sync writes ciphertext over live values. To take the webhook away, delete its registration first, then its APIService, by name:
  kubectl delete mutatingwebhookconfiguration privy-webhook
  kubectl delete apiservice v1.admission.privyseal.dev --ignore-not-found")]
pub struct RenderArgs {
    /// How the API server proves itself to the webhook
    #[arg(long, value_enum, default_value_t = CallerChoice::Aggregated, value_name = "MODE")]
    pub callers: CallerChoice,
    /// The authority (PEM) that signed the webhook's certificate
    #[arg(long, value_name = "FILE", required_unless_present = "only")]
    pub ca: Option<PathBuf>,
    /// Namespace of the webhook
    #[arg(long, short, value_name = "NAME", default_value = "privy-seal", value_parser = name)]
    pub namespace: String,
    /// Image of the webhook [default: privy-webhook and this version]
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub image: Option<String>,
    /// The webhook's configuration; by default one that serves the keys of the cards
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A key card to serve; may be given several times
    #[arg(long, value_name = "FILE")]
    pub card: Vec<PathBuf>,
    /// The public key of a signer that the configuration names, to be put beside it; may be given several times
    #[arg(long, value_name = "FILE", requires = "config")]
    pub signer: Vec<PathBuf>,
    /// The webhook runs outside the cluster and is called at this address (not with aggregated callers)
    #[arg(long, value_name = "URL", value_parser = url, conflicts_with = "external_name")]
    pub url: Option<String>,
    /// The webhook runs outside the cluster under this DNS name: a Service of type ExternalName points at it
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub external_name: Option<String>,
    /// Port of the webhook's Service [default: 443]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Never call the webhook for this namespace, beside kube-system and its own; may be given several times
    #[arg(long, value_name = "NAMESPACE", value_parser = name)]
    pub exempt: Vec<String>,
    /// Refuse plain values in these namespaces (`all`: in all that are not exempt)
    #[arg(long, value_name = "NAMESPACES", value_parser = must_be_sealed)]
    pub must_be_sealed: Option<MustBeSealed>,
    /// Grant a service account the right to have values opened in NAMESPACE; may be given several times. Without
    /// `NAMESPACE=` in the account's own namespace, where anyone who runs pods or creates its tokens may then unseal, too
    #[arg(long, value_name = "[NAMESPACE=]ACCOUNT_NAMESPACE/ACCOUNT", value_parser = grant)]
    pub unseal: Vec<UnsealGrant>,
    /// Whether a Secret may be filled with a service account's token for someone who may not create tokens of it
    #[arg(long, value_enum, default_value_t = LegacyTokens::Refuse, value_name = "RULE")]
    pub legacy_tokens: LegacyTokens,
    /// Let the webhook ask the API server a second time who may unseal
    #[arg(long)]
    pub subject_access_review: bool,
    /// Print only this part
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Option<ManifestPart>,
}

/// How the API server proves itself to the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CallerChoice {
    /// Through the API server's aggregation layer; on any cluster
    Aggregated,
    /// By a client certificate that the API server is configured with
    Mtls,
    /// On the API server's own host
    Loopback,
}

/// What happens to Secrets that ask for a service account's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LegacyTokens {
    /// Refused without the right to create tokens of that account
    Refuse,
    /// No policy is printed
    Allow,
}

/// The parts that can be printed by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ManifestPart {
    /// The policy that refuses sealed values which were not opened
    Backstop,
    /// The policy against Secrets that ask for a service account's token
    LegacyTokens,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnsealGrant {
    /// Where.
    pub namespace: String,
    /// The namespace of the service account.
    pub account_namespace: String,
    /// The service account.
    pub service_account: String,
}

/// A DNS name in lower case, as Kubernetes names namespaces and hosts.
fn name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        Err("must be a DNS name of small letters, digits, `-` and `.`".to_owned())
    }
}

/// A host's DNS name: a Service of type ExternalName cannot point at an address.
fn host(text: &str) -> Result<String, String> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err("must be a DNS name: the cluster's DNS would look an address up as a name; call the webhook at an address with `--callers mtls --url https://ADDRESS:PORT`".to_owned());
    }
    name(text)
}

fn image(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/:@".contains(&b);
    if !text.is_empty() && text.len() <= 512 && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(
            "must be the name of an image, such as `registry.example/privy-webhook:0.1.0`"
                .to_owned(),
        )
    }
}

fn url(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    let host = text
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host) if !host.is_empty() && host.bytes().all(allowed) => {
            Ok(format!("https://{host}"))
        }
        _ => {
            Err("must be https:// with a host and perhaps a port, and nothing after it".to_owned())
        }
    }
}

fn must_be_sealed(text: &str) -> Result<MustBeSealed, String> {
    if text == "all" {
        return Ok(MustBeSealed::All);
    }
    let mut names: Vec<String> = Vec::new();
    for part in text.split(',') {
        let name = name(part.trim()).map_err(|_| {
            "must be `all`, or names of namespaces with commas between them".to_owned()
        })?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(MustBeSealed::In(names))
}

fn grant(text: &str) -> Result<UnsealGrant, String> {
    let wrong = || {
        "must be a namespace, `=`, and a service account with its own namespace, such as `payments=payments-ci/deployer`"
            .to_owned()
    };
    let (namespace, account) = match text.split_once('=') {
        Some((namespace, account)) => (Some(namespace), account),
        None => (None, text),
    };
    let (account_namespace, account) = account.split_once('/').ok_or_else(wrong)?;
    if account == "default" {
        return Err(
            "every pod of the namespace runs as `default`; make a service account of its own"
                .to_owned(),
        );
    }
    // A namespace contains no dot.
    let label = |text: &str| {
        name(text)
            .ok()
            .filter(|text| !text.contains('.'))
            .ok_or_else(wrong)
    };
    Ok(UnsealGrant {
        namespace: label(namespace.unwrap_or(account_namespace))?,
        account_namespace: label(account_namespace)?,
        service_account: name(account).map_err(|_| wrong())?,
    })
}
