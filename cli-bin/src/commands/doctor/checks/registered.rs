//! Registration, APIService and the webhook's own rights: are they there, and do they say what they must?
use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::cluster::Cluster;
use super::super::compare::differences;
use super::super::finding::{CheckResult, unreadable};
use super::super::rbac::{Ask, Named, Rbac};
use crate::cli::doctor::DoctorArgs;
use crate::cli::subject::RightHolder;

const REGISTRATION: &str = include_str!("../../../../../deploy/manifests/70-webhook.yaml");
const MUST_BE_SEALED: &str = include_str!("../../../../../deploy/manifests/75-must-be-sealed.yaml");
const API_SERVICE: &str = include_str!("../../../../../deploy/manifests/60-apiservice.yaml");
const UNSEAL: &str = "unseal.privyseal.dev";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io";

/// How the registered webhook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callers {
    /// Through the API server's aggregation layer.
    Aggregated,
    /// On the API server's own host.
    Loopback,
    /// Directly, with a client certificate.
    Direct,
    /// There is no registration.
    None,
    /// Registrations cannot be read.
    Unknown,
}

/// What the registration shows of the installation.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) callers: Callers,
    /// Namespace of the Service that the registration names.
    namespace: Option<String>,
}

impl Registered {
    /// The namespace of the webhook's pods; `None` where it runs outside the cluster.
    pub(super) fn pods_namespace(&self) -> Option<&str> {
        self.namespace
            .as_deref()
            .filter(|namespace| *namespace != "default")
    }
}

fn parsed(manifest: &str) -> anyhow::Result<Value> {
    serde_saphyr::from_str(manifest).context("a manifest of this version is damaged")
}

/// What this version registers under that name.
fn expected_webhook(name: &str) -> anyhow::Result<Option<Value>> {
    let registration = parsed(REGISTRATION)?;
    let further = parsed(MUST_BE_SEALED)?;
    let all = [&registration["webhooks"], &further];
    Ok(all
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .find(|webhook| webhook["name"] == name)
        .cloned())
}

pub(super) fn check_registration(cluster: &Cluster) -> anyhow::Result<(CheckResult, Registered)> {
    const CHECK: &str = "registration";
    let state = |callers| Registered {
        callers,
        namespace: None,
    };
    let all = match cluster.list(&format!("{ADMISSION}/v1/mutatingwebhookconfigurations"))? {
        Ok(all) => all,
        Err(output) => {
            let finding = unreadable(CHECK, "webhook configurations", &output);
            return Ok((finding, state(Callers::Unknown)));
        }
    };
    let ours: Vec<&Value> = all
        .iter()
        .filter(|configuration| {
            configuration["webhooks"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|webhook| webhook["name"] == UNSEAL)
        })
        .collect();
    let webhooks = match ours[..] {
        [configuration] => configuration["webhooks"].as_array(),
        [] => {
            let finding = CheckResult::problem(
                CHECK,
                "the webhook is not registered: nothing sealed is opened",
                "privy render --help shows how to register it",
            );
            return Ok((finding, state(Callers::None)));
        }
        _ => {
            let names: Vec<&str> = ours
                .iter()
                .filter_map(|configuration| configuration["metadata"]["name"].as_str())
                .collect();
            let finding = CheckResult::problem(
                CHECK,
                format!(
                    "the webhook is registered more than once: {}",
                    names.join(", ")
                ),
                "keep one of the configurations: kubectl delete mutatingwebhookconfiguration NAME",
            );
            return Ok((finding, state(Callers::None)));
        }
    };
    let webhooks = webhooks.context("a registration without webhooks")?;
    let client = webhooks
        .iter()
        .find(|webhook| webhook["name"] == UNSEAL)
        .map_or(&Value::Null, |webhook| &webhook["clientConfig"]);
    let callers = callers_of(client);
    let mut wrong = Vec::new();
    let mut exempt = None;
    for (index, webhook) in webhooks.iter().enumerate() {
        let name = webhook["name"].as_str().unwrap_or_default();
        let path = format!("webhooks[{name}]");
        let twice = webhooks[..index].iter().any(|other| other["name"] == name);
        match expected_webhook(name)? {
            Some(expected) if !twice => {
                wrong.extend(webhook_differences(
                    &path, name, &expected, webhook, callers,
                ));
                if name == UNSEAL {
                    exempt = exempt_namespaces(webhook);
                }
            }
            _ => wrong.push(format!("{path} was added")),
        }
    }
    let registered = Registered {
        callers,
        namespace: client["service"]["namespace"].as_str().map(str::to_owned),
    };
    let finding = if wrong.is_empty() {
        let how = match callers {
            Callers::Aggregated => "through the aggregation layer",
            Callers::Loopback => "on the API server's own host",
            Callers::Direct | Callers::None | Callers::Unknown => {
                "directly; it must ask for the API server's client certificate"
            }
        };
        CheckResult::ok(
            CHECK,
            format!(
                "the webhook is called {how}, for all namespaces except {}",
                exempt.unwrap_or_default().join(", ")
            ),
        )
    } else {
        CheckResult::problem(
            CHECK,
            "the registration was changed, or is another version's",
            "apply it again, with the flags of the installation: privy render --only registration --ca FILE | kubectl apply -f -",
        )
        .details(wrong)
    };
    Ok((finding, registered))
}

fn callers_of(client: &Value) -> Callers {
    let service = &client["service"];
    if service["namespace"] == "default" && service["name"] == "kubernetes" {
        Callers::Aggregated
    } else if client["url"]
        .as_str()
        .is_some_and(|url| url.starts_with("https://127.") || url.starts_with("https://[::1]"))
    {
        Callers::Loopback
    } else {
        Callers::Direct
    }
}

/// The namespaces that the webhook is never called for.
fn exempt_namespaces(webhook: &Value) -> Option<Vec<String>> {
    let values = webhook["namespaceSelector"]["matchExpressions"][0]["values"].as_array()?;
    Some(
        values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
    )
}

/// Everything but authority, address, and the list of namespaces.
fn webhook_differences(
    path: &str,
    name: &str,
    expected: &Value,
    live: &Value,
    callers: Callers,
) -> Vec<String> {
    let (mut expected, mut live) = (expected.clone(), live.clone());
    let mut wrong = Vec::new();
    let client = live["clientConfig"].take();
    let (direct, aggregated) = match name {
        UNSEAL => ("/mutate", "secretreviews"),
        _ => ("/must-be-sealed", "mustbesealed"),
    };
    let wanted = if callers == Callers::Aggregated {
        format!("/apis/admission.privyseal.dev/v1/{aggregated}")
    } else {
        direct.to_owned()
    };
    let (member, called) = match client["url"].as_str() {
        Some(url) => {
            let host = url.strip_prefix("https://").unwrap_or(url);
            let start = host.find('/').unwrap_or(host.len());
            ("url", host[start..].to_owned())
        }
        None => (
            "service.path",
            client["service"]["path"].as_str().unwrap_or("/").to_owned(),
        ),
    };
    if called != wanted {
        wrong.push(format!(
            "{path}.clientConfig.{member} calls {}, should be {}",
            json!(called),
            json!(wanted)
        ));
    }
    if callers_of(&client) != callers {
        wrong.push(format!(
            "{path}.clientConfig calls another server than the other webhook"
        ));
    }
    expected["clientConfig"] = Value::Null;
    // Which namespaces is the administrator's choice; how they are told apart is not.
    let must_be_sealed = name != UNSEAL;
    for webhook in [&mut expected, &mut live] {
        let Some(expression) = webhook.pointer_mut("/namespaceSelector/matchExpressions/0") else {
            continue;
        };
        if let Some(members) = expression.as_object_mut() {
            let listed = members
                .remove("values")
                .and_then(|values| values.as_array().map(Vec::len));
            members.insert(
                "hasValues".to_owned(),
                json!(listed.is_some_and(|len| len > 0)),
            );
            if must_be_sealed
                && members
                    .get("operator")
                    .is_some_and(|operator| operator == "In")
            {
                members.insert("operator".to_owned(), json!("NotIn"));
            }
        }
    }
    wrong.extend(differences(path, &expected, &live));
    wrong
}

/// Whether other webhooks and policies change Secrets, or see them once they are open.
pub(super) fn check_neighbours(
    args: &DoctorArgs,
    cluster: &Cluster,
) -> anyhow::Result<CheckResult> {
    const CHECK: &str = "other webhooks";
    let mut changing = Vec::new();
    let mut seeing = Vec::new();
    for (resource, found) in [
        ("mutatingwebhookconfigurations", &mut changing),
        ("validatingwebhookconfigurations", &mut seeing),
    ] {
        let all = match cluster.list(&format!("{ADMISSION}/v1/{resource}"))? {
            Ok(all) => all,
            Err(output) => return Ok(unreadable(CHECK, "webhook configurations", &output)),
        };
        for configuration in &all {
            for webhook in configuration["webhooks"].as_array().into_iter().flatten() {
                let name = webhook["name"].as_str().unwrap_or_default();
                let ours = parsed(REGISTRATION)?["metadata"]["name"]
                    == configuration["metadata"]["name"]
                    && expected_webhook(name)?.is_some();
                if !ours && on_secrets(&webhook["rules"]) {
                    found.push(name.to_owned());
                }
            }
        }
    }
    for version in ["v1", "v1beta1", "v1alpha1"] {
        match cluster.list(&format!("{ADMISSION}/{version}/mutatingadmissionpolicies"))? {
            Ok(policies) => {
                for policy in &policies {
                    if on_secrets(&policy["spec"]["matchConstraints"]["resourceRules"]) {
                        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
                        changing.push(name.to_owned());
                    }
                }
                break;
            }
            Err(output) if output.is_missing() => {}
            Err(output) => return Ok(unreadable(CHECK, "mutating policies", &output)),
        }
    }
    changing.retain(|name| !args.accept_webhook.contains(name));
    let mut details: Vec<String> = changing
        .iter()
        .map(|name| format!("{name}: may change Secrets, after they are opened too"))
        .collect();
    details.extend(
        seeing
            .iter()
            .map(|name| format!("{name}: is shown opened Secrets")),
    );
    Ok(if changing.is_empty() {
        CheckResult::ok(CHECK, "no other webhook or policy changes Secrets")
    } else {
        CheckResult::problem(
            CHECK,
            "other webhooks or policies change Secrets: what they plant is opened when someone else writes the Secret, and they may see the opened values",
            "limit their rules to what they need, or name those that are trusted with --accept-webhook NAME",
        )
    }
    .details(details))
}

fn on_secrets(rules: &Value) -> bool {
    let has = |list: &Value, wanted: &[&str]| {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|item| wanted.contains(&item))
    };
    rules.as_array().into_iter().flatten().any(|rule| {
        has(&rule["apiGroups"], &["", "*"])
            && has(&rule["resources"], &["secrets", "*", "*/*"])
            && has(&rule["operations"], &["CREATE", "UPDATE", "*"])
    })
}

pub(super) fn check_api_service(
    cluster: &Cluster,
    registered: &mut Registered,
) -> anyhow::Result<CheckResult> {
    const CHECK: &str = "aggregation";
    match registered.callers {
        Callers::Aggregated => {}
        Callers::Unknown => {
            return Ok(CheckResult::unknown(
                CHECK,
                "the registration, which cannot be read, says whether it is used",
                "run it again with the rights of a cluster administrator",
            ));
        }
        Callers::Direct | Callers::Loopback | Callers::None => {
            return Ok(CheckResult::ok(CHECK, "not used"));
        }
    }
    let apply = "privy render --only webhook --ca FILE | kubectl apply -f -";
    match cluster.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev")? {
        Ok(service) => {
            registered.namespace = service["spec"]["service"]["namespace"]
                .as_str()
                .map(str::to_owned);
            let mut expected = parsed(API_SERVICE)?["spec"].take();
            let mut live = service["spec"].clone();
            // Address and authority are the installation's own. Without an authority, the system's would count.
            for (spec, has_authority) in [(&mut expected, true), (&mut live, false)] {
                let bundle = spec["caBundle"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty());
                spec["caBundle"] = json!(has_authority || bundle);
                for member in ["namespace", "port"] {
                    spec["service"][member] = Value::Null;
                }
            }
            let changed = differences("spec", &expected, &live);
            if !changed.is_empty() {
                return Ok(CheckResult::problem(
                    CHECK,
                    "the APIService was changed, or is another version's",
                    apply,
                )
                .details(changed));
            }
            let available = service["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|condition| condition["type"] == "Available");
            Ok(match available {
                Some(condition) if condition["status"] == "True" => {
                    CheckResult::ok(CHECK, "the APIService is available")
                }
                Some(condition) => unavailable(condition),
                None => CheckResult::unknown(
                    CHECK,
                    "the APIService has no state yet",
                    "run it again in a moment",
                ),
            })
        }
        Err(output) if output.is_missing() => Ok(CheckResult::problem(
            CHECK,
            "the registration calls through an APIService that does not exist",
            apply,
        )),
        Err(output) => Ok(unreadable(CHECK, "the APIService", &output)),
    }
}

/// `condition` is `Available`, and not true.
fn unavailable(condition: &Value) -> CheckResult {
    let why = condition["message"].as_str().unwrap_or("no reason given");
    let why: String = why.chars().take(400).collect();
    let next_step = "look at the webhook's pods, and whether the APIService's `caBundle` is the authority of the webhook's certificate (privy render --ca FILE); when it cannot be brought back soon, delete the registration, then the APIService, never the backstop: kubectl delete mutatingwebhookconfiguration privy-webhook && kubectl delete apiservice v1.admission.privyseal.dev";
    CheckResult::problem(
        "aggregation",
        format!(
            "the APIService is not available (the API server said: {why}): discovery and the deletion of namespaces suffer everywhere"
        ),
        next_step,
    )
}

/// Whether the webhook's service account has the rights that it needs, and no others.
pub(super) fn check_webhook_rights(registered: &Registered, rbac: &Rbac) -> CheckResult {
    const CHECK: &str = "webhook rights";
    let Some(namespace) = registered.pods_namespace() else {
        return CheckResult::ok(
            CHECK,
            "the webhook runs outside the cluster, without a service account",
        );
    };
    let account = RightHolder::service_account(namespace, "privy-webhook");
    let own_groups = [RightHolder::Group(format!(
        "system:serviceaccounts:{namespace}"
    ))];
    let needed = [
        (
            Some("kube-system"),
            "Role extension-apiserver-authentication-reader",
        ),
        (None, "ClusterRole privy-webhook"),
    ];
    let review = Ask {
        verbs: &["create"],
        group: "authorization.k8s.io",
        resource: "subjectaccessreviews",
        named: Named::No,
    };
    let more: Vec<String> = rbac
        .grants
        .iter()
        .filter(|grant| grant.subject == account || own_groups.contains(&grant.subject))
        .filter(|grant| {
            let known = needed.contains(&(grant.namespace.as_deref(), grant.role.as_str()));
            // Its own cluster role must be what is rendered.
            !known || (grant.namespace.is_none() && !grant.is_only(&review))
        })
        .map(|grant| format!("{} ({})", grant.binding, grant.role))
        .collect();
    if more.is_empty() {
        CheckResult::ok(CHECK, "the webhook has no right that it does not need")
    } else {
        CheckResult::problem(
            CHECK,
            "the webhook has rights that it does not need",
            "delete these bindings; the webhook reads one ConfigMap and asks who may unseal, nothing else",
        )
        .details(more)
    }
}
