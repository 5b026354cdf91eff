//! Keys in forms that people have them in: what is not read is named, with the command that converts it.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Bench, Ended};

const PEMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../jwe-envelope/tests/pem");

fn pem(name: &str) -> String {
    std::fs::read_to_string(format!("{PEMS}/{name}")).unwrap()
}

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

fn utf_16(text: &str) -> Vec<u8> {
    let letters = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(letters).collect()
}

fn seal(bench: &Bench, key: &str) -> Ended {
    let seal = ["seal", "--key", key, "--for", "payments/db/password"];
    bench.run(&seal, "canary-5kQ9-hunter2")
}

fn open(bench: &Bench, key: &str, envelope: &[u8]) -> Ended {
    let open = ["open", "--key", key, "--for", "payments/db/password"];
    bench.run(&open, envelope)
}

#[test]
fn another_form_is_named_with_the_command_that_converts_it() {
    let bench = Bench::new();
    let envelope = bench.sealed("canary-5kQ9-hunter2");
    let private = bench.text("payments.pem");
    let public = pem("p256.spki.pem");
    bench.write("private.der", der(&private));
    bench.write("public.der", der(&public));
    bench.write("private16.pem", utf_16(&private));
    bench.write("public16.pem", utf_16(&public));
    let mut without_mark = utf_16(&public);
    without_mark.drain(..2);
    bench.write("public16-bare.pem", without_mark);

    // A key of P-256 in DER is shorter than 128 bytes, which one byte of length holds.
    bench.write("rsa.der", der(&pem("rsa2048.spki.pem")));
    seal(&bench, "rsa.der")
        .failed(2, "the file is binary DER")
        .hints("openssl pkey -pubin -inform DER -in rsa.der -out key.pem");
    bench.write("rsa-private.der", der(&pem("rsa2048.pkcs8.pem")));
    open(&bench, "rsa-private.der", &envelope)
        .failed(2, "the file is binary DER")
        .hints("openssl pkey -inform DER -in rsa-private.der -out key.pem");
    for file in ["private.der", "private16.pem"] {
        let ended = open(&bench, file, &envelope);
        assert!(
            !ended.stderr.contains("holds no private key"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.code, 2, "{}", ended.stderr);
    }
    for file in ["public16.pem", "public16-bare.pem"] {
        seal(&bench, file)
            .failed(2, "UTF-16")
            .hints(&format!("iconv -f UTF-16 -t UTF-8 {file} > key.pem"));
    }
    open(&bench, "private16.pem", &envelope)
        .failed(2, "UTF-16")
        .hints("iconv");
}

#[test]
fn of_several_keys_none_is_chosen_in_silence() {
    let bench = Bench::new();
    let envelope = bench.sealed("canary-5kQ9-hunter2");
    let (first, second) = (pem("p256.spki.pem"), pem("rsa2048.spki.pem"));
    bench.write("two.pem", format!("{first}{second}"));
    seal(&bench, "two.pem")
        .failed(2, "the file contains 2 keys")
        .hints("in a file of its own");
    bench.generate("other");
    let both = bench.text("payments.pem") + &bench.text("other.pem");
    bench.write("both.pem", both);
    open(&bench, "both.pem", &envelope)
        .failed(2, "the file contains 2 keys")
        .hints("in a file of its own");
    // A chain is one key: its first certificate's.
    let chain = pem("p384.expired.crt.pem") + &pem("rsa2048.expired.crt.pem");
    bench.write("chain.pem", chain);
    seal(&bench, "chain.pem").succeeded();
}

#[test]
fn a_certificate_that_ended_is_warned_about() {
    let bench = Bench::new();
    bench.write("db.crt", pem("p384.expired.crt.pem"));
    let ended = seal(&bench, "db.crt").succeeded();
    assert!(
        ended
            .stderr
            .contains("warning: the certificate `db.crt` ended on "),
        "{}",
        ended.stderr
    );
    let ended = seal(&bench, "payments.card.json").succeeded();
    assert!(!ended.stderr.contains("certificate"), "{}", ended.stderr);
}
