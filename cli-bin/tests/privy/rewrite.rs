//! `privy seal --rewrite`: forms that admission does not open become forms that it does, without a key.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{Binding, Envelope, LocalKey, Sealer, Serialization, is_openable_form};
use serde_json::{Map, Value, json};

use crate::support::{Bench, CANARY};

/// Envelopes of the canary in forms that admission does not open.
struct Forms {
    /// Compact, by another tool, whose header begins with `kid`.
    compact: String,
    /// JSON that begins with the ciphertext, with spaces between the members.
    json: String,
    /// JSON as admission opens it.
    openable: String,
}

impl Forms {
    /// For the key `payments` of the bench and the place `payments/db/password`.
    fn new(bench: &Bench) -> Self {
        let key = LocalKey::from_bytes(&bench.read("payments.pem"), None).unwrap();
        let binding = Binding::exact(&"payments/db/password".parse().unwrap());
        let sealer = Sealer::new(std::slice::from_ref(key.recipient())).unwrap();
        let openable = sealer
            .serialization(Serialization::Flattened)
            .unwrap()
            .seal(CANARY.as_bytes(), &binding)
            .unwrap()
            .to_string();
        let members: Map<String, Value> = serde_json::from_str(&openable).unwrap();
        let order = [
            "ciphertext",
            "iv",
            "tag",
            "header",
            "encrypted_key",
            "protected",
        ];
        let members: Vec<String> = order
            .iter()
            .filter_map(|name| Some(format!("\"{name}\": {}", members.get(*name)?)))
            .collect();
        Self {
            compact: other_tool(&key),
            json: format!("{{ {} }}", members.join(", ")),
            openable,
        }
    }
}

fn other_tool(key: &LocalKey) -> String {
    let mut header = josekit::jwe::JweHeader::new();
    header.set_key_id(key.recipient().kid());
    header.set_content_encryption("A256GCM");
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    header.set_claim("bind", Some(bind)).unwrap();
    let encrypter = josekit::jwe::ECDH_ES_A256KW
        .encrypter_from_pem(key.recipient().to_pem())
        .unwrap();
    let text = josekit::jwe::serialize_compact(CANARY.as_bytes(), &header, &encrypter).unwrap();
    assert!(!is_openable_form(text.as_bytes()), "{text}");
    text
}

fn secret(rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: # kept\n  name: db\n  namespace: payments\n{rest}"
    )
}

/// The value of `password` in a manifest.
fn password(manifest: &str) -> String {
    let manifest = secret_walker::Manifest::parse(manifest.as_bytes()).unwrap();
    let secret = &manifest.secrets()[0];
    let field = secret
        .fields()
        .iter()
        .find(|field| field.key() == "password");
    String::from_utf8(field.unwrap().value().unwrap().to_vec()).unwrap()
}

#[test]
fn every_form_is_rewritten_in_its_place_and_opens_as_before() {
    let bench = Bench::new();
    let Forms { compact, json, .. } = Forms::new(&bench);
    for envelope in [&compact, &json] {
        for fields in [
            format!("stringData:\n  password: '{envelope}' # kept\n  user: shop\n"),
            format!(
                "data:\n  password: {} # kept\n  user: c2hvcA==\n",
                STANDARD.encode(envelope)
            ),
        ] {
            bench.write("db.yaml", secret(&fields));
            let ended = bench.run(&["seal", "--rewrite", "db.yaml"], "").succeeded();
            assert_eq!(ended.text(), "");
            assert_eq!(ended.stderr, "db.yaml: 1 envelope rewritten\n");
            let after = bench.text("db.yaml");
            let rewritten = password(&after);
            assert!(is_openable_form(rewritten.as_bytes()), "{rewritten}");
            let digest = |text: &str| Envelope::parse(text.as_bytes()).unwrap().digest();
            assert_eq!(digest(&rewritten), digest(envelope));
            let opened = bench.open("payments/db/password", &rewritten).succeeded();
            assert_eq!(opened.text(), CANARY);
            assert_eq!(after.matches("# kept").count(), 2, "{after}");
            // And once more changes nothing.
            let again = bench.run(&["seal", "--rewrite", "db.yaml"], "").succeeded();
            assert!(
                again.stderr.contains("nothing to rewrite"),
                "{}",
                again.stderr
            );
            assert_eq!(bench.text("db.yaml"), after);
        }
    }
}

#[test]
fn what_hides_an_envelope_is_taken_away() {
    let bench = Bench::new();
    let Forms {
        compact,
        json,
        openable,
    } = Forms::new(&bench);
    for envelope in [&compact, &json, &openable] {
        for value in [
            format!("\n{envelope}"),
            format!("\u{feff}{envelope}"),
            format!("'{envelope}'"),
            STANDARD.encode(envelope),
        ] {
            bench.write(
                "db.yaml",
                secret(&format!("data:\n  password: {}\n", STANDARD.encode(&value))),
            );
            bench.run(&["seal", "--rewrite", "db.yaml"], "").succeeded();
            let rewritten = password(&bench.text("db.yaml"));
            assert!(is_openable_form(rewritten.as_bytes()), "{value}");
            let opened = bench.open("payments/db/password", &rewritten).succeeded();
            assert_eq!(opened.text(), CANARY);
        }
    }
}

#[test]
fn what_is_not_for_admission_stays_as_it_is() {
    let bench = Bench::new();
    let Forms {
        compact, openable, ..
    } = Forms::new(&bench);
    let token = "eyJraWQiOiJzIiwiYWxnIjoiZGlyIiwiZW5jIjoiQTI1NkdDTSJ9..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
    for fields in [
        // The application opens it itself.
        format!(
            "  annotations:\n    privyseal.dev/leave: other, password\nstringData:\n  password: {compact}\n"
        ),
        format!("stringData:\n  password: '{openable}'\n"),
        // Someone else's session token.
        format!("stringData:\n  password: {token}\n"),
        "stringData:\n  password: hunter2\n".to_owned(),
    ] {
        let text = secret(&fields);
        bench.write("db.yaml", &text);
        let ended = bench.run(&["seal", "--rewrite", "db.yaml"], "").succeeded();
        assert!(
            ended.stderr.contains("nothing to rewrite"),
            "{}",
            ended.stderr
        );
        assert_eq!(bench.text("db.yaml"), text);
    }
    // Of a part of a longer text, the output says what to do.
    let text = secret(&format!("stringData:\n  password: 'password={compact}'\n"));
    bench.write("db.yaml", &text);
    let ended = bench.run(&["seal", "--rewrite", "db.yaml"], "").succeeded();
    assert!(
        ended.stderr.contains("within a longer text"),
        "{}",
        ended.stderr
    );
    assert_eq!(bench.text("db.yaml"), text);
}

#[test]
fn all_files_of_a_folder_are_rewritten_or_none() {
    let bench = Bench::new();
    let Forms { compact, .. } = Forms::new(&bench);
    let good = secret(&format!("stringData:\n  password: {compact}\n"));
    bench.write("prod/good.yaml", &good);
    bench.write("prod/notes.yaml", "kind: ConfigMap\n");
    // Its protected header begins with a space.
    let spaced = compact.replacen("eyJ", "eyAi", 1);
    let header = STANDARD
        .encode(r#"{ "alg":"RSA-OAEP","enc":"A256GCM"}"#)
        .replace('=', "");
    assert!(spaced.starts_with("eyAi") && header.starts_with("eyAi"));
    let stuck = format!("{header}.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
    for (name, fields, words) in [
        (
            "stuck",
            format!("stringData:\n  password: {stuck}\n"),
            "no rewriting",
        ),
        (
            "damaged",
            format!(
                "stringData:\n  password: {}\n",
                &compact[..compact.len() - 9]
            ),
            "damaged",
        ),
        (
            "annotated",
            format!("  annotations:\n    privyseal.dev/data.password: {compact}\n"),
            "an annotation holds only compact envelopes",
        ),
    ] {
        bench.write("prod/bad.yaml", secret(&fields));
        bench
            .run(&["seal", "--rewrite", "prod"], "")
            .failed(1, words)
            .hints("seal");
        assert_eq!(bench.text("prod/good.yaml"), good, "{name}");
    }
    std::fs::remove_file(bench.path("prod/bad.yaml")).unwrap();
    let dry = bench.run(
        &["seal", "--rewrite", "--dry-run", "--output", "json", "prod"],
        "",
    );
    let dry = dry.succeeded().json();
    assert_eq!(dry["files"][0]["outcome"], "rewritten");
    assert_eq!(
        (&dry["dryRun"], &dry["summary"]["fields"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(bench.text("prod/good.yaml"), good);
    bench.run(&["seal", "--rewrite", "prod"], "").succeeded();
    assert!(is_openable_form(
        password(&bench.text("prod/good.yaml")).as_bytes()
    ));
    assert_eq!(bench.text("prod/notes.yaml"), "kind: ConfigMap\n");
}

#[test]
fn standard_input_goes_to_standard_output() {
    let bench = Bench::new();
    let Forms { compact, .. } = Forms::new(&bench);
    let manifest = secret(&format!("stringData:\n  password: {compact}\n"));
    let ended = bench.run(&["seal", "--rewrite"], &manifest).succeeded();
    assert!(is_openable_form(password(ended.text()).as_bytes()));
    // One envelope and nothing else.
    let lone = bench
        .run(&["seal", "--rewrite"], format!("{compact}\n"))
        .succeeded();
    assert!(lone.text().ends_with("}\n") && is_openable_form(&lone.stdout));
    bench
        .run(&["seal", "--rewrite"], "hunter2")
        .failed(2, "neither a Secret nor an envelope");
    bench
        .run(&["seal", "--rewrite", "--output", "json"], &manifest)
        .failed(2, "--output json asks for a report")
        .hints("--dry-run");
}

#[test]
fn a_signature_stays_valid() {
    let bench = Bench::new();
    bench
        .run(
            &["key", "generate", "--kind", "ed25519", "--out", "me.pem"],
            "",
        )
        .succeeded();
    let Forms { compact, json, .. } = Forms::new(&bench);
    for envelope in [compact, json] {
        bench.write(
            "db.yaml",
            secret(&format!("stringData:\n  password: '{envelope}'\n")),
        );
        bench
            .run(&["sign", "db.yaml", "--key", "me.pem"], "")
            .succeeded();
        bench.run(&["seal", "--rewrite", "db.yaml"], "").succeeded();
        assert!(bench.text("db.yaml").contains("privyseal.dev/sig.password"));
        // Signed by this key already: the signature is for the rewritten envelope too.
        let again = bench
            .run(&["sign", "db.yaml", "--key", "me.pem"], "")
            .succeeded();
        assert!(
            again.stderr.contains("signed by this key already"),
            "{}",
            again.stderr
        );
    }
}

#[test]
fn nothing_that_seals_goes_with_it() {
    let bench = Bench::new();
    for flag in [
        &["--key", "payments.card.json"][..],
        &["--for", "payments/db/password"],
        &["--layout", "field"],
        &["--expires", "7d"],
        &["--value-file", "x"],
        &["--sign", "me.pem"],
    ] {
        let arguments = [&["seal", "--rewrite"][..], flag, &["db.yaml"]].concat();
        bench.run(&arguments, "").failed(2, "cannot be used with");
    }
}
