//! RFC 7520 section 5 under our profile: four examples open, the others are refused by name.

use crate::support::{open_at, refusal};
use jwe_envelope::{Envelope, KeyManagement, LocalKey, Recognized, RefusedError, recognize};
use test_support::vectors::Vector;

fn opens(name: &str, algorithm: KeyManagement) {
    let vector = Vector::read(name);
    let key = LocalKey::from_bytes(vector.key.get().as_bytes(), Some(algorithm)).unwrap();
    assert!(vector.texts().len() >= 2);
    for text in vector.texts() {
        let value = open_at(text, 0, &key);
        assert_eq!(value.as_deref(), Ok(vector.plaintext.as_bytes()), "{text}");
    }
}

fn refused_by_alg(name: &str, algorithm: &str) {
    let vector = Vector::read(name);
    for text in vector.texts() {
        if matches!(recognize(text.as_bytes()), Recognized::Plain) {
            continue;
        }
        let error = refusal(text, 0, crate::support::p256().recipient());
        assert_eq!(
            error.to_string(),
            format!("key management {algorithm:?} is not supported; RSA-OAEP-256 is")
        );
    }
}

#[test]
fn s5_1_rsa1_5_is_refused() {
    refused_by_alg("rfc7520_5_1", "RSA1_5");
}

#[test]
fn s5_2_rsa_oaep_opens() {
    opens("rfc7520_5_2", KeyManagement::RsaOaep);
}

#[test]
fn s5_3_pbes2_is_refused() {
    refused_by_alg("rfc7520_5_3", "PBES2-HS512+A256KW");
}

#[test]
fn s5_4_ecdh_es_a128kw_opens() {
    opens("rfc7520_5_4", KeyManagement::EcdhEsA128Kw);
}

#[test]
fn s5_5_ecdh_es_direct_opens() {
    opens("rfc7520_5_5", KeyManagement::EcdhEs);
}

#[test]
fn s5_6_dir_is_refused() {
    refused_by_alg("rfc7520_5_6", "dir");
}

#[test]
fn s5_7_aes_gcm_key_wrap_is_refused() {
    refused_by_alg("rfc7520_5_7", "A256GCMKW");
}

#[test]
fn s5_8_aes_key_wrap_is_refused() {
    refused_by_alg("rfc7520_5_8", "A128KW");
}

#[test]
fn s5_9_aes_key_wrap_is_refused_and_so_is_zip() {
    refused_by_alg("rfc7520_5_9", "A128KW");
    let vector = Vector::read("rfc7520_5_9");
    for text in vector.texts() {
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        assert!(matches!(
            envelope.content_encryption(),
            Err(RefusedError::Compressed { .. })
        ));
    }
}

#[test]
fn s5_10_aes_key_wrap_is_refused() {
    refused_by_alg("rfc7520_5_10", "A128KW");
}

#[test]
fn s5_11_aes_key_wrap_is_refused() {
    refused_by_alg("rfc7520_5_11", "A128KW");
}

#[test]
fn s5_12_aes_key_wrap_is_refused() {
    refused_by_alg("rfc7520_5_12", "A128KW");
}

#[test]
fn s5_13_the_second_recipient_opens_the_others_are_refused() {
    let vector = Vector::read("rfc7520_5_13");
    let text = vector.general.as_ref().unwrap().get();
    let keys: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(vector.key.get()).unwrap();
    let key =
        LocalKey::from_bytes(keys[1].get().as_bytes(), Some(KeyManagement::EcdhEsA256Kw)).unwrap();
    assert_eq!(key.jwk_kid(), Some("peregrin.took@tuckborough.example"));
    assert_eq!(
        open_at(text, 1, &key).as_deref(),
        Ok(vector.plaintext.as_bytes())
    );
    for (recipient, algorithm) in [(0, "RSA1_5"), (2, "A256GCMKW")] {
        assert_eq!(
            refusal(text, recipient, key.recipient()).to_string(),
            format!("key management {algorithm:?} is not supported; RSA-OAEP-256 is")
        );
    }
    assert_eq!(
        refusal(text, 3, key.recipient()),
        RefusedError::NoSuchRecipient { asked: 4, found: 3 }
    );
}
