//! What may not be read, and who may too much.
use super::*;

#[test]
fn each_right_that_is_missing_is_named_with_what_goes_unseen() {
    let cluster = Cluster::healthy();
    assert_eq!(cluster.check("rights", &[]).0, "ok");
    for (lacking, words) in [
        (
            "get validatingadmissionpolicies.admissionregistration.k8s.io --all-namespaces",
            "the backstop",
        ),
        (
            "list validatingadmissionpolicybindings.admissionregistration.k8s.io --all-namespaces",
            "in force",
        ),
        (
            "list mutatingwebhookconfigurations.admissionregistration.k8s.io --all-namespaces",
            "the registration",
        ),
        (
            "get apiservices.apiregistration.k8s.io --all-namespaces",
            "aggregation layer",
        ),
        ("list secrets --all-namespaces", "stored sealed"),
        (
            "list clusterroles.rbac.authorization.k8s.io --all-namespaces",
            "act as the API server",
        ),
        (
            "list clusterrolebindings.rbac.authorization.k8s.io --all-namespaces",
            "act as the API server",
        ),
        ("create secrets --namespace=default", "key services"),
        ("create configmaps --namespace=default", "clock"),
    ] {
        cluster.0.write("lacking", format!("{lacking}\n"));
        let (state, text) = cluster.check("rights", &[]);
        assert_eq!(state, "unknown", "{lacking}: {text}");
        let (right, _) = lacking.rsplit_once(' ').unwrap();
        assert!(text.contains(right) && text.contains(words), "{text}");
        assert!(text.contains("cluster administrator"), "{text}");
        assert_eq!(cluster.doctor(&[]).code, 0, "not known is no problem");
    }
    cluster.0.write("mute", "");
    let (state, text) = cluster.check("rights", &[]);
    assert_eq!(state, "unknown");
    assert!(
        text.contains("the server is away") || text.contains("configmaps"),
        "{text}"
    );
}

#[test]
fn what_may_not_be_read_is_unknown_and_never_well() {
    let api = |path: &str| format!("api/{}", path.replace('/', "_"));
    for (path, check) in [
        (
            format!("{ADMISSION}/validatingadmissionpolicies/no-sealed-values.privyseal.dev"),
            "backstop",
        ),
        (
            format!("{ADMISSION}/validatingadmissionpolicybindings"),
            "backstop",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "registration",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "aggregation",
        ),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev".to_owned(),
            "aggregation",
        ),
        (format!("{RBAC}/clusterroles"), "impersonation"),
        (format!("{RBAC}/clusterrolebindings"), "impersonation"),
    ] {
        let cluster = Cluster::healthy();
        std::fs::remove_file(cluster.0.path(&api(&path))).unwrap();
        cluster.0.write(&format!("{}.err", api(&path)), FORBIDDEN);
        let (state, text) = cluster.check(check, &[]);
        assert_eq!(state, "unknown", "{path}: {text}");
        assert!(text.contains("cluster administrator"), "{text}");
    }
    let cluster = Cluster::healthy();
    std::fs::remove_file(cluster.0.path("rows")).unwrap();
    cluster.0.write("rows.err", FORBIDDEN);
    assert_eq!(cluster.check("stored sealed", &[]).0, "unknown");
    cluster.0.write("clock.err", FORBIDDEN);
    assert_eq!(cluster.check("clock", &[]).0, "unknown");
    // Nor is a dry run that the API server itself refuses a fault of the webhook.
    let forbidden = FORBIDDEN.replace("list resource \"x\"", "create resource \"secrets\"");
    std::fs::remove_file(cluster.0.path("opens")).unwrap();
    for file in ["reaches.err", "opens.err"] {
        let before = cluster.0.path(file).exists().then(|| cluster.0.read(file));
        cluster.0.write(file, &forbidden);
        for (check, own) in [("network path", "reaches.err"), ("opening", "opens.err")] {
            if own == file {
                let (state, text) = cluster.check(check, &["--card", "payments.card.json"]);
                assert_eq!(state, "unknown", "{text}");
                assert!(
                    text.contains("you may not create Secrets in namespace default"),
                    "{text}"
                );
            }
        }
        if let Some(before) = before {
            cluster.0.write(file, before);
        }
    }
    // Without a look at the registration, the way is tried all the same.
    let path = api(&format!("{ADMISSION}/mutatingwebhookconfigurations"));
    std::fs::remove_file(cluster.0.path(&path)).unwrap();
    cluster.0.write(&format!("{path}.err"), FORBIDDEN);
    assert_eq!(cluster.check("network path", &[]).0, "ok");
}

#[test]
fn who_may_act_as_the_api_server_is_listed() {
    let cluster = Cluster::healthy();
    let role = |name: &str, rules: Value| json!({ "metadata": { "name": name }, "rules": rules });
    let bind = |role: &str, subject: Value| json!({ "roleRef": { "kind": "ClusterRole", "name": role }, "subjects": [subject] });
    cluster.api(
        &format!("{RBAC}/clusterroles"),
        &json!({ "items": [
            role("user", json!([{ "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["system:apiserver"] }])),
            role("group", json!([{ "apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"] }])),
            role("everything", json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }])),
            role("support", json!([{ "apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"], "resourceNames": ["jane"] }])),
        ] }),
    );
    cluster.api(
        &format!("{RBAC}/clusterrolebindings"),
        &json!({ "items": [
            bind("user", json!({ "kind": "ServiceAccount", "namespace": "ci", "name": "proxy" })),
            bind("group", json!({ "kind": "ServiceAccount", "namespace": "ci", "name": "proxy" })),
            bind("user", json!({ "kind": "User", "name": "half" })),
            bind("everything", json!({ "kind": "Group", "name": "ops" })),
            bind("everything", json!({ "kind": "Group", "name": "system:masters" })),
            bind("support", json!({ "kind": "User", "name": "helpdesk" })),
        ] }),
    );
    let (state, text) = cluster.check("impersonation", &[]);
    assert_eq!(state, "problem");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        report["details"],
        json!(["group ops", "service account ci/proxy"])
    );
}
