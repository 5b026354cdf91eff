//! The way from the API server to the webhook and on to the key service, tried out in dry runs.
use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{Binding, CardKey, KeyCard, Sealer};
use serde_json::{Value, json};

use super::super::args::Args;
use super::super::cluster::{Cluster, Said};
use super::super::finding::Finding;
use super::registered::Callers;
use crate::io::files;
use crate::report::Failure;

const CARD_LIMIT: usize = 64 * 1024;
const NAME: &str = "privy-doctor";

/// An envelope that is damaged in itself: whoever reads it says so, without asking a key.
const DAMAGED: &str = "eyJlbmMiOiJBMjU2R0NNIn0.damaged.damaged.damaged.damaged";

fn secret(args: &Args, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "namespace": args.test_namespace, "name": NAME },
        "data": { "value": STANDARD.encode(value) },
    })
}

/// The API server's own refusal of somebody who may not create Secrets there: no webhook was asked.
fn not_allowed(check: &'static str, args: &Args, said: &Said) -> Option<Finding> {
    said.err
        .contains("cannot create resource \"secrets\"")
        .then(|| {
            Finding::unknown(
                check,
                format!(
                    "you may not create Secrets in namespace {}, not even in a dry run",
                    args.test_namespace
                ),
                "run it as somebody who may, or name another namespace with --test-namespace",
            )
        })
}

/// A damaged envelope in a dry run: the webhook's own refusal shows that it was reached.
pub(super) fn reaches(args: &Args, cluster: &Cluster, callers: Callers) -> anyhow::Result<Finding> {
    const CHECK: &str = "network path";
    if callers == Callers::None {
        return Ok(Finding::unknown(
            CHECK,
            "nothing is registered, so nothing is called",
            "register the webhook first",
        ));
    }
    let Err(said) = cluster.create_dry(&secret(args, DAMAGED))? else {
        return Ok(Finding::problem(
            CHECK,
            format!(
                "a damaged envelope was accepted in namespace {}",
                args.test_namespace
            ),
            "look whether the namespace is exempt, or another webhook stands in the way; name another with --test-namespace",
        ));
    };
    if let Some(finding) = not_allowed(CHECK, args, &said) {
        return Ok(finding);
    }
    let text = said.err.as_str();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Ok(if has(&["damaged"]) {
        Finding::ok(
            CHECK,
            "the API server calls the webhook, and the webhook answers",
        )
    } else if has(&[
        "x509:",
        "certificate signed by unknown authority",
        "certificate has expired",
    ]) {
        Finding::problem(
            CHECK,
            format!(
                "the API server does not trust the webhook's certificate: {}",
                said.error()
            ),
            if callers == Callers::Aggregated {
                "put the authority of the webhook's certificate into the APIService's `caBundle` (privy render --ca FILE)"
            } else {
                "put the authority of the webhook's certificate into the registration's `caBundle` (privy render --ca FILE)"
            },
        )
    } else if has(&[
        "certificate required",
        "bad certificate",
        "unknown certificate",
        "certificate unknown",
        "the caller is not",
    ]) {
        Finding::problem(
            CHECK,
            format!(
                "the webhook does not accept the API server as a caller: {}",
                said.error()
            ),
            "give the API server its client certificate (--admission-control-config-file; the user's name there is host and port), or use aggregated callers",
        )
    } else if has(&["failed calling webhook"]) {
        Finding::problem(
            CHECK,
            format!(
                "the API server does not reach the webhook: {}",
                said.error()
            ),
            if has(&["currently unable to handle the request"]) {
                // What the aggregation layer of older API servers says of every fault of this way.
                "look at the webhook's pods, its Service, firewalls between the API server and port 10250, and whether the APIService's `caBundle` is the authority of the webhook's certificate (privy render --ca FILE)"
            } else {
                "look at the webhook's pods, its Service, and firewalls between the API server and port 10250"
            },
        )
    } else if has(&["may not `unseal`"]) {
        Finding::unknown(
            CHECK,
            format!(
                "you may not unseal in namespace {}, so the webhook is not called for you",
                args.test_namespace
            ),
            "run it as somebody who may, or name another namespace with --test-namespace",
        )
    } else if has(&["would be stored sealed"]) {
        Finding::problem(
            CHECK,
            format!(
                "only the backstop noticed a sealed value in namespace {}",
                args.test_namespace
            ),
            "look at the registration's `namespaceSelector` and `matchConditions`, or name a namespace that is not exempt with --test-namespace",
        )
    } else {
        Finding::unknown(
            CHECK,
            format!("an answer that says nothing: {}", said.error()),
            "look at the answer and run it again",
        )
    })
}

/// The key card of `--card`.
pub(super) fn card(args: &Args) -> Result<Option<KeyCard>, Failure> {
    let Some(path) = &args.card else {
        return Ok(None);
    };
    let bytes = files::read(path, CARD_LIMIT)?;
    let card = KeyCard::parse(&bytes).map_err(|error| {
        Failure::usage(
            anyhow::Error::new(error).context(format!("`{}` is no key card", path.display())),
        )
    })?;
    if card.active().is_none() {
        return Err(
            Failure::usage(anyhow!("all keys of `{}` are retired", path.display()))
                .hint("name the current key card"),
        );
    }
    Ok(Some(card))
}

/// What became of a value that was sealed for a key and sent in a dry run.
pub(super) enum Tried {
    Opened,
    /// It came back as it was sent.
    Sealed,
    Refused(Said),
}

impl Tried {
    /// Whether the webhook does not know the key.
    pub(super) fn is_unknown_key(said: &Said) -> bool {
        ["unknown-key", "not served here"]
            .iter()
            .any(|word| said.err.contains(word))
    }
}

/// Seals a value for the key, for these minutes, and sends it in a dry run.
pub(super) fn try_key(
    args: &Args,
    cluster: &Cluster,
    key: &CardKey,
    now: u64,
) -> Result<Tried, Failure> {
    let usage =
        |error: anyhow::Error| Failure::usage(error.context("cannot seal a value for the test"));
    let mut binding = Binding::namespace(&args.test_namespace)
        .and_then(|binding| binding.with_name(NAME))
        .and_then(|binding| binding.with_key("value"))
        .and_then(|binding| binding.starting_at(now))
        .and_then(|binding| binding.expiring_at(now + 60))
        .map_err(|error| usage(error.into()))?;
    if !key.places.clusters.is_empty() {
        binding = binding
            .with_audience(&key.places.clusters)
            .map_err(|error| usage(error.into()))?;
    }
    let sealed = Sealer::new(std::slice::from_ref(&key.recipient))
        .and_then(|mut sealer| sealer.seal(b"privy doctor", &binding))
        .map_err(|error| usage(error.into()))?
        .to_string();
    let opened = STANDARD.encode("privy doctor");
    let answer = cluster
        .create_dry(&secret(args, &sealed))
        .map_err(Failure::usage)?;
    Ok(match answer {
        Ok(stored) if stored["data"]["value"] == opened.as_str() => Tried::Opened,
        Ok(_) => Tried::Sealed,
        Err(said) => Tried::Refused(said),
    })
}

/// A value sealed for the card's key: opening it shows that the key service is reached, that it has this version of
/// the key, and that the webhook's clock is right.
pub(super) fn opens(
    args: &Args,
    cluster: &Cluster,
    card: Option<&KeyCard>,
    now: u64,
) -> Result<Finding, Failure> {
    const CHECK: &str = "opening";
    let Some(key) = card.and_then(KeyCard::active) else {
        return Ok(Finding::unknown(
            CHECK,
            "key service, key version and the webhook's clock were not tried",
            "name a key card: --card FILE --test-namespace NAMESPACE",
        ));
    };
    let said = match try_key(args, cluster, key, now)? {
        Tried::Opened => {
            return Ok(Finding::ok(
                CHECK,
                "a value sealed now was opened: key service, key version and clock are right",
            ));
        }
        Tried::Sealed => {
            return Ok(Finding::problem(
                CHECK,
                "a sealed value came back sealed",
                "look at the other checks: the webhook was not asked, or is another's",
            ));
        }
        Tried::Refused(said) => said,
    };
    if let Some(finding) = not_allowed(CHECK, args, &said) {
        return Ok(finding);
    }
    let has = |word: &str| said.err.contains(word);
    Ok(
        if has("expired") || has("not-yet-valid") || has("not valid before") {
            Finding::problem(
                CHECK,
                format!(
                    "the webhook's clock and this machine's differ by more than a minute: {}",
                    said.error()
                ),
                "have both keep time by NTP",
            )
        } else if Tried::is_unknown_key(&said) {
            Finding::problem(
                CHECK,
                format!(
                    "the webhook does not serve the active key of the card: {}",
                    said.error()
                ),
                "add this key (version) to the webhook's configuration",
            )
        } else if has("denied") || has("does not let the webhook") {
            Finding::problem(
                CHECK,
                format!("the key service refuses the webhook: {}", said.error()),
                "grant the webhook's identity decryption with this key",
            )
        } else if has("unavailable") || has("did not answer in time") {
            Finding::problem(
                CHECK,
                format!("the key service does not answer: {}", said.error()),
                "look at its firewall, its quota and the webhook's log",
            )
        } else {
            Finding::problem(
                CHECK,
                format!("the value was not opened: {}", said.error()),
                "look at the webhook's log for this moment",
            )
        },
    )
}
