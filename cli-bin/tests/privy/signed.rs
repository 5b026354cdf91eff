//! Signed key cards: who trusts the signer need not compare every card, and is told when a signature is missing or wrong.
use crate::support::{Bench, CANARY, Ended};

const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  password: canary-5kQ9-hunter2\n";

/// A repository whose rule names a signer, who has signed the card.
fn repository() -> Bench {
    let bench = Bench::new();
    generate_signer(&bench, "manager");
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"**\"]\n    key: payments.card.json\n    signer: manager.pub.pem\n",
    );
    bench.write("db.yaml", MANIFEST);
    sign(&bench, "manager");
    bench
}

fn generate_signer(bench: &Bench, name: &str) {
    let private = format!("{name}.pem");
    let generate = ["key", "generate", "--kind", "ed25519", "--out", &private];
    bench.run(&generate, "").succeeded();
    let public = bench
        .run(&["key", "show", &private, "--output", "pem"], "")
        .succeeded()
        .stdout;
    bench.write(&format!("{name}.pub.pem"), public);
}

fn sign(bench: &Bench, with: &str) {
    let with = format!("{with}.pem");
    bench
        .run(&["key", "sign", "payments.card.json", "--with", &with], "")
        .succeeded();
}

fn trust_signer(bench: &Bench) {
    trust_as(bench, "manager", &["--card-signer", "--card", "payments"]).succeeded();
}

/// Trusts the key of a signer by its fingerprint.
fn trust_as(bench: &Bench, signer: &str, role: &[&str]) -> Ended {
    let file = format!("{signer}.pub.pem");
    let fingerprint = bench.fingerprint(&file);
    let trust = ["key", "trust", &file, "--fingerprint", &fingerprint];
    bench.run(&[&trust, role].concat(), "")
}

/// A repository whose rule does not mention signatures.
fn without_a_signer() -> Bench {
    let bench = repository();
    let rules = bench
        .text(".privy.yaml")
        .replace("    signer: manager.pub.pem\n", "");
    bench.write(".privy.yaml", rules);
    bench
}

fn seal(bench: &Bench) -> Ended {
    bench.run(&["seal", "-i", "db.yaml"], "")
}

/// Another key in the same card.
fn exchange(bench: &Bench) {
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
}

fn opened_with(bench: &Bench, key: &str) -> Ended {
    let text = bench.text("db.yaml");
    let sealed = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("password: "))
        .unwrap();
    bench.run(
        &["open", "--key", key, "--for", "payments/db/password"],
        sealed,
    )
}

#[test]
fn a_signer_whom_only_the_repository_names_must_be_trusted_first() {
    let bench = repository();
    let before = bench.files();
    seal(&bench)
        .failed(2, "signer \"manager\" of the key cards is not trusted yet")
        .hints("manager.pub.pem --card payments");
    bench.trust("payments.card.json");
    seal(&bench)
        .failed(2, "not trusted yet")
        .hints("manager.pub.pem");
    assert!(bench.files() == before);
}

#[test]
fn a_signed_card_is_trusted_without_a_fingerprint() {
    let bench = repository();
    trust_signer(&bench);
    let ended = seal(&bench).succeeded();
    assert!(
        ended.stderr.contains("its card is signed by \"manager\""),
        "{}",
        ended.stderr
    );
    assert_eq!(
        opened_with(&bench, "payments.pem").succeeded().stdout,
        CANARY.as_bytes()
    );
    bench.write("db.yaml", MANIFEST);
    let label = bench.label("payments.card.json");
    assert_eq!(
        seal(&bench).succeeded().stderr,
        format!("db.yaml: 1 value sealed for the key {label}\n"),
        "said once"
    );
    let list = bench.run(&["key", "trust", "--list"], "").succeeded();
    for words in [
        "  signed by    manager\n",
        "manager (signs the key cards payments)\n",
    ] {
        assert!(list.text().contains(words), "{}", list.text());
    }
}

#[test]
fn a_changed_key_is_accepted_with_a_notice_when_its_card_is_signed() {
    let bench = repository();
    trust_signer(&bench);
    seal(&bench).succeeded();
    exchange(&bench);
    sign(&bench, "manager");
    bench.write("db.yaml", MANIFEST);
    let ended = seal(&bench).succeeded();
    for words in ["key \"payments\" was replaced", "before:  ", "now:     "] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(
        opened_with(&bench, "new.pem").succeeded().stdout,
        CANARY.as_bytes()
    );
}

#[test]
fn a_changed_card_with_the_old_signature_is_refused_loudly() {
    let bench = repository();
    trust_signer(&bench);
    exchange(&bench);
    let before = bench.files();
    seal(&bench)
        .failed(2, "IS NOT THE ONE THAT WAS SIGNED")
        .hints("nothing was sealed");
    assert!(bench.files() == before);
}

#[test]
fn a_card_without_its_signature_is_refused_loudly() {
    let bench = repository();
    trust_signer(&bench);
    std::fs::remove_file(bench.path("payments.card.json.jws")).unwrap();
    bench.trust("payments.card.json");
    seal(&bench)
        .failed(2, "IS NOT SIGNED")
        .hints("tell the key manager");
}

#[test]
fn a_signature_of_somebody_else_is_refused_loudly() {
    let bench = repository();
    trust_signer(&bench);
    generate_signer(&bench, "mallory");
    sign(&bench, "mallory");
    seal(&bench).failed(2, "IS WRONGLY SIGNED");
    let jws = bench.text("payments.card.json.jws");
    sign(&bench, "manager");
    let own = bench.text("payments.card.json.jws");
    let signature = jws.rsplit('.').next().unwrap();
    let forged = format!("{}.{signature}", own.rsplit_once('.').unwrap().0);
    bench.write("payments.card.json.jws", forged);
    seal(&bench).failed(2, "does not verify");
    bench.write("payments.card.json.jws", "not a signature");
    seal(&bench).failed(2, "IS WRONGLY SIGNED");
}

#[test]
fn an_old_card_is_not_put_back() {
    let bench = repository();
    trust_signer(&bench);
    let (card, jws) = (
        bench.text("payments.card.json"),
        bench.text("payments.card.json.jws"),
    );
    exchange(&bench);
    // Signatures count in seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    sign(&bench, "manager");
    seal(&bench).succeeded();
    bench.write("payments.card.json", card);
    bench.write("payments.card.json.jws", jws);
    bench.write("db.yaml", MANIFEST);
    seal(&bench).failed(2, "someone put an old card back");
    assert_eq!(bench.text("db.yaml"), MANIFEST);
}

#[test]
fn a_key_that_was_accepted_by_its_signature_needs_one_ever_after() {
    let bench = repository();
    trust_signer(&bench);
    seal(&bench).succeeded();
    bench.write("db.yaml", MANIFEST);
    std::fs::remove_file(bench.path("payments.card.json.jws")).unwrap();
    let rules = bench
        .text(".privy.yaml")
        .replace("    signer: manager.pub.pem\n", "");
    bench.write(".privy.yaml", rules);
    seal(&bench).failed(2, "IS NOT SIGNED");
    let given = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
    bench.run(&given, "").failed(2, "IS NOT SIGNED");
    bench.trust_again("payments.card.json");
    seal(&bench).succeeded();
}

#[test]
fn a_signer_that_was_exchanged_is_refused_loudly() {
    let bench = repository();
    trust_signer(&bench);
    std::fs::remove_file(bench.path("manager.pem")).unwrap();
    generate_signer(&bench, "manager");
    sign(&bench, "manager");
    seal(&bench)
        .failed(2, "THE SIGNER \"manager\" HAS CHANGED")
        .hints("--replace --card-signer");
    let trust = [
        "key",
        "trust",
        "--card-signer",
        "--card",
        "payments",
        "manager.pub.pem",
    ];
    bench
        .run(&trust, "")
        .failed(2, "THE SIGNER \"manager\" HAS CHANGED");
}

#[test]
fn signatures_of_people_whom_nobody_trusts_change_nothing() {
    let bench = repository();
    let rules = bench
        .text(".privy.yaml")
        .replace("    signer: manager.pub.pem\n", "");
    bench.write(".privy.yaml", rules);
    seal(&bench)
        .failed(2, "is not trusted yet")
        .hints("privy key trust ");
    bench.trust("payments.card.json");
    seal(&bench).succeeded();
}

#[test]
fn a_wrong_signature_of_a_trusted_signer_is_refused_though_nobody_asked_for_one() {
    let bench = repository();
    let rules = bench
        .text(".privy.yaml")
        .replace("    signer: manager.pub.pem\n", "");
    bench.write(".privy.yaml", rules);
    trust_signer(&bench);
    bench.trust("payments.card.json");
    let card = bench
        .text("payments.card.json")
        .replace("\"keys\"", " \"keys\"");
    bench.write("payments.card.json", card);
    seal(&bench).failed(2, "IS NOT THE ONE THAT WAS SIGNED");
}

#[test]
fn line_ends_of_windows_do_not_break_a_signature() {
    let bench = repository();
    trust_signer(&bench);
    let card = bench.text("payments.card.json").replace('\n', "\r\n");
    bench.write("payments.card.json", card);
    seal(&bench).succeeded();
}

#[test]
fn a_signer_of_values_replaces_no_key() {
    for role in ["--value-signer", "--signer"] {
        let bench = without_a_signer();
        let ended = trust_as(&bench, "manager", &[role]).succeeded();
        let notice = "note: --signer is now --value-signer";
        assert_eq!(
            ended.stderr.contains(notice),
            role == "--signer",
            "{}",
            ended.stderr
        );
        bench.trust("payments.card.json");
        exchange(&bench);
        sign(&bench, "manager");
        let before = bench.files();
        seal(&bench).failed(2, "THE KEY \"payments\" HAS CHANGED");
        let given = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
        bench
            .run(&given, "")
            .failed(2, "THE KEY \"payments\" HAS CHANGED");
        assert!(bench.files() == before);
    }
}

#[test]
fn a_signer_of_values_introduces_no_key() {
    let bench = without_a_signer();
    trust_as(&bench, "manager", &["--value-signer"]).succeeded();
    seal(&bench)
        .failed(2, "the key \"payments\" of")
        .hints("privy key trust ");
}

#[test]
fn a_key_that_was_compared_is_not_replaced_by_a_signature() {
    let bench = repository();
    trust_signer(&bench);
    bench.trust("payments.card.json");
    let trusted = bench.fingerprint("payments.card.json");
    seal(&bench).succeeded();
    exchange(&bench);
    sign(&bench, "manager");
    bench.write("db.yaml", MANIFEST);
    let before = bench.files();
    let new = bench.fingerprint("payments.card.json");
    let given = ["seal", "-i", "--key", "payments.card.json", "db.yaml"];
    for ended in [seal(&bench), bench.run(&given, "")] {
        let ended = ended
            .failed(2, "a signature does not replace a key that you compared")
            .hints("privy key trust --replace ");
        for words in ["HAS CHANGED", &trusted, &new] {
            assert!(ended.stderr.contains(words), "{}", ended.stderr);
        }
    }
    assert!(bench.files() == before);
    bench.trust_again("payments.card.json");
    seal(&bench).succeeded();
    assert_eq!(
        opened_with(&bench, "new.pem").succeeded().stdout,
        CANARY.as_bytes()
    );
}

#[test]
fn a_signer_signs_the_cards_that_the_user_named_and_no_other() {
    let bench = repository();
    trust_as(&bench, "manager", &["--card-signer", "--card", "team-*"]).succeeded();
    seal(&bench)
        .failed(
            2,
            "you do not trust the signer \"manager\" for the card \"payments\"",
        )
        .hints("manager.pub.pem --card payments");
    // No one asks for a signature: that of a signer for other cards is that of a stranger.
    let other = without_a_signer();
    trust_as(&other, "manager", &["--card-signer", "--card", "orders"]).succeeded();
    seal(&other).failed(2, "the key \"payments\" of");
    let further = [
        "key",
        "trust",
        "--card-signer",
        "manager.pub.pem",
        "--card",
        "payments",
    ];
    let ended = other.run(&further, "").succeeded();
    assert!(
        ended.stderr.contains("orders, payments"),
        "{}",
        ended.stderr
    );
    seal(&other).succeeded();
}

#[test]
fn a_signer_of_cards_is_trusted_for_no_card_by_leaving_it_out() {
    let bench = repository();
    trust_as(&bench, "manager", &["--card-signer"])
        .failed(2, "it is not said which key cards they may sign")
        .hints("--card NAME");
    trust_as(&bench, "manager", &["--card-signer", "--card", "a/b"])
        .failed(2, "is no name of a key card");
    seal(&bench).failed(2, "is not trusted yet");
    trust_as(&bench, "manager", &["--card-signer", "--card", "*"]).succeeded();
    seal(&bench).succeeded();
}

#[test]
fn the_signer_of_the_pin_wins_over_the_one_whom_the_repository_names() {
    let bench = repository();
    trust_signer(&bench);
    seal(&bench).succeeded();
    bench.write("db.yaml", MANIFEST);
    generate_signer(&bench, "mallory");
    trust_as(&bench, "mallory", &["--card-signer", "--card", "*"]).succeeded();
    let rules = bench.text(".privy.yaml").replace("manager", "mallory");
    bench.write(".privy.yaml", rules);
    let ended = seal(&bench).succeeded();
    assert!(
        ended.stderr.contains("accepted its key from \"manager\""),
        "{}",
        ended.stderr
    );
    bench.write("db.yaml", MANIFEST);
    exchange(&bench);
    sign(&bench, "mallory");
    let before = bench.files();
    seal(&bench).failed(2, "IS WRONGLY SIGNED");
    assert!(bench.files() == before);
}

#[test]
fn a_signer_who_is_replaced_by_comparison_keeps_their_cards() {
    let bench = repository();
    trust_signer(&bench);
    seal(&bench).succeeded();
    bench.write("db.yaml", MANIFEST);
    std::fs::remove_file(bench.path("manager.pem")).unwrap();
    generate_signer(&bench, "manager");
    sign(&bench, "manager");
    trust_as(
        &bench,
        "manager",
        &["--card-signer", "--replace", "--card", "orders"],
    )
    .succeeded();
    seal(&bench).succeeded();
}

/// The store as version 1 wrote it, with one signer for both roles.
fn old_store(bench: &Bench) {
    trust_signer(bench);
    bench.trust("payments.card.json");
    seal(bench).succeeded();
    bench.write("db.yaml", MANIFEST);
    let mut store: serde_json::Value =
        serde_json::from_slice(&bench.read(".configuration/trust.json")).unwrap();
    let mut signer = store["cardSigners"][0].clone();
    signer.as_object_mut().unwrap().remove("cards");
    let pin = store["keys"][0].as_object_mut().unwrap();
    pin.remove("compared");
    pin.remove("replaced");
    pin.remove("card");
    let old = serde_json::json!({ "version": 1, "keys": store["keys"], "signers": [signer] });
    bench.write(".configuration/trust.json", format!("{old:#}"));
}

#[test]
fn signers_of_an_old_store_sign_values_with_a_notice_and_no_cards() {
    let bench = repository();
    old_store(&bench);
    exchange(&bench);
    sign(&bench, "manager");
    let notice =
        "note: your trusted signers (manager) are trusted for signed values only from now on";
    let listed = bench
        .run(&["key", "trust", "--list", "--output", "json"], "")
        .succeeded();
    assert!(listed.stderr.starts_with(notice), "{}", listed.stderr);
    let listed = listed.json();
    assert_eq!(listed["keys"][0]["compared"], true);
    assert_eq!(listed["signers"].as_array().unwrap().len(), 1);
    assert_eq!(listed["signers"][0]["role"], "values");
    let before = bench.files();
    let ended = seal(&bench)
        .failed(2, "whom you do not trust to sign key cards")
        .hints("privy key trust --card-signer ");
    assert!(
        !ended.stderr.contains(notice),
        "said once: {}",
        ended.stderr
    );
    assert!(bench.files() == before);
    // The signer does not, by itself, bring the new key: the old one counts as compared.
    trust_signer(&bench);
    seal(&bench).failed(2, "a signature does not replace a key that you compared");
    bench.trust_again("payments.card.json");
    seal(&bench).succeeded();
}

#[test]
fn a_store_of_a_newer_program_is_refused_with_a_sentence() {
    let bench = repository();
    bench.write(
        ".configuration/trust.json",
        r#"{"version":3,"keys":{"another":"form"}}"#,
    );
    let before = bench.read(".configuration/trust.json");
    seal(&bench)
        .failed(2, "it was written by a newer version of privy")
        .hints("update privy");
    bench
        .run(&["key", "trust", "--list"], "")
        .failed(2, "it was written by a newer version of privy");
    assert_eq!(bench.read(".configuration/trust.json"), before);
}

#[test]
fn a_signature_that_was_asked_for_is_asked_for_under_every_name_of_the_card() {
    let bench = without_a_signer();
    trust_signer(&bench);
    seal(&bench).succeeded();
    let card = bench.text("payments.card.json");
    let renamed = card.replace("\"payments\"", "\"payments-2\"");
    assert_ne!(card, renamed);
    bench.write("other.card.json", renamed);
    let rules = bench.text(".privy.yaml");
    bench.write(
        ".privy.yaml",
        rules.replace("payments.card.json", "other.card.json"),
    );
    bench.write("db.yaml", MANIFEST);
    seal(&bench).failed(2, "IS NOT SIGNED");
}
