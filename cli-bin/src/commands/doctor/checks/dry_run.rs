//! The way from the API server to the webhook and on to the key service, tried out in dry runs.
//!
//! What an answer means is told by fixed parts of it: the names of webhook and policy, and the refusal's code in brackets.
use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{Binding, CardKey, KeyCard, Sealer};
use serde_json::{Value, json};
use unseal_policy::decide::Code;

use super::super::cluster::{Cluster, KubectlOutput};
use super::super::finding::CheckResult;
use super::registered::Callers;
use crate::cli::doctor::DoctorArgs;
use crate::failure::Failure;
use crate::io::files;
use crate::text::Shown as _;

const CARD_LIMIT: usize = 64 * 1024;
const NAME: &str = "privy-doctor";

/// An envelope that is damaged in itself: anyone who reads it says so, without asking a key.
const DAMAGED: &str = "eyJlbmMiOiJBMjU2R0NNIn0.damaged.damaged.damaged.damaged";

fn secret(args: &DoctorArgs, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "namespace": args.test_namespace, "name": NAME },
        "data": { "value": STANDARD.encode(value) },
    })
}

/// Who refused a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Our webhook, with its reason.
    Webhook(Code),
    /// The API server, because a call of our webhook failed.
    CallFailed,
    /// The backstop.
    Backstop,
    /// Someone else.
    Other,
}

impl Refusal {
    fn of(output: &KubectlOutput) -> Self {
        let text = output.err.as_str();
        // Another webhook's words come behind its own name.
        let first = [
            "admission webhook \"",
            "failed calling webhook \"",
            "ValidatingAdmissionPolicy '",
        ]
        .iter()
        .filter_map(|mark| {
            text.find(mark)
                .map(|at| (at, &text[at + mark.len()..], *mark))
        })
        .min_by_key(|(at, ..)| *at);
        let Some((_, rest, mark)) = first else {
            return Self::Other;
        };
        match mark {
            "ValidatingAdmissionPolicy '"
                if rest.starts_with("no-sealed-values.privyseal.dev'") =>
            {
                Self::Backstop
            }
            "ValidatingAdmissionPolicy '" => Self::Other,
            _ if !rest.starts_with("unseal.privyseal.dev\"") => Self::Other,
            _ => match (code_in(output), mark) {
                (Some(code), _) => Self::Webhook(code),
                (None, "failed calling webhook \"") => Self::CallFailed,
                (None, _) => Self::Other,
            },
        }
    }
}

/// The code of our webhook's refusal of the field of the dry run.
pub(super) fn code_in(output: &KubectlOutput) -> Option<Code> {
    let (_, rest) = output.err.split_once("webhook \"unseal.privyseal.dev\"")?;
    let (_, rest) = rest.split_once("field `data/value` [")?;
    let (word, _) = rest.split_once(']')?;
    Code::ALL.into_iter().find(|code| code.as_str() == word)
}

/// Someone who may not create Secrets there, or not unseal: then no webhook is asked.
fn lacking_right(
    check: &'static str,
    args: &DoctorArgs,
    cluster: &Cluster,
) -> anyhow::Result<Option<CheckResult>> {
    let namespace = &args.test_namespace;
    let creates = cluster.can_i("create", "secrets", &format!("--namespace={namespace}"))?;
    let message = if creates.is_ok_and(|may| !may) {
        format!("you may not create Secrets in namespace {namespace}, not even in a dry run")
    } else if cluster.may_unseal(namespace)?.is_ok_and(|may| !may) {
        format!("you may not unseal in namespace {namespace}, so the webhook is not called for you")
    } else {
        return Ok(None);
    };
    Ok(Some(CheckResult::unknown(
        check,
        message,
        "run it as someone who may, or name another namespace with --test-namespace",
    )))
}

/// A damaged envelope in a dry run: the webhook's own refusal shows that it was reached.
pub(super) fn check_path(
    args: &DoctorArgs,
    cluster: &Cluster,
    callers: Callers,
) -> anyhow::Result<CheckResult> {
    const CHECK: &str = "network path";
    if callers == Callers::None {
        return Ok(CheckResult::unknown(
            CHECK,
            "nothing is registered, so nothing is called",
            "register the webhook first",
        ));
    }
    if let Some(finding) = lacking_right(CHECK, args, cluster)? {
        return Ok(finding);
    }
    let Err(output) = cluster.create_dry(&secret(args, DAMAGED))? else {
        return Ok(CheckResult::problem(
            CHECK,
            format!(
                "a damaged envelope was accepted in namespace {}",
                args.test_namespace
            ),
            "look whether the namespace is exempt, or another webhook removed the value; name another namespace with --test-namespace",
        ));
    };
    Ok(match Refusal::of(&output) {
        Refusal::Webhook(Code::Damaged) => CheckResult::ok(
            CHECK,
            "the API server calls the webhook, and the webhook answers",
        ),
        Refusal::Webhook(code) => CheckResult::unknown(
            CHECK,
            format!(
                "the webhook answered `{code}` to a damaged envelope: {}",
                output.error()
            ),
            "look whether the webhook is of the same version as this `privy`",
        ),
        Refusal::CallFailed => call_failed(CHECK, callers, &output),
        Refusal::Backstop => CheckResult::problem(
            CHECK,
            format!(
                "only the backstop noticed a sealed value in namespace {}",
                args.test_namespace
            ),
            "look at the registration's `namespaceSelector` and `matchConditions`, or name a namespace that is not exempt with --test-namespace",
        ),
        Refusal::Other => CheckResult::unknown(
            CHECK,
            format!(
                "unexpected answer{}: {}",
                output
                    .reason()
                    .map(|reason| format!(" ({reason})"))
                    .unwrap_or_default(),
                output.error()
            ),
            "look at the answer and run it again",
        ),
    })
}

/// Why the API server could not call the webhook. The webhook's own refusal has a code; the rest is prose of kubectl's, of
/// which any part may come from someone else, so it is shown and nothing is concluded from it.
fn call_failed(check: &'static str, callers: Callers, output: &KubectlOutput) -> CheckResult {
    const CLIENT: &str = "give the API server its client certificate (--admission-control-config-file; the user's name there is host and port), or use aggregated callers";
    let bundle = if callers == Callers::Aggregated {
        "the APIService's `caBundle`"
    } else {
        "the registration's `caBundle`"
    };
    if output.err.contains("[caller-not-allowed]") {
        return CheckResult::problem(
            check,
            format!(
                "the webhook does not accept the API server as a caller: {}",
                output.error()
            ),
            CLIENT,
        );
    }
    let client = if callers == Callers::Aggregated {
        String::new()
    } else {
        format!("; if the webhook asks for a client certificate, {CLIENT}")
    };
    CheckResult::problem(
        check,
        format!(
            "the API server cannot call the webhook; kubectl said: {}",
            output.error()
        ),
        format!(
            "look at the webhook's pods, its Service, firewalls between the API server and port 10250, and whether {bundle} is the authority of the webhook's certificate (privy render --ca FILE){client}"
        ),
    )
}

/// The key card of `--card`.
pub(super) fn card(args: &DoctorArgs) -> Result<Option<KeyCard>, Failure> {
    let Some(path) = &args.card else {
        return Ok(None);
    };
    let bytes = files::read(path, CARD_LIMIT)?;
    let card = KeyCard::parse(&bytes).map_err(|error| {
        Failure::usage(
            anyhow::Error::new(error).context(format!("`{}` is no key card", path.shown())),
        )
    })?;
    if card.active().is_none() {
        return Err(
            Failure::usage(anyhow!("all keys of `{}` are retired", path.shown()))
                .hint("name the current key card"),
        );
    }
    Ok(Some(card))
}

/// The answer to a value that was sealed for a key and sent in a dry run.
pub(super) enum Tried {
    Opened,
    /// It came back as it was sent.
    Sealed,
    Refused(KubectlOutput),
}

/// Seals a value for the key, for these minutes, and sends it in a dry run.
pub(super) fn try_key(
    args: &DoctorArgs,
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
        Err(output) => Tried::Refused(output),
    })
}

/// A value sealed for the card's key: opening it shows that the key service is reached, that it has this version of
/// the key, and that the webhook's clock is right.
pub(super) fn check_opening(
    args: &DoctorArgs,
    cluster: &Cluster,
    card: Option<&KeyCard>,
    now: u64,
) -> Result<CheckResult, Failure> {
    const CHECK: &str = "opening";
    let Some(key) = card.and_then(KeyCard::active) else {
        return Ok(CheckResult::skipped(
            CHECK,
            "key service, key version and the webhook's clock were not tried",
            "name a key card: --card FILE --test-namespace NAMESPACE",
        ));
    };
    if let Some(finding) = lacking_right(CHECK, args, cluster).map_err(Failure::usage)? {
        return Ok(finding);
    }
    let output = match try_key(args, cluster, key, now)? {
        Tried::Opened => {
            return Ok(CheckResult::ok(
                CHECK,
                "a value sealed now was opened: key service, key version and clock are right",
            ));
        }
        Tried::Sealed => {
            return Ok(CheckResult::problem(
                CHECK,
                "a sealed value came back sealed",
                "look at the other checks: the webhook was not called, or another webhook answered",
            ));
        }
        Tried::Refused(output) => output,
    };
    let (message, next_step) = match Refusal::of(&output) {
        Refusal::Webhook(Code::Expired | Code::NotYetValid) => (
            "the webhook's clock and this machine's differ by more than a minute",
            "have both keep time by NTP",
        ),
        Refusal::Webhook(Code::UnknownKey) => (
            "the webhook does not serve the active key of the card",
            "add this key (version) to the webhook's configuration",
        ),
        Refusal::Webhook(Code::Denied) => (
            "the key service refuses the webhook",
            "grant the webhook's identity decryption with this key",
        ),
        Refusal::Webhook(Code::Misconfigured) => (
            "the key is not set up as the webhook needs it",
            "run `privy-webhook check-config --probe` where the webhook runs",
        ),
        Refusal::Webhook(Code::Unavailable) => (
            "the key service does not answer",
            "look at its firewall, its quota and the webhook's log",
        ),
        Refusal::Webhook(Code::NamespaceNotAllowed) => (
            "the key does not serve the namespace of the dry run",
            "name a namespace that the key serves with --test-namespace",
        ),
        Refusal::CallFailed => (
            "the API server could not call the webhook",
            "look at the check `network path`",
        ),
        Refusal::Webhook(_) | Refusal::Backstop | Refusal::Other => (
            "the value was not opened",
            "look at the webhook's log for this moment",
        ),
    };
    Ok(CheckResult::problem(
        CHECK,
        format!("{message}: {}", output.error()),
        next_step,
    ))
}
