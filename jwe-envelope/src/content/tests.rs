//! Published examples whose key management the profile refuses still test the encryption of the value: their content keys
//! are printed.

use super::*;
use crate::algorithm::ContentEncryption;
use crate::base64url;
use crate::envelope::Envelope;
use crate::secret::SecretBytes;

use test_support::vectors::Vector;

fn content_key(bytes: Vec<u8>, encryption: ContentEncryption) -> ContentKey {
    ContentKey::new(SecretBytes::new(bytes), encryption).unwrap()
}

/// Opens every serialization of the example with the printed content key.
fn opens(name: &str, encryption: ContentEncryption) {
    let vector = Vector::read(name);
    assert!(!vector.texts().is_empty());
    for text in vector.texts() {
        let value = decrypt_text(text, &vector, encryption).unwrap();
        assert_eq!(value.expose(), vector.plaintext.as_bytes(), "{name}");
    }
}

fn decrypt_text(
    text: &str,
    vector: &Vector,
    encryption: ContentEncryption,
) -> Result<Plaintext, OpenError> {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let key = content_key(base64url::decode(&vector.content_key).unwrap(), encryption);
    decrypt(
        &key,
        &base64url::decode(&envelope.iv).unwrap(),
        &envelope.aad_bytes(),
        &base64url::decode(&envelope.tag).unwrap(),
        base64url::decode(&envelope.ciphertext).unwrap(),
    )
}

macro_rules! examples {
    ($($test:ident $file:literal $encryption:ident,)*) => {
        $(#[test] fn $test() { opens($file, ContentEncryption::$encryption); })*
    };
}

examples! {
    rfc7516_a1 "rfc7516_a1" A256Gcm,
    rfc7516_a2 "rfc7516_a2" A128CbcHs256,
    rfc7516_a3 "rfc7516_a3" A128CbcHs256,
    rfc7516_a4 "rfc7516_a4" A128CbcHs256,
    rfc7516_a5 "rfc7516_a5" A128CbcHs256,
    rfc7520_5_1 "rfc7520_5_1" A128CbcHs256,
    rfc7520_5_2 "rfc7520_5_2" A256Gcm,
    rfc7520_5_3 "rfc7520_5_3" A128CbcHs256,
    rfc7520_5_4 "rfc7520_5_4" A128Gcm,
    rfc7520_5_5 "rfc7520_5_5" A128CbcHs256,
    rfc7520_5_6 "rfc7520_5_6" A128Gcm,
    rfc7520_5_7 "rfc7520_5_7" A128CbcHs256,
    rfc7520_5_8 "rfc7520_5_8" A128Gcm,
    rfc7520_5_10_with_aad "rfc7520_5_10" A128Gcm,
    rfc7520_5_11 "rfc7520_5_11" A128Gcm,
    rfc7520_5_13 "rfc7520_5_13" A128CbcHs256,
}

/// The associated data is empty. (Flattened, this example has neither `protected` nor `header`, and is no candidate.)
#[test]
fn rfc7520_5_12_without_protected_header() {
    let vector = Vector::read("rfc7520_5_12");
    let text = vector.general.as_ref().unwrap().get();
    let value = decrypt_text(text, &vector, ContentEncryption::A128Gcm).unwrap();
    assert_eq!(value.expose(), vector.plaintext.as_bytes());
}

/// The tag holds; what comes out is DEFLATE, which nothing here inflates.
#[test]
fn rfc7520_5_9_is_compressed() {
    let vector = Vector::read("rfc7520_5_9");
    for text in vector.texts() {
        let value = decrypt_text(text, &vector, ContentEncryption::A128Gcm).unwrap();
        assert!(value.expose().len() < vector.plaintext.len());
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

const RFC7518_B_IV: &str = "1af38c2dc2b96ffdd86694092341bc04";
const RFC7518_B_AAD: &[u8] = b"The second principle of Auguste Kerckhoffs";
const RFC7518_B_PLAINTEXT: &[u8] = b"A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";

fn appendix_b(encryption: ContentEncryption, ciphertext: &str, tag: &str) {
    let key = content_key((0..64).take(encryption.key_len()).collect(), encryption);
    let open =
        |ciphertext, tag: &[u8]| decrypt(&key, &hex(RFC7518_B_IV), RFC7518_B_AAD, tag, ciphertext);
    let (ciphertext, tag) = (hex(ciphertext), hex(tag));
    let value = open(ciphertext.clone(), &tag).unwrap();
    assert_eq!(value.expose(), RFC7518_B_PLAINTEXT);
    for at in 0..tag.len() {
        let mut damaged = tag.clone();
        damaged[at] ^= 0x80;
        assert!(open(ciphertext.clone(), &damaged).is_err());
    }
    assert!(open(ciphertext.clone(), &tag[..tag.len() - 1]).is_err());
    assert!(open(ciphertext[16..].to_vec(), &tag).is_err());
}

#[test]
fn rfc7518_b1() {
    appendix_b(
        ContentEncryption::A128CbcHs256,
        "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db",
        "652c3fa36b0a7c5b3219fab3a30bc1c4",
    );
}

#[test]
fn rfc7518_b2() {
    appendix_b(
        ContentEncryption::A192CbcHs384,
        "ea65da6b59e61edb419be62d19712ae5d303eeb50052d0dfd6697f77224c8edb000d279bdc14c1072654bd30944230c657bed4ca0c9f4a8466f22b226d1746214bf8cfc2400add9f5126e479663fc90b3bed787a2f0ffcbf3904be2a641d5c2105bfe591bae23b1d7449e532eef60a9ac8bb6c6b01d35d49787bcd57ef484927f280adc91ac0c4e79c7b11efc60054e3",
        "8490ac0e58949bfe51875d733f93ac2075168039ccc733d7",
    );
}

#[test]
fn rfc7518_b3() {
    appendix_b(
        ContentEncryption::A256CbcHs512,
        "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6",
        "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
    );
}

/// A cut tag would be easier to guess, a moved boundary would decrypt something else.
#[test]
fn other_iv_and_tag_lengths_and_shifted_boundaries_fail() {
    for encryption in ContentEncryption::ALL {
        let key = ContentKey::random(encryption).unwrap();
        let sealed = encrypt(&key, b"aad", b"sixteen or more bytes").unwrap();
        assert_eq!(sealed.iv.len(), encryption.iv_len());
        assert_eq!(sealed.tag.len(), encryption.tag_len());
        let open = |iv: &[u8], tag: &[u8], ciphertext: &[u8]| {
            decrypt(&key, iv, b"aad", tag, ciphertext.to_vec())
        };
        assert!(open(&sealed.iv, &sealed.tag, &sealed.ciphertext).is_ok());
        for len in (0..sealed.tag.len()).chain([sealed.tag.len() + 1]) {
            let mut tag = sealed.tag.clone();
            tag.resize(len, 0);
            assert!(open(&sealed.iv, &tag, &sealed.ciphertext).is_err());
        }
        for len in (0..20).filter(|len| *len != sealed.iv.len()) {
            let mut iv = sealed.iv.clone();
            iv.resize(len, 0);
            assert!(open(&iv, &sealed.tag, &sealed.ciphertext).is_err());
        }
        let mut joined = [sealed.ciphertext.as_slice(), &sealed.tag].concat();
        assert!(open(&sealed.iv, &sealed.tag, &joined).is_err());
        let tail = joined.split_off(joined.len() - sealed.tag.len() - 1);
        assert!(open(&sealed.iv, &tail[..sealed.tag.len()], &joined).is_err());
    }
}

#[test]
fn a_key_of_another_length_is_none() {
    for encryption in ContentEncryption::ALL {
        for len in 0..=128 {
            let key = ContentKey::new(SecretBytes::new(vec![1; len]), encryption);
            assert_eq!(key.is_some(), len == encryption.key_len());
        }
    }
}

/// The buffer that was handed in is the buffer that comes out: the value is decoded once and copied never.
#[test]
fn opens_in_the_buffer_that_was_given() {
    for encryption in ContentEncryption::ALL {
        let key = ContentKey::random(encryption).unwrap();
        let sealed = encrypt(&key, b"", &vec![7; 100_000]).unwrap();
        let mut buffer = Vec::with_capacity(sealed.ciphertext.len() + SPARE);
        buffer.extend_from_slice(&sealed.ciphertext);
        let before = buffer.as_ptr();
        let value = decrypt(&key, &sealed.iv, b"", &sealed.tag, buffer).unwrap();
        assert_eq!(value.expose().as_ptr(), before);
        assert_eq!(value.expose(), vec![7; 100_000]);
    }
}
