//! Both ways with josekit (OpenSSL), an implementation that shares no code with ours: what it seals we open, what we seal it
//! opens, for every algorithm and encryption that both know.

use crate::support::{bound_to, open_at, pinned, rsa, seal};
use josekit::jwe::alg::ecdh_es::EcdhEsJweAlgorithm;
use josekit::jwe::alg::rsaes::RsaesJweAlgorithm;
use josekit::jwe::{self, JweDecrypter, JweEncrypter, JweHeader, JweHeaderSet};
use jwe_envelope::{
    ContentEncryption, Curve, Envelope, KeyKind, KeyManagement, LocalKey, Sealer, Serialization,
};
use serde_json::{Value, json};

const VALUES: [&[u8]; 3] = [b"", b"hunter2", &[0xa5; 5000]];

fn peer_encrypter(key: &LocalKey) -> Box<dyn JweEncrypter> {
    let pem = key.recipient().to_pem();
    let rsa = |algorithm: RsaesJweAlgorithm| -> Box<dyn JweEncrypter> {
        Box::new(algorithm.encrypter_from_pem(&pem).unwrap())
    };
    let ecdh = |algorithm: EcdhEsJweAlgorithm| -> Box<dyn JweEncrypter> {
        let mut encrypter = algorithm.encrypter_from_pem(&pem).unwrap();
        // Party information goes into the key derivation, so it must be read the same way.
        encrypter.set_agreement_partyuinfo("Alice");
        encrypter.set_agreement_partyvinfo("Bob");
        Box::new(encrypter)
    };
    match key.recipient().algorithm() {
        KeyManagement::RsaOaep => rsa(jwe::RSA_OAEP),
        KeyManagement::RsaOaep256 => rsa(jwe::RSA_OAEP_256),
        KeyManagement::RsaOaep384 => rsa(jwe::RSA_OAEP_384),
        KeyManagement::RsaOaep512 => rsa(jwe::RSA_OAEP_512),
        KeyManagement::EcdhEs => ecdh(jwe::ECDH_ES),
        KeyManagement::EcdhEsA128Kw => ecdh(jwe::ECDH_ES_A128KW),
        KeyManagement::EcdhEsA192Kw => ecdh(jwe::ECDH_ES_A192KW),
        KeyManagement::EcdhEsA256Kw => ecdh(jwe::ECDH_ES_A256KW),
        other => panic!("{other}"),
    }
}

fn peer_decrypter(key: &LocalKey) -> Box<dyn JweDecrypter> {
    let pem = key.to_pkcs8_pem();
    let rsa = |algorithm: RsaesJweAlgorithm| -> Box<dyn JweDecrypter> {
        Box::new(algorithm.decrypter_from_pem(pem.as_bytes()).unwrap())
    };
    let ecdh = |algorithm: EcdhEsJweAlgorithm| -> Box<dyn JweDecrypter> {
        Box::new(algorithm.decrypter_from_pem(pem.as_bytes()).unwrap())
    };
    match key.recipient().algorithm() {
        KeyManagement::RsaOaep => rsa(jwe::RSA_OAEP),
        KeyManagement::RsaOaep256 => rsa(jwe::RSA_OAEP_256),
        KeyManagement::RsaOaep384 => rsa(jwe::RSA_OAEP_384),
        KeyManagement::RsaOaep512 => rsa(jwe::RSA_OAEP_512),
        KeyManagement::EcdhEsA128Kw => ecdh(jwe::ECDH_ES_A128KW),
        KeyManagement::EcdhEsA192Kw => ecdh(jwe::ECDH_ES_A192KW),
        KeyManagement::EcdhEsA256Kw => ecdh(jwe::ECDH_ES_A256KW),
        other => panic!("{other}"),
    }
}

fn header(encryption: ContentEncryption) -> JweHeader {
    let mut header = JweHeader::new();
    header.set_content_encryption(encryption.as_str());
    header
        .set_claim("bind", Some(json!({"v": 1, "ns": "payments"})))
        .unwrap();
    header
}

/// Every encryption, both ways, with this key.
fn both_ways(key: &LocalKey) {
    let algorithm = key.recipient().algorithm();
    for encryption in ContentEncryption::ALL {
        for value in VALUES {
            let theirs =
                jwe::serialize_compact(value, &header(encryption), &*peer_encrypter(key)).unwrap();
            let opened = open_at(&theirs, 0, key);
            assert_eq!(
                opened.as_deref(),
                Ok(value),
                "{algorithm} {encryption}: {theirs}"
            );

            if algorithm == KeyManagement::EcdhEs {
                continue;
            }
            let ours = seal(key.recipient(), encryption, value);
            let (opened, header) = jwe::deserialize_compact(&ours, &*peer_decrypter(key)).unwrap();
            assert_eq!(opened, value, "{algorithm} {encryption}: {ours}");
            assert_eq!(header.key_id(), Some(key.recipient().kid()));
        }
    }
}

fn on(curve: Curve) {
    let key = LocalKey::generate(KeyKind::Ec(curve)).unwrap();
    for algorithm in KeyManagement::ALL {
        if !algorithm.is_rsa() {
            both_ways(&pinned(&key, algorithm));
        }
    }
}

#[test]
fn rsa_oaep() {
    both_ways(&pinned(rsa(), KeyManagement::RsaOaep));
}

#[test]
fn rsa_oaep_256() {
    both_ways(&pinned(rsa(), KeyManagement::RsaOaep256));
}

#[test]
fn rsa_oaep_384() {
    both_ways(&pinned(rsa(), KeyManagement::RsaOaep384));
}

#[test]
fn rsa_oaep_512() {
    both_ways(&pinned(rsa(), KeyManagement::RsaOaep512));
}

#[test]
fn ecdh_es_p256() {
    on(Curve::P256);
}

#[test]
fn ecdh_es_p384() {
    on(Curve::P384);
}

#[test]
fn ecdh_es_p521() {
    on(Curve::P521);
}

#[test]
fn ecdh_es_x25519() {
    on(Curve::X25519);
}

/// Flattened JSON keeps `alg`, `kid` and `epk` outside the protected header; the peer reads that as well.
#[test]
fn our_flattened_json_opens_elsewhere() {
    for key in [rsa(), crate::support::p256()] {
        let text = Sealer::new(std::slice::from_ref(key.recipient()))
            .unwrap()
            .serialization(Serialization::Flattened)
            .unwrap()
            .seal(b"hunter2", &bound_to("password"))
            .unwrap()
            .to_string();
        let (opened, _) = jwe::deserialize_json(&text, &*peer_decrypter(key)).unwrap();
        assert_eq!(opened, b"hunter2");
        assert_eq!(open_at(&text, 0, key).as_deref(), Ok(&b"hunter2"[..]));
    }
}

/// With `aad`, which enters the associated data as text.
#[test]
fn their_flattened_json_with_aad_opens_here() {
    for key in [rsa(), crate::support::p256()] {
        for encryption in [ContentEncryption::A256Gcm, ContentEncryption::A256CbcHs512] {
            let mut set = JweHeaderSet::new();
            set.set_content_encryption(encryption.as_str(), true);
            let text = jwe::serialize_flattened_json(
                b"hunter2",
                Some(&set),
                None,
                Some(b"associated"),
                &*peer_encrypter(key),
            )
            .unwrap();
            let envelope: Value = serde_json::from_str(&text).unwrap();
            assert!(envelope["aad"].is_string());
            assert_eq!(
                open_at(&text, 0, key).as_deref(),
                Ok(&b"hunter2"[..]),
                "{text}"
            );
        }
    }
}

/// One envelope for several people: each opens it with the own key, and so does the peer.
#[test]
fn our_general_json_opens_for_each_recipient() {
    let ec = crate::support::p256();
    let recipients = [rsa().recipient().clone(), ec.recipient().clone()];
    let text = Sealer::new(&recipients)
        .unwrap()
        .seal(b"hunter2", &bound_to("password"))
        .unwrap()
        .to_string();
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    assert_eq!(envelope.serialization(), Serialization::General);
    assert_eq!(open_at(&text, 0, rsa()).as_deref(), Ok(&b"hunter2"[..]));
    assert_eq!(open_at(&text, 1, ec).as_deref(), Ok(&b"hunter2"[..]));

    let decrypters = [peer_decrypter(rsa()), peer_decrypter(ec)];
    for decrypter in &decrypters {
        let wanted = decrypter.algorithm().name().to_owned();
        let (opened, _) = jwe::deserialize_json_with_selector(&text, |header| {
            Ok(
                (header.claim("alg").and_then(Value::as_str) == Some(&wanted))
                    .then_some(&**decrypter),
            )
        })
        .unwrap();
        assert_eq!(opened, b"hunter2");
    }
}
