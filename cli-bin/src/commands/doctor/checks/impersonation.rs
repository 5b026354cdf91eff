//! Who may act as the API server itself: with aggregated callers, whoever may impersonate `system:apiserver` in
//! `system:masters` has values opened for any namespace.
use serde_json::Value;

use super::super::cluster::Cluster;
use super::super::finding::Finding;
use super::unreadable;

pub(super) fn who(cluster: &Cluster) -> anyhow::Result<Finding> {
    const CHECK: &str = "impersonation";
    let base = "/apis/rbac.authorization.k8s.io/v1";
    let roles = match cluster.list(&format!("{base}/clusterroles"))? {
        Ok(roles) => roles,
        Err(said) => return Ok(unreadable(CHECK, "cluster roles", &said)),
    };
    let bindings = match cluster.list(&format!("{base}/clusterrolebindings"))? {
        Ok(bindings) => bindings,
        Err(said) => return Ok(unreadable(CHECK, "cluster role bindings", &said)),
    };
    // Each half may come from another role.
    let granting = |resource: &str, name: &str| -> Vec<String> {
        let roles: Vec<&Value> = roles
            .iter()
            .filter(|role| grants(role, resource, name))
            .map(|role| &role["metadata"]["name"])
            .collect();
        let mut subjects: Vec<String> = bindings
            .iter()
            .filter(|binding| {
                binding["roleRef"]["kind"] == "ClusterRole"
                    && roles.contains(&&binding["roleRef"]["name"])
            })
            .filter_map(|binding| binding["subjects"].as_array())
            .flatten()
            .map(subject)
            .collect();
        subjects.sort();
        subjects.dedup();
        subjects
    };
    let groups = granting("groups", "system:masters");
    let both: Vec<String> = granting("users", "system:apiserver")
        .into_iter()
        .filter(|subject| groups.contains(subject))
        .collect();
    // Members of system:masters are root without a role.
    let others: Vec<String> = both
        .into_iter()
        .filter(|subject| subject != "group system:masters")
        .collect();
    if others.is_empty() {
        return Ok(Finding::ok(
            CHECK,
            "nobody but system:masters may act as the API server",
        ));
    }
    Ok(Finding::problem(
        CHECK,
        format!("{} may act as the API server, and so have any value opened", others.len()),
        "treat them as root; take `impersonate` away from those who are not, and watch the audit log for it",
    )
    .details(others))
}

fn grants(role: &Value, resource: &str, name: &str) -> bool {
    let has = |list: &Value, wanted: &dyn Fn(&str) -> bool| {
        list.as_array()
            .is_some_and(|list| list.iter().filter_map(Value::as_str).any(wanted))
    };
    role["rules"].as_array().into_iter().flatten().any(|rule| {
        let names = &rule["resourceNames"];
        has(&rule["apiGroups"], &|group| {
            group.is_empty() || group == "*"
        }) && has(&rule["resources"], &|found| {
            found == resource || found == "*"
        }) && has(&rule["verbs"], &|verb| {
            verb == "*" || verb.starts_with("impersonate")
        }) && (names.as_array().is_none_or(Vec::is_empty) || has(names, &|found| found == name))
    })
}

fn subject(subject: &Value) -> String {
    let text = |member: &str| subject[member].as_str().unwrap_or_default();
    match text("kind") {
        "ServiceAccount" => format!("service account {}/{}", text("namespace"), text("name")),
        kind => format!("{} {}", kind.to_ascii_lowercase(), text("name")),
    }
}
