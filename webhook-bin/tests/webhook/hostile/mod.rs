//! A table of hostile envelopes and reviews, each with the refusal that it must get and the number of times that
//! the key service may be asked: none where the fault can be seen in public bytes.
#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tables are long, and what fails shall panic"
)]

mod envelopes;
mod keys;
mod places;
mod reviews;

use std::time::Duration;

use serde_json::{Value, json};
use test_support::reviews::*;

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
    protected_first(&value)
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

#[tokio::test]
async fn every_hostile_envelope_gets_its_refusal_and_no_more_unwraps_than_it_deserves() {
    let cases: Vec<Case> = [
        envelopes::algorithms(),
        envelopes::criticals(),
        envelopes::duplicates(),
        envelopes::encodings(),
        places::bindings(),
        places::replays(),
        keys::keys(),
        keys::elliptic(),
        keys::json_forms(),
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
            reply
                .message()
                .starts_with("nothing was stored: field `data/password` ["),
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

/// `Reply::check` looks at every answer; these are made to fail it.
#[tokio::test]
async fn nothing_that_callers_chose_reaches_people_or_the_audit_raw() {
    const EVIL: &str = "x\u{1b}[2J\r\n::error::pwned\n##[error]x\u{202e}\u{200b}\u{9b}2K\u{7f}y";
    let envelope = sealed("hunter2", "password");
    let mut reviews = vec![
        Review::create(&[(EVIL, &envelope), ("password", "eyJ.a.b.c.d")]),
        Review::create(&[(EVIL, "eyJ.a.b.c.d"), ("other", &envelope)]),
        Review::create(&[("password", &envelope)]).at(EVIL, EVIL),
        Review::create(&[("password", &envelope)]).with("/metadata/name", EVIL.into()),
        Review::create(&[("password", &envelope)]).with("/type", EVIL.into()),
        Review::create(&[("password", &envelope)]).annotated(EVIL, &envelope),
        Review::create(&[("password", "x")]).annotated(EVIL, "eyJ.a.b.c.d"),
        Review::update(&[(EVIL, &envelope)], &[(EVIL, &envelope)]),
    ];
    for member in [
        "operation",
        "uid",
        "userInfo/username",
        "kind/kind",
        "resource/resource",
    ] {
        reviews.push(Review::create(&[("password", &envelope)]).request_with(member, EVIL.into()));
    }
    reviews.push(
        Review::create(&[("password", &envelope)]).request_with("userInfo/groups", json!([EVIL])),
    );
    for header in [
        changed("kid", EVIL.into()),
        changed("alg", EVIL.into()),
        changed("enc", EVIL.into()),
        changed("zip", EVIL.into()),
        changed("crit", json!([EVIL])),
        changed(EVIL, json!(1)),
        changed("bind", json!({"v": 1, "ns": EVIL})),
        changed("bind", json!({"v": 1, "ns": "payments", EVIL: 1})),
        changed("bind", json!({"v": 1, "ns": "payments", "sa": EVIL})),
        changed("bind", json!({"v": 1, "ns": "payments", "aud": [EVIL]})),
    ] {
        reviews.push(Review::create(&[("password", &with_header(&header))]));
        reviews.push(Review::create(&[]).annotated("password", &with_header(&header)));
    }
    let mut denied = 0;
    for review in &reviews {
        let reply = Bench::new().review(review).await;
        denied += usize::from(!reply.allowed());
    }
    assert!(denied > 20, "{denied}");
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

#[tokio::test]
async fn every_hostile_review_is_answered() {
    let cases = reviews::hostile_reviews();
    assert!(cases.len() >= 70, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, body, answer) in &cases {
        let bench = Bench::new();
        let reply = bench.send(body, Duration::from_secs(10)).await;
        let as_expected = match answer {
            reviews::Answer::Allowed => reply.allowed() && reply.patch().is_empty(),
            reviews::Answer::Denied(code) => {
                reply.status == 200 && !reply.allowed() && reply.code() == *code
            }
            reviews::Answer::Invalid => reply.status == 400,
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
