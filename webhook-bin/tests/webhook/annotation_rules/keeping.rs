//! What must not change, and what the API server would not take.
use super::*;

#[tokio::test]
async fn labels_and_finalizers_change_whatever_became_of_the_key() {
    let value = [("password", "hunter2")];
    let changes = [
        ("/metadata/labels", json!({"team": "payments"})),
        ("/metadata/finalizers", json!([])),
        ("/metadata/finalizers", json!(["example.org/wait"])),
        ("/metadata/deletionTimestamp", json!("2027-01-15T08:00:00Z")),
        (
            "/metadata/ownerReferences",
            json!([{"kind": "App", "name": "a"}]),
        ),
    ];
    let expired = json!({"v": 1, "ns": "payments", "exp": NOW - 3_600});
    for (what, text) in [
        ("dead", dead()),
        ("damaged", sealed("x", "password").replace('.', "..")),
        ("misplaced", sealed("x", "elsewhere")),
        ("expired", seal("hunter2", &json!({"bind": expired}))),
        ("good", sealed("hunter2", "password")),
    ] {
        for (member, change) in &changes {
            let bench = Bench::new();
            bench.backend.set(Key::Fail(Category::Denied));
            let with_value = Review::update(&value, &value)
                .annotated("password", &text)
                .stored_annotated("password", &text)
                .with(member, change.clone());
            let reply = bench.review(&with_value).await;
            assert!(
                reply.allowed() && reply.patch().is_empty(),
                "{what} {member}"
            );
            assert!(reply.warnings().is_empty(), "{what} {member}");
            assert_eq!(bench.calls(), 0);
            // Stored while no one was there to open it: said, and no obstacle.
            let without_value = Review::update(&[], &[])
                .annotated("password", &text)
                .stored_annotated("password", &text)
                .with(member, change.clone());
            let reply = bench.review(&without_value).await;
            assert!(
                reply.allowed() && reply.patch().is_empty(),
                "{what} {member}"
            );
            assert_eq!(reply.warnings().len(), 1, "{what} {member}");
            assert!(reply.warnings()[0].contains("stays sealed"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_may_not_change_keeps_every_value() {
    let (old, new) = (sealed("old", "password"), sealed("new", "password"));
    let resealed = sealed("old", "password");
    let value = [("password", "old")];
    let update = |annotation: &str, data: &[(&str, &str)]| {
        Review::update(&value, data)
            .stored_annotated("password", &old)
            .annotated("password", annotation)
    };
    for (what, review, refusal) in [
        ("the manifest again", update(&old, &[]), None),
        (
            "a label",
            update(&old, &value).with("/metadata/labels", json!({"a": "b"})),
            None,
        ),
        (
            "sealed anew, the same value",
            update(&resealed, &value),
            None,
        ),
        ("another value", update(&new, &value), Some("immutable")),
        (
            "another value, replaced",
            update(&new, &[]),
            Some("immutable"),
        ),
        (
            "the annotation taken away",
            Review::update(&value, &value).stored_annotated("password", &old),
            Some("immutable"),
        ),
        (
            "a key more",
            update(&old, &value).annotated("token", &sealed("t", "token")),
            Some("immutable"),
        ),
    ] {
        let review = review
            .with("/immutable", true.into())
            .stored_with("/immutable", true.into());
        let reply = Bench::new().review(&review).await;
        assert_eq!(reply.refusal(), refusal, "{what}: {}", reply.text);
        match refusal {
            Some(_) => assert_eq!(reply.code(), 403, "{what}"),
            None => assert_eq!(
                stored(&reply, &review)["data"],
                json!({"password": b64("old")}),
                "{what}"
            ),
        }
    }
    // A label by itself is none of our business, and a dead key no obstacle.
    for text in [old.clone(), dead()] {
        let bench = Bench::new();
        let review = Review::update(&value, &value)
            .annotated("password", &text)
            .stored_annotated("password", &text)
            .with("/metadata/labels", json!({"a": "b"}))
            .with("/immutable", true.into())
            .stored_with("/immutable", true.into());
        let reply = bench.review(&review).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{}",
            reply.text
        );
        assert!(reply.record.fields.is_empty() && reply.warnings().is_empty());
        assert_eq!(bench.calls(), 0);
    }
    // It may not change from now on: this request still sets it.
    for review in [
        Review::create(&[]).annotated("password", &new),
        update(&new, &value),
    ] {
        let review = review.with("/immutable", true.into());
        let reply = Bench::new().review(&review).await;
        assert_eq!(
            stored(&reply, &review)["data"],
            json!({"password": b64("new")})
        );
    }
}

/// What the API server itself would answer with a 422, on which deployers delete the Secret, is refused by us.
#[tokio::test]
async fn what_its_type_would_not_take_is_denied_by_us() {
    let named = json!({"kubernetes.io/service-account.name": "app"});
    // Type, key, a value that it does not take (none: it takes anything), one that it takes with these others.
    for (kind, key, bad, good, others) in [
        ("Opaque", "x", None, "", &[][..]),
        (
            "bootstrap.kubernetes.io/token",
            "token-id",
            None,
            "not six letters",
            &[],
        ),
        (
            "kubernetes.io/basic-auth",
            "password",
            Some(("token", "p", "`username` or `password`")),
            "p",
            &[],
        ),
        (
            "kubernetes.io/dockercfg",
            ".dockercfg",
            Some((".dockercfg", "[]", "JSON object")),
            "{}",
            &[],
        ),
        (
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            Some((".dockerconfigjson", "hunter2", "JSON object")),
            "{\"auths\":{}}",
            &[],
        ),
        (
            "kubernetes.io/service-account-token",
            "token",
            Some(("token", "t", "service-account.name")),
            "t",
            &[],
        ),
        (
            "kubernetes.io/ssh-auth",
            "ssh-privatekey",
            Some(("ssh-privatekey", "", "is empty")),
            "k",
            &[],
        ),
        (
            "kubernetes.io/tls",
            "tls.key",
            Some(("tls.key", "k", "tls.crt")),
            "k",
            &[("tls.crt", "c")],
        ),
    ] {
        let of_type = |key: &str, value: &str, others: &[(&str, &str)], stored: bool| {
            let review = if stored {
                Review::update(&[], others).stored_with("/type", kind.into())
            } else {
                Review::create(others)
            };
            review
                .with("/type", kind.into())
                .annotated(key, &sealed(value, key))
        };
        for stored in [false, true] {
            if let Some((key, value, words)) = bad {
                let reply = Bench::new().review(&of_type(key, value, &[], stored)).await;
                assert_eq!(
                    reply.refusal(),
                    Some("type-check"),
                    "{kind}: {}",
                    reply.text
                );
                assert_eq!((reply.status, reply.code()), (200, 403), "{kind}");
                assert!(reply.message().contains(words), "{}", reply.message());
                assert!(reply.message().contains(kind), "{}", reply.message());
                assert!(!reply.message().contains("hunter2"));
            }
            let mut review = of_type(key, good, others, stored);
            if kind == "kubernetes.io/service-account-token" {
                let annotations = &mut review.0["request"]["object"]["metadata"]["annotations"];
                annotations["kubernetes.io/service-account.name"] =
                    named["kubernetes.io/service-account.name"].clone();
            }
            let reply = Bench::new().review(&review).await;
            assert!(reply.allowed(), "{kind}: {}", reply.text);
            assert_eq!(
                reply.apply_to(review.object())["data"][key],
                b64(good),
                "{kind}"
            );
        }
    }
}
