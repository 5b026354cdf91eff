//! What is in for a content key that could not be had.

use std::collections::HashSet;

use super::*;
use crate::algorithm::ContentEncryption;
use crate::binding::{Binding, Place};
use crate::recipient::RecipientKey;
use crate::seal::Sealer;

const RSA: &[u8] = include_bytes!("../../tests/pem/rsa2048.spki.pem");
const X25519: &[u8] = include_bytes!("../../tests/pem/x25519.spki.pem");

/// A substitute that could be guessed would let anyone make envelopes that open where the key was refused.
#[test]
fn substitutes_are_random_and_of_the_right_length() {
    let binding = Binding::exact(&Place::new("payments", "db", "password").unwrap());
    for pem in [RSA, X25519] {
        let key = RecipientKey::from_pem(pem, None).unwrap();
        for encryption in ContentEncryption::ALL {
            let sealed = Sealer::new(std::slice::from_ref(&key))
                .unwrap()
                .content_encryption(encryption)
                .unwrap()
                .seal(b"", &binding)
                .unwrap();
            let opening = sealed.open_unchecked(0, &key).unwrap();
            let mut substitutes = HashSet::new();
            let answers = [
                || Err(Rejected),
                || Err(Rejected),
                || Ok(SecretBytes::new(Vec::new())),
                || Ok(SecretBytes::new(vec![0; 31])),
                || Ok(SecretBytes::new(vec![0; 65])),
            ];
            for answer in &answers {
                let key = opening.content_key(answer());
                assert_eq!(key.expose().len(), encryption.key_len());
                assert!(substitutes.insert(key.expose().to_vec()));
            }
        }
    }
}

/// RSA answers of the right length are the key, whatever they hold: only the tag can tell.
#[test]
fn an_answer_of_the_right_length_is_taken_as_it_is() {
    let key = RecipientKey::from_pem(RSA, None).unwrap();
    let binding = Binding::exact(&Place::new("payments", "db", "password").unwrap());
    let sealed = Sealer::new(std::slice::from_ref(&key))
        .unwrap()
        .seal(b"", &binding)
        .unwrap();
    let opening = sealed.open_unchecked(0, &key).unwrap();
    let content_key = opening.content_key(Ok(SecretBytes::new(vec![7; 32])));
    assert_eq!(content_key.expose(), [7; 32]);
    assert!(opening.open(&content_key).is_err());
}
