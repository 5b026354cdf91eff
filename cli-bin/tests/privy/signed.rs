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
    let fingerprint = bench.fingerprint("manager.pub.pem");
    bench
        .run(
            &[
                "key",
                "trust",
                "--signer",
                "manager.pub.pem",
                "--fingerprint",
                &fingerprint,
            ],
            "",
        )
        .succeeded();
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
    let hint = "privy key trust --signer ";
    seal(&bench)
        .failed(2, "signer \"manager\" of the key cards is not trusted yet")
        .hints(hint);
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
    assert_eq!(
        seal(&bench).succeeded().stderr,
        "db.yaml: 1 value sealed\n",
        "said once"
    );
    let list = bench.run(&["key", "trust", "--list"], "").succeeded();
    for words in ["  signed by    manager\n", "manager (signs key cards)\n"] {
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
    seal(&bench).failed(2, "somebody put an old card back");
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
        .hints("--replace --signer");
    bench
        .run(&["key", "trust", "--signer", "manager.pub.pem"], "")
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
