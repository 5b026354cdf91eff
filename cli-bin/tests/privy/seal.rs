//! `privy seal` with one value.
use crate::support::{Bench, CANARY};

#[test]
fn any_bytes_come_back_exactly() {
    let bench = Bench::new();
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [
        b"hunter2".as_slice(),
        b"hunter2\n",
        b"\0",
        &every_byte,
        b"{\"a\":1}",
        b"007",
        "ü".as_bytes(),
    ] {
        let sealed = bench.sealed(value);
        assert_eq!(
            bench
                .open("payments/db/password", &sealed)
                .succeeded()
                .stdout,
            value
        );
    }
}

#[test]
fn prints_one_compact_envelope_and_a_newline() {
    let bench = Bench::new();
    let sealed = String::from_utf8(bench.sealed("x")).unwrap();
    assert!(
        sealed.starts_with("eyJlbmMiOi"),
        "the mark of our envelopes"
    );
    assert_eq!(sealed.matches('.').count(), 4);
    assert_eq!(sealed.matches('\n').count(), 1);
    assert!(sealed.ends_with('\n'));
}

#[test]
fn flags_and_one_word_say_the_same() {
    let bench = Bench::new();
    let flags = [
        "seal",
        "--key",
        "payments.card.json",
        "--namespace",
        "payments",
        "--name",
        "db",
        "--field",
        "password",
    ];
    let sealed = bench.run(&flags, "x").succeeded();
    assert_eq!(
        bench
            .open("payments/db/password", &sealed.stdout)
            .succeeded()
            .stdout,
        b"x"
    );
}

#[test]
fn every_kind_and_form_of_key_seals() {
    for kind in ["rsa-2048", "rsa-3072", "p256", "p384", "p521", "x25519"] {
        let bench = Bench::empty();
        bench
            .run(&["key", "generate", "--kind", kind, "--out", "k.pem"], "")
            .succeeded();
        for form in ["card", "pem", "jwk"] {
            let public = bench
                .run(&["key", "show", "k.pem", "--output", form], "")
                .succeeded();
            bench.write("public", &public.stdout);
            let sealed = bench
                .run(&["seal", "--key", "public", "--for", "a/b/c"], "x")
                .succeeded();
            let opened = bench
                .run(
                    &["open", "--key", "k.pem", "--for", "a/b/c"],
                    &sealed.stdout,
                )
                .succeeded();
            assert_eq!(opened.stdout, b"x", "{kind} {form}");
        }
    }
}

#[test]
fn several_keys_make_several_recipients() {
    let bench = Bench::new();
    bench.generate("other");
    let sealed = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--key",
                "other.card.json",
                "--for",
                "payments/db/password",
            ],
            "x",
        )
        .succeeded();
    assert!(sealed.text().starts_with('{'));
    assert_eq!(
        bench
            .open("payments/db/password", &sealed.stdout)
            .succeeded()
            .stdout,
        b"x"
    );
    let other = bench.run(
        &[
            "open",
            "--key",
            "other.pem",
            "--for",
            "payments/db/password",
        ],
        &sealed.stdout,
    );
    assert_eq!(other.succeeded().stdout, b"x");
}

#[test]
fn every_serialization_opens() {
    let bench = Bench::new();
    for form in ["compact", "flattened", "general"] {
        let arguments = [
            "seal",
            "--key",
            "payments.card.json",
            "--for",
            "payments/db/password",
            "--serialization",
            form,
        ];
        let sealed = bench.run(&arguments, "x").succeeded();
        assert_eq!(sealed.text().trim_end().lines().count(), 1);
        assert_eq!(
            bench
                .open("payments/db/password", &sealed.stdout)
                .succeeded()
                .stdout,
            b"x",
            "{form}"
        );
        let seen = bench
            .run(&["inspect", "--output", "json"], &sealed.stdout)
            .succeeded()
            .json();
        assert_eq!(seen["inputs"][0]["serialization"], form);
    }
}

#[test]
fn what_is_left_open_opens_wider_and_only_there() {
    let bench = Bench::new();
    let seal = |arguments: &[&str]| {
        let all = [&["seal", "--key", "payments.card.json"], arguments].concat();
        bench.run(&all, "x").succeeded().stdout
    };
    for (arguments, opens, refuses) in [
        (
            &["--for", "payments/*/*"][..],
            "payments/any/thing",
            "other/any/thing",
        ),
        (
            &["--for", "payments/db-*/password"],
            "payments/db-7/password",
            "payments/db/password",
        ),
        (
            &["--for", "team-*/db/user-*"],
            "team-a/db/user-b",
            "team-a/db/password",
        ),
        (
            &["--anywhere", "--name", "db", "--field", "password"],
            "any/db/password",
            "any/other/password",
        ),
        (
            &[
                "--namespace",
                "payments",
                "--name",
                "*",
                "--field",
                "password",
            ],
            "payments/x/password",
            "payments/x/other",
        ),
    ] {
        let sealed = seal(arguments);
        assert_eq!(
            bench.open(opens, &sealed).succeeded().stdout,
            b"x",
            "{arguments:?}"
        );
        bench.open(refuses, &sealed).failed(1, "sealed for");
    }
}

#[test]
fn limits_hold() {
    let bench = Bench::new();
    let seal = |arguments: &[&str]| {
        let all = [
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "payments/db/password",
            ],
            arguments,
        ]
        .concat();
        bench.run(&all, "x").succeeded().stdout
    };
    let open = |arguments: &[&str], envelope: &[u8]| {
        let all = [
            &[
                "open",
                "--key",
                "payments.pem",
                "--for",
                "payments/db/password",
                "--output",
                "json",
            ],
            arguments,
        ]
        .concat();
        let ended = bench.run(&all, envelope);
        ended.json()["code"]
            .as_str()
            .map_or("opened".to_owned(), str::to_owned)
    };
    let cluster = seal(&["--cluster", "eu", "--cluster", "us"]);
    assert_eq!(open(&["--cluster", "us"], &cluster), "opened");
    assert_eq!(open(&["--cluster", "asia"], &cluster), "wrong-cluster");
    assert_eq!(open(&[], &cluster), "wrong-cluster");
    let account = seal(&["--sa", "billing"]);
    assert_eq!(open(&[], &account), "run-time-only");
    assert_eq!(open(&["--sa", "billing"], &seal(&[])), "admission-only");
    assert_eq!(open(&[], &seal(&["--not-before", "1d"])), "not-yet-valid");
    assert_eq!(open(&[], &seal(&["--expires", "1d"])), "opened");
}

#[test]
fn the_cards_clusters_are_written_when_there_are_several() {
    let bench = Bench::empty();
    let generate = [
        "key",
        "generate",
        "--kind",
        "p256",
        "--out",
        "k.pem",
        "--card",
        "k.json",
        "--cluster",
        "eu",
        "--cluster",
        "us",
    ];
    bench.run(&generate, "").succeeded();
    let sealed = bench
        .run(&["seal", "--key", "k.json", "--for", "a/b/c"], "x")
        .succeeded();
    let seen = bench
        .run(&["inspect", "--output", "json"], &sealed.stdout)
        .succeeded()
        .json();
    assert_eq!(
        seen["inputs"][0]["bind"]["clusters"],
        serde_json::json!(["eu", "us"])
    );
}

#[test]
fn values_that_look_like_mistakes_are_sealed_with_a_warning() {
    let bench = Bench::trusting();
    let ended = bench
        .run(
            &["seal", "--key", "payments.card.json", "--for", "a/b/c"],
            format!("{CANARY}\n"),
        )
        .succeeded();
    assert!(
        ended
            .stderr
            .contains("warning: look at the value: it ends with a newline")
    );
    assert!(!ended.stderr.contains(CANARY));
    let raw = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "a/b/c",
                "--raw",
            ],
            " x\n",
        )
        .succeeded();
    assert_eq!(raw.stderr, "");
}

#[test]
fn strip_newline_and_decode_do_what_they_say() {
    let bench = Bench::new();
    let sealed = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "a/b/c",
                "--strip-newline",
            ],
            "x\r\n",
        )
        .succeeded();
    assert_eq!(bench.open("a/b/c", &sealed.stdout).succeeded().stdout, b"x");
    let sealed = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "a/b/c",
                "--decode",
                "utf-16",
            ],
            b"\xff\xfep\0\xfc\0",
        )
        .succeeded();
    assert_eq!(
        bench.open("a/b/c", &sealed.stdout).succeeded().stdout,
        "pü".as_bytes()
    );
}

#[test]
fn an_empty_value_is_sealed_when_it_is_meant() {
    let bench = Bench::new();
    bench
        .run(
            &["seal", "--key", "payments.card.json", "--for", "a/b/c"],
            "",
        )
        .failed(1, "empty")
        .hints("--allow-empty");
    let sealed = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "a/b/c",
                "--allow-empty",
            ],
            "",
        )
        .succeeded();
    assert_eq!(bench.open("a/b/c", &sealed.stdout).succeeded().stdout, b"");
}

#[test]
fn a_mebibyte_fits_and_no_more() {
    let bench = Bench::new();
    let largest = vec![0x80; 1024 * 1024];
    let sealed = bench.sealed(&largest);
    assert_eq!(
        bench
            .open("payments/db/password", &sealed)
            .succeeded()
            .stdout,
        largest
    );
    let more = vec![b'x'; 1024 * 1024 + 1];
    bench
        .run(
            &["seal", "--key", "payments.card.json", "--for", "a/b/c"],
            &more,
        )
        .failed(1, "larger than 1 MiB");
    let much_more = vec![b'x'; 5 * 1024 * 1024];
    bench
        .run(
            &["seal", "--key", "payments.card.json", "--for", "a/b/c"],
            &much_more,
        )
        .failed(1, "larger than 1 MiB");
    bench.write("value", &much_more);
    bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "a/b/c",
                "--value-file",
                "value",
            ],
            "",
        )
        .failed(1, "larger than 1 MiB");
}

#[test]
fn a_value_may_come_from_a_file_and_go_to_one() {
    let bench = Bench::new();
    bench.write("value", b"\xff\0binary");
    let arguments = [
        "seal",
        "--key",
        "payments.card.json",
        "--for",
        "a/b/c",
        "--value-file",
        "value",
        "--out",
        "sealed",
    ];
    let ended = bench.run(&arguments, "not this").succeeded();
    assert_eq!(ended.stdout, b"");
    assert_eq!(
        bench.open("a/b/c", bench.read("sealed")).succeeded().stdout,
        b"\xff\0binary"
    );
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = Bench::new();
    let before = bench.files();
    let ended = bench
        .run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "a/b/c",
                "--out",
                "sealed",
                "--dry-run",
            ],
            CANARY,
        )
        .succeeded();
    assert_eq!(ended.stdout, b"");
    assert!(ended.stderr.contains("would seal 19 bytes for a/b/c"));
    assert_eq!(bench.files(), before);
}

#[test]
fn a_private_key_is_refused_in_every_form() {
    let bench = Bench::new();
    bench.write(
        "set.json",
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}]}"#,
    );
    for key in ["payments.pem", "set.json"] {
        bench
            .run(&["seal", "--key", key, "--for", "a/b/c"], CANARY)
            .failed(2, "is a private key")
            .hints("privy key show");
    }
}

#[test]
fn the_claim_is_noted() {
    let bench = Bench::new();
    let arguments = [
        "seal",
        "--key",
        "payments.card.json",
        "--for",
        "a/b/c",
        "--by",
        "dba@example.com",
        "--why",
        "CHG-7",
    ];
    let sealed = bench.run(&arguments, "x").succeeded();
    let seen = bench
        .run(&["inspect", "--output", "json"], &sealed.stdout)
        .succeeded()
        .json();
    let claim = &seen["inputs"][0]["sealed"];
    assert_eq!(
        (claim["by"].as_str(), claim["why"].as_str()),
        (Some("dba@example.com"), Some("CHG-7"))
    );
    assert!(claim["at"].as_u64().unwrap() > 1_700_000_000);
}

/// Whatever goes wrong, the value is on neither stream, and no file is left behind.
#[test]
fn no_mistake_shows_the_value() {
    let bench = Bench::new();
    bench.write("broken.json", "{\"keys\":[{\"kty\":\"RSA\"}]}");
    let before = bench.files();
    let value = format!(" {CANARY}\u{200b} \n");
    let key = "--key payments.card.json";
    for flags in [
        format!("{key} --for a/b/c/d"),
        format!("{key} --for A/b/c"),
        format!("{key} --for a/b/c {CANARY}"),
        format!("{key} --for a/b/c --value {CANARY}"),
        format!("{key} --for a/b/c --sa default"),
        format!("{key} --for a/b/c --expires yesterday"),
        format!("{key} --for a/b/c --decode utf-16"),
        format!("{key} --for a/b/c --by \u{202e}"),
        format!("{key} --for a/b/c --out missing/folder"),
        format!("{key} --for a/b/c {key}"),
        format!("{key} --field password"),
        format!("{key} --field password --namespace a"),
        key.to_owned(),
        "--key broken.json --for a/b/c".to_owned(),
        "--key missing.json --for a/b/c".to_owned(),
        "--for a/b/c".to_owned(),
    ] {
        let arguments: Vec<&str> = ["seal"].into_iter().chain(flags.split(' ')).collect();
        let ended = bench.run(&arguments, &value);
        assert!(
            matches!(ended.code, 1 | 2),
            "{flags} ended with {}",
            ended.code
        );
        assert_eq!(ended.stdout, b"", "{flags}");
        assert!(
            !ended.stderr.contains(CANARY),
            "{flags} leaked:\n{}",
            ended.stderr
        );
    }
    assert_eq!(bench.files(), before);
}
