//! The examples of RFC 7520 section 5, parsed, each in every serialization that the RFC prints.

use jwe_envelope::{
    ContentEncryption, Envelope, ParseError, Recognized, RefusedError, Serialization, recognize,
};
use test_support::vectors::Vector;

const FRODO: Option<&str> = Some("frodo.baggins@hobbiton.example");
const PEREGRIN: Option<&str> = Some("peregrin.took@tuckborough.example");
const AES: Option<&str> = Some("81b20965-8332-43d9-a468-82160ad91ac8");
const AES_GCM_WRAP: Option<&str> = Some("18ec08e1-bfa9-4d95-b205-2b4dd1d4321d");

/// Every printed text of the example has one recipient with this `alg` and `kid`, and this `enc`;
/// all texts have one digest, and compact comes back byte for byte.
fn example(
    name: &str,
    recipient: (&str, Option<&str>),
    encryption: &Result<ContentEncryption, RefusedError>,
) {
    let vector = Vector::read(name);
    let texts = vector.texts();
    assert!(texts.len() >= 2, "{name} has {} texts", texts.len());
    let first = Envelope::parse(texts[0].as_bytes()).unwrap();
    for text in &texts {
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let [only] = envelope.recipients() else {
            panic!("{name} has one recipient");
        };
        assert_eq!((only.algorithm(), only.key_id()), recipient);
        assert_eq!(&envelope.content_encryption(), encryption);
        assert_eq!(envelope.digest(), first.digest());
        let printed = envelope.to_string();
        if envelope.serialization() == Serialization::Compact {
            assert_eq!(printed, *text);
        }
        assert_eq!(
            Envelope::parse(printed.as_bytes()).unwrap().to_string(),
            printed
        );
    }
}

#[test]
fn s5_1_rsa1_5() {
    let encryption = &Ok(ContentEncryption::A128CbcHs256);
    example("rfc7520_5_1", ("RSA1_5", FRODO), encryption);
}

#[test]
fn s5_2_rsa_oaep() {
    let kid = Some("samwise.gamgee@hobbiton.example");
    let encryption = &Ok(ContentEncryption::A256Gcm);
    example("rfc7520_5_2", ("RSA-OAEP", kid), encryption);
}

#[test]
fn s5_3_pbes2() {
    let encryption = &Ok(ContentEncryption::A128CbcHs256);
    example("rfc7520_5_3", ("PBES2-HS512+A256KW", None), encryption);
}

#[test]
fn s5_4_ecdh_es_with_key_wrap() {
    let encryption = &Ok(ContentEncryption::A128Gcm);
    example("rfc7520_5_4", ("ECDH-ES+A128KW", PEREGRIN), encryption);
}

#[test]
fn s5_5_ecdh_es_direct() {
    let kid = Some("meriadoc.brandybuck@buckland.example");
    let encryption = &Ok(ContentEncryption::A128CbcHs256);
    example("rfc7520_5_5", ("ECDH-ES", kid), encryption);
}

#[test]
fn s5_6_direct() {
    let kid = Some("77c7e2b8-6e13-45cf-8672-617b5b45243a");
    let encryption = &Ok(ContentEncryption::A128Gcm);
    example("rfc7520_5_6", ("dir", kid), encryption);
}

#[test]
fn s5_7_aes_gcm_key_wrap() {
    let encryption = &Ok(ContentEncryption::A128CbcHs256);
    example("rfc7520_5_7", ("A256GCMKW", AES_GCM_WRAP), encryption);
}

#[test]
fn s5_8_aes_key_wrap() {
    let encryption = &Ok(ContentEncryption::A128Gcm);
    example("rfc7520_5_8", ("A128KW", AES), encryption);
}

#[test]
fn s5_9_compressed_is_well_formed_and_refused() {
    let refused = RefusedError::Compressed { zip: "DEF".into() };
    example("rfc7520_5_9", ("A128KW", AES), &Err(refused));
}

#[test]
fn s5_10_additional_authenticated_data() {
    let encryption = &Ok(ContentEncryption::A128Gcm);
    example("rfc7520_5_10", ("A128KW", AES), encryption);
}

#[test]
fn s5_11_some_header_fields_unprotected() {
    let encryption = &Ok(ContentEncryption::A128Gcm);
    example("rfc7520_5_11", ("A128KW", AES), encryption);
}

#[test]
fn s5_12_no_protected_header() {
    let vector = Vector::read("rfc7520_5_12");
    let general = vector.general.expect("a general text");
    let envelope = Envelope::parse(general.get().as_bytes()).unwrap();
    assert_eq!(envelope.recipients()[0].algorithm(), "A128KW");
    assert_eq!(envelope.recipients()[0].key_id(), AES);
    assert_eq!(
        envelope.content_encryption(),
        Err(RefusedError::EncUnprotected)
    );
    // Flattened, it has none of the members that make JSON with `ciphertext` an envelope.
    let flattened = vector.flattened.expect("a flattened text");
    let text = flattened.get().as_bytes();
    assert_eq!(
        Envelope::parse(text).unwrap_err(),
        ParseError::NotAnEnvelope
    );
    assert!(matches!(recognize(text), Recognized::Plain));
}

#[test]
fn s5_13_three_recipients() {
    let vector = Vector::read("rfc7520_5_13");
    let text = vector.general.expect("a general text");
    let envelope = Envelope::parse(text.get().as_bytes()).unwrap();
    let recipients: Vec<_> = envelope
        .recipients()
        .iter()
        .map(|recipient| (recipient.algorithm(), recipient.key_id()))
        .collect();
    assert_eq!(
        recipients,
        [
            ("RSA1_5", FRODO),
            ("ECDH-ES+A256KW", PEREGRIN),
            ("A256GCMKW", AES_GCM_WRAP)
        ]
    );
    assert_eq!(
        envelope.content_encryption(),
        Ok(ContentEncryption::A128CbcHs256)
    );
    assert_eq!(envelope.to_text(Serialization::Flattened), None);
    let printed: serde_json::Value = serde_json::from_str(&envelope.to_string()).unwrap();
    let received: serde_json::Value = serde_json::from_str(text.get()).unwrap();
    assert_eq!(printed, received);
}
