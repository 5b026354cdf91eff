//! The annotation layout: the envelope is in `privyseal.dev/data.KEY`, the value comes and goes with it.

use kms_backends::Category;
use kms_backends::testing::Reply as Key;
use serde_json::{Value, json};
use test_support::reviews::*;
use webhook_bin::audit::{FieldOutcome, ReviewOutcome};

/// Bound to this place, for a key that no one serves any more.
fn dead(key: &str) -> String {
    seal(
        "x",
        &json!({"kid": "gone", "bind": {"v": 1, "ns": "payments", "name": "db", "key": key}}),
    )
}

fn outcomes(reply: &Reply) -> Vec<(&str, FieldOutcome)> {
    let fields = reply.record.fields.iter();
    fields
        .map(|field| (field.field.as_str(), field.outcome))
        .collect()
}

#[tokio::test]
async fn an_annotation_becomes_its_value() {
    for data in [
        json!({}),
        Value::Null,
        json!({"user": b64("sa")}),
        json!({"password": null}),
    ] {
        let bench = Bench::new();
        let review = Review::create(&[])
            .with("/data", data.clone())
            .annotated("password", &sealed("hunter2", "password"));
        let reply = bench.review(&review).await;
        let stored = apply_as_the_api_server(&reply, review.object());
        let mut expected = review.object().clone();
        if data.is_null() {
            expected["data"] = json!({});
        }
        expected["data"]["password"] = b64("hunter2").into();
        assert_eq!(stored, expected, "{data}");
        assert_eq!(outcomes(&reply), [("password", FieldOutcome::Opened)]);
        assert!(reply.record.fields[0].envelope.is_some());
    }
    // `data` not there at all, which is what a manifest of this layout brings.
    let bench = Bench::new();
    let review = Review::create(&[])
        .without("/data")
        .annotated("a", &sealed("1", "a"))
        .annotated("b", &sealed("2", "b"));
    let reply = bench.review(&review).await;
    assert_eq!(
        reply.patch(),
        [
            json!({"op": "add", "path": "/data", "value": {}}),
            json!({"op": "add", "path": "/data/a", "value": b64("1")}),
            json!({"op": "add", "path": "/data/b", "value": b64("2")}),
        ]
    );
    assert_eq!(bench.calls(), 2);
}

/// `data: null` and a missing `data` are the same to the API server, and `add` replaces what is there.
fn apply_as_the_api_server(reply: &Reply, object: &Value) -> Value {
    let mut object = object.clone();
    for operation in reply.patch() {
        let path = operation["path"].as_str().unwrap();
        if path == "/data" {
            object["data"] = operation["value"].clone();
        } else {
            object["data"][&path["/data/".len()..]] = operation["value"].clone();
        }
    }
    object
}

#[tokio::test]
async fn both_serializations_and_a_newline_after_them_are_opened() {
    let envelope = sealed("hunter2", "password");
    let parts: Vec<&str> = envelope.split('.').collect();
    let flattened = json!({
        "protected": parts[0], "encrypted_key": parts[1], "iv": parts[2],
        "ciphertext": parts[3], "tag": parts[4],
    });
    for text in [
        envelope.clone(),
        format!("{envelope}\n"),
        protected_first(&flattened),
    ] {
        let review = Review::create(&[]).annotated("password", &text);
        let reply = Bench::new().review(&review).await;
        assert!(reply.allowed(), "{}", reply.text);
        assert_eq!(
            reply.apply_to(review.object())["data"]["password"],
            b64("hunter2")
        );
    }
    for text in [
        format!("{flattened:#}"),
        format!("\n{envelope}"),
        protected_first(&flattened).replacen('{', "{ ", 1),
    ] {
        let bench = Bench::new();
        let review = Review::create(&[]).annotated("password", &text);
        let reply = bench.review(&review).await;
        assert_eq!(reply.refusal(), Some("not-openable-form"), "{text}");
        assert_eq!(bench.calls(), 0);
    }
}

#[tokio::test]
async fn what_did_not_change_costs_nothing() {
    let envelope = sealed("hunter2", "password");
    for text in [
        envelope.as_str(),
        dead("password").as_str(),
        "no envelope",
        "",
    ] {
        let bench = Bench::new();
        let review = Review::update(&[("password", "hunter2")], &[("password", "hunter2")])
            .annotated("password", text)
            .stored_annotated("password", text)
            .with("/metadata/labels", json!({"team": "payments"}));
        let reply = bench.review(&review).await;
        assert!(reply.allowed() && reply.patch().is_empty());
        assert!(reply.warnings().is_empty() && reply.record.fields.is_empty());
        assert_eq!(reply.record.outcome, ReviewOutcome::Untouched);
        assert_eq!(bench.calls(), 0);
    }
}

#[tokio::test]
async fn a_changed_annotation_changes_its_value() {
    let bench = Bench::new();
    let review = Review::update(
        &[("password", "old"), ("user", "sa")],
        &[("password", "old"), ("user", "sa")],
    )
    .annotated("password", &sealed("new", "password"))
    .stored_annotated("password", &sealed("old", "password"));
    let reply = bench.review(&review).await;
    assert_eq!(
        reply.patch(),
        [json!({"op": "replace", "path": "/data/password", "value": b64("new")})]
    );
    assert!(reply.warnings().is_empty(), "{}", reply.text);

    // Sealed again, with the same value in it: opened, and nothing to patch.
    let review = review.annotated("password", &sealed("old", "password"));
    let reply = bench.review(&review).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    assert_eq!(outcomes(&reply), [("password", FieldOutcome::Opened)]);
    assert_eq!(reply.record.outcome, ReviewOutcome::Opened);
}

/// An annotation that is stored is never opened again: anyone who could store it would otherwise have it opened by the
/// next change of someone who may.
#[tokio::test]
async fn an_annotated_key_that_is_missing_or_changed_is_put_back_without_a_key() {
    for text in [
        sealed("something else", "password"),
        dead("password"),
        "no envelope".to_owned(),
    ] {
        for data in [
            json!({}),
            Value::Null,
            json!({"password": null}),
            json!({"password": b64("mine")}),
            json!({"password": ""}),
        ] {
            let bench = Bench::new();
            bench.backend.set(Key::Fail(Category::Denied));
            let review = Review::update(&[("password", "hunter2")], &[])
                .with("/data", data.clone())
                .annotated("password", &text)
                .stored_annotated("password", &text);
            let reply = bench.review(&review).await;
            assert!(reply.allowed(), "{data}: {}", reply.text);
            assert_eq!(
                apply_as_the_api_server(&reply, review.object())["data"],
                json!({"password": b64("hunter2")}),
                "{data}"
            );
            assert_eq!(outcomes(&reply)[0], ("password", FieldOutcome::PutBack));
            assert!(reply.record.fields[0].stored_before);
            let was_given = data["password"].is_string();
            assert_eq!(reply.warnings().len(), usize::from(was_given), "{data}");
            assert_eq!(bench.calls(), 0);
        }
    }
}

#[tokio::test]
async fn a_stored_annotation_without_a_value_is_never_opened() {
    let envelope = sealed("hunter2", "password");
    for data in [&[][..], &[("password", "mine")], &[("user", "sa")]] {
        let bench = Bench::new();
        let review = Review::update(&[], data)
            .annotated("password", &envelope)
            .stored_annotated("password", &envelope);
        let reply = bench.review(&review).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{}",
            reply.text
        );
        assert_eq!(reply.warnings().len(), 1, "{}", reply.text);
        assert_eq!(outcomes(&reply), [("password", FieldOutcome::Left)]);
        assert_eq!(bench.calls(), 0);
    }
}

#[tokio::test]
async fn a_value_goes_with_its_annotation() {
    let bench = Bench::new();
    let review = Review::update(
        &[("password", "hunter2"), ("user", "sa")],
        &[("password", "hunter2"), ("user", "sa")],
    )
    .stored_annotated("password", &dead("password"));
    let reply = bench.review(&review).await;
    assert_eq!(
        reply.patch(),
        [json!({"op": "remove", "path": "/data/password"})]
    );
    assert_eq!(outcomes(&reply), [("password", FieldOutcome::Removed)]);
    assert_eq!(
        reply.warnings(),
        ["field `password` was removed, as its annotation `privyseal.dev/data.password` was"]
    );
    assert_eq!(bench.calls(), 0);

    // Given again, plain or sealed, it is the other layout's.
    let given = Review::update(&[("password", "hunter2")], &[("password", "another")])
        .stored_annotated("password", &dead("password"));
    let reply = bench.review(&given).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    let moved = Review::update(
        &[("password", "hunter2")],
        &[("password", &sealed("hunter2", "password"))],
    )
    .stored_annotated("password", &dead("password"));
    let reply = bench.review(&moved).await;
    assert_eq!(reply.opened(), [("password".into(), b"hunter2".to_vec())]);

    // What was taken away by the request itself, or was never there, needs nothing.
    for stored in [&[][..], &[("password", "hunter2")]] {
        let review = Review::update(stored, &[]).stored_annotated("password", &dead("password"));
        let reply = bench.review(&review).await;
        assert!(reply.allowed() && reply.patch().is_empty());
    }
}

#[tokio::test]
async fn a_changed_annotation_that_cannot_be_opened_is_refused() {
    for (text, code, refusal) in [
        (dead("password"), 403, "unknown-key"),
        (seal("x", &json!({"kid": "theirs"})), 403, "unknown-key"),
        (sealed("x", "other"), 403, "wrong-place"),
        ("hunter2".to_owned(), 403, "not-an-envelope"),
        (String::new(), 403, "not-an-envelope"),
        ("eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d".to_owned(), 400, "damaged"),
    ] {
        let bench = Bench::new();
        for review in [
            Review::create(&[]),
            Review::update(&[], &[]),
            Review::update(&[("password", "old")], &[("password", "old")])
                .stored_annotated("password", &sealed("old", "password")),
        ] {
            let reply = bench.review(&review.annotated("password", &text)).await;
            assert_eq!(reply.refusal(), Some(refusal), "{text}");
            assert_eq!(reply.code(), code);
            assert!(
                reply
                    .message()
                    .starts_with("nothing was stored: field `metadata.annotations[privyseal.dev/data.password]` ["),
                "{}",
                reply.message()
            );
            assert!(!reply.message().contains("hunter2"));
        }
        assert_eq!(bench.calls(), 0);
    }
}

#[tokio::test]
async fn a_dead_key_never_wedges_a_secret() {
    for text in [
        dead("password"),
        "no envelope".to_owned(),
        sealed("x", "other"),
    ] {
        // Stored before the webhook was there: no value.
        let review = Review::update(&[], &[])
            .annotated("password", &text)
            .stored_annotated("password", &text)
            .with("/metadata/finalizers", json!([]));
        let reply = Bench::new().review(&review).await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{text}");
        assert_eq!(outcomes(&reply), [("password", FieldOutcome::Left)]);
        assert_eq!(reply.warnings().len(), 1);
    }
    // A key service that is away is no reason either.
    let bench = Bench::new();
    bench.backend.set(Key::Fail(Category::Unavailable));
    let text = sealed("x", "password");
    let review = Review::update(&[], &[])
        .annotated("password", &text)
        .stored_annotated("password", &text);
    assert!(bench.review(&review).await.allowed());
}

/// Anyone who creates annotation and value could have written the value anyway. Nothing is opened, then or later: no
/// way round the lists of those who may submit.
#[tokio::test]
async fn a_restored_backup_keeps_its_values_and_opens_nothing() {
    let bench = Bench::new();
    let review = Review::create(&[("password", "hunter2"), ("token", "stale")])
        .annotated("password", &dead("password"))
        .annotated("token", &sealed("t", "token"));
    let reply = bench.review(&review).await;
    assert!(
        reply.allowed() && reply.patch().is_empty(),
        "{}",
        reply.text
    );
    assert_eq!(
        outcomes(&reply),
        [
            ("password", FieldOutcome::Restored),
            ("token", FieldOutcome::Restored)
        ]
    );
    assert_eq!(
        reply.response["auditAnnotations"]["restored"],
        "password,token"
    );
    assert!(reply.warnings().is_empty());
    let mut line = Vec::new();
    reply.record.write_json(&mut line);
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["fields"][0]["outcome"], "restored");

    // Later changes keep it so, whatever they do to the value.
    for data in [json!({"token": b64("stale")}), json!({}), Value::Null] {
        let text = &review.object()["metadata"]["annotations"]["privyseal.dev/data.token"];
        let text = text.as_str().unwrap();
        let later = Review::update(&[("token", "stale")], &[])
            .with("/data", data)
            .annotated("token", text)
            .stored_annotated("token", text);
        let reply = bench.review(&later).await;
        assert_eq!(
            apply_as_the_api_server(&reply, later.object())["data"]["token"],
            b64("stale")
        );
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn one_key_sealed_in_both_layouts_is_refused() {
    let envelope = sealed("hunter2", "password");
    for review in [
        Review::create(&[("password", &envelope)]),
        Review::update(&[], &[("password", &envelope)]),
        Review::update(&[("password", "hunter2")], &[("password", &envelope)])
            .stored_annotated("password", &envelope),
    ] {
        let bench = Bench::new();
        let reply = bench.review(&review.annotated("password", &envelope)).await;
        assert_eq!(reply.refusal(), Some("ambiguous"));
        assert_eq!(bench.calls(), 0);
    }
    // Stored like this: no change is blocked, and none opens it.
    let bench = Bench::new();
    let review = Review::update(&[("password", &envelope)], &[("password", &envelope)])
        .annotated("password", &envelope)
        .stored_annotated("password", &envelope);
    let reply = bench.review(&review).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn a_name_that_no_key_can_have_is_refused() {
    for key in ["", "a/b", "..x", "ü"] {
        let review = Review::create(&[]).annotated(key, &sealed("x", key));
        let reply = Bench::new().review(&review).await;
        assert_eq!(reply.refusal(), Some("wrong-place"), "{key}");
    }
    let review =
        Review::create(&[]).annotated(".dockerconfigjson", &sealed("{}", ".dockerconfigjson"));
    assert!(Bench::new().review(&review).await.allowed());
}

#[tokio::test]
async fn types_sizes_and_promises_hold_for_what_comes_and_goes() {
    // Both values of a TLS Secret come out of annotations.
    let tls = Review::create(&[])
        .with("/type", "kubernetes.io/tls".into())
        .annotated("tls.crt", &sealed("c", "tls.crt"));
    let reply = Bench::new().review(&tls).await;
    assert_eq!(reply.refusal(), Some("type-check"));
    assert!(reply.message().contains("tls.key"), "{}", reply.message());
    let reply = Bench::new()
        .review(&tls.annotated("tls.key", &sealed("k", "tls.key")))
        .await;
    assert!(reply.allowed(), "{}", reply.text);

    // One of them goes.
    let stored = [("tls.crt", "c"), ("tls.key", "k")];
    let review = Review::update(&stored, &stored)
        .with("/type", "kubernetes.io/tls".into())
        .stored_annotated("tls.key", &sealed("k", "tls.key"));
    let reply = Bench::new().review(&review).await;
    assert_eq!(reply.refusal(), Some("type-check"));
    assert_eq!(reply.code(), 403);

    let large = "x".repeat(700 * 1024);
    let review =
        Review::create(&[("plain", &large)]).annotated("sealed", &sealed(&large, "sealed"));
    let reply = Bench::new().review(&review).await;
    assert_eq!(reply.refusal(), Some("too-large"));
    let review = Review::update(&[("sealed", &large)], &[("sealed", &large)])
        .annotated("sealed", &sealed(&large, "sealed"));
    assert!(Bench::new().review(&review).await.allowed());

    // A Secret that may not change gets no other value, and loses none.
    let unchangeable = |review: Review| {
        review
            .with("/immutable", true.into())
            .stored_with("/immutable", true.into())
    };
    let review = unchangeable(Review::update(
        &[("password", "old")],
        &[("password", "old")],
    ));
    for (text, expected) in [("old", None), ("new", Some("immutable"))] {
        let review = review
            .clone()
            .annotated("password", &sealed(text, "password"));
        assert_eq!(Bench::new().review(&review).await.refusal(), expected);
    }
    let review = review.stored_annotated("password", &sealed("old", "password"));
    let reply = Bench::new().review(&review).await;
    assert_eq!(reply.refusal(), Some("immutable"));
}

#[tokio::test]
async fn the_place_and_what_is_left_to_the_application_hold_here_too() {
    let review = Review::create(&[]).annotated("password", &sealed("x", "password"));
    let elsewhere = review.clone().at("team-a", "db");
    assert_eq!(
        Bench::new().review(&elsewhere).await.refusal(),
        Some("wrong-place")
    );
    let mut left = review;
    left.0["request"]["object"]["metadata"]["annotations"]["privyseal.dev/leave"] =
        "password".into();
    // What can be opened is opened, although it is named.
    let bench = Bench::new();
    let reply = bench.review(&left).await;
    assert_eq!(reply.apply_to(left.object())["data"]["password"], b64("x"));
    assert_eq!(reply.warnings().len(), 1, "{}", reply.text);
}

#[tokio::test]
async fn one_annotation_that_fails_keeps_all_closed() {
    let bench = Bench::new();
    let review = Review::create(&[("user", &sealed("sa", "user"))])
        .annotated("password", &sealed("x", "other"))
        .annotated("token", &sealed("t", "token"));
    let reply = bench.review(&review).await;
    assert!(!reply.allowed());
    assert_eq!(
        outcomes(&reply),
        [
            ("user", FieldOutcome::Skipped),
            ("password", FieldOutcome::Refused),
            ("token", FieldOutcome::Skipped)
        ]
    );
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn more_annotations_than_envelopes_may_be_are_answered_in_no_time() {
    let mut review = Review::update(&[], &[]);
    for index in 0..3_000 {
        let key = format!("k{index}");
        review = review.annotated(&key, "eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d");
    }
    let reply = Bench::new().review(&review).await;
    assert!(!reply.allowed());
    assert!(reply.message().contains("more than 1024 envelopes"));
}
