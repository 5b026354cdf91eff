//! A table of hostile envelopes and reviews, each with the refusal that it must get and the number of times that
//! the key service may be asked: none where the fault can be seen in public bytes.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::*;

/// One envelope at `payments/db/password`, what it must be refused with, and how many unwraps that may take.
struct Case {
    name: String,
    value: String,
    code: &'static str,
    unwraps: usize,
}

/// Refused before any key is touched.
fn early(code: &'static str, name: impl Into<String>, value: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        value: value.into(),
        code,
        unwraps: 0,
    }
}

/// Refused after one unwrap: nothing but the tag can tell.
fn late(code: &'static str, name: impl Into<String>, value: impl Into<String>) -> Case {
    Case {
        unwraps: 1,
        ..early(code, name, value)
    }
}

const EK: [u8; 256] = [0x5a; 256];
const IV: [u8; 12] = [1; 12];
const TEXT: [u8; 16] = [2; 16];
const TAG: [u8; 16] = [3; 16];

fn here() -> Value {
    json!({"v": 1, "ns": "payments", "name": "db", "key": "password"})
}

/// A header that is in order.
fn good() -> Value {
    json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": rsa_kid(), "bind": here()})
}

fn changed(member: &str, value: Value) -> Value {
    let mut header = good();
    header[member] = value;
    header
}

fn without(member: &str) -> Value {
    let mut header = good();
    header.as_object_mut().unwrap().remove(member);
    header
}

/// A compact text that is in order but for its header.
fn with_header(header: &Value) -> String {
    compact(header, &EK, &IV, &TEXT, &TAG)
}

fn with_raw_header(header: &str) -> String {
    compact_raw(header, &EK, &IV, &TEXT, &TAG)
}

/// A compact text that is in order but for `bind`.
fn with_bind(bind: Value) -> String {
    with_header(&changed("bind", bind))
}

/// `here()` with one more member.
fn bind_with(member: &str, value: Value) -> String {
    let mut bind = here();
    bind[member] = value;
    with_bind(bind)
}

/// A text that is in order, with one of its five parts replaced.
fn with_part(index: usize, part: &str) -> String {
    let text = with_header(&good());
    let mut parts: Vec<&str> = text.split('.').collect();
    parts[index] = part;
    parts.join(".")
}

fn flattened(change: impl FnOnce(&mut Value)) -> String {
    let protected = json!({"enc": "A256GCM", "bind": here()});
    let mut value = json!({
        "protected": b64url(protected.to_string()),
        "header": {"alg": "RSA-OAEP-256", "kid": rsa_kid()},
        "encrypted_key": b64url(EK), "iv": b64url(IV), "ciphertext": b64url(TEXT), "tag": b64url(TAG),
    });
    change(&mut value);
    value.to_string()
}

fn general(recipients: &Value) -> String {
    flattened(|value| {
        let members = value.as_object_mut().unwrap();
        members.remove("header");
        members.remove("encrypted_key");
        members.insert("recipients".into(), recipients.clone());
    })
}

fn recipient(alg: &str, kid: &str) -> Value {
    json!({"header": {"alg": alg, "kid": kid}, "encrypted_key": b64url(EK)})
}

fn algorithms() -> Vec<Case> {
    let mut cases = Vec::new();
    for alg in [
        "RSA1_5",
        "none",
        "dir",
        "A128KW",
        "A192KW",
        "A256KW",
        "A128GCMKW",
        "A192GCMKW",
        "A256GCMKW",
        "HS256",
        "rsa-oaep-256",
        "RSA-OAEP-256 ",
        "RSA-OAEP-257",
        "ECDH-1PU",
        "HPKE-0",
    ] {
        cases.push(early(
            "unsupported",
            format!("alg {alg}"),
            with_header(&changed("alg", alg.into())),
        ));
    }
    for alg in [
        "PBES2-HS256+A128KW",
        "PBES2-HS384+A192KW",
        "PBES2-HS512+A256KW",
    ] {
        let mut header = changed("alg", alg.into());
        header["p2c"] = json!(2_147_483_647_u32);
        header["p2s"] = b64url([9; 16]).into();
        cases.push(early(
            "unsupported",
            format!("alg {alg} with p2c"),
            with_header(&header),
        ));
    }
    for alg in [
        "RSA-OAEP",
        "RSA-OAEP-384",
        "RSA-OAEP-512",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A192KW",
        "ECDH-ES+A256KW",
    ] {
        cases.push(early(
            "wrong-key-algorithm",
            format!("alg {alg}"),
            with_header(&changed("alg", alg.into())),
        ));
    }
    for enc in [
        "A128CTR",
        "none",
        "A512GCM",
        "a256gcm",
        "A256CBC-HS512 ",
        "C20P",
        "XC20P",
    ] {
        cases.push(early(
            "unsupported",
            format!("enc {enc}"),
            with_header(&changed("enc", enc.into())),
        ));
    }
    for (name, header) in [
        ("enc missing", without("enc")),
        ("enc a number", changed("enc", json!(1))),
        ("enc null", changed("enc", Value::Null)),
        ("alg missing", without("alg")),
        ("alg a list", changed("alg", json!(["RSA-OAEP-256"]))),
        ("kid a number", changed("kid", json!(7))),
        ("kid an object", changed("kid", json!({}))),
    ] {
        cases.push(early("damaged", name, with_header(&header)));
    }
    for zip in ["DEF", "GZIP", "none"] {
        cases.push(early(
            "unsupported",
            format!("zip {zip}"),
            with_header(&changed("zip", zip.into())),
        ));
    }
    cases.push(late(
        "not-opened",
        "alg as pinned, key of somebody else",
        with_header(&good()),
    ));
    cases
}

fn criticals() -> Vec<Case> {
    let crit = |list: Value| with_header(&changed("crit", list));
    let mut understood = changed("crit", json!(["b64"]));
    understood["b64"] = true.into();
    vec![
        early("unsupported", "crit names what we do not know", {
            let mut header = changed("crit", json!(["http://example.org/x"]));
            header["http://example.org/x"] = 1.into();
            with_header(&header)
        }),
        early("unsupported", "crit names b64", with_header(&understood)),
        early("damaged", "crit empty", crit(json!([]))),
        early("damaged", "crit a string", crit("bind".into())),
        early("damaged", "crit of numbers", crit(json!([1]))),
        early(
            "damaged",
            "crit names an absent member",
            crit(json!(["absent"])),
        ),
        early("damaged", "crit names alg", crit(json!(["alg"]))),
        early(
            "damaged",
            "crit names bind twice",
            crit(json!(["bind", "bind"])),
        ),
        early(
            "damaged",
            "crit outside the protected header",
            flattened(|value| {
                value["header"]["crit"] = json!(["bind"]);
            }),
        ),
        late(
            "not-opened",
            "crit names bind, which we know",
            crit(json!(["bind"])),
        ),
    ]
}

fn duplicates() -> Vec<Case> {
    let bind = here().to_string();
    let kid = rsa_kid();
    let twice = |members: &str| {
        with_raw_header(&format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{kid}","bind":{bind},{members}}}"#
        ))
    };
    vec![
        early("damaged", "alg twice", twice(r#""alg":"RSA-OAEP-256""#)),
        early(
            "damaged",
            "alg twice, once escaped",
            twice(r#""\u0061lg":"RSA1_5""#),
        ),
        early("damaged", "enc twice", twice(r#""enc":"A128GCM""#)),
        early("damaged", "kid twice", twice(r#""kid":"other""#)),
        early(
            "damaged",
            "bind twice",
            twice(r#""bind":{"v":1,"any":true}"#),
        ),
        early("damaged", "unknown member twice", twice(r#""x":1,"x":2"#)),
        early(
            "damaged",
            "ns twice within bind",
            with_raw_header(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{kid}","bind":{{"v":1,"ns":"elsewhere","ns":"payments"}}}}"#
            )),
        ),
        early(
            "damaged",
            "any twice within bind",
            with_raw_header(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{kid}","bind":{{"v":1,"any":true,"any":true}}}}"#
            )),
        ),
        early(
            "damaged",
            "member in protected and unprotected",
            flattened(|value| {
                value["header"]["enc"] = "A256GCM".into();
            }),
        ),
        early(
            "damaged",
            "kid in header and unprotected",
            flattened(|value| {
                value["unprotected"] = json!({"kid": "other"});
            }),
        ),
        early(
            "damaged",
            "ciphertext twice",
            flattened(|_| ()).replacen(
                "\"ciphertext\":",
                "\"ciphertext\":\"AAAA\",\"ciphertext\":",
                1,
            ),
        ),
        early(
            "damaged",
            "protected twice",
            flattened(|_| ()).replacen("\"protected\":", "\"protected\":\"e30\",\"protected\":", 1),
        ),
    ]
}

fn encodings() -> Vec<Case> {
    let mut cases = Vec::new();
    let text = with_header(&good());
    let parts: Vec<&str> = text.split('.').collect();
    for (index, name) in ["header", "encrypted key", "iv", "ciphertext", "tag"]
        .into_iter()
        .enumerate()
    {
        let part = parts[index];
        for (what, bad) in [
            ("padded", format!("{part}=")),
            ("with +", format!("{}+", &part[..part.len() - 1])),
            (
                "with a blank inside",
                format!("{} {}", &part[..4], &part[4..]),
            ),
            (
                "with a line break inside",
                format!("{}\n{}", &part[..4], &part[4..]),
            ),
            ("with a NUL", format!("{}\0", &part[..part.len() - 1])),
        ] {
            cases.push(early(
                "damaged",
                format!("{name} {what}"),
                with_part(index, &bad),
            ));
        }
    }
    for (name, text) in [
        (
            "stray bits in the tag",
            with_part(4, "AAAAAAAAAAAAAAAAAAAAAB"),
        ),
        (
            "stray bits in the encrypted key",
            with_part(1, &format!("{}B", &b64url(EK)[..341])),
        ),
        (
            "one character too many in the ciphertext",
            with_part(3, "AAAAA"),
        ),
        ("six parts", format!("{text}.AAAA")),
        ("four parts", text.rsplit_once('.').unwrap().0.to_owned()),
        ("empty header", with_part(0, "eyJ9")),
        ("header is not JSON", with_raw_header(r#"{"enc":"A256GCM""#)),
        (
            "header with something after it",
            with_raw_header(&format!("{}x", good())),
        ),
        (
            "header with a byte order mark inside",
            with_raw_header(&good().to_string().replacen("{\"", "{\u{feff}\"", 1)),
        ),
        (
            "header is not UTF-8",
            with_part(0, &b64url(b"{\"enc\":\"\xff\xfe\"}")),
        ),
        (
            "header with half a surrogate pair",
            with_raw_header(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","x":"\ud800"}"#),
        ),
        (
            "header with a raw control character",
            with_raw_header("{\"enc\":\"A256GCM\",\"x\":\"\u{1}\"}"),
        ),
        (
            "header deeply nested",
            with_raw_header(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","x":{}{}}}"#,
                "[".repeat(10_000),
                "]".repeat(10_000)
            )),
        ),
        (
            "header of objects deeply nested",
            with_raw_header(&format!(
                r#"{{"enc":"A256GCM","x":{}1{}}}"#,
                r#"{"a":"#.repeat(5_000),
                "}".repeat(5_000)
            )),
        ),
        (
            "header of a megabyte",
            with_header(&changed("x", "y".repeat(1 << 20).into())),
        ),
        (
            "header of 100 KiB",
            with_header(&changed("x", "y".repeat(100 << 10).into())),
        ),
        (
            "iv of 11 bytes",
            compact(&good(), &EK, &[1; 11], &TEXT, &TAG),
        ),
        (
            "iv of 16 bytes",
            compact(&good(), &EK, &[1; 16], &TEXT, &TAG),
        ),
        ("no iv", compact(&good(), &EK, &[], &TEXT, &TAG)),
        (
            "tag of 15 bytes",
            compact(&good(), &EK, &IV, &TEXT, &[3; 15]),
        ),
        (
            "tag of 12 bytes",
            compact(&good(), &EK, &IV, &TEXT, &[3; 12]),
        ),
        (
            "tag of 17 bytes",
            compact(&good(), &EK, &IV, &TEXT, &[3; 17]),
        ),
        ("no tag", compact(&good(), &EK, &IV, &TEXT, &[])),
        (
            "CBC with the iv of GCM",
            compact(
                &changed("enc", "A128CBC-HS256".into()),
                &EK,
                &IV,
                &TEXT,
                &TAG,
            ),
        ),
        (
            "CBC-HS512 with the tag of HS256",
            compact(
                &changed("enc", "A256CBC-HS512".into()),
                &EK,
                &[1; 16],
                &TEXT,
                &TAG,
            ),
        ),
        (
            "encrypted key one byte short",
            compact(&good(), &EK[1..], &IV, &TEXT, &TAG),
        ),
        (
            "encrypted key one byte long",
            compact(&good(), &[EK.as_slice(), &[1]].concat(), &IV, &TEXT, &TAG),
        ),
        (
            "encrypted key twice as long",
            compact(&good(), &[1; 512], &IV, &TEXT, &TAG),
        ),
        ("no encrypted key", compact(&good(), &[], &IV, &TEXT, &TAG)),
    ] {
        cases.push(early("damaged", name, text));
    }
    // How long a ciphertext must be only its decryption says.
    let header = changed("enc", "A128CBC-HS256".into());
    for (name, ciphertext) in [
        ("CBC with half a block", &[2; 24][..]),
        ("CBC without a block", &[]),
    ] {
        cases.push(late(
            "not-opened",
            name,
            compact(&header, &EK, &[1; 16], ciphertext, &TAG),
        ));
    }
    cases
}

fn bindings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bind) in [
        ("an array", json!([])),
        ("a string", json!("payments/db/password")),
        ("null", Value::Null),
        ("true", json!(true)),
        ("empty", json!({})),
        ("without v", json!({"ns": "payments"})),
        ("v 2", json!({"v": 2, "ns": "payments"})),
        ("v 0", json!({"v": 0, "ns": "payments"})),
        ("v a string", json!({"v": "1", "ns": "payments"})),
        ("v true", json!({"v": true, "ns": "payments"})),
        ("without ns and any", json!({"v": 1, "name": "db"})),
        ("ns and any", json!({"v": 1, "ns": "payments", "any": true})),
        ("any false", json!({"v": 1, "any": false})),
        (
            "any false beside ns",
            json!({"v": 1, "any": false, "ns": "payments"}),
        ),
        ("any a string", json!({"v": 1, "any": "true"})),
        ("any 1", json!({"v": 1, "any": 1})),
        ("ns empty", json!({"v": 1, "ns": ""})),
        ("ns a star", json!({"v": 1, "ns": "*"})),
        ("ns star after a letter", json!({"v": 1, "ns": "pay*"})),
        ("ns star in front", json!({"v": 1, "ns": "*-payments"})),
        ("ns star in the middle", json!({"v": 1, "ns": "pay-*-x"})),
        ("ns two stars", json!({"v": 1, "ns": "pay-**"})),
        ("ns only a dash and a star", json!({"v": 1, "ns": "-*"})),
        ("ns upper case", json!({"v": 1, "ns": "Payments"})),
        ("ns with a blank", json!({"v": 1, "ns": "payments "})),
        ("ns with a NUL", json!({"v": 1, "ns": "payments\0"})),
        (
            "ns with a Cyrillic letter",
            json!({"v": 1, "ns": "p\u{430}yments"}),
        ),
        ("ns a number", json!({"v": 1, "ns": 1})),
        ("ns a list", json!({"v": 1, "ns": ["payments"]})),
        ("ns too long", json!({"v": 1, "ns": "a".repeat(64)})),
        ("name empty", json!({"v": 1, "ns": "payments", "name": ""})),
        (
            "name a star",
            json!({"v": 1, "ns": "payments", "name": "*"}),
        ),
        (
            "name star after a letter",
            json!({"v": 1, "ns": "payments", "name": "db*"}),
        ),
        (
            "name with a slash",
            json!({"v": 1, "ns": "payments", "name": "a/b"}),
        ),
        ("name null", json!({"v": 1, "ns": "payments", "name": null})),
        (
            "name too long",
            json!({"v": 1, "ns": "payments", "name": "a".repeat(254)}),
        ),
        ("key empty", json!({"v": 1, "ns": "payments", "key": ""})),
        ("key a star", json!({"v": 1, "ns": "payments", "key": "*"})),
        (
            "key with a slash",
            json!({"v": 1, "ns": "payments", "key": "a/b"}),
        ),
        (
            "key star after a letter",
            json!({"v": 1, "ns": "payments", "key": "pass*"}),
        ),
        (
            "an unknown member",
            json!({"v": 1, "ns": "payments", "kind": "ConfigMap"}),
        ),
        (
            "a member in capitals",
            json!({"v": 1, "ns": "payments", "NS": "payments"}),
        ),
    ] {
        cases.push(early("damaged", format!("bind {name}"), with_bind(bind)));
    }
    for (name, member, value) in [
        ("sa empty", "sa", json!("")),
        ("sa default", "sa", json!("default")),
        ("sa a star", "sa", json!("*")),
        ("sa a list", "sa", json!(["app"])),
        ("aud a string", "aud", json!("prod-eu")),
        ("aud empty", "aud", json!([])),
        ("aud of numbers", "aud", json!([1])),
        ("aud with an empty name", "aud", json!([""])),
        (
            "aud with a name twice",
            "aud",
            json!(["prod-eu", "prod-eu"]),
        ),
        (
            "aud of seventeen",
            "aud",
            json!((0..17).map(|n| format!("c{n}")).collect::<Vec<_>>()),
        ),
        ("nbf negative", "nbf", json!(-1)),
        ("nbf a fraction", "nbf", json!(1.5)),
        ("nbf a string", "nbf", json!("1800000000")),
        ("nbf 2^53", "nbf", json!(9_007_199_254_740_992_u64)),
        ("exp null", "exp", Value::Null),
        ("exp 2^64", "exp", json!(1.8e19)),
    ] {
        cases.push(early(
            "damaged",
            format!("bind {name}"),
            bind_with(member, value),
        ));
    }
    for (name, raw) in [
        ("v 1.0", r#"{"v":1.0,"ns":"payments"}"#),
        ("v 1e0", r#"{"v":1e0,"ns":"payments"}"#),
        ("exp 18e8", r#"{"v":1,"ns":"payments","exp":18e8}"#),
        ("exp -0", r#"{"v":1,"ns":"payments","exp":-0}"#),
    ] {
        let header = format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{}","bind":{raw}}}"#,
            rsa_kid()
        );
        cases.push(early(
            "damaged",
            format!("bind {name}"),
            with_raw_header(&header),
        ));
    }
    let reversed = json!({"v": 1, "ns": "payments", "nbf": NOW, "exp": NOW - 1});
    cases.push(early("damaged", "bind nbf after exp", with_bind(reversed)));
    cases.push(early(
        "damaged",
        "bind in the unprotected header",
        flattened(|value| {
            value["protected"] = b64url(json!({"enc": "A256GCM"}).to_string()).into();
            value["header"]["bind"] = here();
        }),
    ));
    cases.push(early(
        "damaged",
        "bind in the shared unprotected header",
        flattened(|value| {
            value["protected"] = b64url(json!({"enc": "A256GCM"}).to_string()).into();
            value["unprotected"] = json!({"bind": here()});
        }),
    ));
    cases.push(early(
        "damaged",
        "a second bind in the unprotected header",
        flattened(|value| {
            value["header"]["bind"] = json!({"v": 1, "any": true});
        }),
    ));
    cases
}

/// Complete, rightly sealed envelopes, brought to a place that they are not for.
fn replays() -> Vec<Case> {
    let sealed_for = |bind: Value| seal("hunter2", &json!({"bind": bind}));
    vec![
        early(
            "wrong-place",
            "of another namespace",
            sealed_for(json!({"v": 1, "ns": "other", "name": "db", "key": "password"})),
        ),
        early(
            "wrong-place",
            "of another Secret",
            sealed_for(json!({"v": 1, "ns": "payments", "name": "db2", "key": "password"})),
        ),
        early(
            "wrong-place",
            "of another key",
            sealed_for(json!({"v": 1, "ns": "payments", "name": "db", "key": "token"})),
        ),
        early(
            "wrong-place",
            "of a longer namespace",
            sealed_for(json!({"v": 1, "ns": "payments-x"})),
        ),
        early(
            "wrong-place",
            "of a shorter namespace",
            sealed_for(json!({"v": 1, "ns": "payment"})),
        ),
        early(
            "wrong-place",
            "of namespaces by a pattern",
            sealed_for(json!({"v": 1, "ns": "payments-*"})),
        ),
        early(
            "wrong-place",
            "of names by a pattern",
            sealed_for(json!({"v": 1, "any": true, "name": "db-*"})),
        ),
        early(
            "wrong-place",
            "of keys by a pattern",
            sealed_for(json!({"v": 1, "any": true, "key": "password.*"})),
        ),
        early(
            "wrong-cluster",
            "of another cluster",
            sealed_for(json!({"v": 1, "ns": "payments", "aud": ["prod-us"]})),
        ),
        early(
            "wrong-cluster",
            "of a cluster in capitals",
            sealed_for(json!({"v": 1, "ns": "payments", "aud": ["PROD-EU"]})),
        ),
        early(
            "run-time-only",
            "of a service account",
            sealed_for(json!({"v": 1, "ns": "payments", "sa": "app"})),
        ),
        early(
            "expired",
            "of the past",
            sealed_for(json!({"v": 1, "ns": "payments", "exp": 1})),
        ),
        early(
            "not-yet-valid",
            "of the future",
            sealed_for(json!({"v": 1, "ns": "payments", "nbf": NOW + 3600})),
        ),
        early("unbound", "of nowhere", seal("hunter2", &json!({}))),
        late(
            "nested",
            "an envelope within",
            sealed(sealed("hunter2", "password"), "password"),
        ),
        late(
            "nested",
            "a damaged envelope within",
            sealed("eyJlbmMiOiJBMjU2R0NNIn0....", "password"),
        ),
        late(
            "nested",
            "somebody else's envelope within",
            sealed(seal("x", &json!({"kid": "theirs"})), "password"),
        ),
    ]
}

fn keys() -> Vec<Case> {
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

fn elliptic() -> Vec<Case> {
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

fn json_forms() -> Vec<Case> {
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

#[tokio::test]
async fn every_hostile_envelope_gets_its_refusal_and_no_more_unwraps_than_it_deserves() {
    let cases: Vec<Case> = [
        algorithms(),
        criticals(),
        duplicates(),
        encodings(),
        bindings(),
        replays(),
        keys(),
        elliptic(),
        json_forms(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let bench = Bench::new();
        let review = Review::create(&[("password", &case.value), ("plain", "x")]);
        let reply = bench.review(&review).await;
        let found = (reply.refusal(), bench.calls());
        if found != (Some(case.code), case.unwraps) {
            wrong.push(format!(
                "{}: expected {} and {} unwraps, found {found:?}: {} {:?}",
                case.name,
                case.code,
                case.unwraps,
                reply.message(),
                reply.warnings()
            ));
            continue;
        }
        let code = if case.code == "damaged" { 400 } else { 403 };
        assert_eq!(reply.code(), code, "{}", case.name);
        assert!(
            reply.message().starts_with("field `data/password` ["),
            "{}: {}",
            case.name,
            reply.message()
        );
        assert!(
            reply.message().len() < 1000,
            "{}: {}",
            case.name,
            reply.message()
        );
        assert!(
            reply.message().contains("; "),
            "{}: says what to do: {}",
            case.name,
            reply.message()
        );
        // Stored like this already, it wedges nothing.
        let data = [("password", case.value.as_str()), ("plain", "x")];
        let reply = bench.review(&Review::update(&data, &data)).await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{}", case.name);
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn members_that_would_steer_us_are_ignored() {
    let bench = Bench::new();
    let value = seal(
        "hunter2",
        &json!({
            "bind": here(),
            "jku": "https://attacker.example/keys", "x5u": "https://attacker.example/cert", "url": "file:///etc/passwd",
            "jwk": p256_key().recipient().to_jwk(), "x5c": ["AAAA"], "typ": "JWE", "cty": "x", "sealed": {"at": NOW},
        }),
    );
    let reply = bench.review(&Review::create(&[("password", &value)])).await;
    assert_eq!(
        reply.opened(),
        [("password".to_owned(), b"hunter2".to_vec())],
        "{}",
        reply.text
    );
}

/// What a review must be answered with.
enum Answer {
    /// Allowed without a patch.
    Allowed,
    /// Denied with this status code.
    Denied(u64),
    /// Not answered as a review: HTTP 400.
    Invalid,
}

fn hostile_reviews() -> Vec<(&'static str, Vec<u8>, Answer)> {
    use Answer::{Allowed, Denied, Invalid};
    let plain = || Review::create(&[("password", "x")]);
    let sealed_one = || Review::create(&[("password", &sealed("hunter2", "password"))]);
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let removed = |review: Review, member: &str| {
        let mut value = review.0;
        value["request"].as_object_mut().unwrap().remove(member);
        value.to_string()
    };
    let top = |member: &str, value: Value| {
        let mut review = sealed_one().0;
        review[member] = value;
        review.to_string()
    };
    let raw_object = |object: &str| {
        let mut review = plain().0;
        review["request"]["object"] = "@".into();
        review.to_string().replacen("\"@\"", object, 1)
    };
    let many = format!(
        "{{\"kind\":\"Secret\",\"metadata\":{{\"name\":\"db\"}},\"data\":{{{}}}}}",
        (0..80_000)
            .map(|n| format!("\"k{n}\":\"YQ==\""))
            .collect::<Vec<_>>()
            .join(",")
    );
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut cases: Vec<(&'static str, Vec<u8>, Answer)> = Vec::new();
    let mut text = |name: &'static str, body: String, answer: Answer| {
        cases.push((name, body.into_bytes(), answer))
    };

    text("empty body", String::new(), Invalid);
    text("a word", "hello".into(), Invalid);
    text("null", "null".into(), Invalid);
    text("an array", "[]".into(), Invalid);
    text("an empty object", "{}".into(), Invalid);
    text(
        "cut in the middle",
        sealed_one().body()[..900].to_owned(),
        Invalid,
    );
    text(
        "something after the review",
        format!("{} {{}}", sealed_one().body()),
        Invalid,
    );
    text("two reviews", sealed_one().body().repeat(2), Invalid);
    text(
        "byte order mark",
        format!("\u{feff}{}", sealed_one().body()),
        Invalid,
    );
    text(
        "v1beta1",
        top("apiVersion", "admission.k8s.io/v1beta1".into()),
        Invalid,
    );
    text(
        "v2",
        top("apiVersion", "admission.k8s.io/v2".into()),
        Invalid,
    );
    text("no apiVersion", top("apiVersion", Value::Null), Invalid);
    text(
        "another kind of review",
        top("kind", "ConversionReview".into()),
        Invalid,
    );
    text("no request", top("request", Value::Null), Invalid);
    text("request a list", top("request", json!([])), Invalid);
    text("no uid", removed(sealed_one(), "uid"), Invalid);
    text(
        "empty uid",
        sealed_one().request_with("uid", "".into()).body(),
        Invalid,
    );
    text(
        "uid a number",
        sealed_one().request_with("uid", 1.into()).body(),
        Invalid,
    );
    text(
        "uid of a megabyte",
        sealed_one()
            .request_with("uid", "u".repeat(1 << 20).into())
            .body(),
        Invalid,
    );
    text("no operation", removed(sealed_one(), "operation"), Invalid);
    text(
        "operation in lower case",
        sealed_one()
            .request_with("operation", "create".into())
            .body(),
        Invalid,
    );
    text(
        "an operation of the future",
        sealed_one()
            .request_with("operation", "PATCH".into())
            .body(),
        Invalid,
    );
    text("no kind", removed(sealed_one(), "kind"), Invalid);
    text(
        "uid twice",
        sealed_one()
            .body()
            .replacen("\"uid\":", "\"uid\":\"x\",\"uid\":", 1),
        Invalid,
    );
    text(
        "object twice",
        sealed_one()
            .body()
            .replacen("\"object\":", "\"object\":{},\"object\":", 1),
        Invalid,
    );
    text(
        "dryRun a string",
        sealed_one().request_with("dryRun", "true".into()).body(),
        Invalid,
    );
    text(
        "groups a string",
        sealed_one()
            .request_with("userInfo", json!({"groups": "x"}))
            .body(),
        Invalid,
    );
    text("nested ten thousand levels", deep(10_000), Invalid);
    text(
        "unknown member nested ten thousand levels",
        plain()
            .body()
            .replacen('{', &format!("{{\"x\":{},", deep(10_000)), 1),
        Allowed,
    );

    text("no object", removed(sealed_one(), "object"), Denied(400));
    text(
        "object null",
        sealed_one().request_with("object", Value::Null).body(),
        Denied(400),
    );
    text("object a string", raw_object("\"x\""), Denied(400));
    text("object a list", raw_object("[]"), Denied(400));
    text(
        "data a list",
        plain().with("/data", json!([])).body(),
        Denied(400),
    );
    text(
        "a value that is a number",
        plain().with("/data", json!({"a": 1})).body(),
        Denied(400),
    );
    text(
        "a value that is an object",
        plain().with("/data", json!({"a": {}})).body(),
        Denied(400),
    );
    text(
        "metadata a string",
        plain().with("/metadata", "x".into()).body(),
        Denied(400),
    );
    text(
        "annotations a list",
        plain().with("/metadata/annotations", json!([])).body(),
        Denied(400),
    );
    text(
        "a key of data twice",
        raw_object(r#"{"metadata":{"name":"db"},"data":{"a":"YQ==","a":"Yg=="}}"#),
        Denied(400),
    );
    text(
        "a key of data twice, once escaped",
        raw_object(r#"{"metadata":{"name":"db"},"data":{"a":"YQ==","\u0061":"Yg=="}}"#),
        Denied(400),
    );
    text(
        "data twice",
        raw_object(r#"{"metadata":{"name":"db"},"data":{},"data":{"a":"Yg=="}}"#),
        Denied(400),
    );
    text(
        "metadata nested a thousand levels",
        raw_object(&format!(
            r#"{{"metadata":{{"name":"db","x":{}}},"data":{{}}}}"#,
            deep(1000)
        )),
        Denied(400),
    );
    text(
        "names that differ",
        sealed_one().request_with("name", "other".into()).body(),
        Denied(400),
    );
    text(
        "no name at all",
        removed(Review(plain().with("/metadata", json!({})).0), "name"),
        Denied(400),
    );
    text(
        "UPDATE without oldObject",
        sealed_one()
            .request_with("operation", "UPDATE".into())
            .body(),
        Denied(400),
    );
    text(
        "UPDATE with oldObject a string",
        sealed_one()
            .request_with("operation", "UPDATE".into())
            .request_with("oldObject", "x".into())
            .body(),
        Denied(400),
    );
    text(
        "an envelope that is not base64",
        plain()
            .with("/data", json!({"password": "ZXlKhbGci*"}))
            .body(),
        Denied(400),
    );
    text(
        "no namespace",
        removed(sealed_one(), "namespace"),
        Denied(403),
    );
    text(
        "empty namespace",
        sealed_one().request_with("namespace", "".into()).body(),
        Denied(403),
    );
    text(
        "a namespace with a NUL",
        sealed_one()
            .request_with("namespace", "payments\0".into())
            .body(),
        Denied(403),
    );
    text(
        "a namespace in capitals",
        sealed_one()
            .request_with("namespace", "PAYMENTS".into())
            .body(),
        Denied(403),
    );
    text(
        "the namespace of the object alone",
        sealed_one()
            .request_with("namespace", "other".into())
            .body(),
        Denied(403),
    );
    text(
        "a namespace of a megabyte",
        sealed_one()
            .request_with("namespace", "n".repeat(1 << 20).into())
            .body(),
        Denied(403),
    );

    text(
        "data null",
        plain().with("/data", Value::Null).body(),
        Allowed,
    );
    text(
        "data empty",
        plain().with("/data", json!({})).body(),
        Allowed,
    );
    text(
        "no data",
        raw_object(r#"{"metadata":{"name":"db"}}"#),
        Allowed,
    );
    text(
        "a null value",
        plain().with("/data", json!({"a": null, "b": ""})).body(),
        Allowed,
    );
    text(
        "a value that is not base64",
        plain().with("/data", json!({"a": "***"})).body(),
        Allowed,
    );
    text("80,000 keys", raw_object(&many), Allowed);
    text(
        "an empty key",
        plain().with("/data", json!({"": "YQ=="})).body(),
        Allowed,
    );
    text(
        "two MiB of values",
        plain()
            .with("/data", json!({"a": "YWFh".repeat(700_000)}))
            .body(),
        Allowed,
    );
    text(
        "a MiB of e",
        plain()
            .with("/data", json!({"a": b64("e".repeat(1 << 20))}))
            .body(),
        Allowed,
    );
    text(
        "a MiB of braces",
        plain()
            .with("/data", json!({"a": b64("{".repeat(1 << 20))}))
            .body(),
        Allowed,
    );
    text(
        "a MiB of {\"",
        plain()
            .with(
                "/data",
                json!({"a": b64("{\"ciphertext\":".repeat(80_000))}),
            )
            .body(),
        Allowed,
    );
    text(
        "unknown members",
        plain()
            .request_with("later", json!({"a": [1]}))
            .with("/later", json!({}))
            .body(),
        Allowed,
    );
    text(
        "DELETE",
        sealed_one()
            .request_with("operation", "DELETE".into())
            .body(),
        Allowed,
    );
    text(
        "DELETE of nothing",
        removed(
            sealed_one().request_with("operation", "DELETE".into()),
            "object",
        ),
        Allowed,
    );
    text(
        "DELETE of a broken object",
        sealed_one()
            .request_with("operation", "DELETE".into())
            .request_with("object", "x".into())
            .body(),
        Allowed,
    );
    text(
        "CONNECT",
        sealed_one()
            .request_with("operation", "CONNECT".into())
            .body(),
        Allowed,
    );
    text(
        "a subresource",
        sealed_one()
            .request_with("subResource", "status".into())
            .body(),
        Allowed,
    );
    text(
        "a ConfigMap",
        plain()
            .request_with("kind", kind("", "v1", "ConfigMap"))
            .body(),
        Allowed,
    );
    text(
        "a Secret of another group",
        plain()
            .request_with("kind", kind("example.org", "v1", "Secret"))
            .body(),
        Allowed,
    );
    text(
        "a sealed Secret of another group",
        sealed_one()
            .request_with("kind", kind("example.org", "v1", "Secret"))
            .body(),
        Denied(403),
    );
    text(
        "a sealed Secret of another version",
        sealed_one()
            .request_with("kind", kind("", "v2", "Secret"))
            .body(),
        Denied(403),
    );
    text(
        "another kind nested too deeply",
        raw_object(&deep(1000)).replace(
            r#""kind":"Secret","version""#,
            r#""kind":"Thing","version""#,
        ),
        Denied(400),
    );
    text(
        "userInfo null",
        plain().request_with("userInfo", Value::Null).body(),
        Allowed,
    );
    text(
        "a user of a megabyte",
        plain()
            .request_with("userInfo", json!({"username": "u".repeat(1 << 20)}))
            .body(),
        Allowed,
    );
    text(
        "ten thousand groups",
        plain()
            .request_with("userInfo", json!({"groups": vec!["g"; 10_000]}))
            .body(),
        Allowed,
    );
    text(
        "a user with a line break",
        plain()
            .request_with("userInfo", json!({"username": "a\n{\"uid\":\"forged\"}"}))
            .body(),
        Allowed,
    );

    for (name, bytes) in [
        ("bad UTF-8", &b"{\"apiVersion\":\"\xff\"}"[..]),
        ("an overlong slash", b"{\"apiVersion\":\"\xc0\xaf\"}"),
        (
            "half a surrogate in UTF-8",
            b"{\"apiVersion\":\"\xed\xa0\x80\"}",
        ),
        ("NULs", b"\0\0\0\0"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("UTF-16", b"\xff\xfe{\0}\0"),
        ("half a surrogate escaped", br#"{"apiVersion":"\ud800"}"#),
    ] {
        cases.push((name, bytes.to_vec(), Invalid));
    }
    cases
}

#[tokio::test]
async fn every_hostile_review_is_answered() {
    let cases = hostile_reviews();
    assert!(cases.len() >= 70, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, body, answer) in &cases {
        let bench = Bench::new();
        let reply = bench.send(body, Duration::from_secs(10)).await;
        let as_expected = match answer {
            Answer::Allowed => reply.allowed() && reply.patch().is_empty(),
            Answer::Denied(code) => {
                reply.status == 200 && !reply.allowed() && reply.code() == *code
            }
            Answer::Invalid => reply.status == 400,
        };
        if !as_expected || bench.calls() > 0 {
            let text: String = reply.text.chars().take(400).collect();
            wrong.push(format!("{name}: {} {text}", reply.status));
        }
        assert!(reply.text.len() < 4096, "{name}: an answer stays small");
        let mut line = Vec::new();
        reply.record.write_json(&mut line);
        assert!(line.len() < 64 * 1024, "{name}: an audit line stays small");
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
