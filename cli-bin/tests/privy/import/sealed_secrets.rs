//! Files that the real kubeseal 0.36 made: `cli-bin/tests/imports/sealed-secrets`.
use crate::outputs::fits;
use crate::support::{Bench, CANARY, Ended};

/// Two keys, of which the second is the one that most files were sealed for.
const KEYS: &str = include_str!("../../imports/sealed-secrets/keys.yaml");
const STRICT: &str = include_str!("../../imports/sealed-secrets/strict.yaml");
const STRICT_JSON: &str = include_str!("../../imports/sealed-secrets/strict.json");
const NAMESPACE_WIDE: &str = include_str!("../../imports/sealed-secrets/namespace-wide.yaml");
const CLUSTER_WIDE: &str = include_str!("../../imports/sealed-secrets/cluster-wide.yaml");

/// With the controller's keys, of which the first is not the one that most files were sealed for.
fn bench() -> Bench {
    let bench = Bench::trusting();
    write_private(&bench, "keys.yaml", KEYS);
    bench.write("strict.yaml", STRICT);
    bench.write("strict.json", STRICT_JSON);
    bench.write("namespace.yaml", NAMESPACE_WIDE);
    bench.write("cluster.yaml", CLUSTER_WIDE);
    bench
}

/// As `chmod 600` leaves it: nothing is said of it.
fn write_private(bench: &Bench, name: &str, text: &str) {
    bench.write(name, text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(bench.path(name), mode).unwrap();
    }
}

fn import(bench: &Bench, more: &[&str]) -> Ended {
    let flags = [
        "import",
        "--open-with",
        "keys.yaml",
        "--key",
        "payments.card.json",
    ];
    bench.run(&[&flags, more].concat(), "")
}

/// What was sealed.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let lines: Vec<_> = (0..50).map(|line| format!("line {line} äöü €\n")).collect();
    let text = lines.concat();
    vec![
        ("binary", (0..=255).collect()),
        ("empty", Vec::new()),
        ("password", CANARY.into()),
        ("text.txt", text.into_bytes()),
        ("username", b"sa".to_vec()),
    ]
}

fn envelope(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| {
        let line = line.trim();
        let value = line
            .strip_prefix(&format!("\"{key}\": "))
            .or_else(|| line.strip_prefix(&format!("{key}: ")))?;
        Some(value.split(['#', ',']).next().unwrap())
    });
    line.unwrap().trim().trim_matches('"').to_owned()
}

#[track_caller]
fn opens(bench: &Bench, file: &str, place: &str) {
    let text = bench.text(file);
    for (key, value) in values() {
        let opened = bench.open(&format!("{place}/{key}"), envelope(&text, key));
        assert_eq!(opened.succeeded().stdout, value, "{file} {key}");
    }
}

#[test]
fn every_value_arrives_byte_for_byte_and_the_rest_is_the_templates() {
    let bench = bench();
    let ended = import(&bench, &["--write", "strict.yaml", "strict.json"]).succeeded();
    assert!(!ended.stderr.contains(CANARY), "{}", ended.stderr);
    for file in ["strict.yaml", "strict.json"] {
        opens(&bench, file, "payments/db");
        let text = bench.text(file);
        for gone in [
            "SealedSecret",
            "bitnami",
            "encryptedData",
            "template",
            CANARY,
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        bench
            .open("payments/other/password", envelope(&text, "password"))
            .failed(1, "place");
    }
    let text = bench.text("strict.yaml");
    let shape: String = text
        .lines()
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
    app.kubernetes.io/name: db
  annotations:
    argocd.argoproj.io/sync-wave: \"2\"
    team: payments
type: kubernetes.io/basic-auth
immutable: true
stringData:
  binary: \"
  empty: \"
  password: \"
  text.txt: \"
  username: \"
"
    );
    let json: serde_json::Value = serde_json::from_slice(&bench.read("strict.json")).unwrap();
    assert_eq!(json["type"], "kubernetes.io/basic-auth");
    assert_eq!(json["immutable"], true);
    assert_eq!(json["metadata"]["annotations"]["team"], "payments");
    assert_eq!(json["kind"], "Secret");
}

#[test]
fn nothing_is_written_until_asked() {
    let bench = bench();
    let before = bench.files();
    let ended = import(&bench, &["strict.yaml"]).succeeded();
    assert_eq!(bench.files(), before);
    for words in [
        "strict.yaml: 5 values of payments/db would be sealed for the key \"payments\"",
        "5 values in 1 Secret of 1 file would be imported",
        "add --write",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    let ended = import(&bench, &["--write", "strict.yaml"]).succeeded();
    assert!(
        ended.stderr.contains("docs/migrate.md") && ended.stderr.contains("history"),
        "{}",
        ended.stderr
    );
    // The same again finds nothing to do.
    let before = bench.files();
    let ended = import(&bench, &["--write", "strict.yaml"]).succeeded();
    assert!(
        ended.stderr.contains("nothing to import"),
        "{}",
        ended.stderr
    );
    assert_eq!(bench.files(), before);
}

#[test]
fn the_scope_becomes_the_binding() {
    let bench = bench();
    let ended = import(&bench, &["--write", "namespace.yaml"]).succeeded();
    assert!(
        ended.stderr.contains("wherever `payments/*/*` fits"),
        "{}",
        ended.stderr
    );
    opens(&bench, "namespace.yaml", "payments/db");
    let text = bench.text("namespace.yaml");
    let password = envelope(&text, "password");
    assert!(!text.contains("namespace-wide"), "{text}");
    bench.open("payments/other/x", &password).succeeded();
    bench.open("shop/db/password", &password).failed(1, "place");

    let before = bench.files();
    import(&bench, &["--write", "cluster.yaml"])
        .failed(1, "in the whole cluster")
        .hints("--exact");
    assert_eq!(bench.files(), before);
    import(&bench, &["--write", "--anywhere", "cluster.yaml"]).succeeded();
    let password = envelope(&bench.text("cluster.yaml"), "password");
    bench.open("shop/other/x", &password).succeeded();

    bench.write("cluster.yaml", CLUSTER_WIDE);
    bench.write("namespace.yaml", NAMESPACE_WIDE);
    import(
        &bench,
        &["--write", "--exact", "cluster.yaml", "namespace.yaml"],
    )
    .succeeded();
    for file in ["cluster.yaml", "namespace.yaml"] {
        opens(&bench, file, "payments/db");
        let password = envelope(&bench.text(file), "password");
        bench.open("payments/db/x", &password).failed(1, "place");
    }
}

#[test]
fn a_tree_is_imported_whole_or_not_at_all() {
    let bench = bench();
    bench.write("tree/a.yaml", STRICT);
    bench.write("tree/b/c.json", STRICT_JSON);
    bench.write("tree/deployment.yaml", "kind: Deployment\napiVersion: v1\n");
    bench.write("tree/chart/t.yaml", "kind: SealedSecret\n{{ if x }}\n");
    let changed = STRICT.replacen("password: AQ", "password: AR", 1);
    bench.write("tree/z.yaml", changed);
    let before = bench.files();
    import(&bench, &["--write", "tree"]).failed(1, "tree/z.yaml");
    assert_eq!(bench.files(), before);
    std::fs::remove_file(bench.path("tree/z.yaml")).unwrap();
    let report = import(&bench, &["--write", "--output", "json", "tree"])
        .succeeded()
        .json();
    fits("import", &report);
    assert_eq!(report["summary"]["changed"], 2, "{report:#}");
    assert_eq!(report["summary"]["values"], 10);
    assert_eq!(report["files"][0]["secrets"][0]["scope"], "strict");
    let template = report["files"].as_array().unwrap();
    assert!(
        template.iter().any(|file| file["outcome"] == "passed-over"),
        "{report:#}"
    );
    opens(&bench, "tree/a.yaml", "payments/db");
    opens(&bench, "tree/b/c.json", "payments/db");
}

#[test]
fn comments_order_and_neighbors_stay() {
    let bench = bench();
    let sealed = |key: &str| envelope(STRICT, key);
    let text = format!(
        "\
# head
apiVersion: v1
kind: ConfigMap
metadata: {{name: a}} # flow
---
# before
apiVersion: bitnami.com/v1alpha1 # version
kind: SealedSecret
metadata:
  creationTimestamp: null
  name: 'db' # the name
  namespace: payments
  annotations:
    argocd.argoproj.io/sync-options: Prune=false
    kubectl.kubernetes.io/last-applied-configuration: '{{}}'
    note: lost
spec:
  # the values
  encryptedData:
    # who logs in
    username: {} # short
    # with what
    password: >-
      {}
      # no comment, and no base64
    # last
  template:
    # what it is
    type: Opaque # usual
    metadata:
      creationTimestamp: null
      labels: {{app: db}} # label
      name: db
# behind
---
kind: Service
",
        sealed("username"),
        sealed("password"),
    );
    let text = text.replace("\n      # no comment, and no base64", "");
    bench.write("db.yaml", text);
    let ended = import(&bench, &["--write", "db.yaml"]).succeeded();
    assert!(ended.stderr.contains("`note`"), "{}", ended.stderr);
    let shape: String = bench
        .text("db.yaml")
        .lines()
        .map(|line| {
            let word = line.split(' ').find(|word| word.contains("eyJ"));
            line.replace(word.unwrap_or("\0"), "…") + "\n"
        })
        .collect();
    assert_eq!(
        shape,
        "\
# head
apiVersion: v1
kind: ConfigMap
metadata: {name: a} # flow
---
# before
apiVersion: v1 # version
kind: Secret
metadata:
  name: 'db' # the name
  namespace: payments
  labels:
    app: db # label
  annotations:
    argocd.argoproj.io/sync-options: Prune=false
# what it is
type: Opaque # usual
# the values
stringData:
  # who logs in
  username: … # short
  # with what
  password: …
  # last
# behind
---
kind: Service
"
    );
}

#[test]
fn every_key_is_tried_and_pem_is_read() {
    use base64::Engine as _;
    let bench = bench();
    let pems: Vec<_> = KEYS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tls.key: "))
        .map(|text| {
            let pem = base64::engine::general_purpose::STANDARD.decode(text);
            String::from_utf8(pem.unwrap()).unwrap()
        })
        .collect();
    let [old, new] = &pems[..] else {
        panic!("two keys")
    };
    write_private(&bench, "old.pem", old);
    write_private(&bench, "new.pem", new);
    write_private(&bench, "both.pem", &format!("{old}\n{new}"));
    let try_with = |keys: &[&str], file: &str| {
        let mut flags = vec!["import", "--key", "payments.card.json", file];
        for key in keys {
            flags.extend(["--open-with", key]);
        }
        bench.run(&flags, "")
    };
    try_with(&["old.pem", "new.pem"], "strict.yaml").succeeded();
    try_with(&["new.pem", "old.pem"], "strict.json").succeeded();
    try_with(&["both.pem"], "strict.yaml").succeeded();
    try_with(&["both.pem"], "strict.json").succeeded();
    try_with(&["old.pem"], "strict.yaml")
        .failed(1, "none of the 1 private keys")
        .hints("all keys");
    write_private(&bench, "none.yaml", STRICT);
    try_with(&["none.yaml"], "strict.yaml").failed(2, "no private key");
    try_with(&["payments.pem"], "strict.yaml").failed(2, "private key");
    write_private(&bench, "key.txt", "hello: [");
    try_with(&["key.txt"], "strict.yaml").failed(2, "neither PEM");
}

#[test]
fn a_manifest_without_a_namespace_needs_one() {
    let bench = bench();
    bench.write("db.yaml", STRICT.replacen("\n  namespace: payments", "", 1));
    import(&bench, &["db.yaml"])
        .failed(1, "namespace")
        .hints("--namespace");
    import(&bench, &["--namespace", "shop", "db.yaml"]).failed(1, "none of the 2 private keys");
    import(&bench, &["--write", "--namespace", "payments", "db.yaml"]).succeeded();
    opens(&bench, "db.yaml", "payments/db");
    assert!(!bench.text("db.yaml").contains("namespace: payments"));
}

#[test]
fn files_of_other_tools_are_named_and_left() {
    let bench = bench();
    bench.write("tree/vault.yaml", "$ANSIBLE_VAULT;1.1;AES256\n6638\n");
    bench.write(
        "tree/generator.yaml",
        "apiVersion: viaduct.ai/v1\nkind: ksops\nmetadata: {name: a}\nfiles: [db.enc.yaml]\n",
    );
    bench.write("tree/plain.yaml", "a: b\n");
    let before = bench.files();
    let ended = import(&bench, &["--write", "tree"]).succeeded();
    for words in [
        "note: tree/vault.yaml: left as it is: Ansible Vault encrypted it; decrypt it first",
        "note: tree/generator.yaml: left as it is: a generator of KSOPS",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("plain.yaml"), "{}", ended.stderr);
    assert_eq!(bench.files(), before);
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_stay() {
    let bench = bench();
    let windows = format!(
        "\u{feff}{}",
        STRICT.trim_start_matches("---\n").replace('\n', "\r\n")
    );
    bench.write("strict.yaml", windows);
    import(&bench, &["--write", "strict.yaml"]).succeeded();
    let text = bench.text("strict.yaml");
    assert!(
        text.starts_with("\u{feff}apiVersion: v1\r\nkind: Secret\r\n"),
        "{text}"
    );
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    bench.write("strict.yaml", text.replace('\r', ""));
    opens(&bench, "strict.yaml", "payments/db");
}
