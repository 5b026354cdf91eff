//! Single values: plain, damaged, in the wrong layout, too large, unreadable.
use super::*;

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
    assert!(ended.text().contains("only base64"));
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
    // The same header with a space before its brace: recognized, and never forwarded.
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (header, rest) = sealed.split_once('.').unwrap();
    let header = format!(
        " {}",
        String::from_utf8(url.decode(header).unwrap()).unwrap()
    );
    slips(&format!("{}.{rest}", url.encode(header)));
    // JSON whose first member is none of RFC 7516, or stands behind a space.
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
    // A type makes no difference: none is exempt.
    for kind in ["bootstrap.kubernetes.io/token", "helm.sh/release.v1"] {
        let typed = format!("type: {kind}\nstringData:\n  password: {sealed}\n");
        assert!(
            !lint(&bench, &secret("db", "payments", &typed))
                .text()
                .contains("slips"),
            "{kind}"
        );
    }
}

/// What a careless step leaves of an envelope is found in every form, with the command that undoes it.
#[test]
fn hidden_envelopes_are_found() {
    let bench = Bench::new();
    let sealed = sealed_for(&bench, PLACE, &[]);
    let utf16: Vec<u8> = sealed.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (whole, within) = ("privy seal --rewrite case/case.yaml", "as one value");
    for (value, next) in [
        (format!("\n{sealed}").into_bytes(), whole),
        (format!("\u{feff}{sealed}").into_bytes(), whole),
        (format!("\"{sealed}\"").into_bytes(), whole),
        (base64(&sealed).into_bytes(), whole),
        (base64(&base64(&format!("{sealed}\n"))).into_bytes(), whole),
        (utf16, whole),
        (format!("password={sealed}").into_bytes(), within),
        (format!("Bearer {sealed}").into_bytes(), within),
        (
            format!("{{\"a\": [{{\"b\": \"{sealed}\"}}]}}").into_bytes(),
            within,
        ),
        (
            base64(&format!("USER=x\nPASSWORD={sealed}\n")).into_bytes(),
            within,
        ),
        (sealed.as_bytes()[1..].to_vec(), within),
    ] {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&value);
        let text = secret("db", "payments", &format!("data:\n  password: {encoded}\n"));
        let ended = finds(&bench, &text, &["slips-past-filter"]);
        let found = &ended.json()["findings"][0];
        let told = found["next"].as_str().unwrap();
        assert!(
            told.contains(next),
            "{told}: {}",
            String::from_utf8_lossy(&value)
        );
    }
}

#[test]
fn an_envelope_that_admission_does_not_open_is_found_with_the_command_that_rewrites_it() {
    let bench = Bench::new();
    let json = sealed_for(&bench, PLACE, &["--serialization", "flattened"]);
    let members: serde_json::Map<String, Value> = serde_json::from_str(&json).unwrap();
    let mut order: Vec<_> = members.iter().collect();
    order.sort_by_key(|(name, _)| *name == "protected");
    let members: Vec<_> = order
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let text = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: '{{{}}}'\n", members.join(",")),
    );
    let ended = finds(&bench, &text, &["not-openable"]);
    let next = "privy seal --rewrite case/case.yaml";
    assert_eq!(ended.json()["findings"][0]["next"], next);
    bench
        .run(&["seal", "--rewrite", "case/case.yaml"], "")
        .succeeded();
    finds(&bench, &bench.text("case/case.yaml"), &[]);
    // Someone else's session token is opened in no form.
    let token = "eyJraWQiOiJzIiwiYWxnIjoiZGlyIiwiZW5jIjoiQTI1NkdDTSJ9..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
    let text = secret(
        "db",
        "payments",
        &format!("stringData:\n  password: {token}\n"),
    );
    assert!(!rules(&lint(&bench, &text)).contains("not-openable"));
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

/// What `seal` takes, `lint` takes: a Secret holds 1,048,576 bytes.
#[test]
fn the_largest_secret_is_not_too_large() {
    let bench = Bench::trusting();
    let seal = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
    let of = |length: usize| {
        let value = "x".repeat(length);
        secret("db", "payments", &format!("stringData:\n  a: {value}\n"))
    };
    bench.write("db.yaml", of(1024 * 1024));
    bench.run(&seal, "").succeeded();
    let lint = ["lint", "--key", "payments.card.json", "db.yaml"];
    bench.run(&lint, "").succeeded();
    bench.write("db.yaml", of(1024 * 1024 + 1));
    bench.run(&seal, "").failed(1, "1 MiB");
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
