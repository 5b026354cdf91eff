//! What is sealed opens, whatever the algorithms; what is changed on the way does not.

use std::sync::LazyLock;

use jwe_envelope::{
    Binding, ContentEncryption, Curve, Envelope, KeyKind, KeyManagement, LocalKey, OpenError,
    Place, RecipientKey, Rejected, Sealer, SecretBytes, Serialization, UnwrapRequest,
};
use proptest::prelude::*;

static RSA: LazyLock<LocalKey> =
    LazyLock::new(|| LocalKey::generate(KeyKind::Rsa(2048)).expect("RSA key"));
static P256: LazyLock<LocalKey> =
    LazyLock::new(|| LocalKey::generate(KeyKind::Ec(Curve::P256)).expect("P-256 key"));

const CURVES: [Curve; 4] = [Curve::P256, Curve::P384, Curve::P521, Curve::X25519];

fn place() -> Binding {
    Binding::exact(&Place::new("payments", "db", "password").unwrap())
}

fn key(name: &str) -> Binding {
    Binding::exact(&Place::new("payments", "db", name).unwrap())
}

/// The same private key under every pin that it can have.
fn pinned(key: &LocalKey, algorithm: KeyManagement) -> LocalKey {
    LocalKey::from_bytes(key.to_pkcs8_pem().as_bytes(), Some(algorithm)).unwrap()
}

fn seal(recipient: &RecipientKey, encryption: ContentEncryption, value: &[u8]) -> String {
    Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .content_encryption(encryption)
        .unwrap()
        .seal(value, &place())
        .unwrap()
        .to_string()
}

fn open(text: &str, key: &LocalKey) -> Result<Vec<u8>, OpenError> {
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.opening(0, key.recipient()).unwrap();
    let answer = key.unwrap(&opening.request()).map_err(|_| Rejected);
    opening.finish(answer).map(|value| value.expose().to_vec())
}

#[test]
fn every_algorithm_with_every_encryption() {
    let mut keys = Vec::new();
    for algorithm in KeyManagement::ALL {
        if algorithm.is_rsa() {
            keys.push(pinned(&RSA, algorithm));
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
                assert_eq!(open(&text, key).as_deref(), Ok(value));
            }
        }
    }
}
