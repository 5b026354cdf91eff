//! Which key is sealed for: the one that the user compared, in the places that it is meant for, whatever a repository says.
use crate::support::{Bench, CANARY};

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  password: canary-5kQ9-hunter2\n";

/// A repository with the keys `payments` and `dev`, both compared; the rule names the first.
fn repository() -> Bench {
    let bench = Bench::new();
    bench.generate("dev");
    bench.trust("payments.card.json");
    bench.trust("dev.card.json");
    rule(&bench, "key: payments.card.json");
    bench.write("prod/db.yaml", MANIFEST);
    bench
}

fn rule(bench: &Bench, keys: &str) {
    bench.write(
        ".privy.yaml",
        format!("version: 1\nrules:\n  - paths: [\"prod/**\"]\n    {keys}\n    namespace: payments\n    name: db\n"),
    );
}

const SEAL: [&str; 3] = ["seal", "-i", "prod/db.yaml"];
const SET: [&str; 3] = ["set", "prod/db.yaml", "token"];

#[test]
fn the_key_is_named_with_its_fingerprint_wherever_a_value_is_sealed() {
    let bench = repository();
    let label = bench.label("payments.card.json");
    let sealed = bench.run(&SEAL, "").succeeded();
    assert_eq!(
        sealed.stderr,
        format!("prod/db.yaml: 1 value sealed for the key {label}\n")
    );
    let set = bench.run(&SET, "x").succeeded();
    assert_eq!(
        set.stderr,
        format!("prod/db.yaml: `token` added, sealed for the key {label}\n")
    );
    let dry = bench
        .run(&[&SET[..], &["--dry-run"]].concat(), "x")
        .succeeded();
    assert!(dry.stderr.contains(&label), "{}", dry.stderr);
    let one = ["seal", "--field", "token"];
    let piped = bench.run_in("prod", &one, "x").succeeded();
    assert_eq!(
        piped.stderr,
        format!("sealed for payments/db/token and the key {label}\n")
    );
    rule(&bench, "keys: [payments.card.json, dev.card.json]");
    bench.write("prod/db.yaml", MANIFEST);
    let both = bench.run(&SEAL, "").succeeded();
    let labels = format!("the keys {label} and {}", bench.label("dev.card.json"));
    assert!(both.stderr.contains(&labels), "{}", both.stderr);
    let json = [&SET[..], &["--output", "json"]].concat();
    let report = bench.run(&json, "x").succeeded().json();
    assert_eq!(report["keys"][1]["name"], "dev");
    assert_eq!(
        report["keys"][1]["fingerprint"],
        bench.fingerprint("dev.card.json")
    );
}

#[test]
fn a_rule_that_names_another_key_for_a_sealed_path_is_refused_without_a_terminal() {
    for keys in [
        "key: dev.card.json",
        "keys: [payments.card.json, dev.card.json]",
    ] {
        let bench = repository();
        bench.run(&SEAL, "").succeeded();
        rule(&bench, keys);
        let open = bench.text("prod/db.yaml") + "  token: open\n";
        bench.write("prod/db.yaml", &open);
        let before = bench.files();
        for command in [
            &SET[..],
            &SEAL,
            &["edit", "prod/db.yaml"],
            &["seal", "prod/db.yaml"],
        ] {
            let ended = bench
                .run(command, CANARY)
                .failed(2, "names another one: \"dev\"")
                .hints("--key ");
            let trusted = bench.label("payments.card.json");
            assert!(ended.stderr.contains(&trusted), "{}", ended.stderr);
        }
        assert!(bench.files() == before, "{keys}");
    }
}

#[test]
fn a_new_file_beside_sealed_ones_is_asked_about_as_well() {
    let bench = repository();
    bench.run(&SEAL, "").succeeded();
    rule(&bench, "key: dev.card.json");
    let before = bench.files();
    bench
        .run(&["set", "prod/new.yaml", "token"], "x")
        .failed(2, "files beside it are sealed for the key \"payments\"");
    assert!(bench.files() == before);
    // Another folder, where nothing is sealed yet, has nothing to compare with.
    std::fs::create_dir_all(bench.path("prod/us")).unwrap();
    bench
        .run(&["set", "prod/us/new.yaml", "token"], "x")
        .succeeded();
}

#[test]
fn an_envelope_for_the_new_key_in_the_folder_does_not_silence_the_question() {
    let bench = repository();
    bench.run(&SEAL, "").succeeded();
    bench.write("prod/decoy.yaml", MANIFEST);
    let decoy = ["seal", "-i", "prod/decoy.yaml", "--key", "dev.card.json"];
    rule(&bench, "key: dev.card.json");
    bench.run(&decoy, "").succeeded();
    bench
        .run(&["set", "prod/new.yaml", "token"], "x")
        .failed(2, "files beside it are sealed for the key \"payments\"");
}

#[test]
fn the_id_of_the_new_key_in_an_old_envelope_does_not_silence_the_question() {
    let bench = repository();
    rule(&bench, "keys: [payments.card.json, dev.card.json]");
    bench.run(&SEAL, "").succeeded();
    rule(&bench, "key: dev.card.json");
    bench
        .run(&SET, "x")
        .failed(2, "names another one: \"dev\"")
        .hints("--key ");
}

#[test]
fn a_value_from_standard_input_has_no_rule_and_the_next_step_names_the_key() {
    let bench = repository();
    bench
        .run(&["seal", "--for", "payments/db/token"], "x")
        .failed(2, "comes from standard input")
        .hints("--key CARD");
}

#[test]
fn a_changed_rule_is_no_question_where_nothing_is_sealed_or_the_user_names_the_key() {
    let bench = repository();
    bench.run(&SEAL, "").succeeded();
    rule(&bench, "key: dev.card.json");
    // Nothing is plain, so nothing would be sealed.
    bench.run(&SEAL, "").succeeded();
    let given = [&SET[..], &["--key", "dev.card.json"]].concat();
    bench.run(&given, "x").succeeded();
}

#[test]
fn a_key_that_was_replaced_by_comparison_is_no_change_of_the_rule() {
    let bench = repository();
    bench.run(&SEAL, "").succeeded();
    let generate = [
        "key",
        "generate",
        "--kind",
        "p256",
        "--name",
        "payments",
        "--out",
        "new.pem",
        "--card",
        "payments.card.json",
        "--force",
    ];
    bench.run(&generate, "").succeeded();
    bench.run(&SET, "x").failed(2, "HAS CHANGED");
    bench.trust_again("payments.card.json");
    bench.run(&SET, "x").succeeded();
}

#[test]
fn a_card_that_claims_another_key_as_its_retired_one_is_not_believed() {
    let bench = repository();
    bench.run(&SEAL, "").succeeded();
    let card =
        |name: &str| -> serde_json::Value { serde_json::from_slice(&bench.read(name)).unwrap() };
    let (mut dev, payments) = (card("dev.card.json"), card("payments.card.json"));
    let mut claimed = payments["keys"][0].clone();
    claimed["privy"]["status"] = "retired".into();
    dev["keys"].as_array_mut().unwrap().push(claimed);
    bench.write("dev.card.json", dev.to_string());
    rule(&bench, "key: dev.card.json");
    bench.run(&SET, "x").failed(2, "names another one: \"dev\"");
}

#[test]
fn a_place_outside_of_the_cards_is_refused_before_sealing() {
    let bench = Bench::empty();
    let generate = |name: &str, more: &[&str]| {
        let (private, card) = (format!("{name}.pem"), format!("{name}.card.json"));
        let make = [
            "key", "generate", "--kind", "p256", "--out", &private, "--card", &card,
        ];
        bench.run(&[&make, more].concat(), "").succeeded();
        bench.trust(&card);
    };
    generate(
        "dev",
        &[
            "--namespace",
            "dev",
            "--namespace",
            "test-*",
            "--cluster",
            "dev-eu",
        ],
    );
    let seal = |place: &[&str]| {
        let seal = ["seal", "--key", "dev.card.json"];
        bench.run(&[&seal, place].concat(), CANARY)
    };
    for place in [
        "dev/db/password",
        "test-a/db/password",
        "test-*/db/password",
    ] {
        seal(&["--for", place]).succeeded();
    }
    for place in [
        "payments/db/password",
        "test/db/password",
        "dev-*/db/password",
    ] {
        seal(&["--for", place])
            .failed(2, "is not meant for the namespace")
            .hints("--ignore-places");
    }
    let anywhere = ["--anywhere", "--name", "db", "--field", "password"];
    seal(&anywhere).failed(2, "is not meant for every namespace");
    seal(&["--for", "dev/db/password", "--cluster", "prod-eu"])
        .failed(2, "is not meant for the cluster \"prod-eu\"");
    // The flag looks away from the card; what the envelope is bound to stays the same.
    let ignored = seal(&["--for", "payments/db/password", "--ignore-places"]).succeeded();
    let open = ["open", "--key", "dev.pem", "--for"];
    let opened = bench.run(
        &[&open[..], &["payments/db/password"]].concat(),
        &ignored.stdout,
    );
    assert_eq!(opened.succeeded().stdout, CANARY.as_bytes());
    bench
        .run(&[&open[..], &["dev/db/password"]].concat(), &ignored.stdout)
        .failed(1, "");
    // In manifests and with `set`, also of a second recipient, and with nothing written.
    generate("payments", &["--namespace", "payments"]);
    bench.write("db.yaml", MANIFEST);
    let before = bench.files();
    for command in [
        &["seal", "-i", "db.yaml", "--key", "dev.card.json"][..],
        &[
            "seal",
            "-i",
            "db.yaml",
            "--key",
            "payments.card.json",
            "--key",
            "dev.card.json",
        ],
        &["set", "db.yaml", "password", "--key", "dev.card.json"],
    ] {
        bench
            .run(command, CANARY)
            .failed(2, "is not meant for the namespace \"payments\"");
    }
    assert!(bench.files() == before);
    bench
        .run(
            &["seal", "-i", "db.yaml", "--key", "payments.card.json"],
            "",
        )
        .succeeded();
}

#[test]
fn places_and_end_of_a_compared_card_hold_whatever_the_repository_says_later() {
    let bench = Bench::empty();
    let generate = [
        "key",
        "generate",
        "--kind",
        "p256",
        "--out",
        "dev.pem",
        "--card",
        "dev.card.json",
        "--namespace",
        "dev",
    ];
    bench.run(&generate, "").succeeded();
    bench.trust("dev.card.json");
    let card = bench.text("dev.card.json");
    let seal = |key: &str, place: &str| bench.run(&["seal", "--key", key, "--for", place], "x");
    let wider = card.replace("\"dev\"\n", "\"dev\", \"payments\"\n");
    assert_ne!(wider, card);
    bench.write("dev.card.json", &wider);
    seal("dev.card.json", "dev/db/password").succeeded();
    seal("dev.card.json", "payments/db/password")
        .failed(
            2,
            "when you compared it, the namespaces of its card were dev",
        )
        .hints("privy key trust dev.card.json --fingerprint");
    // The same key in another file does not mention places.
    let show = ["key", "show", "dev.card.json", "--output", "pem"];
    let pem = bench.run(&show, "").succeeded().stdout;
    bench.write("dev.pub", pem);
    seal("dev.pub", "payments/db/password").failed(2, "when you compared it");
    // Compared again, the new places hold.
    bench.trust_again("dev.card.json");
    seal("dev.card.json", "payments/db/password").succeeded();
    let trusted = bench.text(".configuration/trust.json");
    let mut trusted: serde_json::Value = serde_json::from_str(&trusted).unwrap();
    trusted["keys"][0]["card"]["notAfter"] = 1.into();
    bench.write(".configuration/trust.json", trusted.to_string());
    seal("dev.card.json", "payments/db/password")
        .failed(2, "its card said not to seal for it after");
}

#[test]
fn a_given_key_that_was_never_compared_is_named_on_one_line() {
    let bench = Bench::new();
    let public = bench.run(&["key", "show", "payments.pem", "--output", "pem"], "");
    bench.write("payments.pub.pem", public.succeeded().stdout);
    let fingerprint = bench.fingerprint("payments.card.json");
    let seal = |key: &str| {
        let seal = ["seal", "--key", key, "--for", "payments/db/password"];
        bench.run(&seal, CANARY).succeeded()
    };
    for key in ["payments.card.json", "payments.pub.pem"] {
        let said = seal(key).stderr;
        assert_eq!(said.lines().count(), 1, "{said}");
        let note = format!(
            "note: sealing for the key \"payments\", fingerprint {fingerprint}, which you never compared"
        );
        assert!(said.starts_with(&note), "{said}");
    }
    bench.trust("payments.card.json");
    for key in ["payments.card.json", "payments.pub.pem"] {
        assert_eq!(seal(key).stderr, "");
    }
}

#[test]
fn a_renamed_card_does_not_evade_what_is_said_of_a_given_key() {
    let bench = repository();
    let generate = [
        "key",
        "generate",
        "--kind",
        "p256",
        "--name",
        "innocent",
        "--out",
        "evil.pem",
        "--card",
        "payments.card.json",
        "--force",
    ];
    bench.run(&generate, "").succeeded();
    let before = bench.files();
    let given = [
        "seal",
        "--key",
        "payments.card.json",
        "--for",
        "payments/db/password",
    ];
    let said = bench.run(&given, CANARY).succeeded().stderr;
    assert!(
        said.starts_with("note: sealing for the key \"innocent\", fingerprint "),
        "{said}"
    );
    let required = [&given[..], &["--require-trusted"]].concat();
    bench
        .run(&required, CANARY)
        .failed(2, "was never compared, and you require it");
    assert!(bench.files() == before);
}

#[test]
fn a_given_key_is_refused_where_the_rule_of_the_file_names_another() {
    let bench = repository();
    let before = bench.files();
    for command in [&SEAL[..], &SET] {
        let command = [command, &["--key", "dev.card.json"]].concat();
        bench
            .run(&command, CANARY)
            .failed(2, "--key gives the key \"dev\"")
            .hints("leave --key out");
    }
    assert!(bench.files() == before);
    let own = [&SEAL[..], &["--key", "payments.card.json"]].concat();
    bench.run(&own, "").succeeded();
    // A file without a rule has no key of its own.
    bench.write("other.yaml", MANIFEST);
    bench
        .run(&["seal", "-i", "other.yaml", "--key", "dev.card.json"], "")
        .succeeded();
}

#[test]
fn trust_can_be_required_by_a_flag_and_by_the_users_configuration() {
    let bench = Bench::new();
    bench.write("db.yaml", MANIFEST);
    let before = bench.files();
    let seal = ["seal", "-i", "db.yaml", "--key", "payments.card.json"];
    let required = [&seal[..], &["--require-trusted"]].concat();
    let refused = "was never compared, and you require it";
    bench
        .run(&required, "")
        .failed(2, refused)
        .hints("privy key trust payments.card.json");
    bench.write(
        ".configuration/config.yaml",
        "version: 1\ntrust: required\n",
    );
    bench.run(&seal, "").failed(2, refused);
    let set = ["set", "db.yaml", "password", "--key", "payments.card.json"];
    bench.run(&set, CANARY).failed(2, refused);
    // A demand that cannot be read is not passed over.
    bench.write(".configuration/config.yaml", "trust: requierd\n");
    bench.run(&seal, "").failed(2, "config.yaml` is not valid");
    bench.write(".configuration/config.yaml", "trust: required\n");
    assert!(bench.files() == before);
    bench.trust("payments.card.json");
    bench.run(&seal, "").succeeded();
}

#[test]
fn a_key_is_called_by_the_users_own_name_whatever_its_card_says() {
    let bench = repository();
    let label = bench.label("dev.card.json");
    let renamed = bench
        .text("dev.card.json")
        .replace("\"dev\"", "\"payments-prod\"");
    assert!(renamed.contains("payments-prod"));
    bench.write("other.card.json", renamed);
    rule(&bench, "key: other.card.json");
    let sealed = bench.run(&SEAL, "").succeeded();
    assert!(sealed.stderr.contains(&label), "{}", sealed.stderr);
}
