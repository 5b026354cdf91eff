//! What is printed, in which order, with which values of the cluster.
use super::*;

#[test]
fn the_backstop_comes_first_and_the_registration_last() {
    let rendered = documents(&render(&bench(), &["--ca", "ca.crt"]).succeeded().stdout);
    assert_eq!(
        kinds(&rendered),
        [
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "Namespace",
            "ServiceAccount",
            "RoleBinding",
            "Deployment",
            "PodDisruptionBudget",
            "Service",
            "NetworkPolicy",
            "APIService",
            "MutatingWebhookConfiguration",
        ]
    );
}

/// Rules and bindings: a binding to a role that is in the cluster already grants as much as rules do.
#[test]
fn only_scrapers_reach_the_health_port_of_every_pod_that_the_deployment_makes() {
    let flags = ["--ca", "ca.crt", "--namespace", "elsewhere"];
    let rendered = documents(&render(&bench(), &flags).succeeded().stdout);
    let policy = find(&rendered, "NetworkPolicy");
    let deployment = find(&rendered, "Deployment");
    assert_eq!(policy["metadata"]["namespace"], "elsewhere");
    let pod = &deployment["spec"]["template"];
    assert_eq!(
        policy["spec"]["podSelector"]["matchLabels"],
        pod["metadata"]["labels"]
    );
    assert_eq!(
        policy["spec"]["policyTypes"],
        serde_json::json!(["Ingress"])
    );
    let ports: Vec<_> = pod["spec"]["containers"][0]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| &port["name"])
        .collect();
    let rules = policy["spec"]["ingress"].as_array().unwrap();
    let named: Vec<_> = rules.iter().map(|rule| &rule["ports"][0]["port"]).collect();
    assert_eq!(named, ports, "each port has its rule");
    for rule in rules {
        // Everyone may ask for a review, which takes a certificate; the health port asks no one who he is.
        let open_to_all = rule.get("from").is_none();
        assert_eq!(
            open_to_all,
            rule["ports"] == serde_json::json!([{"port": "https"}])
        );
    }
}

#[test]
fn the_pod_is_restricted() {
    let rendered = documents(&render(&bench(), &["--ca", "ca.crt"]).succeeded().stdout);
    let pod = &find(&rendered, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(
        container["capabilities"]["drop"],
        serde_json::json!(["ALL"])
    );
    let token = &pod["volumes"][3]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["expirationSeconds"], 600);
}

#[test]
fn each_way_of_calling_has_its_address() {
    for (flags, expected) in [
        (
            &[][..],
            serde_json::json!({ "service": { "namespace": "default", "name": "kubernetes", "port": 443, "path": "/apis/admission.privyseal.dev/v1/secretreviews" } }),
        ),
        (
            &["--callers", "mtls", "-n", "seals"],
            serde_json::json!({ "service": { "namespace": "seals", "name": "privy-webhook", "port": 443, "path": "/mutate" }, "caBundle": BUNDLE }),
        ),
        (
            &["--callers", "loopback", "--url", "https://127.0.0.1:10250"],
            serde_json::json!({ "url": "https://127.0.0.1:10250/mutate", "caBundle": BUNDLE }),
        ),
        (
            &[
                "--callers",
                "mtls",
                "--external-name",
                "farm.example",
                "--port",
                "8443",
            ],
            serde_json::json!({ "service": { "namespace": "privy-seal", "name": "privy-webhook", "port": 8443, "path": "/mutate" }, "caBundle": BUNDLE }),
        ),
    ] {
        let rendered = documents(
            &render(&bench(), &[&["--ca", "ca.crt"], flags].concat())
                .succeeded()
                .stdout,
        );
        let webhook = &find(&rendered, "MutatingWebhookConfiguration")["webhooks"];
        let last = webhook.as_array().unwrap().last().unwrap();
        assert_eq!(last["clientConfig"], expected, "{flags:?}");
        assert_eq!(last["failurePolicy"], "Fail");
        if let Some(service) = rendered
            .iter()
            .find(|document| document["kind"] == "Service")
        {
            let port = &service["spec"]["ports"][0]["port"];
            assert_eq!(*port, if flags.contains(&"8443") { 8443 } else { 443 });
        }
    }
}

#[test]
fn names_images_and_exemptions_go_where_they_belong() {
    let flags = [
        "--ca",
        "ca.crt",
        "-n",
        "seals",
        "--image",
        "registry.example/privy-webhook@sha256:00",
        "--exempt",
        "velero",
        "--unseal",
        "shop=shop-ci/deployer",
        "--unseal",
        "shop=argocd/argo",
    ];
    let ended = render(&bench(), &flags).succeeded();
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    assert!(!text.contains("namespace: privy-seal"), "{text}");
    let rendered = documents(&ended.stdout);
    let webhook = &find(&rendered, "MutatingWebhookConfiguration")["webhooks"][0];
    assert_eq!(
        webhook["namespaceSelector"]["matchExpressions"][0]["values"],
        serde_json::json!(["kube-system", "seals", "velero"])
    );
    assert_eq!(find(&rendered, "Namespace")["metadata"]["name"], "seals");
    let pod = &find(&rendered, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["image"],
        "registry.example/privy-webhook@sha256:00"
    );
    let grants: Vec<_> = rendered
        .iter()
        .filter(|document| {
            document["kind"] == "RoleBinding" && document["metadata"]["namespace"] == "shop"
        })
        .map(|document| {
            (
                &document["metadata"]["name"],
                &document["subjects"][0]["name"],
            )
        })
        .collect();
    assert_eq!(grants.len(), 2);
    assert_eq!(
        (grants[0].0.as_str(), grants[0].1.as_str()),
        (Some("privy-unseal-shop-ci.deployer"), Some("deployer"))
    );
    assert_eq!(
        (grants[1].0.as_str(), grants[1].1.as_str()),
        (Some("privy-unseal-argocd.argo"), Some("argo"))
    );
}

#[test]
fn plain_values_are_refused_where_one_says_so() {
    for (flags, namespaces, client) in [
        (
            &["--must-be-sealed", "all", "--exempt", "velero"][..],
            serde_json::json!({ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "privy-seal", "velero"] }),
            serde_json::json!({ "service": { "namespace": "default", "name": "kubernetes", "port": 443, "path": "/apis/admission.privyseal.dev/v1/mustbesealed" } }),
        ),
        (
            &[
                "--must-be-sealed",
                "shop, payments",
                "--callers",
                "mtls",
                "--url",
                "https://10.0.0.7:10250/",
            ],
            serde_json::json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "payments"] }),
            serde_json::json!({ "url": "https://10.0.0.7:10250/must-be-sealed", "caBundle": BUNDLE }),
        ),
    ] {
        let rendered = documents(
            &render(&bench(), &[&["--ca", "ca.crt"], flags].concat())
                .succeeded()
                .stdout,
        );
        let webhooks = &find(&rendered, "MutatingWebhookConfiguration")["webhooks"];
        // Before the one that opens, or it would see opened values.
        assert_eq!(webhooks[0]["name"], "must-be-sealed.privyseal.dev");
        assert_eq!(
            webhooks[0]["namespaceSelector"]["matchExpressions"][0],
            namespaces
        );
        assert_eq!(webhooks[0]["clientConfig"], client);
        assert_eq!(webhooks[1]["name"], "unseal.privyseal.dev");
    }
}
