//! `privy inspect`: reports, and what counts as found.
use crate::support::{Bench, CANARY};

#[test]
fn an_envelope_in_full() {
    let bench = Bench::new();
    let arguments = [
        "seal",
        "--key",
        "payments.card.json",
        "--for",
        "payments/db-*/*",
        "--cluster",
        "eu",
        "--sa",
        "billing",
        "--by",
        "dba",
        "--why",
        "CHG-7",
        "--not-before",
        "2030-01-01",
        "--expires",
        "2031-01-01",
    ];
    let sealed = bench.run(&arguments, CANARY).succeeded();
    let report = bench.run(&["inspect"], &sealed.stdout).succeeded();
    for words in [
        "compact",
        "A256GCM",
        "ECDH-ES+A256KW",
        "payments/db-*/*",
        "eu",
        "service account billing",
        "2030-01-01T00:00:00Z",
        "2031-01-01T00:00:00Z",
        "dba (claimed)",
        "CHG-7 (claimed)",
        "none of your trusted keys",
        "sha256:",
    ] {
        assert!(
            report.text().contains(words),
            "{words} is not in\n{}",
            report.text()
        );
    }
}

#[test]
fn a_manifest_as_a_table() {
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: db, namespace: payments}}\nstringData:\n  password: {sealed}  plain: {CANARY}\n"
    );
    bench.write("db.yaml", &manifest);
    let report = bench.run(&["inspect", "db.yaml"], "").succeeded();
    assert!(
        report
            .text()
            .contains("stringData/password  sealed      for payments/db/password"),
        "{}",
        report.text()
    );
    assert!(report.text().contains("stringData/plain     plain"));
    assert!(!report.text().contains(CANARY));
    let json = bench
        .run(&["inspect", "--output", "json", "db.yaml"], "")
        .succeeded();
    assert!(!json.text().contains(CANARY));
    assert_eq!(
        json.json()["inputs"][0]["secrets"][0]["fields"][1]["state"],
        "plain"
    );
}

#[test]
fn damage_and_wrong_places_are_found() {
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    let manifest = |name: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: payments}}\nstringData:\n  password: {value}\n"
        )
    };
    for (text, state) in [
        (
            manifest("db", &sealed.trim()[..sealed.len() - 12]),
            "damaged",
        ),
        (manifest("other", sealed.trim()), "misplaced"),
        (manifest("db", "&a x"), "unreadable"),
    ] {
        bench.write("db.yaml", &text);
        let report = bench.run(&["inspect", "db.yaml"], "");
        assert_eq!(report.code, 1, "{}", report.text());
        assert!(
            report.text().contains(state),
            "{state} is not in\n{}",
            report.text()
        );
        let json = bench.run(&["inspect", "--output", "json", "db.yaml"], "");
        assert_eq!(json.code, 1);
        assert_eq!(
            json.json()["inputs"][0]["secrets"][0]["fields"][0]["state"],
            state
        );
    }
    let damaged = bench.run(&["inspect"], "eyJlbmMiOiJBMjU2R0NNIn0.a.b.c");
    assert_eq!(damaged.code, 1);
    assert!(
        damaged.text().contains("damaged envelope"),
        "{}",
        damaged.text()
    );
}

#[test]
fn what_is_neither_is_said_to_be_neither() {
    let bench = Bench::empty();
    bench
        .run(&["inspect"], "hello")
        .failed(1, "neither an envelope nor a manifest");
    bench
        .run(&["inspect"], " \n")
        .failed(1, "the input is empty");
    bench
        .run(&["inspect", "missing"], "")
        .failed(2, "cannot read `missing`");
}

#[test]
fn claims_cannot_deceive_the_terminal() {
    use base64::Engine as _;
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    let (header, rest) = sealed.trim().split_once('.').unwrap();
    let mut header: serde_json::Value =
        serde_json::from_slice(&url.decode(header).unwrap()).unwrap();
    header["kid"] = "a\u{1b}[2J\u{202e}b".into();
    let report = bench.run(
        &["inspect"],
        format!("{}.{rest}", url.encode(header.to_string())),
    );
    assert!(
        !report.text().contains('\u{1b}') && !report.text().contains('\u{202e}'),
        "{}",
        report.text()
    );
}
