//! Secrets of a cluster, as kubectl prints them, on standard input.
use serde_json::{Value, json};

use crate::support::{Bench, CANARY, Ended};

fn import(bench: &Bench, stdin: impl AsRef<[u8]>) -> Ended {
    bench.run(&["import", "--key", "payments.card.json", "-"], stdin)
}

fn secret(name: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": "payments",
            "uid": "0d4f",
            "resourceVersion": "17",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "app": "db", "on": "yes" },
            "annotations": {
                "note": "a: \"b\" #c",
                "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"password\":\"Y2FuYXJ5LTVrUTktaHVudGVyMg==\"}}",
            },
            "managedFields": [{ "manager": "kubectl" }],
            "ownerReferences": [{ "apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "db", "uid": "1" }],
        },
        "type": kind,
        "data": { "password": "Y2FuYXJ5LTVrUTktaHVudGVyMg==", "no": "AAH/", "empty": "" },
    })
}

#[test]
fn what_the_cluster_wrote_is_dropped_and_values_are_sealed() {
    let bench = Bench::trusting();
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            secret("sh.helm.release.v1.db.v1", "helm.sh/release.v1"),
            secret("db", "Opaque"),
            secret("token", "kubernetes.io/service-account-token"),
            secret("bootstrap-token-abcdef", "bootstrap.kubernetes.io/token"),
            secret("other", "Opaque"),
        ],
    });
    let ended = import(&bench, list.to_string()).succeeded();
    assert!(!ended.stderr.contains(CANARY));
    for words in [
        "note: payments/sh.helm.release.v1.db.v1 is left out: it is a release of Helm",
        "note: payments/token is left out: it is a token",
        "note: payments/bootstrap-token-abcdef is left out",
        "payments/db belongs to the SealedSecret `db`",
        "payments/db: 3 values sealed for the key \"payments\"",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let text = ended.text();
    let shape: String = text
        .lines()
        .take_while(|line| !line.contains("other"))
        .map(|line| line.split("eyJ").next().unwrap().to_owned() + "\n")
        .collect();
    assert_eq!(
        shape,
        "\
---
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
  labels:
    \"app\": \"db\"
    \"on\": \"yes\"
  annotations:
    \"note\": \"a: \\\"b\\\" #c\"
type: \"Opaque\"
stringData:
  empty: \"
  \"no\": \"
  password: \"
---
apiVersion: v1
kind: Secret
metadata:
"
    );
    for (key, value) in [
        ("password", CANARY.as_bytes()),
        ("\"no\"", b"\0\x01\xff"),
        ("empty", b""),
    ] {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(&format!("{key}: ")));
        let place = format!("payments/db/{}", key.trim_matches('"'));
        let opened = bench.open(&place, line.unwrap().trim_matches('"'));
        assert_eq!(opened.succeeded().stdout, value);
    }
    // What comes out is what goes into a repository: nothing in it is plain.
    bench.write("all.yaml", text);
    let again = bench.run(
        &["seal", "-i", "--key", "payments.card.json", "all.yaml"],
        "",
    );
    assert!(again.succeeded().stderr.contains("nothing to seal"));
    import(&bench, secret("one", "Opaque").to_string()).succeeded();
}

#[test]
fn what_is_no_list_of_secrets_is_refused() {
    let bench = Bench::trusting();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut secret = secret("db", "Opaque");
        change(&mut secret);
        secret.to_string()
    };
    let list = |kind: &str| json!({ "kind": kind, "items": [] }).to_string();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    let sealed = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(sealed.trim())
    };
    for (text, words) in [
        (String::new(), "not JSON"),
        ("kind: Secret".to_owned(), "not JSON"),
        (deep.clone(), "not JSON"),
        (format!("{{\"kind\":\"Secret\",\"x\":{deep}}}"), "no name"),
        (list("List"), "no Secret to import"),
        (
            with(&|secret| secret["kind"] = "ConfigMap".into()),
            "a ConfigMap",
        ),
        (
            with(&|secret| secret["kind"] = Value::Null),
            "without a kind",
        ),
        (
            with(&|secret| secret["metadata"]["namespace"] = Value::Null),
            "no namespace",
        ),
        (
            with(&|secret| secret["data"]["password"] = "canary-5kQ9-hunter2".into()),
            "not base64",
        ),
        (
            with(&|secret| secret["data"]["password"] = 1.into()),
            "not JSON",
        ),
        (
            with(&|secret| secret["data"]["a\"b"] = "AAAA".into()),
            "not JSON",
        ),
        (
            with(&|secret| secret["data"]["a/b"] = "AAAA".into()),
            "no key",
        ),
        (
            with(&|secret| secret["data"]["a"] = sealed.clone().into()),
            "an envelope already",
        ),
        (
            with(&|secret| secret["data"]["a"] = "AAAA".repeat(400_000).into()),
            "1 MiB",
        ),
    ] {
        import(&bench, &text).failed(1, words);
    }
    let flags = ["import", "--key", "payments.card.json", "--write", "-"];
    bench.run(&flags, "").failed(2, "standard output");
    let cut = &with(&|_| {})[..300];
    import(&bench, cut).failed(1, "not JSON");
}
