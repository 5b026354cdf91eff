//! The examples of RFC 7516 appendix A, parsed: what the headers say, and that printing gives the
//! text back.

use jwe_envelope::{ContentEncryption, Envelope, Recognized, Serialization, recognize};
use test_support::vectors::Vector;

/// Algorithm and `kid` of each recipient.
fn recipients<'e>(envelope: &'e Envelope<'_>) -> Vec<(&'e str, Option<&'e str>)> {
    let recipients = envelope.recipients().iter();
    recipients
        .map(|recipient| (recipient.algorithm(), recipient.key_id()))
        .collect()
}

fn compact_example(name: &str, algorithm: &str, encryption: ContentEncryption) {
    let vector = Vector::read(name);
    let text = vector.compact.expect("a compact text");
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    assert_eq!(envelope.serialization(), Serialization::Compact);
    assert_eq!(recipients(&envelope), [(algorithm, None)]);
    assert_eq!(envelope.content_encryption(), Ok(encryption));
    assert!(envelope.binding().is_none() && envelope.provenance().is_none());
    assert_eq!(envelope.to_string(), text);
    assert!(matches!(recognize(text.as_bytes()), Recognized::Sealed(_)));
}

#[test]
fn a1_rsa_oaep_and_aes_gcm() {
    compact_example("rfc7516_a1", "RSA-OAEP", ContentEncryption::A256Gcm);
}

#[test]
fn a2_rsa1_5_and_aes_cbc_hmac() {
    compact_example("rfc7516_a2", "RSA1_5", ContentEncryption::A128CbcHs256);
}

#[test]
fn a3_aes_key_wrap_and_aes_cbc_hmac() {
    compact_example("rfc7516_a3", "A128KW", ContentEncryption::A128CbcHs256);
}

#[test]
fn a4_general_json_with_an_unprotected_jku_that_is_never_used() {
    let vector = Vector::read("rfc7516_a4");
    let text = vector.general.expect("a general text");
    let envelope = Envelope::parse(text.get().as_bytes()).unwrap();
    assert_eq!(envelope.serialization(), Serialization::General);
    assert_eq!(
        recipients(&envelope),
        [("RSA1_5", Some("2011-04-29")), ("A128KW", Some("7"))]
    );
    assert_eq!(
        envelope.content_encryption(),
        Ok(ContentEncryption::A128CbcHs256)
    );
    assert_eq!(envelope.to_text(Serialization::Compact), None);
    assert_eq!(envelope.to_text(Serialization::Flattened), None);
    assert!(matches!(
        recognize(text.get().as_bytes()),
        Recognized::Sealed(_)
    ));
}

#[test]
fn a5_flattened_json() {
    let vector = Vector::read("rfc7516_a5");
    let text = vector.flattened.expect("a flattened text");
    let envelope = Envelope::parse(text.get().as_bytes()).unwrap();
    assert_eq!(envelope.serialization(), Serialization::Flattened);
    assert_eq!(recipients(&envelope), [("A128KW", Some("7"))]);
    assert_eq!(
        envelope.content_encryption(),
        Ok(ContentEncryption::A128CbcHs256)
    );
    assert_eq!(envelope.to_text(Serialization::Compact), None);
}

#[test]
fn a4_and_a5_print_to_texts_that_say_the_same() {
    for name in ["rfc7516_a4", "rfc7516_a5"] {
        let vector = Vector::read(name);
        for text in vector.texts() {
            let envelope = Envelope::parse(text.as_bytes()).unwrap();
            let printed = envelope.to_string();
            let again = Envelope::parse(printed.as_bytes()).unwrap();
            assert_eq!(again.to_string(), printed);
            assert_eq!(again.digest(), envelope.digest());
            assert_eq!(recipients(&again), recipients(&envelope));
            let [received, reprinted] = [text, &printed]
                .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            assert_eq!(received, reprinted);
        }
    }
}
