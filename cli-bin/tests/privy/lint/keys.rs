//! Keys, algorithms and times.
use super::*;

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

/// An envelope with this protected header; what is in it no one can open.
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
