//! `.privy.yaml`: the everyday command has no flags, and a repository cannot choose a key that no one trusts.
use crate::support::{Bench, CANARY};

const RULES: &str = "\
version: 1
rules:
  - paths: [\"prod/**\"]
    key: payments.card.json
    namespace: payments
    name: db
    cluster: prod-eu
";

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: canary-5kQ9-hunter2\n";

fn repository() -> Bench {
    let bench = Bench::new();
    bench.write(".privy.yaml", RULES);
    bench.write("prod/db.yaml", MANIFEST);
    bench
}

#[test]
fn no_flags_are_needed() {
    let bench = repository();
    bench.trust("payments.card.json");
    bench
        .run_in("prod", &["seal", "-i", "db.yaml"], "")
        .succeeded();
    let seen = bench
        .run(&["inspect", "--output", "json", "prod/db.yaml"], "")
        .succeeded()
        .json();
    let bind = &seen["inputs"][0]["secrets"][0]["fields"][0]["envelope"]["bind"];
    assert_eq!(
        (bind["namespace"].as_str(), bind["name"].as_str()),
        (Some("payments"), Some("db"))
    );
    assert_eq!(bind["clusters"], serde_json::json!(["prod-eu"]));
    bench
        .run(&["set", "prod/new.yaml", "password"], "x")
        .succeeded();
    assert!(bench.text("prod/new.yaml").contains("namespace: payments"));
    let piped = bench
        .run_in("prod", &["seal", "--field", "password"], "x")
        .succeeded();
    assert!(piped.text().starts_with("eyJ"));
}

#[test]
fn a_key_that_nobody_trusts_is_not_used() {
    let bench = repository();
    let before = bench.files();
    let ended = bench
        .run(&["seal", "-i", "prod/db.yaml"], "")
        .failed(2, "is not trusted yet");
    let hint = ended.stderr.lines().last().unwrap().to_owned();
    assert!(
        hint.contains("privy key trust ") && hint.ends_with("payments.card.json"),
        "{hint}"
    );
    bench
        .run(&["set", "prod/db.yaml", "password"], CANARY)
        .failed(2, "is not trusted yet");
    assert_eq!(bench.files(), before);
}

#[test]
fn a_key_that_was_exchanged_is_refused_loudly() {
    let bench = repository();
    bench.trust("payments.card.json");
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--name",
                "payments",
                "--out",
                "evil.pem",
                "--card",
                "payments.card.json",
                "--force",
            ],
            "",
        )
        .succeeded();
    let before = bench.files();
    bench
        .run(&["seal", "-i", "prod/db.yaml"], "")
        .failed(2, "HAS CHANGED");
    assert_eq!(bench.files(), before);
}

#[test]
fn a_renamed_card_does_not_pass_for_a_trusted_one() {
    let bench = repository();
    bench.trust("payments.card.json");
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--name",
                "innocent",
                "--out",
                "evil.pem",
                "--card",
                "payments.card.json",
                "--force",
            ],
            "",
        )
        .succeeded();
    bench
        .run(&["seal", "-i", "prod/db.yaml"], "")
        .failed(2, "is not trusted yet");
}

#[test]
fn files_without_a_rule_need_a_key() {
    let bench = repository();
    bench.write("other.yaml", MANIFEST);
    bench
        .run(&["seal", "-i", "other.yaml"], "")
        .failed(2, "no rule of")
        .hints("--key");
    let lonely = Bench::empty();
    lonely.write("db.yaml", MANIFEST);
    lonely.write(".git/config", "");
    lonely
        .run(&["seal", "-i", "db.yaml"], "")
        .failed(2, "no key to seal for")
        .hints(".privy.yaml");
}

#[test]
fn a_key_on_the_command_line_is_used_as_given() {
    let bench = repository();
    bench
        .run(
            &["seal", "-i", "--key", "payments.card.json", "prod/db.yaml"],
            "",
        )
        .succeeded();
    let seen = bench
        .run(&["inspect", "--output", "json", "prod/db.yaml"], "")
        .succeeded()
        .json();
    let bind = &seen["inputs"][0]["secrets"][0]["fields"][0]["envelope"]["bind"];
    assert_eq!(
        bind["namespace"], "payments",
        "the place still comes from the rule"
    );
}

#[test]
fn a_fault_in_the_rules_is_located() {
    let bench = repository();
    bench.write(".privy.yaml", RULES.replace("    key:", "    kee:"));
    bench
        .run(&["seal", "-i", "prod/db.yaml"], "")
        .failed(2, "line 4")
        .hints("schemas/privy-yaml.schema.json");
}

#[test]
fn the_repository_ends_at_git() {
    let bench = repository();
    bench.trust("payments.card.json");
    bench.write("prod/inner/.git/config", "");
    bench.write("prod/inner/db.yaml", MANIFEST);
    bench
        .run(&["seal", "-i", "prod/inner/db.yaml"], "")
        .failed(2, "no key to seal for");
}
