//! `privy key`: made once, shown to all, trusted by hearing.
use crate::support::Bench;

#[test]
fn a_private_key_is_never_overwritten_by_accident() {
    let bench = Bench::new();
    let before = bench.files();
    bench
        .run(
            &["key", "generate", "--kind", "p256", "--out", "payments.pem"],
            "",
        )
        .failed(2, "`payments.pem` exists")
        .hints("--force");
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--out",
                "new.pem",
                "--card",
                "payments.card.json",
            ],
            "",
        )
        .failed(2, "`payments.card.json` exists");
    bench
        .run(
            &[
                "key", "generate", "--kind", "p256", "--out", "same", "--card", "same",
            ],
            "",
        )
        .failed(2, "the same file");
    assert_eq!(bench.files(), before);
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--out",
                "payments.pem",
                "--force",
            ],
            "",
        )
        .succeeded();
    assert_ne!(bench.files(), before);
}

#[cfg(unix)]
#[test]
fn a_private_key_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let mode = |name: &str| {
        std::fs::metadata(bench.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("payments.pem"), 0o600);
    std::fs::set_permissions(
        bench.path("payments.pem"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    bench
        .run(
            &[
                "key",
                "generate",
                "--kind",
                "p256",
                "--out",
                "payments.pem",
                "--force",
            ],
            "",
        )
        .succeeded();
    assert_eq!(mode("payments.pem"), 0o600);
}

#[test]
fn all_forms_of_a_key_show_the_same() {
    let bench = Bench::new();
    let private = bench
        .run(&["key", "show", "payments.pem", "--output", "json"], "")
        .succeeded();
    assert!(private.stderr.contains("holds a private key"));
    let card = bench
        .run(
            &["key", "show", "payments.card.json", "--output", "json"],
            "",
        )
        .succeeded();
    assert_eq!(card.json(), private.json());
    for form in ["pem", "jwk", "card"] {
        let shown = bench
            .run(&["key", "show", "payments.pem", "--output", form], "")
            .succeeded();
        assert!(
            !shown.text().contains("PRIVATE") && !shown.text().contains("\"d\""),
            "{form}"
        );
        bench.write("payments", &shown.stdout);
        let again = bench
            .run(&["key", "show", "payments", "--output", "json"], "")
            .succeeded();
        assert_eq!(again.json(), private.json(), "{form}");
    }
    let text = bench
        .run(&["key", "show", "payments.card.json"], "")
        .succeeded();
    for words in [
        "ECDH-ES+A256KW",
        "elliptic curve P-256",
        "openssl dgst -sha256",
        private.json()["kid"].as_str().unwrap(),
    ] {
        assert!(text.text().contains(words), "{words}");
    }
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    let bench = Bench::empty();
    bench.write("text", "hello");
    bench
        .run(&["key", "show", "text"], "")
        .failed(2, "cannot use the key `text`")
        .hints("key cards");
    bench
        .run(&["key", "show", "missing"], "")
        .failed(2, "cannot read `missing`");
    bench
        .run(&["seal", "--key", "text", "--for", "a/b/c"], "x")
        .failed(2, "cannot use the key `text`")
        .hints("ask the key manager");
}

#[test]
fn trust_needs_the_fingerprint() {
    let bench = Bench::new();
    bench
        .run(&["key", "trust", "payments.card.json"], "")
        .failed(2, "no terminal")
        .hints("privy key trust payments.card.json --fingerprint");
    bench.generate("other");
    let other = bench.fingerprint("other.card.json");
    bench
        .run(
            &[
                "key",
                "trust",
                "payments.card.json",
                "--fingerprint",
                &other,
            ],
            "",
        )
        .failed(1, "the fingerprint does not match");
    bench
        .run(
            &[
                "key",
                "trust",
                "payments.card.json",
                "--fingerprint",
                "12345",
            ],
            "",
        )
        .failed(1, "this is not a fingerprint");
    assert!(
        !bench.path(".configuration").exists(),
        "nothing was trusted"
    );
    bench
        .run(
            &["key", "trust", "payments.pem", "--fingerprint", &other],
            "",
        )
        .failed(2, "is a private key");
}

#[test]
fn a_trusted_key_is_listed_and_recognized() {
    let bench = Bench::new();
    let heard = bench.fingerprint("payments.card.json").replace(' ', "-");
    bench
        .run(
            &[
                "key",
                "trust",
                "payments.card.json",
                "--fingerprint",
                &heard,
            ],
            "",
        )
        .succeeded();
    let list = bench.run(&["key", "trust", "--list"], "").succeeded();
    assert!(list.text().starts_with("payments\n"), "{}", list.text());
    let again = bench
        .run(&["key", "trust", "payments.card.json"], "")
        .succeeded();
    assert!(again.stderr.contains("trusted already"));
    let seen = bench
        .run(&["inspect", "--output", "json"], bench.sealed("x"))
        .succeeded();
    assert_eq!(
        seen.json()["inputs"][0]["recipients"][0]["trusted"],
        "payments"
    );
}

#[test]
fn a_changed_key_is_refused_loudly() {
    let bench = Bench::new();
    bench.trust("payments.card.json");
    let old = bench.fingerprint("payments.card.json");
    bench
        .run(
            &[
                "key", "generate", "--kind", "p256", "--name", "payments", "--out", "new.pem",
                "--card", "new.json",
            ],
            "",
        )
        .succeeded();
    let new = bench.fingerprint("new.json");
    for ended in [
        bench.run(&["seal", "--key", "new.json", "--for", "a/b/c"], "x"),
        bench.run(&["key", "trust", "new.json", "--fingerprint", &new], ""),
    ] {
        let ended = ended
            .failed(2, "THE KEY \"payments\" HAS CHANGED")
            .hints("privy key trust --replace new.json");
        assert!(
            ended.stderr.contains(&old) && ended.stderr.contains(&new),
            "both fingerprints are shown"
        );
    }
    bench
        .run(
            &[
                "key",
                "trust",
                "--replace",
                "new.json",
                "--fingerprint",
                &old,
            ],
            "",
        )
        .failed(1, "does not match");
    bench
        .run(
            &[
                "key",
                "trust",
                "--replace",
                "new.json",
                "--fingerprint",
                &new,
            ],
            "",
        )
        .succeeded();
    bench
        .run(&["seal", "--key", "new.json", "--for", "a/b/c"], "x")
        .succeeded();
    bench
        .run(
            &["seal", "--key", "payments.card.json", "--for", "a/b/c"],
            "x",
        )
        .failed(2, "HAS CHANGED");
}

#[test]
fn a_damaged_list_of_trusted_keys_trusts_nothing() {
    let bench = Bench::new();
    bench.trust("payments.card.json");
    bench.write(".configuration/trust.json", "{\"version\":1,");
    bench
        .run(&["key", "trust", "--list"], "")
        .failed(2, "is not valid")
        .hints("privy key trust");
    bench
        .run(
            &["seal", "--key", "payments.card.json", "--for", "a/b/c"],
            "x",
        )
        .failed(2, "is not valid");
}

#[cfg(unix)]
#[test]
fn the_list_of_trusted_keys_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    bench.trust("payments.card.json");
    let mode = |name: &str| {
        std::fs::metadata(bench.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(".configuration"), 0o700);
    assert_eq!(mode(".configuration/trust.json"), 0o600);
}

#[test]
fn an_expired_card_is_not_sealed_for() {
    let bench = Bench::new();
    let mut card: serde_json::Value =
        serde_json::from_slice(&bench.read("payments.card.json")).unwrap();
    card["keys"][0]["privy"]["notAfter"] = "2020-01-01T00:00:00Z".into();
    bench.write("old.json", card.to_string());
    bench
        .run(&["seal", "--key", "old.json", "--for", "a/b/c"], "x")
        .failed(2, "not to seal for its key after 2020-01-01");
}

/// A build without a key service says which feature has it, and goes no further.
#[test]
fn what_is_not_built_in_says_which_feature_has_it() {
    let bench = Bench::new();
    for (reference, feature, built_in) in [
        (
            "aws-kms://arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000001",
            "aws",
            cfg!(feature = "aws"),
        ),
        (
            "azure-kv://acme/payments/00000000000000000000000000000001",
            "azure",
            cfg!(feature = "azure"),
        ),
        (
            "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "gcp",
            cfg!(feature = "gcp"),
        ),
        (
            "kms-plugin:/run/kms?key=k",
            "kms-plugin",
            cfg!(feature = "kms-plugin"),
        ),
        (
            "pkcs11:token=t;object=k",
            "pkcs11",
            cfg!(feature = "pkcs11"),
        ),
        (
            "vault-transit://transit/payments#1",
            "vault",
            cfg!(feature = "vault"),
        ),
    ] {
        if built_in {
            continue;
        }
        let open = ["open", "--key", reference, "--for", "a/b/c"];
        for arguments in [&["key", "fetch", reference][..], &open] {
            bench
                .run(arguments, "x")
                .failed(2, "keys are not in this build of privy")
                .hints(&format!("cargo install cli-bin --features {feature}"));
        }
    }
    if !cfg!(feature = "kms-plugin") {
        let wrap = [
            "key",
            "wrap",
            "k.pem",
            "--plugin",
            "/run/kms",
            "--out",
            "k.wrapped",
        ];
        bench
            .run(&wrap, "")
            .failed(2, "KMS plugins are not in this build of privy")
            .hints("cargo install cli-bin --features kms-plugin");
    }
}

#[test]
fn what_is_trusted_is_listed_and_forgotten() {
    let bench = Bench::trusting();
    bench.write("db.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData: {a: b}\n");
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - {paths: ['**'], key: payments.card.json}\n",
    );
    let listed = bench
        .run(&["key", "list", "--output", "json"], "")
        .succeeded();
    let same = bench
        .run(&["key", "trust", "--list", "--output", "json"], "")
        .succeeded();
    assert_eq!(listed.json(), same.json());
    crate::outputs::fits("key-trust", &listed.json());
    assert_eq!(listed.json()["keys"][0]["name"], "payments");

    bench
        .run(&["key", "remove", "payment"], "")
        .failed(2, "nothing that you trust")
        .hints("key list");
    bench
        .run(&["key", "remove", "--signer", "payments"], "")
        .failed(2, "nothing")
        .hints("leave --signer out");
    let removed = bench.run(&["key", "remove", "payments"], "").succeeded();
    assert!(
        removed.stderr.contains("no longer trusted"),
        "{}",
        removed.stderr
    );
    let listed = bench
        .run(&["key", "list", "--output", "json"], "")
        .succeeded();
    assert_eq!(listed.json()["keys"].as_array().unwrap().len(), 0);
    // A key that a rule names is compared again before it is used.
    bench
        .run(&["seal", "-i", "db.yaml"], "")
        .failed(2, "privy key trust");
}

#[test]
fn a_signer_is_forgotten_whatever_they_signed() {
    let bench = Bench::trusting();
    let generate = ["key", "generate", "--kind", "ed25519", "--out", "dba.pem"];
    bench.run(&generate, "").succeeded();
    let public = bench
        .run(&["key", "show", "dba.pem", "--output", "pem"], "")
        .succeeded();
    bench.write("dba.pub.pem", public.stdout);
    let fingerprint = bench.fingerprint("dba.pub.pem");
    let trust = [
        "key",
        "trust",
        "--value-signer",
        "dba.pub.pem",
        "--fingerprint",
        &fingerprint,
    ];
    bench.run(&trust, "").succeeded();
    bench
        .run(&["key", "remove", "dba"], "")
        .failed(2, "nothing")
        .hints("add --signer");
    bench
        .run(&["key", "remove", "--signer", "dba"], "")
        .succeeded();
    let listed = bench
        .run(&["key", "list", "--output", "json"], "")
        .succeeded();
    assert_eq!(listed.json()["signers"].as_array().unwrap().len(), 0);
}
