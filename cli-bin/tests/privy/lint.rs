//! `privy lint`: one test per kind of mistake, and the forms of its report.
use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;

use crate::support::{Bench, CANARY, Ended};

const PLACE: &str = "payments/db/password";

fn secret(name: &str, namespace: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\n{rest}"
    )
}

fn sealed_for(bench: &Bench, place: &str, more: &[&str]) -> String {
    let mut arguments = vec!["seal", "--key", "payments.card.json", "--for", place];
    arguments.extend(more);
    let sealed = bench.run(&arguments, CANARY).succeeded();
    sealed.text().trim().to_owned()
}

/// The rules that a run found, without those that do not count.
fn rules(ended: &Ended) -> BTreeSet<String> {
    ended.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] != "note" && finding.get("suppressed").is_none())
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

/// Lints one file against the card `payments`.
fn lint(bench: &Bench, text: &str) -> Ended {
    bench.write("case/case.yaml", text);
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "payments.card.json",
            "--output",
            "json",
            "case",
        ],
        "",
    );
    assert!(!ended.stderr.contains(CANARY));
    ended
}

#[track_caller]
fn finds(bench: &Bench, text: &str, expected: &[&str]) -> Ended {
    let ended = lint(bench, text);
    let expected: BTreeSet<String> = expected.iter().map(|rule| (*rule).to_owned()).collect();
    assert_eq!(rules(&ended), expected, "{text}\n{}", ended.text());
    assert_eq!(ended.code, i32::from(!expected.is_empty()));
    assert!(!ended.text().contains(CANARY), "the value leaked");
    ended
}

#[test]
fn a_sealed_manifest_in_its_place_is_clean() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {sealed}\n"),
        ),
        &[],
    );
    let ended = bench
        .run(&["lint", "--key", "payments.card.json", "case"], "")
        .succeeded();
    for words in [
        "1 file checked: 1 Secret, 1 value, 1 of them sealed",
        "nothing found",
        "not checked: ",
    ] {
        assert!(ended.text().contains(words), "{words}\n{}", ended.text());
    }
}

#[test]
fn plaintext_is_found_and_never_shown() {
    let bench = Bench::new();
    let text = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {CANARY}\n"),
    );
    finds(&bench, &text, &["plaintext"]);
    let ended = bench.run(&["lint", "case"], "");
    assert_eq!(ended.code, 1);
    for words in [
        "case/case.yaml:7:13: error[plaintext]: payments/db stringData/password: the value is not sealed",
        "7 |   password: …\n  |             ^",
        "next: privy seal -i case/case.yaml",
        "1 error and 0 warnings found",
    ] {
        assert!(ended.text().contains(words), "{words}\n{}", ended.text());
    }
    assert!(!ended.text().contains(CANARY));
}

#[test]
fn base64_is_plaintext() {
    let bench = Bench::new();
    let text = secret("db", "payments", "data:\n  password: aHVudGVyMg==\n");
    let ended = finds(&bench, &text, &["plaintext"]);
    assert!(ended.text().contains("merely base64"));
}

#[test]
fn certificates_are_not_plaintext() {
    let bench = Bench::new();
    let text = "stringData:\n  ca.crt: |\n    -----BEGIN CERTIFICATE-----\n    AAAA\n    -----END CERTIFICATE-----\n  empty: ''\n";
    finds(&bench, &secret("db", "payments", text), &[]);
}

#[test]
fn damage_is_found() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let cut = &sealed[..sealed.len() - 9];
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {cut}\n"),
        ),
        &["damaged"],
    );
    bench.write("lone.jwe", cut);
    let ended = bench.run(&["lint", "--output", "json", "lone.jwe"], "");
    assert_eq!(rules(&ended), BTreeSet::from(["damaged".to_owned()]));
}

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
fn unknown_retired_and_expired_keys_are_found() {
    let bench = Bench::new();
    bench.generate("other");
    let sealed = sealed_for(&bench, PLACE, &[]);
    let text = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {sealed}\n"),
    );
    bench.write("case/case.yaml", &text);
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "other.card.json",
            "--output",
            "json",
            "case",
        ],
        "",
    );
    assert_eq!(rules(&ended), BTreeSet::from(["unknown-key".to_owned()]));

    let card: Value = serde_json::from_slice(&bench.read("payments.card.json")).unwrap();
    let other: Value = serde_json::from_slice(&bench.read("other.card.json")).unwrap();
    let mut retired = card["keys"][0].clone();
    retired["privy"]["status"] = "retired".into();
    // Both bear one name, as the versions of a key do.
    let mut active = other["keys"][0].clone();
    active["privy"]["name"] = retired["privy"]["name"].clone();
    assert!(active["privy"]["name"].is_string());
    let rotated = serde_json::json!({ "keys": [active, retired] });
    bench.write("rotated.card.json", rotated.to_string());
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "rotated.card.json",
            "--output",
            "json",
            "case",
        ],
        "",
    );
    assert_eq!(rules(&ended), BTreeSet::from(["retired-key".to_owned()]));

    let mut expired = card.clone();
    expired["keys"][0]["privy"]["notAfter"] = "2020-01-01T00:00:00Z".into();
    bench.write("expired.card.json", expired.to_string());
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "expired.card.json",
            "--output",
            "json",
            "case",
        ],
        "",
    );
    assert_eq!(
        rules(&ended),
        BTreeSet::from(["expired-key".to_owned()]),
        "{}",
        ended.stderr
    );
}

#[test]
fn times_are_found() {
    let bench = Bench::new();
    // The command does not seal what has ended already, so the library does.
    let card = jwe_envelope::KeyCard::parse(&bench.read("payments.card.json")).unwrap();
    let place: jwe_envelope::Place = PLACE.parse().unwrap();
    let binding = jwe_envelope::Binding::exact(&place)
        .expiring_at(1_577_836_800)
        .unwrap();
    let late = jwe_envelope::Sealer::new(&[card.keys()[0].recipient.clone()])
        .unwrap()
        .seal(b"x", &binding)
        .unwrap()
        .to_string();
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {late}\n"),
        ),
        &["expired"],
    );
    let early = sealed_for(&bench, PLACE, &["--not-before", "2199-01-01"]);
    finds(
        &bench,
        &secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {early}\n"),
        ),
        &["not-yet-valid"],
    );
}

#[test]
fn a_bare_envelope_under_data_has_its_own_words() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    finds(
        &bench,
        &secret("db", "payments", &format!("data:\n  password: {sealed}\n")),
        &["bare-envelope"],
    );
    finds(
        &bench,
        &secret("db", "payments", "data:\n  password: not base64\n"),
        &["not-base64"],
    );
}

#[test]
fn a_field_in_both_sections_is_found() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let text = format!(
        "data:\n  password: {}\nstringData:\n  password: {sealed}\n",
        base64(&sealed)
    );
    finds(&bench, &secret("db", "payments", &text), &["both-sections"]);
}

#[test]
fn envelopes_that_slip_past_the_filter_are_found() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let slips = |value: &str| {
        finds(
            &bench,
            &secret(
                "db",
                "payments",
                &format!("stringData:\n  password: {value}\n"),
            ),
            &["slips-past-filter"],
        );
    };
    slips(&format!("' {sealed}'"));
    slips(&format!("\"\\n{sealed}\""));
    slips(&base64(&sealed));
    // The same header with a blank before its brace: recognized, and never forwarded.
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (header, rest) = sealed.split_once('.').unwrap();
    let header = format!(
        " {}",
        String::from_utf8(url.decode(header).unwrap()).unwrap()
    );
    slips(&format!("{}.{rest}", url.encode(header)));
    // JSON whose first member is none of RFC 7516, or stands behind a blank.
    let json = sealed_for(&bench, PLACE, &["--serialization", "flattened"]);
    assert!(
        !lint(
            &bench,
            &secret(
                "db",
                "payments",
                &format!("data:\n  password: {}\n", base64(&json))
            )
        )
        .text()
        .contains("slips")
    );
    slips(&format!("'{}'", json.replacen('{', "{ ", 1)));
    let typed = format!("type: bootstrap.kubernetes.io/token\nstringData:\n  password: {sealed}\n");
    finds(
        &bench,
        &secret("db", "payments", &typed),
        &["slips-past-filter"],
    );
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
fn the_annotation_layout_is_checked() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let annotated = |key: &str, value: &str, rest: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n  annotations:\n    privyseal.dev/data.{key}: {value}\n{rest}"
        )
    };
    finds(&bench, &annotated("password", &sealed, ""), &[]);
    finds(&bench, &annotated("password", CANARY, ""), &["plaintext"]);
    finds(&bench, &annotated("token", &sealed, ""), &["wrong-place"]);
    finds(
        &bench,
        &annotated("password", &sealed, "data:\n  password: ''\n"),
        &["both-sections"],
    );
    let long = "k".repeat(59);
    let for_long = sealed_for(&bench, &format!("payments/db/{long}"), &[]);
    finds(
        &bench,
        &annotated(&long, &for_long, ""),
        &["annotation-layout"],
    );
}

#[test]
fn sizes_are_found() {
    let bench = Bench::new();
    let large = base64(&"x".repeat(700 * 1024));
    let text = secret(
        "db",
        "payments",
        &format!("data:\n  a: {large}\n  b: {large}\n"),
    );
    finds(&bench, &text, &["plaintext", "oversize"]);
    let annotations = format!("  annotations:\n    a: {}\n", "x".repeat(257 * 1024));
    finds(
        &bench,
        &secret("db", "payments", &annotations),
        &["oversize"],
    );
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

#[test]
fn yaml_that_cannot_be_read_is_shown_with_a_caret() {
    let bench = Bench::new();
    let text = secret("db", "payments", "stringData:\n  password: \"open\n  x\n");
    finds(&bench, &text, &["invalid-yaml"]);
    let ended = bench.run(&["lint", "case"], "");
    assert!(
        ended.text().contains("error[invalid-yaml]") && ended.text().contains("| "),
        "{}",
        ended.text()
    );
    assert!(ended.text().contains('^'), "{}", ended.text());
    finds(
        &bench,
        &secret("db", "payments", "stringData:\n  password: 12345\n"),
        &["invalid-yaml"],
    );
    // A template is a note: what it becomes is known when it is rendered.
    let template = lint(
        &bench,
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Values.name }}\n",
    )
    .succeeded();
    assert!(template.text().contains("\"template\"") && template.text().contains("1 templates"));
}

/// An envelope with this protected header; what is in it nobody can open.
fn crafted(header: &Value) -> String {
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
    let key = "A".repeat(342);
    format!("{header}.{key}.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
}

#[test]
fn algorithms_that_are_weak_or_never_opened_are_found() {
    let bench = Bench::new();
    let bind = serde_json::json!({ "v": 1, "ns": "payments", "name": "db", "key": "password" });
    for (alg, enc, expected) in [
        ("RSA-OAEP", "A256GCM", &["weak-algorithm"][..]),
        ("RSA1_5", "A256GCM", &["unsupported"]),
        ("dir", "A256GCM", &["unsupported"]),
        ("RSA-OAEP-256", "A256XYZ", &["unsupported"]),
        ("RSA-OAEP-256", "A256GCM", &[]),
    ] {
        let text =
            crafted(&serde_json::json!({ "enc": enc, "alg": alg, "kid": "x", "bind": bind }));
        bench.write(
            "a.yaml",
            secret(
                "db",
                "payments",
                &format!("stringData:\n  password: {text}\n"),
            ),
        );
        let found = rules(&bench.run(&["lint", "--output", "json", "a.yaml"], ""));
        let expected: BTreeSet<String> = expected.iter().map(|rule| (*rule).to_owned()).collect();
        assert_eq!(found, expected, "{alg} {enc}");
    }
}

#[test]
fn what_is_not_there_is_unreadable() {
    let bench = Bench::new();
    bench.write(
        "kustomization.yaml",
        "namespace: a\nsecretGenerator:\n- name: db\n  files: [password=absent.jwe]\n",
    );
    let ended = bench.run(&["lint", "--output", "json"], "");
    assert_eq!(rules(&ended), BTreeSet::from(["unreadable".to_owned()]));
}

#[test]
fn a_changed_kustomization_has_its_files_checked() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    bench.write(".git/HEAD", "");
    bench.write(
        "base/db.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {sealed}\n"),
        ),
    );
    bench.write("base/kustomization.yaml", "resources: [db.yaml]\n");
    bench.write(
        "all/prod/kustomization.yaml",
        "namespace: other\nresources: [../../base]\n",
    );
    for path in [
        "all/prod/kustomization.yaml",
        "all/prod",
        "all",
        "base/kustomization.yaml",
    ] {
        let ended = bench.run(&["lint", "--output", "json", path], "");
        assert_eq!(
            rules(&ended),
            BTreeSet::from(["wrong-place".to_owned()]),
            "{path}"
        );
    }
    let list = bench.run(
        &["lint", "--output", "json", "--files-from", "-"],
        "all/prod/kustomization.yaml\0",
    );
    assert_eq!(rules(&list), BTreeSet::from(["wrong-place".to_owned()]));
}

#[test]
fn every_rule_has_a_test() {
    let source = include_str!("lint.rs");
    for rule in cli_bin::commands::lint::rules::RuleId::ALL {
        assert!(source.contains(&format!("\"{rule}")), "{rule}");
    }
}

#[test]
fn foreign_and_unbound_envelopes_are_found() {
    let bench = Bench::new();
    let card: Value = serde_json::from_slice(&bench.read("payments.card.json")).unwrap();
    let field = |text: &str| {
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {text}\n"),
        )
    };
    // Bound to no place: for a key that is not ours, then for ours, as other tools seal.
    let header = serde_json::json!({ "enc": "A256GCM", "alg": "RSA-OAEP-256", "kid": "theirs" });
    finds(&bench, &field(&crafted(&header)), &["foreign"]);
    let sealed = sealed_for(&bench, PLACE, &[]);
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (header, rest) = sealed.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&url.decode(header).unwrap()).unwrap();
    assert_eq!(header["kid"], card["keys"][0]["kid"]);
    header.as_object_mut().unwrap().remove("bind");
    finds(
        &bench,
        &field(&format!("{}.{rest}", url.encode(header.to_string()))),
        &["unbound"],
    );
}

#[test]
fn kustomizations_move_places() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, "payments-prod/p-db-v2/password", &[]);
    bench.write(
        "base/db.yaml",
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData:\n  password: {sealed}\n"),
    );
    bench.write(
        "base/kustomization.yaml",
        "resources: [db.yaml]\nnameSuffix: -v2\n",
    );
    bench.write(
        "prod/kustomization.yaml",
        "namespace: payments-prod\nnamePrefix: p-\nresources: [../base]\n",
    );
    bench.write(".git/HEAD", "");
    let run = |arguments: &[&str]| {
        let mut all = vec!["lint", "--key", "payments.card.json", "--output", "json"];
        all.extend(arguments);
        bench.run(&all, "")
    };
    // By the overlay, by the base and by the file alone: the kustomizations of the repository always count.
    for path in [".", "prod", "base", "base/db.yaml"] {
        let ended = run(&[path]);
        assert_eq!(rules(&ended), BTreeSet::new(), "{path} {}", ended.text());
        assert_eq!(ended.json()["summary"]["sealed"], 1, "{path}");
    }
    bench.write(
        "test/kustomization.yaml",
        "namespace: payments-test\nresources: [../base]\n",
    );
    let ended = run(&["."]);
    assert_eq!(rules(&ended), BTreeSet::from(["wrong-place".to_owned()]));
    assert!(
        ended
            .text()
            .contains("as `test/kustomization.yaml` makes it: payments-test/db-v2"),
        "{}",
        ended.text()
    );
}

#[test]
fn generated_secrets_are_checked_with_their_hash() {
    let bench = Bench::new();
    bench.write("exact.jwe", sealed_for(&bench, PLACE, &[]));
    bench.write(
        "pattern.jwe",
        sealed_for(&bench, "payments/db-*/password", &[]),
    );
    let kustomization = |source: &str, options: &str| {
        format!("namespace: payments\nsecretGenerator:\n- name: db\n  {source}\n{options}")
    };
    let run = |text: String| {
        bench.write("kustomization.yaml", text);
        let ended = bench.run(
            &["lint", "--key", "payments.card.json", "--output", "json"],
            "",
        );
        assert!(!ended.text().contains(CANARY));
        rules(&ended)
    };
    assert_eq!(
        run(kustomization("files: [password=pattern.jwe]", "")),
        BTreeSet::new()
    );
    assert_eq!(
        run(kustomization("files: [password=exact.jwe]", "")),
        BTreeSet::from(["wrong-place".to_owned()])
    );
    let fixed = "generatorOptions: {disableNameSuffixHash: true}\n";
    assert_eq!(
        run(kustomization("files: [password=exact.jwe]", fixed)),
        BTreeSet::new()
    );
    let literal = format!("literals: [password={CANARY}]");
    assert_eq!(
        run(kustomization(&literal, "")),
        BTreeSet::from(["plaintext".to_owned()])
    );
    bench.write("c.env", format!("# comment\nA={CANARY}\n"));
    assert_eq!(
        run(kustomization("envs: [c.env]", "")),
        BTreeSet::from(["plaintext".to_owned()])
    );
}

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
        text.text().contains("1 allowed by .privy.yaml"),
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
            "`reason` is empty",
        ),
        (
            "{rule: plaintext, paths: [], reason: x}",
            "`paths` is empty",
        ),
        ("{rule: plaintext, paths: [\"**\"]}", "reason"),
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

#[test]
fn wrong_use_is_said_plainly() {
    let bench = Bench::new();
    bench
        .run(&["lint", "missing"], "")
        .failed(2, "there is no file or folder `missing`")
        .hints("spelling");
    bench
        .run(&["lint", "--key", "payments.pem"], "")
        .failed(2, "is a private key")
        .hints("key card");
    let unknown = bench.run(&["lint", "--rule", "nonsense"], "");
    assert_eq!(unknown.code, 2);
}

#[test]
fn files_come_from_lists_and_streams() {
    let bench = Bench::new();
    let open = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {CANARY}\n"),
    );
    bench.write("a.txt", &open);
    let ended = bench.run(
        &["lint", "--files-from", "-", "--output", "json"],
        "a.txt\n",
    );
    assert_eq!(rules(&ended), BTreeSet::from(["plaintext".to_owned()]));
    let ended = bench.run(&["lint", "-", "--output", "json"], &open);
    assert_eq!(ended.json()["findings"][0]["path"], "<stdin>");
    // Folders of tools are passed over by what marks them, not by their name alone.
    bench.write("target/a.yaml", &open);
    bench.write("node_modules/a.yaml", &open);
    assert_eq!(bench.run(&["lint"], "").code, 1);
    bench.write(
        "target/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55",
    );
    bench.run(&["lint"], "").succeeded();
}

#[test]
fn colour_is_for_terminals_and_those_who_force_it() {
    let bench = Bench::new();
    bench.write(
        "a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let run = |variables: &[(&str, &str)]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_privy"))
            .args(["lint", "a.yaml"])
            .current_dir(bench.path("."))
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!run(&[]));
    assert!(run(&[("CLICOLOR_FORCE", "1")]));
    assert!(!run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!run(&[("CLICOLOR_FORCE", "0")]));
}

#[test]
fn json_fits_its_schema() {
    let bench = Bench::new();
    bench.write(
        "a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let ended = bench.run(&["lint", "--output", "json"], "");
    crate::outputs::fits("lint", &ended.json());
    let rules = bench
        .run(&["lint", "--list-rules", "--output", "json"], "")
        .succeeded();
    crate::outputs::fits("lint-rules", &rules.json());
}

#[test]
fn sarif_has_what_code_scanning_reads() {
    let bench = Bench::new();
    bench.write(
        "my a.yaml",
        secret(
            "db",
            "payments",
            &format!("stringData:\n  password: {CANARY}\n"),
        ),
    );
    let ended = bench.run(&["lint", "--output", "sarif"], "");
    assert_eq!(ended.code, 1);
    let log = ended.json();
    crate::outputs::fits_in("sarif-essentials", &log, "tests/privy");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "plaintext");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "plaintext");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "my%20a.yaml");
    assert_eq!(place["region"]["startLine"], 7);
    assert!(!ended.text().contains(CANARY));
}

#[test]
fn the_documents_table_has_every_rule() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lint.md")).unwrap();
    let rows: Vec<Vec<String>> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect();
    let expected: Vec<Vec<String>> = cli_bin::commands::lint::rules::RuleId::ALL
        .iter()
        .map(|rule| rule.rule())
        .map(|rule| {
            vec![
                format!("`{}`", rule.id),
                rule.level.as_str().to_owned(),
                rule.title.to_owned(),
                rule.next.replace('|', "\\|"),
            ]
        })
        .collect();
    assert_eq!(rows.len(), expected.len());
    for (row, rule) in rows.iter().zip(&expected) {
        assert_eq!(row[..3], rule[..3]);
    }
}

#[test]
fn many_files_are_checked_on_all_cores_and_reported_in_order() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let good = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {sealed}\n"),
    );
    let open = secret("db", "payments", "stringData:\n  password: x\n");
    for number in 0..300 {
        bench.write(
            &format!("{:02}/{number:03}.yaml", number % 7),
            if number % 50 == 0 { &open } else { &good },
        );
    }
    let ended = bench.run(
        &[
            "lint",
            "--key",
            "payments.card.json",
            "--output",
            "json",
            ".",
        ],
        "",
    );
    let paths: Vec<String> = ended.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths.len(), 6);
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(ended.json()["summary"]["secrets"], 300);
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}
