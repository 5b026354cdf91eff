//! Every form a key comes in, and every key that must not come in.

use std::fmt::Write as _;

use jwe_envelope::{Curve, KeyError, KeyKind, KeyManagement, LocalKey, RecipientKey, SignerKey};
use serde_json::{Value, json};
use test_support::vectors::Vector;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

/// A fresh public JWK as a value to damage.
fn jwk(kind: KeyKind) -> Value {
    LocalKey::generate(kind).unwrap().recipient().to_jwk()
}

fn from_jwk(value: &Value) -> Result<RecipientKey, KeyError> {
    RecipientKey::from_jwk(value.to_string().as_bytes(), None)
}

const FAMILIES: [(&str, &str, KeyManagement); 5] = [
    ("rsa2048", "RSA 2048", KeyManagement::RsaOaep256),
    ("p256", "P-256", KeyManagement::EcdhEsA256Kw),
    ("p384", "P-384", KeyManagement::EcdhEsA256Kw),
    ("p521", "P-521", KeyManagement::EcdhEsA256Kw),
    ("x25519", "X25519", KeyManagement::EcdhEsA256Kw),
];

#[test]
fn rfc7638_3_1_thumbprint() {
    let key = RecipientKey::from_jwk(
        br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","kid":"2011-04-29"}"#,
        Some(KeyManagement::RsaOaep),
    )
    .unwrap();
    assert_eq!(key.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn spki_pem_gives_what_openssl_says_of_it() {
    let digests = String::from_utf8(file("spki-sha256.txt")).unwrap();
    for (name, kind, algorithm) in FAMILIES {
        let pem = file(&format!("{name}.spki.pem"));
        let key = RecipientKey::from_bytes(&pem).unwrap();
        assert_eq!((key.kind().as_str(), key.algorithm()), (kind, algorithm));
        let digest = digests
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        assert_eq!(hex(&key.spki_sha256()), digest.trim());
        // Canonical: what is written is, byte for byte, what OpenSSL writes.
        assert_eq!(key.to_pem().as_bytes(), pem);
        assert_eq!(
            RecipientKey::from_spki_der(&key.to_spki_der(), None).as_ref(),
            Ok(&key)
        );
    }
}

#[test]
fn every_public_form_is_the_same_key() {
    let key = RecipientKey::from_bytes(&file("rsa2048.spki.pem")).unwrap();
    for name in ["rsa2048.pkcs1pub.pem", "rsa2048.expired.crt.pem"] {
        assert_eq!(
            RecipientKey::from_bytes(&file(name)).as_ref(),
            Ok(&key),
            "{name}"
        );
    }
    let ec = RecipientKey::from_bytes(&file("p384.spki.pem")).unwrap();
    let certificate = RecipientKey::from_bytes(&file("p384.expired.crt.pem"));
    assert_eq!(certificate.as_ref(), Ok(&ec));
    for (name, _, _) in FAMILIES {
        let key = RecipientKey::from_bytes(&file(&format!("{name}.spki.pem"))).unwrap();
        let jwk = key.to_jwk();
        assert_eq!(jwk["kid"], key.kid());
        assert_eq!(jwk["alg"], key.algorithm().as_str());
        assert_eq!(jwk["use"], "enc");
        assert_eq!(
            RecipientKey::from_bytes(jwk.to_string().as_bytes()),
            Ok(key)
        );
    }
}

#[test]
fn of_a_chain_the_first_certificate_counts() {
    let mut chain = file("p384.expired.crt.pem");
    chain.extend(file("rsa2048.expired.crt.pem"));
    let key = RecipientKey::from_bytes(&chain).unwrap();
    assert_eq!(key.curve(), Some(Curve::P384));
}

#[test]
fn byte_order_marks_blanks_and_text_around_do_no_harm() {
    let pem = String::from_utf8(file("p256.spki.pem")).unwrap();
    let key = RecipientKey::from_bytes(pem.as_bytes()).unwrap();
    for text in [
        format!("\u{feff}{pem}"),
        format!("\n\n  {pem}\n"),
        format!("the key of payments:\n{pem}"),
        pem.replace('\n', "\r\n"),
        format!("\u{feff} {} \r\n", key.to_jwk()),
    ] {
        assert_eq!(
            RecipientKey::from_bytes(text.as_bytes()).as_ref(),
            Ok(&key),
            "{text}"
        );
    }
}

#[test]
fn a_private_key_for_sealing_is_a_mistake_that_is_caught() {
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let mut both = file("p256.spki.pem");
    both.extend(file("p256.pkcs8.pem"));
    for pem in [
        file("rsa2048.pkcs8.pem"),
        file("rsa2048.pkcs1.pem"),
        file("rsa2048.encrypted.pem"),
        file("rsa2048.encrypted-traditional.pem"),
        file("p256.pkcs8.pem"),
        file("p256.sec1.pem"),
        file("x25519.pkcs8.pem"),
        openssh.into(),
        both,
    ] {
        assert_eq!(RecipientKey::from_bytes(&pem), Err(KeyError::PrivateKey));
    }
    let mut key = jwk(KeyKind::Ec(Curve::P256));
    key["d"] = "AAAA".into();
    assert_eq!(from_jwk(&key), Err(KeyError::PrivateKey));
    let symmetric = json!({"kty": "oct", "k": "AAAA"});
    assert_eq!(from_jwk(&symmetric), Err(KeyError::PrivateKey));
    let rsa: Value = serde_json::from_str(Vector::read("rfc7516_a1").key.get()).unwrap();
    assert_eq!(from_jwk(&rsa), Err(KeyError::PrivateKey));
}

#[test]
fn weak_and_odd_keys_are_refused_by_name() {
    let from = |name| RecipientKey::from_bytes(&file(name));
    assert_eq!(from("rsa1024.spki.pem"), Err(KeyError::TooWeak(1024)));
    assert!(matches!(
        from("rsa2048-e3.spki.pem"),
        Err(KeyError::BadMember { member: "e", .. })
    ));
    assert_eq!(
        from("p256.compressed.spki.pem"),
        Err(KeyError::InvalidPoint(Curve::P256))
    );
    assert_eq!(
        from("ed25519.spki.pem"),
        Err(KeyError::UnsupportedKind("1.3.101.112".into()))
    );
    assert_eq!(
        from("secp256k1.spki.pem"),
        Err(KeyError::UnsupportedKind("curve 1.3.132.0.10".into()))
    );
}

#[test]
fn rsa_numbers_out_of_range_are_refused() {
    let good = jwk(KeyKind::Rsa(2048));
    let with = |member: &str, value: String| {
        let mut key = good.clone();
        key[member] = value.into();
        from_jwk(&key)
    };
    let n = good["n"].as_str().unwrap();
    assert_eq!(
        with("n", "_".repeat(342)).err(),
        Some(KeyError::BadMember {
            member: "n",
            why: "it is not base64url without padding"
        })
    );
    let even = format!("{}A", &n[..n.len() - 1]);
    assert!(matches!(
        with("n", even),
        Err(KeyError::BadMember { member: "n", .. })
    ));
    let long = format!("{}w", "_".repeat(1370));
    assert_eq!(with("n", long), Err(KeyError::TooStrong(8224)));
    assert_eq!(with("n", "_w".into()), Err(KeyError::TooWeak(8)));
    for (e, why) in [
        ("AQAC", "even"),
        ("AQAA", "below"),
        ("Aw", "below"),
        ("AQABAAE", "longer than 32 bits"),
        ("", "below"),
    ] {
        let Err(KeyError::BadMember {
            member: "e",
            why: said,
        }) = with("e", e.into())
        else {
            panic!("{e}");
        };
        assert!(said.contains(why), "{e}: {said}");
    }
    // A leading zero byte is a sloppy encoder's, not another key.
    let padded = RecipientKey::from_jwk(
        json!({"kty": "RSA", "n": n, "e": "AAEAAQ"})
            .to_string()
            .as_bytes(),
        None,
    );
    assert_eq!(padded.unwrap().kid(), good["kid"]);
}

#[test]
fn points_off_the_curve_or_of_the_wrong_length_are_refused() {
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let good = jwk(KeyKind::Ec(curve));
        let mut swapped = good.clone();
        swapped["x"] = good["y"].clone();
        swapped["y"] = good["x"].clone();
        assert_eq!(from_jwk(&swapped), Err(KeyError::InvalidPoint(curve)));
        let mut short = good.clone();
        short["x"] = good["x"].as_str().unwrap()[4..].into();
        assert!(matches!(
            from_jwk(&short),
            Err(KeyError::BadMember { member: "x", .. })
        ));
        let mut zero = good.clone();
        zero["x"] = "A".repeat(good["x"].as_str().unwrap().len()).into();
        zero["y"] = zero["x"].clone();
        assert_eq!(from_jwk(&zero), Err(KeyError::InvalidPoint(curve)));
    }
    let mut other = jwk(KeyKind::Ec(Curve::P256));
    other["crv"] = "P-384".into();
    assert!(matches!(
        from_jwk(&other),
        Err(KeyError::BadMember { member: "x", .. })
    ));
}

/// Zero, one, and the points of order eight (RFC 7748 §6.1): whatever the private key, the secret would be zero.
#[test]
fn x25519_points_of_small_order_are_refused() {
    for x in [
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
        "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc",
    ] {
        let key = json!({"kty": "OKP", "crv": "X25519", "x": x});
        assert_eq!(
            from_jwk(&key),
            Err(KeyError::InvalidPoint(Curve::X25519)),
            "{x}"
        );
    }
}

#[test]
fn the_pin_comes_from_the_jwk_the_caller_or_the_kind() {
    let mut key = jwk(KeyKind::Rsa(2048));
    let text = |key: &Value| key.to_string().into_bytes();
    key["alg"] = "RSA-OAEP-512".into();
    let pinned = RecipientKey::from_jwk(&text(&key), None).unwrap();
    assert_eq!(pinned.algorithm(), KeyManagement::RsaOaep512);
    assert!(RecipientKey::from_jwk(&text(&key), Some(KeyManagement::RsaOaep512)).is_ok());
    assert_eq!(
        RecipientKey::from_jwk(&text(&key), Some(KeyManagement::RsaOaep256)),
        Err(KeyError::AlgorithmConflict {
            given: KeyManagement::RsaOaep256,
            found: KeyManagement::RsaOaep512,
        })
    );
    key["alg"] = "RSA1_5".into();
    let error = from_jwk(&key).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"key management "RSA1_5" is not supported; RSA-OAEP-256 is"#
    );
    key["alg"] = "ECDH-ES".into();
    assert_eq!(
        from_jwk(&key).unwrap_err().to_string(),
        "ECDH-ES cannot be used with RSA keys"
    );
    assert_eq!(
        RecipientKey::from_pem(&file("p256.spki.pem"), Some(KeyManagement::RsaOaep)),
        Err(KeyError::AlgorithmKind {
            algorithm: KeyManagement::RsaOaep,
            kind: "P-256"
        })
    );
    // The pin is no part of the identity.
    let other = pinned.pinned_to(KeyManagement::RsaOaep).unwrap();
    assert_eq!(
        (other.kid(), other.algorithm()),
        (pinned.kid(), KeyManagement::RsaOaep)
    );
    assert!(pinned.pinned_to(KeyManagement::EcdhEs).is_err());
}

#[test]
fn use_and_key_ops_must_allow_encryption() {
    let good = jwk(KeyKind::Ec(Curve::P256));
    let with = |member: &str, value: Value| {
        let mut key = good.clone();
        key[member] = value;
        from_jwk(&key)
    };
    assert_eq!(
        with("use", "sig".into()),
        Err(KeyError::NotForEncryption("use"))
    );
    assert_eq!(
        with("key_ops", json!(["sign", "verify"])),
        Err(KeyError::NotForEncryption("key_ops"))
    );
    assert!(with("key_ops", json!([])).is_ok());
    assert!(with("key_ops", json!(["deriveBits"])).is_ok());
    assert!(with("x5t", "ignored".into()).is_ok());
}

#[test]
fn jwks_of_other_kinds_or_with_missing_or_repeated_members_are_refused() {
    for (json, error) in [
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
            KeyError::UnsupportedKind("Ed25519".into()),
        ),
        (
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            KeyError::UnsupportedKind("secp256k1".into()),
        ),
        (
            r#"{"kty":"AKP","alg":"HPKE-9-KE","pub":"AA"}"#,
            KeyError::UnsupportedKind("AKP".into()),
        ),
        (
            r#"{"kty":"oct"}"#,
            KeyError::UnsupportedKind("symmetric (oct)".into()),
        ),
        (r#"{"kty":"RSA","e":"AQAB"}"#, KeyError::MissingMember("n")),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AA"}"#,
            KeyError::BadMember {
                member: "x",
                why: "its length is not that of the curve",
            },
        ),
        (r#"{"kty":"EC","x":"AA"}"#, KeyError::MissingMember("crv")),
        ("{}", KeyError::MissingMember("kty")),
        (r#"{"kty":"RSA","kty":"EC"}"#, KeyError::Unreadable),
        (r#"{"kty":7}"#, KeyError::Unreadable),
        (r#"{"kty":"RSA","d":null}"#, KeyError::Unreadable),
        ("[]", KeyError::Unreadable),
        ("{", KeyError::Unreadable),
        ("ssh-ed25519 AAAA me@here", KeyError::Unreadable),
        ("", KeyError::Unreadable),
    ] {
        assert_eq!(
            RecipientKey::from_bytes(json.as_bytes()),
            Err(error),
            "{json}"
        );
    }
}

#[test]
fn what_is_too_long_is_not_even_read() {
    let long = vec![b' '; 64 * 1024 + 1];
    let error = KeyError::TooLong {
        len: long.len(),
        limit: 64 * 1024,
    };
    assert_eq!(RecipientKey::from_bytes(&long), Err(error.clone()));
    assert_eq!(LocalKey::from_bytes(&long, None).err(), Some(error));
}

#[test]
fn every_private_form_is_the_same_key() {
    for (name, _, _) in FAMILIES {
        let public = RecipientKey::from_bytes(&file(&format!("{name}.spki.pem"))).unwrap();
        for form in ["pkcs8", "pkcs1", "sec1", "params-sec1"] {
            let Ok(pem) = std::fs::read(format!(
                "{}/tests/pem/{name}.{form}.pem",
                env!("CARGO_MANIFEST_DIR")
            )) else {
                continue;
            };
            let key = LocalKey::from_bytes(&pem, None).unwrap();
            assert_eq!(key.recipient(), &public, "{name}.{form}");
            assert_eq!(key.jwk_kid(), None);
        }
    }
}

#[test]
fn generated_keys_survive_their_own_pem() {
    let mut kinds: Vec<_> = [Curve::P256, Curve::P384, Curve::P521, Curve::X25519]
        .map(KeyKind::Ec)
        .into();
    kinds.extend([2048, 3072, 4096].map(KeyKind::Rsa));
    for kind in kinds {
        let key = LocalKey::generate(kind).unwrap();
        let pem = key.to_pkcs8_pem();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let again = LocalKey::from_bytes(pem.as_bytes(), None).unwrap();
        assert_eq!(again.recipient(), key.recipient(), "{kind:?}");
        if let KeyKind::Rsa(bits) = kind {
            assert_eq!(key.recipient().kind(), format!("RSA {bits}"));
        }
    }
    assert_eq!(
        LocalKey::generate(KeyKind::Rsa(1024)).err(),
        Some(KeyError::UnsupportedSize(1024))
    );
}

/// RFC 8410 §7, the private key of its example with X25519's identifier is what OpenSSL writes too.
#[test]
fn x25519_pem_is_what_openssl_writes() {
    let pem = file("x25519.pkcs8.pem");
    let key = LocalKey::from_bytes(&pem, None).unwrap();
    assert_eq!(key.to_pkcs8_pem().as_bytes(), pem);
}

#[test]
fn private_jwks_carry_their_kid_and_their_pin() {
    let vector = Vector::read("rfc7520_5_2");
    let json = vector.key.get();
    let key = LocalKey::from_bytes(json.as_bytes(), Some(KeyManagement::RsaOaep)).unwrap();
    assert_eq!(key.jwk_kid(), Some("samwise.gamgee@hobbiton.example"));
    assert_eq!(key.recipient().algorithm(), KeyManagement::RsaOaep);
    assert_eq!(key.recipient().kind(), "RSA 4096");

    let mut value: Value = serde_json::from_str(json).unwrap();
    value["alg"] = "RSA-OAEP".into();
    let carried = LocalKey::from_bytes(value.to_string().as_bytes(), None).unwrap();
    assert_eq!(carried.recipient(), key.recipient());
    assert!(matches!(
        LocalKey::from_bytes(
            value.to_string().as_bytes(),
            Some(KeyManagement::RsaOaep256)
        ),
        Err(KeyError::AlgorithmConflict { .. })
    ));

    let set = json!({"keys": [jwk(KeyKind::Ec(Curve::P256)), value]});
    let from_set = LocalKey::from_bytes(set.to_string().as_bytes(), None).unwrap();
    assert_eq!(from_set.recipient(), key.recipient());
    let two = json!({"keys": [value, value]}).to_string();
    assert_eq!(
        LocalKey::from_bytes(two.as_bytes(), None).err(),
        Some(KeyError::SeveralKeys(2))
    );
}

#[test]
fn private_and_public_halves_must_belong_together() {
    let inconsistent = |value: &Value| {
        let error = LocalKey::from_bytes(value.to_string().as_bytes(), None).err();
        assert!(
            matches!(
                error,
                Some(KeyError::Inconsistent | KeyError::BadMember { .. })
            ),
            "{error:?}"
        );
    };
    let rsa: Value = serde_json::from_str(Vector::read("rfc7520_5_2").key.get()).unwrap();
    let other: Value = serde_json::from_str(Vector::read("rfc7516_a1").key.get()).unwrap();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        let mut mixed = rsa.clone();
        mixed[member] = other[member].clone();
        inconsistent(&mixed);
        let mut lacking = rsa.clone();
        lacking.as_object_mut().unwrap().remove(member);
        assert_eq!(
            LocalKey::from_bytes(lacking.to_string().as_bytes(), None).err(),
            Some(KeyError::MissingMember(match member {
                "d" => "d",
                "p" => "p",
                "q" => "q",
                "dp" => "dp",
                "dq" => "dq",
                _ => "qi",
            }))
        );
    }
    let ec: Value = serde_json::from_str(Vector::read("rfc7520_5_4").key.get()).unwrap();
    assert!(LocalKey::from_bytes(ec.to_string().as_bytes(), None).is_ok());
    let stranger = jwk(KeyKind::Ec(Curve::P384));
    let mut mixed = ec.clone();
    mixed["x"] = stranger["x"].clone();
    mixed["y"] = stranger["y"].clone();
    inconsistent(&mixed);
    let mut zero = ec.clone();
    zero["d"] = "A".repeat(64).into();
    inconsistent(&zero);
    let mut short = ec;
    short["d"] = "AAAA".into();
    inconsistent(&short);
}

#[test]
fn what_is_not_an_open_private_key_is_named() {
    let error = |bytes: &[u8]| LocalKey::from_bytes(bytes, None).err().unwrap();
    assert_eq!(error(&file("rsa2048.encrypted.pem")), KeyError::Encrypted);
    assert_eq!(
        error(&file("rsa2048.encrypted-traditional.pem")),
        KeyError::Encrypted
    );
    for name in [
        "rsa2048.spki.pem",
        "rsa2048.pkcs1pub.pem",
        "rsa2048.expired.crt.pem",
    ] {
        assert_eq!(error(&file(name)), KeyError::NotPrivate);
    }
    let public = jwk(KeyKind::Ec(Curve::P256));
    assert_eq!(error(public.to_string().as_bytes()), KeyError::NotPrivate);
    assert_eq!(
        error(json!({"keys": [public]}).to_string().as_bytes()),
        KeyError::NotPrivate
    );
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(
        error(openssh.as_bytes()),
        KeyError::UnsupportedKind("OPENSSH PRIVATE KEY".into())
    );
    assert_eq!(error(b"hunter2"), KeyError::Unreadable);
}

#[test]
fn debug_output_shows_no_private_number() {
    let vector = Vector::read("rfc7520_5_2");
    let value: Value = serde_json::from_str(vector.key.get()).unwrap();
    let key = LocalKey::from_bytes(vector.key.get().as_bytes(), None).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains("<redacted>"));
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(!shown.contains(value[member].as_str().unwrap()));
    }
}

#[test]
fn a_damaged_private_key_is_not_quoted_in_the_error() {
    let pem = String::from_utf8(file("p256.pkcs8.pem")).unwrap();
    let body: String = pem.lines().nth(1).unwrap().into();
    for damaged in [
        pem.replace(&body, &body[1..]),
        pem.replace(&body, &body.replace('A', "*")),
    ] {
        let error = LocalKey::from_bytes(damaged.as_bytes(), None)
            .err()
            .unwrap();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&body[8..24]), "{shown}");
    }
}

/// `parse`, sets and maps, and `?` work as with the types of the standard library.
#[test]
fn keys_and_names_have_the_traits_that_people_expect() {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let pem = key.recipient().to_pem();
    let read: RecipientKey = pem.parse().unwrap();
    assert_eq!(&read, key.recipient());
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let signers = [jwk.to_owned(), format!(" {jwk}\n")].map(|text| text.parse().unwrap());
    let signers = std::collections::HashSet::<SignerKey>::from(signers);
    assert_eq!(signers.len(), 1, "one key in two texts");
    assert!("no key".parse::<RecipientKey>().is_err());
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::X25519] {
        assert_eq!(curve.as_str().parse(), Ok(curve));
    }
    let error = "secp256k1".parse::<Curve>().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"curve "secp256k1" is not supported; P-256 is"#
    );
    let rejected: Box<dyn std::error::Error> = Box::new(jwe_envelope::Rejected);
    assert!(rejected.to_string().contains("rejected"));
}
