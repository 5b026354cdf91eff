//! Backstop, registration and APIService: are they there, and do they say what they must?
use anyhow::Context as _;
use serde_json::Value;

use super::super::cluster::Cluster;
use super::super::finding::Finding;
use super::unreadable;

const POLICY: &str = include_str!("../../../../../deploy/manifests/10-backstop.yaml");
const NAME: &str = "no-sealed-values.privyseal.dev";
const REGISTRATION: &str = include_str!("../../../../../deploy/manifests/70-webhook.yaml");

/// How the registered webhook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    /// Through the API server's aggregation layer.
    Aggregated,
    /// On the API server's own host.
    Loopback,
    /// Directly, with a certificate one hopes.
    Direct,
    /// There is no registration.
    None,
    /// Registrations cannot be read.
    Unknown,
}

fn ours(manifest: &str) -> anyhow::Result<Value> {
    let first = manifest.split("\n---\n").next().unwrap_or(manifest);
    serde_saphyr::from_str(first).context("the manifest of this version is damaged")
}

pub(super) fn backstop(cluster: &Cluster) -> anyhow::Result<Finding> {
    const CHECK: &str = "backstop";
    const APPLY: &str = "privy render --only backstop | kubectl apply -f -";
    let base = "/apis/admissionregistration.k8s.io/v1";
    let policy = match cluster.get(&format!("{base}/validatingadmissionpolicies/{NAME}"))? {
        Ok(policy) => policy,
        Err(said) if said.is_missing() => {
            return Ok(Finding::problem(
                CHECK,
                "there is none: when the webhook is away, a sync writes ciphertext over live values",
                APPLY,
            ));
        }
        Err(said) => return Ok(unreadable(CHECK, "the backstop", &said)),
    };
    let bindings = match cluster.list(&format!("{base}/validatingadmissionpolicybindings"))? {
        Ok(bindings) => bindings,
        Err(said) => return Ok(unreadable(CHECK, "the backstop's binding", &said)),
    };
    let binds = |binding: &&Value| {
        let spec = &binding["spec"];
        let whole = |selector: &Value| selector.as_object().is_none_or(serde_json::Map::is_empty);
        spec["policyName"] == NAME
            && spec["validationActions"]
                .as_array()
                .is_some_and(|actions| actions.contains(&Value::from("Deny")))
            && [
                "namespaceSelector",
                "objectSelector",
                "excludeResourceRules",
                "resourceRules",
            ]
            .iter()
            .all(|&member| whole(&spec["matchResources"][member]))
    };
    if !bindings.iter().any(|binding| binds(&binding)) {
        return Ok(Finding::problem(
            CHECK,
            "it is not bound with `Deny` for all namespaces",
            APPLY,
        ));
    }
    let expected = ours(POLICY)?;
    for member in [
        "failurePolicy",
        "matchConditions",
        "variables",
        "validations",
    ] {
        if policy["spec"][member] != expected["spec"][member] {
            return Ok(Finding::problem(
                CHECK,
                format!("its `{member}` are not those of this version of privy"),
                APPLY,
            ));
        }
    }
    Ok(Finding::ok(
        CHECK,
        "sealed values that nobody opened are refused in every namespace",
    ))
}

pub(super) fn registration(cluster: &Cluster) -> anyhow::Result<(Finding, Callers)> {
    const CHECK: &str = "registration";
    const RENDER: &str =
        "compare with what `privy render --only registration` prints, and apply that";
    let all = match cluster
        .list("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")?
    {
        Ok(all) => all,
        Err(said) => {
            return Ok((
                unreadable(CHECK, "webhook configurations", &said),
                Callers::Unknown,
            ));
        }
    };
    let webhooks: Vec<&Value> = all
        .iter()
        .filter_map(|configuration| configuration["webhooks"].as_array())
        .flatten()
        .filter(|webhook| webhook["name"] == "unseal.privyseal.dev")
        .collect();
    let webhook = match webhooks[..] {
        [webhook] => webhook,
        [] => {
            let finding = Finding::problem(
                CHECK,
                "the webhook is not registered: nothing sealed is opened",
                "privy render --help shows how to register it",
            );
            return Ok((finding, Callers::None));
        }
        _ => {
            let finding = Finding::problem(
                CHECK,
                "the webhook is registered twice",
                "keep one of the configurations",
            );
            return Ok((finding, Callers::None));
        }
    };
    let client = &webhook["clientConfig"];
    let callers = if client["service"]["namespace"] == "default"
        && client["service"]["name"] == "kubernetes"
    {
        Callers::Aggregated
    } else if client["url"]
        .as_str()
        .is_some_and(|url| url.starts_with("https://127.") || url.starts_with("https://[::1]"))
    {
        Callers::Loopback
    } else {
        Callers::Direct
    };
    let expected = ours(REGISTRATION)?;
    let expected = expected["webhooks"]
        .as_array()
        .and_then(|webhooks| {
            webhooks
                .iter()
                .find(|webhook| webhook["name"] == "unseal.privyseal.dev")
        })
        .context("the registration of this version is damaged")?;
    let wrong: Vec<String> = [
        "failurePolicy",
        "matchConditions",
        "reinvocationPolicy",
        "sideEffects",
    ]
    .iter()
    .filter(|&&member| webhook[member] != expected[member])
    .map(|member| format!("`{member}` is not that of this version of privy"))
    .collect();
    let finding = if wrong.is_empty() {
        let how = match callers {
            Callers::Aggregated => "through the aggregation layer",
            Callers::Loopback => "on the API server's own host",
            Callers::Direct | Callers::None | Callers::Unknown => {
                "directly; it must ask for the API server's client certificate"
            }
        };
        Finding::ok(CHECK, format!("the webhook is called {how}"))
    } else {
        Finding::problem(
            CHECK,
            "the registration was changed, or is another version's",
            RENDER,
        )
        .details(wrong)
    };
    Ok((finding, callers))
}

pub(super) fn api_service(cluster: &Cluster, callers: Callers) -> anyhow::Result<Finding> {
    const CHECK: &str = "aggregation";
    match callers {
        Callers::Aggregated => {}
        Callers::Unknown => {
            return Ok(Finding::unknown(
                CHECK,
                "whether it is used stands in the registration, which cannot be read",
                "run it again with the rights of a cluster administrator",
            ));
        }
        Callers::Direct | Callers::Loopback | Callers::None => {
            return Ok(Finding::ok(CHECK, "not used"));
        }
    }
    match cluster.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev")? {
        Ok(service) => {
            let available = service["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|condition| condition["type"] == "Available");
            Ok(match available {
                Some(condition) if condition["status"] == "True" => {
                    Finding::ok(CHECK, "the APIService is available")
                }
                Some(condition) => {
                    unavailable(condition["message"].as_str().unwrap_or("no reason given"))
                }
                None => Finding::unknown(
                    CHECK,
                    "the APIService has no state yet",
                    "run it again in a moment",
                ),
            })
        }
        Err(said) if said.is_missing() => Ok(Finding::problem(
            CHECK,
            "the registration calls through an APIService that does not exist",
            "privy render --only webhook --ca FILE | kubectl apply -f -",
        )),
        Err(said) => Ok(unreadable(CHECK, "the APIService", &said)),
    }
}

fn unavailable(why: &str) -> Finding {
    let why: String = why.chars().take(400).collect();
    let next_step = if why.contains("x509:") {
        "put the authority of the webhook's certificate into the APIService's `caBundle` (privy render --ca FILE)"
    } else {
        "look at the webhook's pods; when it cannot be brought back soon, delete the APIService and the registration, never the backstop"
    };
    Finding::problem(
        "aggregation",
        format!(
            "the APIService is not available ({why}): discovery and the deletion of namespaces suffer everywhere"
        ),
        next_step,
    )
}
