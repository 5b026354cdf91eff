//! A secret sent down every path with tracing at TRACE, and then looked for wherever it must not be: logs,
//! denials, warnings, errors, `Debug`, audit. In five encodings. A program of its own: it is the whole process's subscriber
//! of tracing.
#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "one list of paths; what fails shall panic"
)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_backends::testing::Reply as Key;
use kms_backends::{Category, UnwrapError};
use serde_json::json;
use test_support::reviews::*;
use tracing_subscriber::fmt::MakeWriter;

/// Long enough that no part of an answer holds it by chance.
const CANARY: &str = "canary-7Qz!5\u{e9}\"\\k0-plaintext-of-the-test";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// The canary as it may come to light.
fn disguises(secret: &str) -> Vec<String> {
    let escaped = serde_json::to_string(secret).unwrap();
    let mut all = vec![
        secret.to_owned(),
        escaped.trim_matches('"').to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
        hex(secret),
        hex(secret).to_uppercase(),
        format!("{:?}", secret.as_bytes())
            .trim_matches(['[', ']'])
            .to_owned(),
    ];
    // Base64 differs with the offset within a longer text: drop the characters that the neighbours share.
    for offset in 0..3 {
        let shifted = format!("{}{secret}", "x".repeat(offset));
        for text in [b64(&shifted), b64url(&shifted)] {
            let text = text.trim_end_matches('=');
            all.push(text[(offset * 8).div_ceil(6)..text.len() - 2].to_owned());
        }
    }
    all
}

fn hex(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn assert_absent(place: &str, text: &str) {
    for disguise in disguises(CANARY) {
        assert!(
            !text.contains(&disguise),
            "{place} holds {disguise:?}: {text}"
        );
    }
}

#[tokio::test]
async fn a_secret_shows_in_the_patch_and_nowhere_else() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::trace!("the log is listened to");

    let right = sealed(CANARY, "password");
    let nested = sealed(sealed(CANARY, "password"), "password");
    let claims = format!("eyJ{CANARY}....");
    let json_like = format!("{{\"ciphertext\":\"{CANARY}\",\"header\":1}}");
    let expired = seal(
        CANARY,
        &json!({"bind": {"v": 1, "ns": "payments", "exp": 1}}),
    );
    let docker = sealed(format!("{{\"auths\":\"{CANARY}\""), ".dockerconfigjson");
    let login = Review::create(&[(".dockerconfigjson", &docker)])
        .with("/type", "kubernetes.io/dockerconfigjson".into());
    let big = sealed(CANARY.repeat(30_000), "password");
    let frozen = Review::update(
        &[("password", CANARY)],
        &[("password", &sealed(format!("{CANARY}!"), "password"))],
    )
    .stored_with("/immutable", true.into());
    let reviews = [
        ("opened", Review::create(&[("password", &right)])),
        ("plain", Review::create(&[("password", CANARY)])),
        (
            "beside a refused one",
            Review::create(&[("password", &right), ("a", &right), ("plain", CANARY)]),
        ),
        (
            "stored",
            Review::update(&[("password", CANARY)], &[("password", &right)]),
        ),
        ("expired", Review::create(&[("password", &expired)])),
        ("nested", Review::create(&[("password", &nested)])),
        ("damaged", Review::create(&[("password", &claims)])),
        ("damaged JSON", Review::create(&[("password", &json_like)])),
        ("type check", login),
        ("too large", Review::create(&[("password", &big)])),
        ("frozen", frozen),
        (
            "stringData",
            Review::create(&[]).with("/stringData", json!({"a": right, "b": CANARY})),
        ),
        (
            "not base64",
            Review::create(&[]).with("/data", json!({"a": CANARY})),
        ),
        (
            "a number",
            Review::create(&[]).with("/data", json!({"a": {"b": CANARY}})),
        ),
        (
            "deleted",
            Review::of(
                "DELETE",
                &secret(&[("a", CANARY)]),
                Some(&secret(&[("a", CANARY)])),
            ),
        ),
        (
            "not a Secret",
            Review::create(&[("a", CANARY)])
                .request_with("kind", json!({"version": "v1", "kind": "Thing"})),
        ),
        (
            "sealed, not a Secret",
            Review::create(&[("a", &right)])
                .request_with("kind", json!({"version": "v1", "kind": "Thing"})),
        ),
    ];
    let answers = [
        Key::Right,
        Key::Fail(Category::Denied),
        Key::Fail(Category::Misconfigured),
        Key::Fail(Category::UnknownKey),
        Key::Fail(Category::Rejected),
        Key::Fail(Category::Unavailable),
        Key::Error(
            UnwrapError::new(Category::Denied, "refused")
                .with_source(std::io::Error::other("vendor words")),
        ),
        Key::WrongKey,
        Key::WrongLength(7),
        Key::Panic,
        Key::Hang,
    ];
    let mut opened = 0;
    for answer in &answers {
        for (what, review) in &reviews {
            let bench = Bench::new();
            bench.backend.set(answer.clone());
            let patience = match answer {
                Key::Hang => Duration::from_millis(40),
                _ => Duration::from_secs(10),
            };
            let reply = bench.review_within(review, patience).await;
            opened += reply
                .opened()
                .iter()
                .filter(|(_, value)| value.starts_with(CANARY.as_bytes()))
                .count();
            look_everywhere(what, &bench, reply);
        }
    }
    for body in [
        format!("{{\"apiVersion\":\"{}\"", CANARY.replace(['"', '\\'], "")),
        CANARY.to_owned(),
        reviews[1].1.body().replacen(
            "\"CREATE\"",
            &format!("{:?}", CANARY.replace(['"', '\\'], "")),
            1,
        )[..600]
            .to_owned(),
        reviews[1].1.body()[..reviews[1].1.body().len() - 40].to_owned(),
    ] {
        let bench = Bench::new();
        let reply = bench.send(body.as_bytes(), Duration::from_secs(1)).await;
        assert_eq!(reply.status, 400);
        look_everywhere("no review", &bench, reply);
    }
    assert!(opened >= 2, "the canary did go through: {opened}");

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("the log is listened to") && log.contains("vendor words"),
        "{log}"
    );
    assert!(
        log.contains("705ab4f5-6393-11e8-b7cc-42010a800002"),
        "the key service's words come with the uid"
    );
    assert_absent("the log", &log);
}

fn look_everywhere(what: &str, bench: &Bench, mut reply: Reply) {
    let mut line = Vec::new();
    reply.record.write_json(&mut line);
    assert_absent(
        &format!("{what}: the audit line"),
        &String::from_utf8(line).unwrap(),
    );
    assert_absent(
        &format!("{what}: Debug of the record"),
        &format!("{:?}", reply.record),
    );
    assert_absent(
        &format!("{what}: Debug of the reviewer"),
        &format!("{:?} {:#?}", bench.reviewer, bench.reviewer),
    );
    if let Some(response) = reply.response.as_object_mut() {
        response.remove("patch");
        assert_absent(
            &format!("{what}: the response"),
            &reply.response.to_string(),
        );
    } else {
        assert_absent(&format!("{what}: the answer"), &reply.text);
    }
    assert_absent(
        &format!("{what}: message and warnings"),
        &format!("{} {:?}", reply.message(), reply.warnings()),
    );
}

#[tokio::test]
async fn debug_of_an_answer_shows_no_patch() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed(CANARY, "password"))]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let answer = bench
        .reviewer
        .review(review.body().as_bytes(), deadline)
        .await;
    let text = format!("{answer:?}");
    assert!(text.contains("WipingBody(") && text.contains("<redacted>"));
    assert_absent("Debug of the answer", &text);
    let patch = b64(format!(
        "[{{\"op\":\"replace\",\"path\":\"/data/password\",\"value\":\"{}\"}}]",
        b64(CANARY)
    ));
    assert!(String::from_utf8_lossy(answer.body.as_ref()).contains(&patch));
    assert!(!text.contains(&patch));
}
