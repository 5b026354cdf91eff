//! What is stored already, is left to others or goes away.
use super::*;

#[tokio::test]
async fn what_the_application_opens_itself_is_left_where_the_secret_says_so() {
    let bench = Bench::new();
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "mine", "sa": "app"});
    let mine = seal("v", &json!({"bind": bind}));
    let data = [
        ("mine", mine.as_str()),
        ("password", &sealed("hunter2", "password")),
    ];
    let reply = bench.review(&Review::create(&data)).await;
    assert_snapshot!("run_time_only", reply.summary());
    assert_eq!(bench.calls(), 0);
    for named in ["mine", "other, mine", " mine ,x"] {
        let review = Review::create(&data).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": named}),
        );
        let reply = bench.review(&review).await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())],
            "{named:?}"
        );
        assert!(reply.warnings().is_empty());
        assert_eq!(reply.record.fields[0].outcome, FieldOutcome::Left);
    }
    for named in ["", "min", "minex", "data/mine", "*"] {
        let review = Review::create(&data).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": named}),
        );
        assert_eq!(
            bench.review(&review).await.refusal(),
            Some("run-time-only"),
            "{named:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_opened_and_is_stored_already_never_wedges_a_secret() {
    let bench = Bench::new();
    let damaged = sealed("x", "password").replace('.', "..");
    let misplaced = bound("x", "elsewhere", "db", "password");
    let expired = timed("exp", NOW - 61);
    for (what, value) in [
        ("dead", dead()),
        ("damaged", damaged),
        ("misplaced", misplaced),
        ("expired", expired),
        ("foreign", foreign()),
    ] {
        let data = [("password", value.as_str()), ("user", "app")];
        let review = Review::update(&data, &data).with("/metadata/labels", json!({"a": "b"}));
        let reply = bench.review(&review).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{what}: {}",
            reply.text
        );
        assert_eq!(reply.warnings().len(), 1, "{what}");
        assert_eq!(reply.record.outcome, ReviewOutcome::Left);
        if what == "dead" {
            assert_snapshot!(reply.summary());
        }
        // The same value under another key, or in another Secret, is not what is stored.
        let moved = Review::update(&[("user", "app")], &data);
        if what != "foreign" {
            assert!(!bench.review(&moved).await.allowed(), "{what}");
        }
        // DELETE asks nothing.
        let reply = bench
            .review(&Review::of("DELETE", &Value::Null, Some(&secret(&data))))
            .await;
        assert!(reply.allowed() && reply.warnings().is_empty(), "{what}");
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn a_stored_value_that_its_key_service_refuses_never_wedges_a_secret() {
    for answer in [
        Key::Fail(Category::Denied),
        Key::Fail(Category::Misconfigured),
        Key::Fail(Category::UnknownKey),
        Key::Fail(Category::Rejected),
        Key::Fail(Category::Unavailable),
        Key::WrongKey,
        Key::Hang,
    ] {
        let bench = Bench::new();
        bench.backend.set(answer.clone());
        let value = sealed("hunter2", "password");
        let data = [("password", value.as_str())];
        let reply = bench
            .review_within(&Review::update(&data, &data), Duration::from_millis(300))
            .await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{answer:?}: {}",
            reply.text
        );
        assert_eq!(reply.warnings().len(), 1, "{answer:?}");
        // Beside a new value it still is no obstacle, unless that one fails too.
        let both = [("password", value.as_str()), ("plain", "new")];
        let reply = bench
            .review_within(&Review::update(&data, &both), Duration::from_millis(300))
            .await;
        assert!(reply.allowed(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stored_envelope_that_can_be_opened_is_opened() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let data = [("password", value.as_str())];
    let reply = bench.review(&Review::update(&data, &data)).await;
    assert_eq!(
        reply.opened(),
        [("password".to_owned(), b"hunter2".to_vec())]
    );
}

#[tokio::test]
async fn nothing_is_asked_about_what_goes_away_or_is_no_content() {
    let bench = Bench::new();
    let data = [("password", dead())];
    let data = [("password", data[0].1.as_str())];
    for operation in ["DELETE", "CONNECT"] {
        let reply = bench
            .review(&Review::of(operation, &secret(&data), Some(&secret(&data))))
            .await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{operation}");
    }
    let reply = bench
        .review(&Review::create(&data).request_with("subResource", "status".into()))
        .await;
    assert!(reply.allowed());
}

#[tokio::test]
async fn another_kind_passes_unless_it_holds_an_envelope_of_ours() {
    let bench = Bench::new();
    let map = |value: &str| {
        Review::of(
            "CREATE",
            &json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m"}, "data": {"k": value},
                "binaryData": {"b": b64("x")}, "n": [1, -1, 1.5, true, null]}),
            None,
        )
        .request_with("kind", json!({"group": "", "version": "v1", "kind": "ConfigMap"}))
    };
    for plain in ["x", "", "{}", "eyJhbGciOiJub25lIn0.e30."] {
        let reply = bench.review(&map(plain)).await;
        assert!(reply.allowed() && reply.warnings().is_empty(), "{plain}");
    }
    let reply = bench.review(&map(&foreign())).await;
    assert!(reply.allowed() && reply.warnings().len() == 1);
    let value = sealed("hunter2", "k");
    let reply = bench.review(&map(&value)).await;
    assert_snapshot!(reply.summary());
    assert_eq!(reply.refusal(), Some("wrong-place"));
    assert_eq!(
        bench.review(&map(&b64(&value))).await.refusal(),
        Some("wrong-place")
    );
    assert_eq!(
        bench.review(&map(&value.replace('.', ".."))).await.code(),
        400
    );
    // Stored like this already, it wedges nothing.
    let mut review = map(&value);
    review.0["request"]["oldObject"] = review.0["request"]["object"].clone();
    let reply = bench
        .review(&review.request_with("operation", "UPDATE".into()))
        .await;
    assert!(reply.allowed() && reply.warnings().len() == 1);
    assert_eq!(bench.calls(), 0);
}
