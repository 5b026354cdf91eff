//! Where an envelope stands, and how wide it is.
use super::*;

#[test]
fn wrong_places_are_found() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let data = format!("stringData:\n  password: {sealed}\n");
    finds(&bench, &secret("db", "staging", &data), &["wrong-place"]);
    finds(
        &bench,
        &secret("other", "payments", &data),
        &["wrong-place"],
    );
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("stringData:\n  token: {sealed}\n"),
        ),
        &["wrong-place"],
    );
}

#[test]
fn places_are_checked_without_any_key() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    bench.write(
        "a.yaml",
        secret(
            "db",
            "staging",
            &format!("stringData:\n  password: {sealed}\n"),
        ),
    );
    let ended = bench.run(&["lint", "--output", "json", "a.yaml"], "");
    assert_eq!(rules(&ended), BTreeSet::from(["wrong-place".to_owned()]));
    assert!(ended.text().contains("no key card was given"));
}

#[test]
fn wide_scopes_are_found() {
    let bench = Bench::new();
    for (place, expected) in [
        ("payments/db/password", &[][..]),
        ("payments/db/*", &[]),
        ("payments/*/password", &["wide-scope"]),
        ("team-*/db/password", &["wide-scope"]),
    ] {
        let sealed = sealed_for(&bench, place, &[]);
        let namespace = if place.starts_with("team") {
            "team-a"
        } else {
            "payments"
        };
        finds(
            &bench,
            &secret(
                "db",
                namespace,
                &format!("stringData:\n  password: {sealed}\n"),
            ),
            expected,
        );
    }
    let anywhere = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--anywhere",
                "--name",
                "db",
                "--field",
                "password",
            ],
            CANARY,
        )
        .succeeded();
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {}\n", anywhere.text().trim()),
        ),
        &["wide-scope"],
    );
}

#[test]
fn run_time_envelopes_need_to_be_left() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &["--sa", "billing"]);
    let data = format!("stringData:\n  password: {sealed}\n");
    finds(&bench, &secret("db", "payments", &data), &["run-time-only"]);
    let left = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n  annotations:\n    privyseal.dev/leave: other, password\n{data}"
    );
    finds(&bench, &left, &[]);
}

#[test]
fn missing_places_and_types_are_found() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let data = format!("stringData:\n  password: {sealed}\n");
    finds(
        &bench,
        &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\n{data}"),
        &["no-namespace"],
    );
    finds(
        &bench,
        &format!("apiVersion: v1\nkind: Secret\nmetadata: {{namespace: payments}}\n{data}"),
        &["no-name", "wrong-place"],
    );
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("type: kubernetes.io/tls\n{data}"),
        ),
        &["type-check"],
    );
}
