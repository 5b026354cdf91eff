//! RFC 7516 appendix A under our profile: what opens, and why the rest does not. (Their content keys test the decryption
//! of the value in the unit tests of `content`.)

use crate::support::{open_at, refusal};
use jwe_envelope::{KeyManagement, LocalKey, RecipientKey, RefusedError};
use test_support::vectors::Vector;

/// A served key of the cheapest kind: what is refused by `alg` is refused whatever the key.
fn any_key() -> RecipientKey {
    crate::support::p256().recipient().clone()
}

fn refused_by_alg(name: &str, recipient: usize, message: &str) {
    for text in Vector::read(name).texts() {
        let error = refusal(text, recipient, &any_key());
        assert!(matches!(error, RefusedError::Unsupported(_)));
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a1_opens_with_a_key_pinned_to_rsa_oaep() {
    let vector = Vector::read("rfc7516_a1");
    let pin = Some(KeyManagement::RsaOaep);
    let key = LocalKey::from_bytes(vector.key.get().as_bytes(), pin).unwrap();
    let text = vector.compact.as_deref().unwrap();
    assert_eq!(
        open_at(text, 0, &key).as_deref(),
        Ok(vector.plaintext.as_bytes())
    );
}

#[test]
fn a1_is_refused_under_the_default_pin() {
    let vector = Vector::read("rfc7516_a1");
    let key = LocalKey::from_bytes(vector.key.get().as_bytes(), None).unwrap();
    let error = refusal(vector.compact.as_deref().unwrap(), 0, key.recipient());
    assert_eq!(
        error,
        RefusedError::WrongAlgorithm {
            found: KeyManagement::RsaOaep,
            pinned: KeyManagement::RsaOaep256,
        }
    );
    assert_eq!(
        error.to_string(),
        "envelope uses RSA-OAEP, the key is pinned to RSA-OAEP-256"
    );
}

#[test]
fn a2_rsa1_5_is_refused() {
    refused_by_alg(
        "rfc7516_a2",
        0,
        r#"key management "RSA1_5" is not supported; RSA-OAEP-256 is"#,
    );
}

#[test]
fn a3_aes_key_wrap_is_refused() {
    refused_by_alg(
        "rfc7516_a3",
        0,
        r#"key management "A128KW" is not supported; RSA-OAEP-256 is"#,
    );
}

#[test]
fn a4_both_recipients_are_refused() {
    refused_by_alg(
        "rfc7516_a4",
        0,
        r#"key management "RSA1_5" is not supported; RSA-OAEP-256 is"#,
    );
    refused_by_alg(
        "rfc7516_a4",
        1,
        r#"key management "A128KW" is not supported; RSA-OAEP-256 is"#,
    );
}

#[test]
fn a5_aes_key_wrap_is_refused() {
    refused_by_alg(
        "rfc7516_a5",
        0,
        r#"key management "A128KW" is not supported; RSA-OAEP-256 is"#,
    );
}
