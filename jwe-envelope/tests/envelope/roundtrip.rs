//! What is sealed opens, whatever the algorithms; what was changed on the way does not, and says nothing but that.

use crate::support::{bound_to, open_at, p256, pinned, rsa, seal};
use jwe_envelope::{
    ContentEncryption, Curve, Envelope, KeyKind, KeyManagement, LocalKey, Rejected, Sealer,
    SecretBytes,
};
use proptest::prelude::*;

const CURVES: [Curve; 4] = [Curve::P256, Curve::P384, Curve::P521, Curve::X25519];

fn encryption() -> impl Strategy<Value = ContentEncryption> {
    proptest::sample::select(&ContentEncryption::ALL[..])
}

#[test]
fn every_algorithm_with_every_encryption() {
    let mut keys = Vec::new();
    for algorithm in KeyManagement::ALL {
        if algorithm.is_rsa() {
            keys.push(pinned(rsa(), algorithm));
        } else if algorithm != KeyManagement::EcdhEs {
            for curve in CURVES {
                let key = LocalKey::generate(KeyKind::Ec(curve)).unwrap();
                keys.push(pinned(&key, algorithm));
            }
        }
    }
    assert_eq!(keys.len(), 4 + 3 * 4);
    for key in &keys {
        for encryption in ContentEncryption::ALL {
            for value in [&b""[..], b"hunter2", &[0xff; 1000]] {
                let text = seal(key.recipient(), encryption, value);
                assert!(text.starts_with("eyJlbmMiOi"), "{text}");
                assert_eq!(open_at(&text, 0, key).as_deref(), Ok(value));
            }
        }
    }
}

#[test]
fn the_longest_value_opens() {
    let value: Vec<u8> = (0..1024 * 1024_u32)
        .map(|number| u8::try_from(number % 251).unwrap())
        .collect();
    for encryption in [ContentEncryption::A256Gcm, ContentEncryption::A256CbcHs512] {
        let text = seal(p256().recipient(), encryption, &value);
        assert!(open_at(&text, 0, p256()).unwrap() == value);
    }
}

/// Parses and opens with the right key, in whatever state the text is. The one error, or one before the key.
fn survives(text: &str, key: &LocalKey) -> Option<Vec<u8>> {
    let envelope = Envelope::parse(text.as_bytes()).ok()?;
    let opening = envelope.open_unchecked(0, key.recipient()).ok()?;
    let answer = key.unwrap(&opening.request()).map_err(|_| Rejected);
    match opening.finish(answer) {
        Ok(value) => Some(value.expose().to_vec()),
        Err(error) => {
            assert_eq!(error.to_string(), "could not be opened");
            None
        }
    }
}

/// Every character of every part, replaced by each of two others: nothing opens.
#[test]
fn any_changed_character_is_fatal() {
    for encryption in ContentEncryption::ALL {
        let text = seal(p256().recipient(), encryption, b"hunter2");
        assert!(survives(&text, p256()).is_some());
        for at in 0..text.len() {
            for other in ["A", "_"] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                if changed != text {
                    assert_eq!(survives(&changed, p256()), None, "{at}: {changed}");
                }
            }
        }
    }
}

/// Parts of two envelopes for the same key, mixed: nothing opens but the two themselves.
#[test]
fn parts_of_two_envelopes_do_not_mix() {
    for key in [rsa(), p256()] {
        let texts = ["first", "other"].map(|name| {
            let mut act = Sealer::new(std::slice::from_ref(key.recipient())).unwrap();
            let sealed = act.seal(name.as_bytes(), &bound_to(name));
            sealed.unwrap().to_string()
        });
        let parts = texts
            .each_ref()
            .map(|text| text.split('.').collect::<Vec<_>>());
        for choice in 1..31_usize {
            let mixed: Vec<_> = (0..5).map(|part| parts[choice >> part & 1][part]).collect();
            let mixed = mixed.join(".");
            assert_eq!(survives(&mixed, key), None, "{choice:05b}");
        }
    }
}

#[test]
fn another_key_does_not_open() {
    let stranger = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let text = seal(p256().recipient(), ContentEncryption::A256Gcm, b"hunter2");
    assert_eq!(survives(&text, &stranger), None);
    let stranger = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let text = seal(rsa().recipient(), ContentEncryption::A256Gcm, b"hunter2");
    assert_eq!(survives(&text, &stranger), None);
}

/// Whatever the key service answers, of whatever length, the envelope stays closed, for each way to the content key.
#[test]
fn wrong_answers_of_every_length_fail_closed() {
    let keys = [
        rsa().recipient().clone(),
        p256().recipient().clone(),
        LocalKey::generate(KeyKind::Ec(Curve::X25519))
            .unwrap()
            .recipient()
            .clone(),
        LocalKey::generate(KeyKind::Ec(Curve::P521))
            .unwrap()
            .recipient()
            .clone(),
    ];
    for key in &keys {
        for encryption in ContentEncryption::ALL {
            let text = seal(key, encryption, b"hunter2");
            let envelope = Envelope::parse(text.as_bytes()).unwrap();
            let opening = envelope.open_unchecked(0, key).unwrap();
            for len in 0..=128 {
                for byte in [0, 0xa5] {
                    let answer = SecretBytes::new(vec![byte; len]);
                    let content_key = opening.content_key(Ok(answer));
                    assert_eq!(content_key.encryption(), encryption);
                    assert!(opening.open(&content_key).is_err());
                }
            }
            assert!(opening.finish(Err(Rejected)).is_err());
        }
    }
}

/// Direct agreement with an all-zero secret, as an X25519 point of small order would give it.
#[test]
fn an_all_zero_secret_or_a_rejection_opens_nothing() {
    use josekit::jwe::{self, JweHeader};

    let key = LocalKey::generate(KeyKind::Ec(Curve::X25519)).unwrap();
    let key = pinned(&key, KeyManagement::EcdhEs);
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    let encrypter = jwe::ECDH_ES
        .encrypter_from_pem(key.recipient().to_pem())
        .unwrap();
    let text = jwe::serialize_compact(b"hunter2", &header, &encrypter).unwrap();
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, key.recipient()).unwrap();
    assert!(
        opening
            .finish(Ok(key.unwrap(&opening.request()).unwrap()))
            .is_ok()
    );

    let zero = opening.content_key(Ok(SecretBytes::new(vec![0; 32])));
    let rejected = opening.content_key(Err(Rejected));
    for substitute in [&zero, &rejected] {
        assert!(opening.open(substitute).is_err());
    }
}

#[test]
fn a_content_key_of_another_encryption_does_not_open() {
    let key = p256();
    let gcm = seal(key.recipient(), ContentEncryption::A256Gcm, b"hunter2");
    let cbc = seal(key.recipient(), ContentEncryption::A128CbcHs256, b"hunter2");
    let (gcm, cbc) = (
        Envelope::parse(gcm.as_bytes()).unwrap(),
        Envelope::parse(cbc.as_bytes()).unwrap(),
    );
    let gcm = gcm.open_unchecked(0, key.recipient()).unwrap();
    let cbc = cbc.open_unchecked(0, key.recipient()).unwrap();
    let content_key = gcm.content_key(key.unwrap(&gcm.request()).map_err(|_| Rejected));
    assert!(gcm.open(&content_key).is_ok());
    assert!(cbc.open(&content_key).is_err());
}

#[test]
fn secrets_are_redacted_in_debug_output() {
    let value = b"a canary in a coal mine";
    let text = seal(p256().recipient(), ContentEncryption::A256Gcm, value);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, p256().recipient()).unwrap();
    let answer = p256().unwrap(&opening.request()).unwrap();
    let raw = format!("{:?}", answer.expose());
    let shown = format!("{answer:?}");
    let content_key = opening.content_key(Ok(answer));
    let plaintext = opening.open(&content_key).unwrap();
    let shown = format!(
        "{shown} {content_key:?} {plaintext:?} {opening:?} {:?}",
        p256()
    );
    assert!(shown.matches("<redacted>").count() >= 4, "{shown}");
    assert!(!shown.contains("canary") && !shown.contains(&raw));
    assert!(!shown.contains(&format!("{:?}", plaintext.expose())));
    assert!(!shown.contains(text.rsplit('.').nth(1).unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sealed_bytes_open_to_themselves(
        value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(any::<u8>(), 0..65_536),
        ],
        encryption in encryption(),
        with_rsa in any::<bool>(),
    ) {
        let key = if with_rsa { rsa() } else { p256() };
        let text = seal(key.recipient(), encryption, &value);
        prop_assert_eq!(open_at(&text, 0, key), Ok(value));
    }

    #[test]
    fn a_flipped_bit_is_fatal(
        value in proptest::collection::vec(any::<u8>(), 0..200),
        encryption in encryption(),
        at in any::<proptest::sample::Index>(),
        bit in 0..7_u8,
    ) {
        let text = seal(p256().recipient(), encryption, &value);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(survives(std::str::from_utf8(&bytes).unwrap(), p256()), None);
    }

    #[test]
    fn a_cut_text_is_fatal(
        value in proptest::collection::vec(any::<u8>(), 0..200),
        encryption in encryption(),
        at in any::<proptest::sample::Index>(),
    ) {
        let text = seal(p256().recipient(), encryption, &value);
        let cut = &text[..at.index(text.len())];
        prop_assert_eq!(survives(cut, p256()), None);
    }
}
