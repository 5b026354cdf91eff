//! What is damaged or too much, and that one bad field keeps all closed.
use super::*;

#[tokio::test]
async fn bad_fields_deny_the_whole_review_and_each_is_named() {
    let bench = Bench::new();
    let review = Review::create(&[
        ("password", &sealed("hunter2", "password")),
        ("copied", &sealed("hunter2", "password")),
        ("gone", &dead()),
        ("also-gone", &dead()),
        ("cut", &sealed("hunter2", "cut")[..300]),
        ("plain", "x"),
    ]);
    let reply = bench.review(&review).await;
    assert_snapshot!(reply.summary());
    assert_eq!(reply.code(), 403);
    assert_eq!(
        bench.calls(),
        0,
        "any field refused before the key service: none is unwrapped"
    );
}

#[tokio::test]
async fn damage_alone_is_a_bad_request() {
    let bench = Bench::new();
    let text = sealed("hunter2", "password");
    let broken = format!("{}\n{}", &text[..80], &text[80..]);
    let review = Review::create(&[("a", &text.replace('.', "..")[..]), ("password", &broken)]);
    let reply = bench.review(&review).await;
    assert_snapshot!(reply.summary());
    assert_eq!((reply.code(), bench.calls()), (400, 0));
}

#[tokio::test]
async fn a_value_that_is_an_envelope_when_opened_is_refused() {
    let bench = Bench::new();
    let inner = sealed("hunter2", "password");
    let outer = sealed(&inner, "password");
    let reply = bench.review(&Review::create(&[("password", &outer)])).await;
    assert_snapshot!(reply.summary());
    assert_eq!(bench.calls(), 1);
    // Stored already, it stays.
    let data = [("password", outer.as_str())];
    assert!(bench.review(&Review::update(&data, &data)).await.allowed());
}

#[tokio::test]
async fn one_field_that_fails_keeps_all_closed() {
    let bench = Bench::new();
    bench.backend.set_script(|call| {
        if call == 1 {
            Key::Fail(Category::Denied)
        } else {
            Key::Right
        }
    });
    let data = [
        ("a", sealed("v", "a")),
        ("b", sealed("v", "b")),
        ("c", sealed("v", "c")),
    ];
    let data: Vec<(&str, &str)> = data
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let reply = bench.review(&Review::create(&data)).await;
    assert!(!reply.allowed());
    let refused = reply
        .record
        .fields
        .iter()
        .filter(|field| field.outcome == FieldOutcome::Refused)
        .count();
    assert!(refused >= 1);
    assert!(
        reply
            .record
            .fields
            .iter()
            .all(|field| field.outcome != FieldOutcome::Opened)
    );
}

#[tokio::test]
async fn string_data_that_comes_all_the_same_is_refused() {
    let bench = Bench::new();
    let review = Review::create(&[]).with(
        "/stringData",
        json!({"password": sealed("x", "password"), "plain": "eyJ"}),
    );
    let reply = bench.review(&review).await;
    assert_snapshot!(reply.summary());
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn more_envelopes_than_a_secret_may_hold_are_refused_before_any_key() {
    let bench = Bench::new();
    let value = seal("v", &json!({"bind": {"v": 1, "ns": "payments"}}));
    let keys: Vec<String> = (0..1025).map(|n| format!("k{n}")).collect();
    let data: Vec<(&str, &str)> = keys
        .iter()
        .map(|key| (key.as_str(), value.as_str()))
        .collect();
    let reply = bench.review(&Review::create(&data)).await;
    assert_eq!(reply.refusal(), Some("too-large"), "{}", reply.message());
    assert_eq!(bench.calls(), 0);
    let reply = bench.review(&Review::create(&data[..1024])).await;
    assert_eq!(reply.opened().len(), 1024);
    assert_eq!(bench.calls(), 1, "one wrapped key, one call");
}
