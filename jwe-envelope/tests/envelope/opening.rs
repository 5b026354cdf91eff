//! What is refused before any key is touched, and with what words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{bound_to, p256, pinned, refusal, rsa, seal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{
    Binding, BindingMismatch, ContentEncryption, Curve, Envelope, EphemeralKey, FoundPlace,
    GrantContext, GrantError, KeyKind, KeyManagement, LocalKey, LocalUnwrapError, OaepHash,
    ObjectName, OutOfTime, RecipientKey, RefusedError, Sealer, UnwrapRequest,
};
use serde_json::{Value, json};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One of ours with its protected header or another part changed; the tag is wrong then, which no check may notice yet.
struct Damaged {
    header: Value,
    parts: Vec<String>,
}

impl Damaged {
    fn of(key: &RecipientKey, encryption: ContentEncryption) -> Self {
        let text = seal(key, encryption, b"hunter2");
        let parts: Vec<_> = text.split('.').map(str::to_owned).collect();
        let header = URL_SAFE_NO_PAD.decode(&parts[0]).unwrap();
        Self {
            header: serde_json::from_slice(&header).unwrap(),
            parts,
        }
    }

    fn with_header(mut self, change: impl FnOnce(&mut Value)) -> String {
        change(&mut self.header);
        self.parts[0] = encode(self.header.to_string());
        self.parts.join(".")
    }

    fn with_part(mut self, part: usize, len: usize) -> String {
        self.parts[part] = encode(vec![7; len]);
        self.parts.join(".")
    }
}

fn rsa_damaged() -> Damaged {
    Damaged::of(rsa().recipient(), ContentEncryption::A256Gcm)
}

fn ec_damaged() -> Damaged {
    Damaged::of(p256().recipient(), ContentEncryption::A256Gcm)
}

#[test]
fn algorithms_that_are_not_served() {
    for algorithm in [
        "RSA1_5",
        "dir",
        "A128KW",
        "A256GCMKW",
        "PBES2-HS256+A128KW",
        "rsa-oaep-256",
        "RSA-OAEP-256 ",
        "HPKE-9-KE",
        "ECDH-ES+A512KW",
        "none",
        "",
    ] {
        let text = rsa_damaged().with_header(|header| header["alg"] = algorithm.into());
        assert_eq!(
            refusal(&text, 0, rsa().recipient()).to_string(),
            format!("key management {algorithm:?} is not supported; RSA-OAEP-256 is")
        );
    }
}

#[test]
fn an_algorithm_name_is_quoted_short() {
    let long = "A".repeat(5000);
    let text = rsa_damaged().with_header(|header| header["alg"] = long.as_str().into());
    assert!(refusal(&text, 0, rsa().recipient()).to_string().len() < 200);
}

#[test]
fn one_key_one_algorithm() {
    for (found, pinned_to) in [
        (KeyManagement::RsaOaep, KeyManagement::RsaOaep256),
        (KeyManagement::RsaOaep256, KeyManagement::RsaOaep512),
    ] {
        let text = seal(
            &rsa().recipient().pinned_to(found).unwrap(),
            ContentEncryption::A256Gcm,
            b"",
        );
        let key = rsa().recipient().pinned_to(pinned_to).unwrap();
        assert_eq!(
            refusal(&text, 0, &key),
            RefusedError::WrongAlgorithm {
                found,
                pinned: pinned_to
            }
        );
    }
    let text = seal(p256().recipient(), ContentEncryption::A256Gcm, b"");
    assert!(matches!(
        refusal(&text, 0, rsa().recipient()),
        RefusedError::WrongAlgorithm { .. }
    ));
}

#[test]
fn encryptions_that_are_not_served() {
    for encryption in ["A256CBC", "a256gcm", "XC20P", "A256GCM "] {
        let text = rsa_damaged().with_header(|header| header["enc"] = encryption.into());
        assert_eq!(
            refusal(&text, 0, rsa().recipient()).to_string(),
            format!("content encryption {encryption:?} is not supported; A256GCM is")
        );
    }
}

#[test]
fn compression_and_unknown_critical_extensions() {
    let text = rsa_damaged().with_header(|header| header["zip"] = "DEF".into());
    assert!(matches!(
        refusal(&text, 0, rsa().recipient()),
        RefusedError::Compressed { .. }
    ));
    let text = rsa_damaged().with_header(|header| {
        header["crit"] = json!(["exp"]);
        header["exp"] = 7.into();
    });
    assert!(matches!(
        refusal(&text, 0, rsa().recipient()),
        RefusedError::CriticalExtension { .. }
    ));
    // `bind` is understood.
    let text = rsa_damaged().with_header(|header| header["crit"] = json!(["bind"]));
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    assert!(envelope.open_unchecked(0, rsa().recipient()).is_ok());
}

#[test]
fn the_encrypted_key_has_exactly_the_length_of_its_algorithm() {
    for len in [0, 1, 255, 257, 512, 5000] {
        assert_eq!(
            refusal(&rsa_damaged().with_part(1, len), 0, rsa().recipient()),
            RefusedError::EncryptedKeyLength {
                found: len,
                expected: 256
            }
        );
    }
    for encryption in ContentEncryption::ALL {
        let expected = encryption.key_len() + 8;
        for len in [
            0,
            8,
            16,
            expected - 8,
            expected - 1,
            expected + 1,
            expected + 8,
        ] {
            let text = Damaged::of(p256().recipient(), encryption).with_part(1, len);
            assert_eq!(
                refusal(&text, 0, p256().recipient()),
                RefusedError::EncryptedKeyLength {
                    found: len,
                    expected
                }
            );
        }
    }
    let direct = p256().recipient().pinned_to(KeyManagement::EcdhEs).unwrap();
    let text = ec_damaged().with_header(|header| header["alg"] = "ECDH-ES".into());
    assert_eq!(
        refusal(&text, 0, &direct),
        RefusedError::EncryptedKeyLength {
            found: 40,
            expected: 0
        }
    );
}

#[test]
fn iv_and_tag_have_exactly_the_length_of_their_algorithm() {
    for encryption in ContentEncryption::ALL {
        for (part, name, expected) in [
            (2, "initialization vector", encryption.iv_len()),
            (4, "authentication tag", encryption.tag_len()),
        ] {
            for found in [1, 8, expected - 1, expected + 1, 2 * expected] {
                let text = Damaged::of(rsa().recipient(), encryption).with_part(part, found);
                // Before there is even an envelope to ask a key about.
                let error = Envelope::parse(text.as_bytes()).unwrap_err().to_string();
                assert!(error.contains(name), "{error}");
                assert!(error.contains(&format!("{found} bytes")), "{error}");
                assert!(error.contains(&expected.to_string()), "{error}");
            }
        }
    }
}

fn epk_refused(change: impl FnOnce(&mut Value), why: &'static str) {
    let text = ec_damaged().with_header(|header| change(&mut header["epk"]));
    assert_eq!(
        refusal(&text, 0, p256().recipient()),
        RefusedError::BadEphemeral { why }
    );
}

#[test]
fn the_ephemeral_key_is_a_point_of_the_keys_own_curve() {
    epk_refused(
        |epk| epk["y"] = epk["x"].clone(),
        "it is not a point of its curve",
    );
    epk_refused(
        |epk| {
            epk["x"] = encode([0; 32]).into();
            epk["y"] = encode([0; 32]).into();
        },
        "it is not a point of its curve",
    );
    epk_refused(
        |epk| epk["x"] = encode([1; 31]).into(),
        "its coordinates do not have the length of the curve",
    );
    epk_refused(
        |epk| epk["x"] = encode([1; 33]).into(),
        "its coordinates do not have the length of the curve",
    );
    epk_refused(
        |epk| epk["x"] = "*".repeat(43).into(),
        "its coordinates are not base64url",
    );
    epk_refused(
        |epk| epk["d"] = encode([1; 32]).into(),
        "it carries a private key",
    );
    for curve in ["P-384", "secp256k1", "X25519"] {
        epk_refused(
            |epk| epk["crv"] = curve.into(),
            "it is not on the curve of the recipient's key",
        );
    }
    epk_refused(
        |epk| epk["kty"] = "OKP".into(),
        "it is not on the curve of the recipient's key",
    );
    for member in ["x", "y"] {
        epk_refused(
            |epk| drop(epk.as_object_mut().unwrap().remove(member)),
            "it lacks a coordinate",
        );
    }
    let other = LocalKey::generate(KeyKind::Ec(Curve::P384)).unwrap();
    let foreign = other.recipient().to_jwk();
    epk_refused(
        |epk| *epk = json!({"kty": "EC", "crv": "P-384", "x": foreign["x"], "y": foreign["y"]}),
        "it is not on the curve of the recipient's key",
    );
    let text =
        ec_damaged().with_header(|header| drop(header.as_object_mut().unwrap().remove("epk")));
    assert_eq!(
        refusal(&text, 0, p256().recipient()),
        RefusedError::BadEphemeral {
            why: "it is missing"
        }
    );
}

/// A point of small order passes the public check, as any 32 bytes do; the agreement refuses, and the envelope stays closed
/// with the one error.
#[test]
fn an_x25519_ephemeral_key_of_small_order_opens_nothing() {
    let key = LocalKey::generate(KeyKind::Ec(Curve::X25519)).unwrap();
    for point in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let text = Damaged::of(key.recipient(), ContentEncryption::A256Gcm)
            .with_header(|header| header["epk"]["x"] = encode(point).into());
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let opening = envelope.open_unchecked(0, key.recipient()).unwrap();
        assert_eq!(
            key.unwrap(&opening.request()).err(),
            Some(LocalUnwrapError::Rejected)
        );
        assert!(opening.finish(Err(jwe_envelope::Rejected)).is_err());
    }
}

#[test]
fn direct_agreement_is_for_one_recipient() {
    let other = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let text = Sealer::new(&[p256().recipient().clone(), other.recipient().clone()])
        .unwrap()
        .seal(b"hunter2", &bound_to("password"))
        .unwrap()
        .to_string();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["recipients"][0]["header"]["alg"] = "ECDH-ES".into();
    let direct = p256().recipient().pinned_to(KeyManagement::EcdhEs).unwrap();
    let error = Envelope::parse(json.to_string().as_bytes())
        .map(|envelope| envelope.open_unchecked(0, &direct).map(drop).unwrap_err());
    assert_eq!(error, Ok(RefusedError::DirectWithSeveral(2)));
}

#[test]
fn there_is_no_recipient_beyond_the_last() {
    let text = seal(rsa().recipient(), ContentEncryption::A256Gcm, b"");
    for asked in [1, 7, usize::MAX] {
        assert!(matches!(
            refusal(&text, asked, rsa().recipient()),
            RefusedError::NoSuchRecipient { found: 1, .. }
        ));
    }
}

#[test]
fn the_request_says_what_the_key_has_to_do() {
    for (algorithm, hash) in [
        (KeyManagement::RsaOaep, OaepHash::Sha1),
        (KeyManagement::RsaOaep256, OaepHash::Sha256),
        (KeyManagement::RsaOaep384, OaepHash::Sha384),
        (KeyManagement::RsaOaep512, OaepHash::Sha512),
    ] {
        let key = pinned(rsa(), algorithm);
        let text = seal(key.recipient(), ContentEncryption::A256Gcm, b"");
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let opening = envelope.open_unchecked(0, key.recipient()).unwrap();
        let UnwrapRequest::Decrypt {
            padding,
            ciphertext,
        } = opening.request()
        else {
            panic!("{algorithm}");
        };
        assert_eq!((padding, ciphertext.len()), (hash, 256));
        assert_eq!(encode(ciphertext), text.split('.').nth(1).unwrap());
    }
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::X25519] {
        let key = LocalKey::generate(KeyKind::Ec(curve)).unwrap();
        let text = seal(key.recipient(), ContentEncryption::A256Gcm, b"");
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let opening = envelope.open_unchecked(0, key.recipient()).unwrap();
        let UnwrapRequest::Agree { ephemeral } = opening.request() else {
            panic!("{curve}");
        };
        assert_eq!(ephemeral.curve(), curve);
        // The form that key services take reads back as the same point.
        let spki = RecipientKey::from_spki_der(&ephemeral.to_spki_der(), None).unwrap();
        assert_eq!(spki.curve(), Some(curve));
        assert_eq!(
            &EphemeralKey::new(curve, ephemeral.as_bytes()).unwrap(),
            ephemeral
        );
        assert!(EphemeralKey::new(curve, &ephemeral.as_bytes()[1..]).is_err());
    }
}

#[test]
fn a_local_key_answers_its_own_kind_of_request_and_padding_only() {
    let ask = |sealed_for: &LocalKey, asked: &LocalKey| {
        let text = seal(sealed_for.recipient(), ContentEncryption::A256Gcm, b"");
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let opening = envelope.open_unchecked(0, sealed_for.recipient()).unwrap();
        asked.unwrap(&opening.request()).map(drop)
    };
    let p384 = LocalKey::generate(KeyKind::Ec(Curve::P384)).unwrap();
    assert_eq!(ask(rsa(), rsa()), Ok(()));
    assert_eq!(ask(rsa(), p256()), Err(LocalUnwrapError::WrongKind));
    assert_eq!(ask(p256(), rsa()), Err(LocalUnwrapError::WrongKind));
    assert_eq!(ask(p256(), &p384), Err(LocalUnwrapError::WrongKind));
    let sha1 = pinned(rsa(), KeyManagement::RsaOaep);
    assert_eq!(ask(&sha1, rsa()), Err(LocalUnwrapError::WrongKind));
    let other = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    assert_eq!(ask(&other, rsa()), Err(LocalUnwrapError::Rejected));
}

#[test]
fn the_inputs_digest_covers_every_input_of_the_unwrap() {
    let digest = |text: &str, key: &RecipientKey, entry: &str| {
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        envelope
            .open_unchecked(0, key)
            .unwrap()
            .inputs_digest(entry)
    };
    let key = p256().recipient();
    let text = seal(key, ContentEncryption::A256Gcm, b"hunter2");
    let base = digest(&text, key, "payments");
    assert_eq!(digest(&text, key, "payments"), base);
    assert_ne!(digest(&text, key, "payment"), base);

    // What the unwrap does not read does not count: another value, tag or place under the same wrapped key.
    let of = |text: &str| {
        let parts: Vec<_> = text.split('.').map(str::to_owned).collect();
        let header = URL_SAFE_NO_PAD.decode(&parts[0]).unwrap();
        Damaged {
            header: serde_json::from_slice(&header).unwrap(),
            parts,
        }
    };
    assert_eq!(digest(&of(&text).with_part(3, 9), key, "payments"), base);
    let moved = of(&text).with_header(|header| header["bind"]["key"] = "other".into());
    assert_eq!(digest(&moved, key, "payments"), base);

    let wrapped = of(&text).with_part(1, 40);
    assert_ne!(digest(&wrapped, key, "payments"), base);
    for member in ["apu", "apv"] {
        let party = of(&text).with_header(|header| header[member] = encode("x").into());
        assert_ne!(digest(&party, key, "payments"), base);
    }
    let other_epk = p256().recipient().to_jwk();
    let epk = of(&text).with_header(|header| {
        header["epk"]["x"] = other_epk["x"].clone();
        header["epk"]["y"] = other_epk["y"].clone();
    });
    assert_ne!(digest(&epk, key, "payments"), base);
    let encryption = of(&text).with_header(|header| header["enc"] = "A128CBC-HS256".into());
    let mut parts: Vec<_> = encryption.split('.').map(str::to_owned).collect();
    parts[2] = encode([0; 16]);
    assert_ne!(digest(&parts.join("."), key, "payments"), base);
    let apu_apv = |apu: &str, apv: &str| {
        let text = of(&text).with_header(|header| {
            header["apu"] = encode(apu).into();
            header["apv"] = encode(apv).into();
        });
        digest(&text, key, "payments")
    };
    assert_ne!(apu_apv("ab", "c"), apu_apv("a", "bc"));
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

const HERE: FoundPlace<'static> = FoundPlace {
    namespace: "payments",
    name: ObjectName::Named("db"),
    key: "password",
};

fn sealed_with(binding: &Binding) -> String {
    Sealer::new(&[p256().recipient().clone()])
        .unwrap()
        .seal(b"hunter2", binding)
        .unwrap()
        .to_string()
}

/// An envelope that is good from 1000 to 2000 in one place of one cluster, and one thing at a time that is not as it says.
#[test]
fn a_grant_needs_every_check() {
    let bound = bound_to("password")
        .with_audience(["production"])
        .unwrap()
        .starting_at(1000)
        .unwrap()
        .expiring_at(2000)
        .unwrap();
    let key = p256();
    let text = sealed_with(&bound);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let context = |place, now| GrantContext::webhook(place, at(now)).cluster("production");
    let right = context(HERE, 1500);
    let grant = envelope.grant(key.recipient(), &right).unwrap();
    assert!(grant.tolerated().is_none());
    assert_eq!(key.open(grant).unwrap().expose(), b"hunter2");

    let elsewhere = |namespace, name, key| {
        let place = FoundPlace {
            namespace,
            name,
            key,
        };
        context(place, 1500)
    };
    let db = ObjectName::Named("db");
    let application = GrantContext::service_account(HERE, "app", at(1500)).cluster("production");
    for (context, expected) in [
        (elsewhere("shop", db, "password"), "namespace"),
        (
            elsewhere("payments", ObjectName::Named("web"), "password"),
            "Secret",
        ),
        (
            elsewhere("payments", ObjectName::Generated("db"), "password"),
            "generated",
        ),
        (elsewhere("payments", db, "user"), "field"),
        (right.cluster("staging"), "cluster"),
        (right.cluster(None), "no cluster name"),
        (context(HERE, 999), "not valid before"),
        (context(HERE, 2000), "expired"),
        (application, "not for service account"),
    ] {
        let error = envelope.grant(key.recipient(), &context).unwrap_err();
        assert!(matches!(error, GrantError::Mismatch(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    let other = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let error = envelope.grant(other.recipient(), &right).unwrap_err();
    assert!(matches!(error, GrantError::OtherKey { .. }), "{error:?}");
    let pinned = pinned(key, KeyManagement::EcdhEsA128Kw);
    let error = envelope.grant(pinned.recipient(), &right).unwrap_err();
    assert!(matches!(error, GrantError::Refused(_)), "{error:?}");
}

#[test]
fn a_grant_out_of_time_says_so_and_only_where_that_is_tolerated() {
    let bound = bound_to("password")
        .starting_at(1000)
        .unwrap()
        .expiring_at(2000)
        .unwrap();
    let text = sealed_with(&bound);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let minute = Duration::from_mins(1);
    for (now, rule, granted) in [
        (939, OutOfTime::Refuse, false),
        (939, OutOfTime::TolerateExpired, false),
        (939, OutOfTime::Tolerate, true),
        (2060, OutOfTime::Refuse, false),
        (2060, OutOfTime::TolerateExpired, true),
        (2060, OutOfTime::Tolerate, true),
    ] {
        let context = GrantContext::webhook(HERE, at(now))
            .skew(minute)
            .out_of_time(rule);
        match envelope.grant(p256().recipient(), &context) {
            Ok(grant) => assert!(granted && grant.tolerated().is_some(), "{now} {rule:?}"),
            Err(error) => {
                assert!(!granted, "{now} {rule:?}");
                assert!(matches!(
                    error,
                    GrantError::Mismatch(
                        BindingMismatch::Expired { .. } | BindingMismatch::NotYetValid { .. }
                    )
                ));
            }
        }
    }
    for now in [940, 2059] {
        let context = GrantContext::webhook(HERE, at(now)).skew(minute);
        let grant = envelope.grant(p256().recipient(), &context).unwrap();
        assert!(grant.tolerated().is_none());
    }
}

#[test]
fn an_envelope_for_a_service_account_is_granted_to_it_alone() {
    let text = sealed_with(&bound_to("password").with_service_account("app").unwrap());
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let grant = |context| envelope.grant(p256().recipient(), &context).is_ok();
    assert!(grant(GrantContext::service_account(HERE, "app", at(1))));
    assert!(!grant(GrantContext::service_account(HERE, "other", at(1))));
    assert!(!grant(GrantContext::webhook(HERE, at(1))));
}

#[test]
fn an_envelope_without_bind_is_granted_to_the_webhook_where_the_key_allows_it() {
    let text = ec_damaged().with_header(|header| {
        header.as_object_mut().unwrap().remove("bind");
    });
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let grant = |context: GrantContext<'_>| envelope.grant(p256().recipient(), &context);
    let webhook = GrantContext::webhook(HERE, at(1));
    assert_eq!(grant(webhook).unwrap_err(), GrantError::Unbound);
    assert!(grant(webhook.allow_unbound(true)).is_ok());
    let application = GrantContext::service_account(HERE, "app", at(1)).allow_unbound(true);
    assert!(matches!(
        grant(application).unwrap_err(),
        GrantError::Mismatch(BindingMismatch::AdmissionOnly { .. })
    ));
}
