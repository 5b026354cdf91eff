//! Keys: whose they are, what was altered, elliptic curves, several recipients.

use super::*;
use test_support::reviews::*;

pub(super) fn keys() -> Vec<Case> {
    let kid = |kid: &str| with_header(&changed("kid", kid.into()));
    let mut cases: Vec<Case> = [
        "unknown",
        "",
        "../../../etc/passwd",
        "file:///etc/privy/payments.pem",
        "https://attacker.example/key",
        "arn:aws:kms:eu-central-1:111122223333:key/1234",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        "payments",
        "is immutable",
        "a\nb",
        "\u{202e}gnp",
    ]
    .into_iter()
    .map(|name| early("unknown-key", format!("kid {name:?}"), kid(name)))
    .collect();
    cases.push(early(
        "unknown-key",
        "kid with a letter changed",
        kid(&rsa_kid().replace(|c: char| c.is_ascii_lowercase(), "a")),
    ));
    cases.push(early(
        "unknown-key",
        "kid in capitals",
        kid(&rsa_kid().to_uppercase()),
    ));
    cases.push(early(
        "unknown-key",
        "no kid, bound",
        with_header(&without("kid")),
    ));
    cases.push(early(
        "wrong-key-algorithm",
        "kid of the elliptic-curve key",
        kid(&p256_kid()),
    ));
    for member in ["jku", "x5u"] {
        let mut header = changed("kid", "unknown".into());
        header[member] = "https://attacker.example/keys".into();
        cases.push(early(
            "unknown-key",
            format!("{member} of an attacker"),
            with_header(&header),
        ));
    }
    let mut header = changed("kid", "unknown".into());
    header["jwk"] = p256_key().recipient().to_jwk();
    cases.push(early(
        "unknown-key",
        "jwk of an attacker",
        with_header(&header),
    ));
    // Altered in transit: only the tag tells.
    let value = sealed("hunter2", "password");
    let parts: Vec<&str> = value.split('.').collect();
    let flip = |index: usize| {
        let mut parts = parts.clone();
        let first = if parts[index].starts_with('A') {
            "B"
        } else {
            "A"
        };
        let changed = format!("{first}{}", &parts[index][1..]);
        parts[index] = &changed;
        parts.join(".")
    };
    for (index, name) in [
        (1, "encrypted key"),
        (2, "iv"),
        (3, "ciphertext"),
        (4, "tag"),
    ] {
        cases.push(late("not-opened", format!("{name} altered"), flip(index)));
    }
    let mut wider = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": rsa_kid()});
    wider["bind"] = json!({"v": 1, "any": true});
    let elsewhere = bound("hunter2", "other", "x", "y");
    let rest = elsewhere.split_once('.').unwrap().1;
    cases.push(late(
        "not-opened",
        "bind widened by hand",
        format!("{}.{rest}", b64url(wider.to_string())),
    ));
    let (a, b) = (sealed("one", "password"), sealed("two", "password"));
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('.').collect(), b.split('.').collect());
    cases.push(late(
        "not-opened",
        "parts of two envelopes",
        [a[0], b[1], a[2], a[3], a[4]].join("."),
    ));
    cases.push(late(
        "not-opened",
        "cut ciphertext",
        [a[0], a[1], a[2], "", a[4]].join("."),
    ));
    cases
}

pub(super) fn elliptic() -> Vec<Case> {
    let kid = p256_kid();
    let make = |epk: Value, more: &[(&str, Value)], encrypted_key: &[u8]| {
        let mut header = json!({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": kid, "bind": here(), "epk": epk});
        for (member, value) in more {
            header[*member] = value.clone();
        }
        compact(&header, encrypted_key, &IV, &TEXT, &TAG)
    };
    let point = p256_key().recipient().to_jwk();
    let epk = |change: &[(&str, Value)]| {
        let mut epk = json!({"kty": "EC", "crv": "P-256", "x": point["x"], "y": point["y"]});
        for (member, value) in change {
            if value.is_null() {
                epk.as_object_mut().unwrap().remove(*member);
            } else {
                epk[*member] = value.clone();
            }
        }
        epk
    };
    let key = [7; 40];
    let mut cases: Vec<Case> = [
        ("missing members", json!({})),
        ("a string", json!("x")),
        ("off its curve", epk(&[("y", b64url([9; 32]).into())])),
        (
            "the origin",
            epk(&[("x", b64url([0; 32]).into()), ("y", b64url([0; 32]).into())]),
        ),
        ("beyond the prime", epk(&[("x", b64url([0xff; 32]).into())])),
        ("with x too short", epk(&[("x", b64url([1; 31]).into())])),
        ("with x too long", epk(&[("x", b64url([1; 33]).into())])),
        (
            "with x padded",
            epk(&[("x", format!("{}=", b64url([1; 32])).into())]),
        ),
        ("without y", epk(&[("y", Value::Null)])),
        ("without crv", epk(&[("crv", Value::Null)])),
        ("of P-384", epk(&[("crv", "P-384".into())])),
        ("of secp256k1", epk(&[("crv", "secp256k1".into())])),
        (
            "of X25519",
            json!({"kty": "OKP", "crv": "X25519", "x": b64url([9; 32])}),
        ),
        (
            "of RSA",
            json!({"kty": "RSA", "n": b64url([9; 256]), "e": "AQAB"}),
        ),
        (
            "with its private half",
            epk(&[("d", b64url([1; 32]).into())]),
        ),
    ]
    .into_iter()
    .map(|(name, epk)| early("damaged", format!("epk {name}"), make(epk, &[], &key)))
    .collect();
    let no_epk = json!({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": kid, "bind": here()});
    cases.push(early(
        "damaged",
        "epk missing",
        compact(&no_epk, &key, &IV, &TEXT, &TAG),
    ));
    for (name, member, value) in [
        ("apu not base64url", "apu", json!("a+b/")),
        ("apu a number", "apu", json!(1)),
        ("apv of a kilobyte", "apv", json!(b64url([1; 1024]))),
    ] {
        cases.push(early(
            "damaged",
            name,
            make(epk(&[]), &[(member, value)], &key),
        ));
    }
    for length in [0, 24, 39, 41, 48] {
        cases.push(early(
            "damaged",
            format!("wrapped key of {length} bytes"),
            make(epk(&[]), &[], &vec![7; length]),
        ));
    }
    for alg in [
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A192KW",
        "RSA-OAEP-256",
    ] {
        cases.push(early(
            "wrong-key-algorithm",
            format!("elliptic-curve key with {alg}"),
            make(epk(&[]), &[("alg", alg.into())], &key),
        ));
    }
    cases
}

pub(super) fn json_forms() -> Vec<Case> {
    let kid = rsa_kid();
    let rsa = "RSA-OAEP-256";
    let remove = |member: &str| {
        flattened(|value| {
            value.as_object_mut().unwrap().remove(member);
        })
    };
    let mut cases = vec![
        early(
            "damaged",
            "general: two recipients with one kid",
            general(&json!([recipient(rsa, &kid), recipient(rsa, &kid)])),
        ),
        early("damaged", "general: no recipient", general(&json!([]))),
        early(
            "damaged",
            "general: recipients an object",
            general(&json!({})),
        ),
        early(
            "damaged",
            "general: a recipient that is a string",
            general(&json!(["x"])),
        ),
        early(
            "damaged",
            "general and flattened at once",
            flattened(|value| {
                value["recipients"] = json!([recipient("RSA-OAEP-256", "x")]);
            }),
        ),
        early(
            "damaged",
            "general: bind of a recipient",
            general(&json!([
            {"header": {"alg": rsa, "kid": kid, "bind": here()}, "encrypted_key": b64url(EK)}])),
        ),
        early(
            "unknown-key",
            "general: nobody is ours",
            general(&json!([recipient(rsa, "a"), recipient(rsa, "b")])),
        ),
        early(
            "unsupported",
            "general: ours is RSA1_5",
            general(&json!([recipient("RSA1_5", &kid), recipient(rsa, "b")])),
        ),
        early(
            "wrong-key-algorithm",
            "general: ours is RSA-OAEP",
            general(&json!([recipient("RSA-OAEP", &kid), recipient(rsa, "b")])),
        ),
        late(
            "not-opened",
            "general: ours among others",
            general(&json!([recipient("RSA1_5", "a"), recipient(rsa, &kid)])),
        ),
        early(
            "unsupported",
            "enc outside the protected header alone",
            flattened(|value| {
                value["protected"] = b64url(json!({"bind": here()}).to_string()).into();
                value["header"]["enc"] = "A256GCM".into();
            }),
        ),
        early(
            "damaged",
            "zip outside the protected header",
            flattened(|value| {
                value["header"]["zip"] = "DEF".into();
            }),
        ),
        early(
            "damaged",
            "header a string",
            flattened(|value| value["header"] = "x".into()),
        ),
        early(
            "damaged",
            "ciphertext a number",
            flattened(|value| value["ciphertext"] = 1.into()),
        ),
        early(
            "damaged",
            "iv null",
            flattened(|value| value["iv"] = Value::Null),
        ),
        early(
            "damaged",
            "tag a list",
            flattened(|value| value["tag"] = json!([])),
        ),
        early(
            "damaged",
            "protected an object",
            flattened(|value| value["protected"] = json!({"enc": "A256GCM"})),
        ),
        early(
            "damaged",
            "protected is an array",
            flattened(|value| value["protected"] = b64url("[]").into()),
        ),
        early(
            "damaged",
            "aad not base64url",
            flattened(|value| value["aad"] = "a b".into()),
        ),
        early(
            "damaged",
            "cut in the middle",
            flattened(|_| ()).trim_end_matches('}').to_owned(),
        ),
        early(
            "damaged",
            "followed by something",
            format!("{} x", flattened(|_| ())),
        ),
        early(
            "damaged",
            "unprotected deeply nested",
            flattened(|_| ()).replacen(
                '{',
                &format!(
                    "{{\"unprotected\":{{\"x\":{}{}}},",
                    "[".repeat(5000),
                    "]".repeat(5000)
                ),
                1,
            ),
        ),
        early(
            "damaged",
            "a thousand recipients",
            general(&Value::Array(
                (0..1000)
                    .map(|n| recipient(rsa, &format!("k{n}")))
                    .collect(),
            )),
        ),
    ];
    for member in ["iv", "tag"] {
        cases.push(early(
            "damaged",
            format!("without {member}"),
            remove(member),
        ));
    }
    cases.push(early("damaged", "without a header", remove("header")));
    cases.push(early(
        "damaged",
        "without an encrypted key",
        remove("encrypted_key"),
    ));
    cases
}
