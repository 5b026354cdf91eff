//! Whether the person who runs it may read what the other checks look at: what they cannot see, they cannot find.
use super::super::cluster::Cluster;
use super::super::finding::CheckResult;
use crate::cli::doctor::DoctorArgs;

/// Verb and resource, as `kubectl auth can-i` takes them, and what goes unseen without the right.
const CLUSTER_WIDE: [(&str, &str, &str); 10] = [
    (
        "get",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "the backstop and the policy against legacy tokens",
    ),
    (
        "list",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "whether the policies are in force",
    ),
    (
        "list",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "the registration, and who calls the webhook",
    ),
    (
        "list",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "who else sees opened values",
    ),
    (
        "get",
        "apiservices.apiregistration.k8s.io",
        "whether the aggregation layer reaches the webhook",
    ),
    ("list", "secrets", "Secrets that are stored sealed"),
    (
        "list",
        "clusterroles.rbac.authorization.k8s.io",
        "who may act as the API server or have values opened",
    ),
    (
        "list",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "who may act as the API server or have values opened",
    ),
    (
        "list",
        "roles.rbac.authorization.k8s.io",
        "who may have values opened in a namespace",
    ),
    (
        "list",
        "rolebindings.rbac.authorization.k8s.io",
        "who may have values opened in a namespace",
    ),
];
/// For the dry runs, in their namespace.
const DRY_RUNS: [(&str, &str, &str); 2] = [
    (
        "create",
        "secrets",
        "the way to the webhook and to the key services",
    ),
    ("create", "configmaps", "the API server's clock"),
];

pub(super) fn check_rights(args: &DoctorArgs, cluster: &Cluster) -> anyhow::Result<CheckResult> {
    const CHECK: &str = "rights";
    let namespace = args.test_namespace.as_str();
    let everywhere = CLUSTER_WIDE.map(|right| {
        let place = match right.1.split('.').next() {
            Some("secrets" | "roles" | "rolebindings") => " in all namespaces",
            _ => "",
        };
        (right, place, "--all-namespaces")
    });
    let namespaced = format!("--namespace={namespace}");
    let place = format!(" in namespace {namespace}");
    let there = DRY_RUNS.map(|right| (right, place.as_str(), namespaced.as_str()));
    let mut lacking = Vec::new();
    for ((verb, resource, what), place, flag) in everywhere.into_iter().chain(there) {
        match cluster.can_i(verb, resource, flag)? {
            Ok(true) => {}
            Ok(false) => lacking.push(format!("{verb} {resource}{place}: {what}")),
            Err(output) => {
                return Ok(CheckResult::unknown(
                    CHECK,
                    format!("kubectl does not say what you may: {}", output.error()),
                    "look at each check below: what could not be read says so",
                ));
            }
        }
    }
    Ok(if lacking.is_empty() {
        CheckResult::ok(CHECK, "you may read everything that is looked at")
    } else {
        CheckResult::unknown(
            CHECK,
            format!(
                "you lack {} of the rights that it takes, so that this cannot be seen:",
                lacking.len()
            ),
            "run it again with the rights of a cluster administrator",
        )
        .details(lacking)
    })
}
