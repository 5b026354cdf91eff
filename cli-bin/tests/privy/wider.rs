//! `privy set --for` and `--anywhere`: a field gets a wider place, which is said before anyone types a value.
use crate::support::Bench;

const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: db-1
  namespace: payments
stringData:
  user: app
  password: old
";

/// With `password` sealed for its place.
fn bench() -> Bench {
    let bench = Bench::trusting();
    bench.write("db.yaml", MANIFEST);
    set(&bench, &[], "first").0.succeeded();
    bench
}

/// Sets `password`, and returns what its envelope is bound to.
fn set(bench: &Bench, flags: &[&str], value: &str) -> (crate::support::Ended, serde_json::Value) {
    let usual = ["set", "db.yaml", "password", "--key", "payments.card.json"];
    let ended = bench.run(&[&usual, flags].concat(), value);
    let inspected = bench
        .run(&["inspect", "--output", "json", "db.yaml"], "")
        .json();
    let fields = inspected["inputs"][0]["secrets"][0]["fields"]
        .as_array()
        .unwrap();
    let field = fields
        .iter()
        .find(|field| field["field"] == "stringData/password")
        .unwrap();
    (ended, field["envelope"]["bind"].clone())
}

fn envelope(bench: &Bench) -> String {
    let text = bench.text("db.yaml");
    let line = text.lines().find(|line| line.contains("password: "));
    let (_, value) = line.unwrap().split_once(": ").unwrap();
    value.trim_matches('"').to_owned()
}

#[test]
fn an_existing_field_gets_a_wider_place_and_that_is_said() {
    for (flags, wherever, opens, closed) in [
        (
            &["--for", "payments/db-*/password"][..],
            "payments/db-*/password",
            "payments/db-2/password",
            "payments/other/password",
        ),
        (
            &["--for", "payments/*/password"],
            "payments/*/password",
            "payments/other/password",
            "payments/db-1/token",
        ),
        (
            &["--for", "payments/db-1/*"],
            "payments/db-1/*",
            "payments/db-1/token",
            "payments/db-2/password",
        ),
        (
            &["--anywhere"],
            "*/db-1/password",
            "shipping/db-1/password",
            "payments/db-2/password",
        ),
    ] {
        let bench = bench();
        let before = envelope(&bench);
        bench.open(opens, before).failed(1, "");
        let (ended, _) = set(&bench, flags, "second");
        let ended = ended.succeeded();
        let label = bench.label("payments.card.json");
        assert_eq!(
            ended.stderr,
            format!(
                "warning: the value of `password` can be opened wherever `{wherever}` fits, not only in `payments/db-1/password`\n\
                 db.yaml: `password` replaced, sealed for the key {label}\n"
            )
        );
        for place in ["payments/db-1/password", opens] {
            let opened = bench.open(place, envelope(&bench)).succeeded();
            assert_eq!(opened.stdout, b"second", "{flags:?} {place}");
        }
        bench.open(closed, envelope(&bench)).failed(1, "");
        // Nothing else of the file changed.
        let text = bench.text("db.yaml");
        assert_eq!(text.replace(&envelope(&bench), "old"), MANIFEST);
    }
}

#[test]
fn a_place_that_is_not_wider_needs_no_warning() {
    let bench = bench();
    for flags in [&[][..], &["--for", "payments/db-1/password"]] {
        let (ended, bind) = set(&bench, flags, "x");
        let label = bench.label("payments.card.json");
        let said = format!("db.yaml: `password` replaced, sealed for the key {label}\n");
        assert_eq!(ended.succeeded().stderr, said);
        assert_eq!(bind["name"], "db-1", "{bind}");
    }
    // What was wide becomes narrow again by a `set` that does not mention the place.
    set(&bench, &["--anywhere"], "x").0.succeeded();
    let (ended, _) = set(&bench, &[], "y");
    ended.succeeded();
    bench
        .open("shipping/db-1/password", envelope(&bench))
        .failed(1, "");
}

#[test]
fn widening_is_said_in_a_dry_run_and_for_a_new_field_too() {
    let bench = bench();
    let before = bench.text("db.yaml");
    let (ended, _) = set(&bench, &["--anywhere", "--dry-run"], "x");
    let ended = ended.succeeded();
    assert!(
        ended
            .stderr
            .starts_with("warning: the value of `password` can be opened wherever")
    );
    assert_eq!(bench.text("db.yaml"), before);
    let new = [
        "set",
        "db.yaml",
        "token",
        "--key",
        "payments.card.json",
        "--for",
        "payments/*/*",
    ];
    let ended = bench.run(&new, "x").succeeded();
    assert!(
        ended
            .stderr
            .contains("the value of `token` can be opened wherever `payments/*/*` fits"),
        "{}",
        ended.stderr
    );
    // A generated name is a pattern by itself: that is its own place.
    bench.write(
        "db.yaml",
        MANIFEST.replace("name: db-1", "generateName: db-"),
    );
    let (ended, _) = set(&bench, &[], "x");
    let label = bench.label("payments.card.json");
    let said = format!("db.yaml: `password` replaced, sealed for the key {label}\n");
    assert_eq!(ended.succeeded().stderr, said);
}

#[test]
fn a_new_file_may_be_for_any_namespace() {
    let bench = Bench::new();
    let arguments = [
        "set",
        "new.yaml",
        "password",
        "--key",
        "payments.card.json",
        "--namespace",
        "payments",
        "--name",
        "db",
        "--anywhere",
    ];
    let ended = bench.run(&arguments, "x").succeeded();
    assert!(ended.stderr.contains("`*/db/password`"), "{}", ended.stderr);
    let text = bench.text("new.yaml");
    let (_, sealed) = text.split_once("password: ").unwrap();
    let sealed = sealed.trim().trim_matches('"').to_owned();
    bench.open("shipping/db/password", sealed).succeeded();
}

#[test]
fn a_manifest_has_names_and_no_patterns() {
    let bench = Bench::trusting();
    for (old, new) in [
        ("name: db-1", "name: db-*"),
        ("namespace: payments", "namespace: team-*"),
        ("password: old", "pass-*: old"),
    ] {
        bench.write("db.yaml", MANIFEST.replace(old, new));
        let seal = ["seal", "-i", "db.yaml", "--key", "payments.card.json"];
        bench.run(&seal, "").failed(1, "have no `*`");
        assert_eq!(bench.text("db.yaml"), MANIFEST.replace(old, new));
    }
}

#[test]
fn a_rule_that_opens_several_namespaces_is_said() {
    let bench = Bench::trusting();
    let rule =
        "version: 1\nrules: [{paths: [\"**\"], key: payments.card.json, namespace: team-*}]\n";
    bench.write(".privy.yaml", rule);
    bench.write("db.yaml", MANIFEST.replace("  namespace: payments\n", ""));
    let warning = "can be opened wherever `team-*/db-1/";
    let set = bench.run(&["set", "db.yaml", "password"], "x").succeeded();
    assert!(set.stderr.contains(warning), "{}", set.stderr);
    let sealed = bench.run(&["seal", "-i", "db.yaml"], "").succeeded();
    assert!(sealed.stderr.contains(warning), "{}", sealed.stderr);
}

#[test]
fn values_that_kubectl_repeats_in_an_annotation_are_not_left_in_a_sealed_file() {
    let bench = Bench::trusting();
    let seal = ["seal", "-i", "db.yaml", "--key", "payments.card.json"];
    for (applied, plain) in [
        (r#"{"stringData":{"user":"app"}}"#, true),
        (r#"{"data":{"user":"YXBw"}}"#, true),
        (r#"{"data":{"user":""}}"#, false),
        ("{}", false),
    ] {
        let annotation = format!(
            "  annotations: {{kubectl.kubernetes.io/last-applied-configuration: '{applied}'}}\nstringData:"
        );
        let text = MANIFEST.replace("stringData:", &annotation);
        bench.write("db.yaml", &text);
        let ended = bench.run(&seal, "");
        assert_eq!(ended.code, i32::from(plain), "{}", ended.stderr);
        assert_eq!(bench.text("db.yaml") == text, plain);
        if plain {
            let ended = bench.run(&["lint", "db.yaml"], "");
            assert!(
                ended
                    .text()
                    .contains("last-applied-configuration: the annotation repeats"),
                "{}",
                ended.text()
            );
        }
    }
}
