//! `privy render`: manifests that a cluster accepts, with what the flags say in the right places.
use serde_json::Value;

use crate::support::{Bench, Ended};

const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
/// [`CA`] as `caBundle`, and what stands for it in the examples.
const BUNDLE: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
const PLACEHOLDER: &str = "UmVwbGFjZSBtZQ==";

fn bench() -> Bench {
    let bench = Bench::empty();
    bench.write("ca.crt", CA);
    bench
}

fn render(bench: &Bench, arguments: &[&str]) -> Ended {
    bench.run(&[&["render"], arguments].concat(), "")
}

fn documents(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.split("---\n")
        .filter(|document| {
            document
                .lines()
                .any(|line| !line.is_empty() && !line.starts_with('#'))
        })
        .map(|document| serde_saphyr::from_str(document).unwrap())
        .collect()
}

fn find<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    documents
        .iter()
        .find(|document| document["kind"] == kind)
        .unwrap_or_else(|| panic!("there is no {kind}"))
}

fn kinds(documents: &[Value]) -> Vec<&str> {
    documents
        .iter()
        .map(|document| document["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn the_backstop_comes_first_and_the_registration_last() {
    let rendered = documents(&render(&bench(), &["--ca", "ca.crt"]).succeeded().stdout);
    assert_eq!(
        kinds(&rendered),
        [
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "Namespace",
            "ServiceAccount",
            "RoleBinding",
            "Deployment",
            "PodDisruptionBudget",
            "Service",
            "APIService",
            "MutatingWebhookConfiguration",
        ]
    );
}

#[test]
fn the_webhook_has_no_right_on_secrets_or_anything_that_it_does_not_need() {
    for flags in [
        &["--ca", "ca.crt"][..],
        &["--ca", "ca.crt", "--subject-access-review"],
    ] {
        for document in documents(&render(&bench(), flags).succeeded().stdout) {
            for rule in document["rules"].as_array().into_iter().flatten() {
                assert_eq!(
                    rule["resources"],
                    serde_json::json!(["subjectaccessreviews"])
                );
                assert_eq!(rule["verbs"], serde_json::json!(["create"]));
            }
        }
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
fn who_asks_nothing_of_the_api_server_gets_no_token() {
    let flags = ["--ca", "ca.crt", "--callers", "mtls"];
    let rendered = documents(&render(&bench(), &flags).succeeded().stdout);
    let pod = find(&rendered, "Deployment")["spec"]["template"]["spec"].to_string();
    assert!(!pod.contains("serviceAccountToken\""), "{pod}");
    assert!(!pod.contains("token"), "{pod}");
    assert!(!kinds(&rendered).contains(&"APIService"));
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
        "shop/deployer",
        "--unseal",
        "shop/argo",
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
        (Some("privy-unseal-deployer"), Some("deployer"))
    );
    assert_eq!(
        (grants[1].0.as_str(), grants[1].1.as_str()),
        (Some("privy-unseal-argo"), Some("argo"))
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

#[test]
fn configuration_and_cards_arrive_byte_for_byte() {
    let bench = bench();
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--name",
                "pay",
                "--namespace",
                "payments",
                "--out",
                "pay.pem",
                "--card",
                "pay.card.json",
            ],
            "",
        )
        .succeeded();
    let flags = ["--ca", "ca.crt", "--card", "pay.card.json"];
    let rendered = documents(&render(&bench, &flags).succeeded().stdout);
    let data = &find(&rendered, "ConfigMap")["data"];
    assert_eq!(data["pay.card.json"], bench.text("pay.card.json"));
    let made: Value = serde_saphyr::from_str(data["webhook.yaml"].as_str().unwrap()).unwrap();
    assert_eq!(
        made["keys"][0]["namespaces"],
        serde_json::json!(["payments"])
    );
    assert_eq!(
        made["keys"][0]["unwrap"],
        serde_json::json!(["file:/etc/privy/keys/pay.pem"])
    );

    assert!(made["subjectAccessReview"].is_null());
    let flags = [
        "--ca",
        "ca.crt",
        "--card",
        "pay.card.json",
        "--subject-access-review",
    ];
    let rendered = documents(&render(&bench, &flags).succeeded().stdout);
    let text = find(&rendered, "ConfigMap")["data"]["webhook.yaml"]
        .as_str()
        .unwrap();
    let made: Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(made["subjectAccessReview"], "required");

    for odd in [
        "version: 1\n",
        " leading\n",
        "no end",
        "two ends\n\n",
        "tab\there\r\n",
        "\u{feff}mark\n",
        "#\n\n\nlate\n",
    ] {
        bench.write("odd.yaml", odd);
        let flags = ["--ca", "ca.crt", "--config", "odd.yaml"];
        let rendered = documents(&render(&bench, &flags).succeeded().stdout);
        assert_eq!(find(&rendered, "ConfigMap")["data"]["webhook.yaml"], odd);
    }
}

#[test]
fn public_keys_of_signers_stand_beside_the_configuration() {
    let bench = bench();
    bench.write("webhook.yaml", "version: 1\n");
    let generate = ["key", "generate", "--kind", "ed25519", "--out", "dba.pem"];
    bench.run(&generate, "").succeeded();
    let show = ["key", "show", "dba.pem", "--output", "pem"];
    let public = bench.run(&show, "").succeeded().stdout;
    bench.write("dba.pub.pem", public);
    let flags = ["--ca", "ca.crt", "--config", "webhook.yaml", "--signer"];
    let ended = render(&bench, &[&flags[..], &["dba.pub.pem"]].concat()).succeeded();
    assert!(ended.text().contains("  dba.pub.pem: |\n"));
    for line in bench.text("dba.pub.pem").lines() {
        assert!(ended.text().contains(&format!("    {line}\n")), "{line}");
    }
    // A private key would be everybody's who may read ConfigMaps.
    render(&bench, &[&flags[..], &["dba.pem"]].concat())
        .failed(2, "cannot use the signer's key `dba.pem`")
        .hints("keep the private key away");
}

#[test]
fn the_examples_are_what_it_prints() {
    let example = |name: &str| {
        std::fs::read_to_string(format!(
            "{}/../examples/cluster/{name}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap()
    };
    let bench = bench();
    let backstop = render(&bench, &["--only", "backstop"]).succeeded();
    assert_eq!(
        String::from_utf8(backstop.stdout).unwrap(),
        example("10-backstop.yaml")
    );
    let webhook = render(
        &bench,
        &[
            "--callers",
            "mtls",
            "--url",
            "https://127.0.0.1:10250",
            "--ca",
            "ca.crt",
            "--only",
            "registration",
        ],
    )
    .succeeded();
    let text = String::from_utf8(webhook.stdout)
        .unwrap()
        .replace(BUNDLE, PLACEHOLDER);
    assert_eq!(text, example("20-webhook.yaml"));
}

#[test]
fn what_would_not_work_is_refused_with_the_next_step() {
    let bench = bench();
    bench.write(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    );
    bench.write("text", "hello\n");
    for (flags, expected) in [
        (&["--ca", "key.pem"][..], "holds a private key"),
        (&["--ca", "text"], "holds no certificate"),
        (&["--ca", "missing"], "missing"),
        (&["--only", "webhook"], "--ca is missing"),
        (
            &["--ca", "ca.crt", "--url", "https://10.0.0.1"],
            "--external-name",
        ),
        (
            &["--ca", "ca.crt", "--callers", "loopback"],
            "--url https://127.0.0.1:10250",
        ),
        (&["--ca", "ca.crt", "-n", "a b"], "DNS name"),
        (
            &["--ca", "ca.crt", "--image", "a\nb: c"],
            "name of an image",
        ),
        (
            &["--ca", "ca.crt", "--callers", "mtls", "--url", "http://x"],
            "https://",
        ),
        (
            &["--ca", "ca.crt", "--unseal", "shop/default"],
            "service account of its own",
        ),
        (&["--ca", "ca.crt", "--card", "text"], "is no key card"),
    ] {
        let ended = render(&bench, flags);
        assert_eq!(ended.code, 2, "{flags:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{flags:?}: {}",
            ended.stderr
        );
        assert!(ended.stdout.is_empty());
    }
}

/// Key managers grant rights to this name; a guide that names another one grants them to nobody.
#[test]
fn the_guide_to_key_services_names_the_identity_that_is_rendered() {
    let rendered = documents(&render(&bench(), &["--ca", "ca.crt"]).succeeded().stdout);
    let account = &find(&rendered, "ServiceAccount")["metadata"];
    let (namespace, name) = (
        account["namespace"].as_str().unwrap(),
        account["name"].as_str().unwrap(),
    );
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/key-services.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for expected in [
        format!("bound_service_account_names={name}"),
        format!("bound_service_account_namespaces={namespace}"),
        format!("bound_subject=system:serviceaccount:{namespace}:{name}"),
        format!("/subject/ns/{namespace}/sa/{name}"),
    ] {
        assert!(guide.contains(&expected), "{expected}");
    }
}

/// The patch that gives the webhook a token for Vault fits what is rendered, and the token lives for minutes.
#[test]
fn the_guides_token_for_vault_fits_the_rendered_deployment() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/key-services.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let patch = guide.split("```yaml\nspec:").nth(1).unwrap();
    let patch = format!("spec:{}", patch.split("```").next().unwrap());
    let patch: Value = serde_saphyr::from_str(&patch).unwrap();
    let patch = &patch["spec"]["template"]["spec"];
    let rendered = documents(&render(&bench(), &["--ca", "ca.crt"]).succeeded().stdout);
    let pod = &find(&rendered, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(patch["containers"][0]["name"], pod["containers"][0]["name"]);
    let taken = pod["volumes"].as_array().unwrap();
    assert!(
        taken
            .iter()
            .all(|volume| volume["name"] != patch["volumes"][0]["name"])
    );
    let source = &patch["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(source["expirationSeconds"], 600);
    assert_eq!(source["audience"], "vault");
    assert!(guide.contains("tokenFile: /var/run/secrets/tokens/vault"));
}

/// No token that lives for long, no kubeconfig: in what is rendered, whoever calls.
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
