//! Examples and guides fit what is printed.
use super::*;

/// The commands of the guide name each object, and never the namespace: it has the only copy of a key.
#[test]
fn nothing_that_is_documented_deletes_the_namespace_or_the_backstop() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operators.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let help = bench().run(&["render", "--help"], "").succeeded();
    for text in [guide.as_str(), help.text()] {
        assert!(
            !text.contains("| kubectl delete"),
            "rendered manifests hold the namespace"
        );
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("kubectl") && line.contains(" delete "))
        {
            assert!(
                !line.contains("namespace privy-seal") || line.contains("--namespace"),
                "{line}"
            );
            assert!(!line.contains("delete ns"), "{line}");
        }
        let registration = text
            .find("delete mutatingwebhookconfiguration privy-webhook")
            .unwrap();
        let service = text
            .find("delete apiservice v1.admission.privyseal.dev")
            .unwrap();
        assert!(
            registration < service,
            "the registration would call what is gone"
        );
    }
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

/// Key managers grant rights to this name; a guide that names another one grants them to no one.
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
