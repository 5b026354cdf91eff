//! What a repository and a webhook say of themselves: `.privy.yaml` and `--policy`.
use super::*;

#[test]
fn a_repository_brings_its_keys_places_and_exceptions() {
    let bench = Bench::new();
    bench.generate("other");
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - {paths: [\"pay/**\"], key: payments.card.json, namespace: payments}\n  - {paths: [\"**\"], key: other.card.json}\nlint:\n  widest: namespace\n  allow:\n    - {rule: plaintext, paths: [\"test/**\"], reason: values of a throw-away cluster}\n",
    );
    let sealed = sealed_for(&bench, "payments/*/*", &[]);
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData:\n  password: {sealed}\n"
    );
    bench.write("pay/db.yaml", &text);
    bench.write(
        "test/db.yaml",
        secret(
            "db",
            "test",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let ended = bench.run(&["lint", "--output", "json"], "").succeeded();
    let findings = ended.json();
    assert_eq!(findings["summary"]["suppressed"], 1);
    assert_eq!(
        findings["findings"][0]["suppressed"],
        "values of a throw-away cluster"
    );
    let text = bench.run(&["lint"], "").succeeded();
    assert!(
        text.text()
            .contains("allowed: 1 × plaintext: values of a throw-away cluster"),
        "{}",
        text.text()
    );

    bench.write(
        "b/db.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {sealed}\n"),
        ),
    );
    let ended = bench.run_in("b", &["lint", "--output", "json"], "");
    assert_eq!(rules(&ended), BTreeSet::from(["other-key".to_owned()]));
    let allowed = bench.run_in("b", &["lint", "--allow", "other-key"], "");
    assert_eq!(allowed.code, 0, "{}", allowed.text());
    let only = bench.run_in("b", &["lint", "--rule", "plaintext"], "");
    assert_eq!(only.code, 0, "{}", only.text());
}

#[test]
fn exceptions_need_a_known_rule_and_a_reason() {
    let bench = Bench::new();
    for (allow, words) in [
        (
            "{rule: plaintxt, paths: [\"**\"], reason: x}",
            "there is no rule \"plaintxt\"",
        ),
        (
            "{rule: plaintext, paths: [\"**\"], reason: \" \"}",
            "lint.allow[0].reason: must say why this is fine",
        ),
        (
            "{rule: plaintext, paths: [], reason: x}",
            "lint.allow[0].paths: must not be empty",
        ),
        (
            "{rule: plaintext, paths: [\"**\"]}",
            "lint.allow[0]: `reason` is missing",
        ),
    ] {
        bench.write(
            ".privy.yaml",
            format!("version: 1\nrules:\n  - {{paths: [\"**\"], key: payments.card.json}}\nlint:\n  allow:\n    - {allow}\n"),
        );
        bench.run(&["lint"], "").failed(2, words);
    }
}

#[test]
fn the_webhooks_configuration_decides() {
    let bench = Bench::new();
    let config = |namespaces: &str, more: &str| {
        format!(
            "version: 1\nkeys:\n  - name: payments\n    publicKey: payments.card.json\n    namespaces: [{namespaces}]\n    unwrap: [\"file:absent.pem\"]\n{more}"
        )
    };
    let sealed = sealed_for(&bench, PLACE, &["--cluster", "eu"]);
    bench.write(
        "a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {sealed}\n"),
        ),
    );
    let run = |text: String| {
        bench.write("webhook.yaml", text);
        rules(&bench.run(
            &[
                "lint",
                "--policy",
                "webhook.yaml",
                "--output",
                "json",
                "a.yaml",
            ],
            "",
        ))
    };
    assert_eq!(run(config("payments", "cluster: eu\n")), BTreeSet::new());
    assert_eq!(
        run(config("payments", "cluster: us\n")),
        BTreeSet::from(["wrong-cluster".to_owned()])
    );
    assert_eq!(
        run(config("payments", "")),
        BTreeSet::from(["wrong-cluster".to_owned()])
    );
    assert_eq!(
        run(config("other", "cluster: eu\n")),
        BTreeSet::from(["namespace-not-allowed".to_owned()])
    );
    bench.write("webhook.yaml", "version: 1\nkeys: []\n");
    bench
        .run(&["lint", "--policy", "webhook.yaml", "a.yaml"], "")
        .failed(2, "webhook.yaml")
        .hints("webhook-config.schema.json");
}

/// Someone else's part of the tree does not keep the rest from being checked.
#[test]
fn a_broken_project_file_further_down_is_a_finding_at_that_file() {
    let bench = Bench::new();
    let open = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {CANARY}\n"),
    );
    bench.write("prod/db.yaml", &open);
    bench.write("vendor/a/db.yaml", &open);
    bench.write("vendor/a/deep/db.yaml", &open);
    for (text, words) in [
        ("version: 1\nrules:\n  - {paths: [a], kee: x}\n", "kee"),
        (
            "version: 2\nrules: []\n",
            "line 1: version: must be 1, not 2",
        ),
        ("version: [", "line 1"),
        ("\u{fffd}\0", ""),
        (
            "version: 1\nrules:\n  - {paths: [a], key: missing.card.json}\n",
            "missing.card.json",
        ),
        (
            "version: 1\nrules:\n  - {paths: [a], key: payments.pem}\n",
            "payments.pem",
        ),
    ] {
        bench.write("vendor/a/.privy.yaml", text);
        std::fs::copy(
            bench.path("payments.pem"),
            bench.path("vendor/a/payments.pem"),
        )
        .unwrap();
        let ended = bench.run(&["lint", "--output", "json"], "");
        assert_eq!(ended.code, 1, "{text}: {}", ended.stderr);
        let report = ended.json();
        let findings = report["findings"].as_array().unwrap();
        let at: Vec<_> = findings
            .iter()
            .filter(|finding| finding["rule"] == "invalid-project")
            .collect();
        assert_eq!(at.len(), 1, "{report}");
        assert_eq!(at[0]["path"], "vendor/a/.privy.yaml");
        assert_eq!(at[0]["level"], "error");
        let message = at[0]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert!(
            !message.contains(bench.path("").to_str().unwrap()),
            "{message}"
        );
        // Everything else was checked, that folder included.
        let plain = findings
            .iter()
            .filter(|finding| finding["rule"] == "plaintext");
        assert_eq!(plain.count(), 3, "{report}");
        let allowed = [
            "lint",
            "--allow",
            "invalid-project",
            "--allow",
            "plaintext",
            ".",
        ];
        // Bytes that are no text at all are no manifest either.
        let expected = i32::from(words.is_empty());
        assert_eq!(bench.run(&allowed, "").code, expected, "{text}");
    }
}

#[test]
fn a_broken_project_file_of_what_is_asked_for_ends_the_run() {
    let bench = Bench::new();
    bench.write(
        "vendor/a/db.yaml",
        secret("db", "payments", "stringData:\n  a: b\n"),
    );
    bench.write("vendor/.privy.yaml", "version: 2\nrules: []\n");
    for path in ["vendor", "vendor/a", "vendor/a/db.yaml"] {
        bench
            .run(&["lint", path], "")
            .failed(2, "line 1: version: must be 1, not 2")
            .hints("privy-yaml.schema.json");
    }
    assert_eq!(bench.run(&["lint", "."], "").code, 1);
}

/// Folders of test data, ours among them, hold every mistake there is.
#[test]
fn a_tree_of_mistakes_is_checked_to_its_end() {
    let bench = Bench::empty();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/fixture");
    let ended = bench.run(&["lint", "--output", "json", fixture], "");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(rules(&ended).contains("invalid-project"));
}
