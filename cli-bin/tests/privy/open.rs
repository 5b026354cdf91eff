//! `privy open`: every stable word, and the bytes only.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{Binding, Place, RecipientKey, Sealer};

use crate::support::{Bench, Ended};

const FOREIGN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/foreign");

fn open_json(bench: &Bench, arguments: &[&str], envelope: &[u8]) -> Ended {
    let all = [
        &["open", "--key", "payments.pem", "--output", "json"],
        arguments,
    ]
    .concat();
    bench.run(&all, envelope)
}

#[track_caller]
fn refused(ended: &Ended, code: &str, exit: i32, unwraps: u64) {
    let answer = ended.json();
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["code"], code, "{answer}");
    assert_eq!(answer["unwraps"], unwraps, "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
    assert_eq!(answer.as_object().unwrap().len(), 4, "{answer}");
    assert_eq!(ended.code, exit, "{answer}");
}

#[test]
fn json_of_success() {
    let bench = Bench::new();
    let ended = open_json(
        &bench,
        &["--for", "payments/db/password"],
        &bench.sealed(b"\0\xff"),
    )
    .succeeded();
    assert_eq!(
        ended.text(),
        "{\"ok\":true,\"plaintext\":\"AP8=\",\"unwraps\":1}\n"
    );
}

#[test]
fn each_refusal_has_its_word() {
    let bench = Bench::new();
    bench.generate("other");
    let place = ["--for", "payments/db/password"];
    let good = bench.sealed("x");
    for (word, envelope) in [
        ("not-an-envelope", b"plain text".to_vec()),
        ("not-an-envelope", Vec::new()),
        ("damaged", good[..good.len() / 2].to_vec()),
        ("too-large", vec![b'e'; 4 * 1024 * 1024]),
        ("too-large", vec![b'e'; 3 * 512 * 1024 + 1]),
    ] {
        refused(&open_json(&bench, &place, &envelope), word, 1, 0);
    }
    for place in [
        "other/db/password",
        "payments/other/password",
        "payments/db/other",
    ] {
        refused(
            &open_json(&bench, &["--for", place], &good),
            "wrong-place",
            1,
            0,
        );
    }
    let other = bench
        .run(
            &[
                "seal",
                "--key",
                "other.card.json",
                "--for",
                "payments/db/password",
            ],
            "x",
        )
        .succeeded();
    refused(
        &open_json(&bench, &place, &other.stdout),
        "unknown-key",
        1,
        0,
    );
    // `privy` seals no envelope; another tool does.
    let card = RecipientKey::from_bytes(bench.text("payments.card.json").as_bytes()).unwrap();
    let binding = Binding::exact(&Place::new("payments", "db", "password").unwrap());
    let nested = Sealer::new(&[card]).unwrap().seal(&good, &binding).unwrap();
    let nested = nested.to_string().into_bytes();
    refused(&open_json(&bench, &place, &nested), "nested", 1, 1);
    refused(
        &open_json(&bench, &[&place[..], &["--sa", "default"]].concat(), &good),
        "wrong-service-account",
        1,
        0,
    );
}

#[test]
fn a_changed_letter_is_found_out() {
    let bench = Bench::new();
    let good = String::from_utf8(bench.sealed("hunter2")).unwrap();
    let parts: Vec<&str> = good.trim().split('.').collect();
    // Wrapped key, IV, ciphertext and tag: one word for all of them.
    for changed in 1..5 {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let letter = if parts[changed].starts_with('A') {
            "B"
        } else {
            "A"
        };
        parts[changed].replace_range(..1, letter);
        let ended = open_json(
            &bench,
            &["--for", "payments/db/password"],
            parts.join(".").as_bytes(),
        );
        refused(&ended, "not-opened", 1, 1);
        bench
            .open("payments/db/password", parts.join("."))
            .failed(1, "could not be opened");
    }
}

#[test]
fn configuration_at_fault_is_exit_2() {
    let bench = Bench::new();
    let good = bench.sealed("x");
    let run = |key: &str, more: &[&str]| {
        bench.run(
            &[&["open", "--output", "json", "--key", key], more].concat(),
            &good,
        )
    };
    refused(
        &run("missing.pem", &["--for", "payments/db/password"]),
        "misconfigured",
        2,
        0,
    );
    refused(
        &run("payments.card.json", &["--for", "payments/db/password"]),
        "misconfigured",
        2,
        0,
    );
    refused(
        &run(
            "payments.pem",
            &["--key", "payments.pem", "--for", "payments/db/password"],
        ),
        "misconfigured",
        2,
        0,
    );
    refused(
        &run("payments.pem", &["--namespace", "payments"]),
        "misconfigured",
        2,
        0,
    );
    refused(
        &run("payments.pem", &["--for", "payments/db"]),
        "misconfigured",
        2,
        0,
    );
    bench
        .run(
            &["open", "--key", "payments.card.json", "--for", "a/b/c"],
            &good,
        )
        .failed(2, "no private key");
}

#[test]
fn nothing_but_the_bytes() {
    let bench = Bench::new();
    let ended = bench
        .open("payments/db/password", bench.sealed("no newline"))
        .succeeded();
    assert_eq!(ended.stdout, b"no newline");
    assert_eq!(ended.stderr, "");
    let with_out = [
        "open",
        "--key",
        "payments.pem",
        "--for",
        "payments/db/password",
        "--out",
        "value",
    ];
    let ended = bench.run(&with_out, bench.sealed(b"\xff\0")).succeeded();
    assert_eq!(ended.stdout, b"");
    assert_eq!(bench.read("value"), b"\xff\0");
}

#[cfg(unix)]
#[test]
fn an_opened_file_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let with_out = [
        "open",
        "--key",
        "payments.pem",
        "--for",
        "payments/db/password",
        "--out",
        "value",
    ];
    bench.run(&with_out, bench.sealed("x")).succeeded();
    assert_eq!(
        std::fs::metadata(bench.path("value"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn a_refused_envelope_leaves_the_file_alone() {
    let bench = Bench::new();
    bench.write("value", "before");
    let with_out = [
        "open",
        "--key",
        "payments.pem",
        "--for",
        "other/db/password",
        "--out",
        "value",
    ];
    bench
        .run(&with_out, bench.sealed("x"))
        .failed(1, "sealed for the namespace");
    assert_eq!(bench.read("value"), b"before");
}

#[test]
fn the_next_step_is_for_a_person_with_a_key() {
    let bench = Bench::new();
    bench
        .open("other/db/password", bench.sealed("x"))
        .failed(1, "sealed for the namespace")
        .hints("--for NAMESPACE/NAME/FIELD");
    bench.generate("dev");
    let open = ["open", "--key", "dev.pem", "--for", "payments/db/password"];
    bench
        .run(&open, bench.sealed("x"))
        .failed(1, "")
        .hints("with --key FILE");
}

#[test]
fn blanks_around_an_envelope_do_not_matter() {
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    assert_eq!(
        bench
            .open("payments/db/password", format!("\n  {sealed}\n\n"))
            .succeeded()
            .stdout,
        b"x"
    );
}

/// Envelopes of other tools: found by the JWK's own `kid`, opened when unbound ones are allowed.
#[test]
fn envelopes_of_other_tools_open() {
    let bench = Bench::empty();
    let key = format!("{FOREIGN}/THROW-AWAY-private-key.jwk.json");
    let values: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{FOREIGN}/values.json")).unwrap()).unwrap();
    for name in ["jose-util", "jwcrypto-cbc", "jwcrypto-gcm"] {
        let envelope = std::fs::read(format!("{FOREIGN}/{name}.jwe")).unwrap();
        let allowed = bench
            .run(&["open", "--key", &key, "--allow-unbound"], &envelope)
            .succeeded();
        let expected = STANDARD.decode(values[name].as_str().unwrap()).unwrap();
        assert_eq!(allowed.stdout, expected, "{name}");
        let strict = ["open", "--key", &key, "--for", "a/b/c", "--output", "json"];
        refused(&bench.run(&strict, &envelope), "unbound", 1, 0);
    }
}

#[test]
fn one_key_is_tried_when_the_envelope_names_none_and_several_are_not() {
    let bench = Bench::new();
    bench.generate("other");
    // A compact envelope whose protected header lacks `kid`, made of one of ours: the header is part of what the
    // tag covers, so it cannot be opened, but whether a key was asked shows which way it went.
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    let (header, rest) = sealed.trim().split_once('.').unwrap();
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut header: serde_json::Value =
        serde_json::from_slice(&url.decode(header).unwrap()).unwrap();
    header.as_object_mut().unwrap().remove("kid").unwrap();
    let envelope = format!("{}.{rest}", url.encode(header.to_string()));
    let place = ["--for", "payments/db/password"];
    refused(
        &open_json(&bench, &place, envelope.as_bytes()),
        "not-opened",
        1,
        1,
    );
    let several = open_json(
        &bench,
        &[&place[..], &["--key", "other.pem"]].concat(),
        envelope.as_bytes(),
    );
    refused(&several, "unknown-key", 1, 0);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_remarked_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let sealed = bench.sealed("x");
    std::fs::set_permissions(
        bench.path("payments.pem"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let ended = bench.open("payments/db/password", &sealed).succeeded();
    assert!(
        ended.stderr.contains("chmod 600 payments.pem"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_field_of_a_manifest_is_opened_where_it_is() {
    let bench = Bench::trusting();
    let manifest = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: payments\nstringData:\n  user: \
             hunter2-{name}\n  password: hunter3-{name}\n"
        )
    };
    bench.write("db.yaml", manifest("db"));
    bench.write(
        "two.yaml",
        format!("{}---\n{}", manifest("a"), manifest("b")),
    );
    for layout in ["field", "annotation"] {
        let seal = [
            "seal",
            "-i",
            "--key",
            "payments.card.json",
            "--layout",
            layout,
            "db.yaml",
            "two.yaml",
        ];
        bench.run(&seal, "").succeeded();
        let open =
            |more: &[&str]| bench.run(&[&["open", "--key", "payments.pem"], more].concat(), "");
        assert_eq!(
            open(&["db.yaml", "password"]).succeeded().text(),
            "hunter3-db"
        );
        assert_eq!(
            open(&["db.yaml", "--field", "user"]).succeeded().text(),
            "hunter2-db"
        );
        assert_eq!(
            open(&["two.yaml", "user", "--name", "b"])
                .succeeded()
                .text(),
            "hunter2-b"
        );
        open(&["db.yaml"])
            .failed(2, "several of its values are sealed")
            .hints("user, password");
        open(&["two.yaml", "user"])
            .failed(2, "several of its values")
            .hints("--name");
        open(&["db.yaml", "pasword"])
            .failed(2, "is called \"pasword\"")
            .hints("user, password");
        open(&["absent.yaml", "user"]).failed(2, "absent.yaml");
    }
    // The place is the manifest's: what was moved does not open there.
    let moved = bench.text("db.yaml").replace("name: db", "name: other");
    bench.write("db.yaml", moved);
    let open = ["open", "--key", "payments.pem", "db.yaml", "user"];
    bench.run(&open, "").failed(1, "place");
}

#[test]
fn a_manifest_without_a_place_or_without_an_envelope() {
    let bench = Bench::trusting();
    let base =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  user: hunter2\n";
    bench.write("base.yaml", base);
    let open = ["open", "--key", "payments.pem", "base.yaml"];
    bench
        .run(&open, "")
        .failed(2, "nothing in it is sealed")
        .hints("privy inspect");
    let seal = [
        "seal",
        "-i",
        "--key",
        "payments.card.json",
        "--namespace",
        "payments",
        "base.yaml",
    ];
    bench.run(&seal, "").succeeded();
    bench
        .run(&open, "")
        .failed(2, "does not name its namespace")
        .hints("--namespace NAME");
    let named = [&open[..], &["--namespace", "payments"]].concat();
    assert_eq!(bench.run(&named, "").succeeded().text(), "hunter2");
}
