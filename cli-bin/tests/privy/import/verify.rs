//! `privy import --verify-live`: a double of `kubectl` answers from a file.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::outputs::fits;
use crate::support::{Bench, CANARY, Ended};

const KEYS: &str = include_str!("../../imports/sealed-secrets/keys.yaml");
const STRICT: &str = include_str!("../../imports/sealed-secrets/strict.yaml");
const REGEX: &str = include_str!("../../imports/sops/regex.yaml");
const PLAIN: &str = include_str!("../../imports/sops/plain.yaml");

fn bench() -> Bench {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::trusting();
    bench.write("keys.yaml", KEYS);
    bench.write("strict.yaml", STRICT);
    bench.write("db.yaml", REGEX);
    bench.write("bin/plain", PLAIN);
    bench.write("bin/sops", "#!/bin/sh\ncat bin/plain\n");
    bench.write(
        "bin/kubectl",
        "#!/bin/sh\necho \"$@\" >> bin/asked\n[ ! -e bin/live.json ] || cat bin/live.json\n[ ! -e bin/broken ]\n",
    );
    for (name, mode) in [
        ("bin/sops", 0o755),
        ("bin/kubectl", 0o755),
        ("keys.yaml", 0o600),
    ] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(bench.path(name), mode).unwrap();
    }
    bench
}

fn import(bench: &Bench, more: &[&str]) -> Ended {
    let flags = [
        "import",
        "--open-with",
        "keys.yaml",
        "--key",
        "payments.card.json",
        "--verify-live",
        "--write",
    ];
    bench.run_with_path(&[&flags, more].concat(), "")
}

/// The Secret of `strict.yaml` as the controller made it.
fn live() -> Value {
    let text: Vec<_> = (0..50).map(|line| format!("line {line} äöü €\n")).collect();
    let binary: Vec<u8> = (0..=255).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "db", "namespace": "payments" },
        "type": "kubernetes.io/basic-auth",
        "data": {
            "binary": STANDARD.encode(binary),
            "empty": "",
            "password": STANDARD.encode(CANARY),
            "text.txt": STANDARD.encode(text.concat()),
            "username": STANDARD.encode("sa"),
        },
    })
}

#[test]
fn equal_values_are_imported_and_said_to_be_equal() {
    let bench = bench();
    bench.write("bin/live.json", live().to_string());
    let report = import(
        &bench,
        &["--output", "json", "--context", "prod", "strict.yaml"],
    )
    .succeeded()
    .json();
    fits("import", &report);
    assert_eq!(
        report["files"][0]["secrets"][0]["verified"], true,
        "{report:#}"
    );
    assert_eq!(
        bench.text("bin/asked"),
        "--context=prod get secret db --namespace payments --ignore-not-found --output json\n"
    );
    bench.write("strict.yaml", STRICT);
    let ended = import(&bench, &["strict.yaml"]).succeeded();
    assert!(
        ended
            .stderr
            .contains("every value equals the one in the cluster")
    );
    assert!(!ended.stderr.contains(CANARY));
}

#[test]
fn a_difference_is_named_by_its_key_and_nothing_is_written() {
    for (change, words) in [
        (
            json!({ "password": STANDARD.encode("canary-5kQ9-hunter3") }),
            "`password`",
        ),
        (
            json!({ "password": STANDARD.encode("canary-5kQ9-hunter2\n") }),
            "`password`",
        ),
        (json!({ "password": "" }), "`password`"),
        (json!({ "empty": "AA==" }), "`empty`"),
        (json!({ "more": "AA==" }), "`more`"),
        (json!({ "binary": "AA==", "more": "" }), "`binary`, `more`"),
    ] {
        let bench = bench();
        let mut live = live();
        for (key, value) in change.as_object().unwrap() {
            live["data"][key] = value.clone();
        }
        bench.write("bin/live.json", live.to_string());
        import(&bench, &["strict.yaml"])
            .failed(1, words)
            .hints("which of the two");
        assert_eq!(bench.text("strict.yaml"), STRICT);
    }
    let bench = bench();
    let mut live = live();
    live["data"].as_object_mut().unwrap().remove("username");
    bench.write("bin/live.json", live.to_string());
    import(&bench, &["strict.yaml"]).failed(1, "`username`");
}

#[test]
fn a_cluster_that_cannot_say_is_no_proof() {
    let bench = bench();
    import(&bench, &["strict.yaml"]).failed(1, "the cluster has no Secret payments/db");
    bench.write("bin/live.json", "not JSON");
    import(&bench, &["strict.yaml"]).failed(1, "not JSON");
    bench.write("bin/live.json", "{\"kind\":\"List\",\"items\":[]}");
    import(&bench, &["strict.yaml"]).failed(1, "`password`");
    bench.write("bin/broken", "");
    import(&bench, &["strict.yaml"]).failed(3, "kubectl failed");
    assert_eq!(bench.text("strict.yaml"), STRICT);
}

#[test]
fn secrets_of_sops_are_compared_too() {
    let bench = bench();
    bench.write("bin/live.json", live().to_string());
    import(&bench, &["--plain-comments", "db.yaml"]).failed(1, "`url`");
    let live = json!({
        "kind": "Secret",
        "metadata": { "name": "db", "namespace": "payments" },
        "data": {
            "password": STANDARD.encode(CANARY),
            "url": STANDARD.encode("postgres://x:y@z/?a=b#c"),
            "multi": STANDARD.encode("line 1\nline 2\n"),
            "empty": "",
            "yes": STANDARD.encode("true"),
            "binary": "AAH/",
        },
    });
    bench.write("bin/live.json", live.to_string());
    import(&bench, &["--plain-comments", "db.yaml"]).succeeded();
}
