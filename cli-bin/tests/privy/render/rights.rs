//! What the webhook and its callers may do.
use super::*;

#[test]
fn the_webhook_has_no_right_on_secrets_or_anything_that_it_does_not_need() {
    for flags in [
        &["--ca", "ca.crt"][..],
        &["--ca", "ca.crt", "--subject-access-review"],
        &["--ca", "ca.crt", "--callers", "mtls"],
        &[
            "--ca",
            "ca.crt",
            "--callers",
            "mtls",
            "--subject-access-review",
        ],
        &[
            "--ca",
            "ca.crt",
            "--unseal",
            "payments=payments-ci/deployer",
        ],
    ] {
        let rendered = documents(&render(&bench(), flags).succeeded().stdout);
        let mut held = Vec::new();
        for document in &rendered {
            let kind = document["kind"].as_str().unwrap();
            if kind.ends_with("Binding") && kind != "ValidatingAdmissionPolicyBinding" {
                for subject in document["subjects"].as_array().unwrap() {
                    let name = &subject["name"];
                    assert_eq!(subject["kind"], "ServiceAccount", "{document}");
                    if name == "privy-webhook" {
                        held.push((
                            document["metadata"]["namespace"].as_str(),
                            document["roleRef"]["kind"].as_str().unwrap(),
                            document["roleRef"]["name"].as_str().unwrap(),
                        ));
                    } else {
                        assert_eq!(name, "deployer", "{document}");
                    }
                }
            }
        }
        let reads = (
            Some("kube-system"),
            "Role",
            "extension-apiserver-authentication-reader",
        );
        let asks = (None, "ClusterRole", "privy-webhook");
        let expected = match (
            flags.contains(&"mtls"),
            flags.contains(&"--subject-access-review"),
        ) {
            (true, false) => vec![],
            (true, true) => vec![asks],
            (false, true) => vec![reads, asks],
            (false, false) => vec![reads],
        };
        assert_eq!(held, expected, "{flags:?}");
        for document in &rendered {
            for rule in document["rules"].as_array().into_iter().flatten() {
                let own = if document["kind"] == "ClusterRole" {
                    serde_json::json!({ "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"] })
                } else {
                    serde_json::json!({ "apiGroups": ["privyseal.dev"], "resources": ["secrets"], "verbs": ["unseal"] })
                };
                assert_eq!(*rule, own, "{document}");
            }
        }
    }
}

/// `kubectl apply` takes the last of two objects with one name, and no one sees the first.
#[test]
fn no_object_is_printed_twice() {
    let bench = Bench::new();
    bench.write("ca.crt", CA);
    let flags = [
        "--ca",
        "ca.crt",
        "--subject-access-review",
        "--must-be-sealed",
        "payments,payments,shop",
        "--exempt",
        "velero",
        "--exempt",
        "kube-system",
        "--exempt",
        "velero",
        "--exempt",
        "privy-seal",
        "--unseal",
        "payments=payments-ci/deployer",
        "--unseal",
        "payments=payments-ci/deployer",
        "--unseal",
        "payments=a/b-c",
        "--unseal",
        "payments=a-b/c",
        "--unseal",
        "shop=payments-ci/deployer",
    ];
    let rendered = documents(&render(&bench, &flags).succeeded().stdout);
    let mut names: Vec<String> = rendered
        .iter()
        .map(|document| format!("{} {}", document["kind"], document["metadata"]))
        .collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    let webhooks = &find(&rendered, "MutatingWebhookConfiguration")["webhooks"];
    let values =
        |index: usize| &webhooks[index]["namespaceSelector"]["matchExpressions"][0]["values"];
    assert_eq!(*values(0), serde_json::json!(["payments", "shop"]));
    assert_eq!(
        *values(1),
        serde_json::json!(["kube-system", "privy-seal", "velero"])
    );
    let roles = rendered
        .iter()
        .filter(|document| document["kind"] == "Role");
    assert_eq!(roles.count(), 4);
}

#[test]
fn rights_are_printed_alone_or_what_is_missing_is_said() {
    let bench = bench();
    let flags = [
        "--only",
        "rights",
        "--unseal",
        "payments=payments-ci/deployer",
    ];
    let rendered = documents(&render(&bench, &flags).succeeded().stdout);
    assert_eq!(kinds(&rendered), ["Role", "RoleBinding"]);
    assert_eq!(rendered[1]["metadata"]["namespace"], "payments");
    assert_eq!(
        rendered[1]["subjects"],
        serde_json::json!([{ "kind": "ServiceAccount", "name": "deployer", "namespace": "payments-ci" }])
    );
    render(&bench, &["--only", "rights"])
        .failed(2, "--unseal is missing")
        .hints("--unseal payments=payments-ci/deployer");
}

#[test]
fn a_deployer_in_the_namespace_that_it_serves_is_warned_about() {
    let bench = bench();
    let same = render(
        &bench,
        &["--only", "rights", "--unseal", "payments/deployer"],
    )
    .succeeded();
    assert!(same.stderr.starts_with("warning: "), "{}", same.stderr);
    assert!(
        same.stderr
            .contains("--unseal payments=payments-ci/deployer"),
        "{}",
        same.stderr
    );
    let own = [
        "--only",
        "rights",
        "--unseal",
        "payments=payments-ci/deployer",
    ];
    assert_eq!(render(&bench, &own).succeeded().stderr, "");
}

#[test]
fn the_policy_against_legacy_tokens_is_printed_unless_it_is_not_wanted() {
    let bench = bench();
    let text = |flags: &[&str]| render(&bench, flags).succeeded().text().to_owned();
    let name = "no-legacy-tokens.privyseal.dev";
    assert!(text(&["--ca", "ca.crt"]).contains(name));
    assert!(text(&["--only", "legacy-tokens"]).contains(name));
    assert!(!text(&["--ca", "ca.crt", "--legacy-tokens", "allow"]).contains(name));
    // It goes neither with the webhook nor with the backstop.
    assert!(!text(&["--ca", "ca.crt", "--only", "webhook"]).contains(name));
    assert!(!text(&["--only", "backstop"]).contains(name));
}

#[test]
fn who_asks_nothing_of_the_api_server_gets_no_token() {
    let flags = ["--ca", "ca.crt", "--callers", "mtls"];
    let rendered = documents(&render(&bench(), &flags).succeeded().stdout);
    let pod = find(&rendered, "Deployment")["spec"]["template"]["spec"].to_string();
    assert!(!pod.contains("serviceAccountToken\""), "{pod}");
    assert!(!pod.contains("token"), "{pod}");
    assert!(!kinds(&rendered).contains(&"APIService"));
}

/// No token that lives for long, no kubeconfig: in what is rendered, no matter who calls.
#[test]
fn nothing_that_is_rendered_holds_a_credential() {
    for callers in ["aggregated", "mtls"] {
        let flags = ["--ca", "ca.crt", "--callers", callers];
        let rendered = documents(&render(&bench(), &flags).succeeded().stdout);
        for document in &rendered {
            let text = document.to_string();
            assert_ne!(document["kind"], "Secret", "{text}");
            for word in ["current-context", "client-key", "bearer"] {
                assert!(!text.contains(word), "{word}: {text}");
            }
        }
        let account = find(&rendered, "ServiceAccount");
        assert_eq!(account["automountServiceAccountToken"], false);
        assert!(account.get("secrets").is_none(), "{account}");
    }
}
