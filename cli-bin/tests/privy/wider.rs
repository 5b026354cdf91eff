//! `privy set --for` and `--anywhere`: a field gets a wider place, which is said before anybody types a value.
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
    let bench = Bench::new();
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
        assert_eq!(
            ended.stderr,
            format!(
                "warning: the value of `password` can be opened wherever `{wherever}` fits, not in `payments/db-1/password` alone\n\
                 db.yaml: `password` is sealed\n"
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
        assert_eq!(ended.succeeded().stderr, "db.yaml: `password` is sealed\n");
        assert_eq!(bind["name"], "db-1", "{bind}");
    }
    // What was wide becomes narrow again by a `set` that says nothing of the place.
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
    assert_eq!(ended.succeeded().stderr, "db.yaml: `password` is sealed\n");
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
