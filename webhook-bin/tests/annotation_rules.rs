//! The annotation layout under every kind of request that reaches a Secret: one table per rule. What single answers
//! look like is in `annotations.rs`.
#![allow(clippy::unwrap_used, reason = "what fails shall panic")]

mod support;

use kms_backends::testing::Reply as Key;
use kms_backends::{CacheOptions, Category};
use serde_json::{Value, json};
use support::*;
use webhook_bin::audit::{FieldOutcome, ReviewOutcome};

const PLACE: &str = "metadata.annotations[privyseal.dev/data.password]";

/// For `payments/db/password`, for a key that nobody serves any more.
fn dead() -> String {
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    seal("hunter2", &json!({"kid": "gone", "bind": bind}))
}

/// The object that this answer has the API server store.
fn stored(reply: &Reply, review: &Review) -> Value {
    assert!(reply.allowed(), "{}", reply.text);
    reply.apply_to(review.object())
}

/// Every key service fails from now on, in every way that can be told apart.
fn failures() -> [Key; 5] {
    [
        Key::Fail(Category::Denied),
        Key::Fail(Category::Misconfigured),
        Key::Fail(Category::Unavailable),
        Key::Fail(Category::UnknownKey),
        Key::WrongKey,
    ]
}

#[tokio::test]
async fn a_generated_name_fits_a_bound_pattern_alone() {
    for (name, prefix, opens) in [
        (Some("db-*"), "db-", true),
        (Some("db-*"), "db-x-", true),
        (Some("db-*"), "d", false),
        (Some("db-*"), "dbx-", false),
        (Some("db-1"), "db-", false),
        (None, "anything-", true),
    ] {
        let mut bind = json!({"v": 1, "ns": "payments", "key": "password"});
        if let Some(name) = name {
            bind["name"] = name.into();
        }
        let review = Review::create(&[])
            .request_with("name", Value::Null)
            .without("/metadata/name")
            .with("/metadata/generateName", prefix.into())
            .annotated("password", &seal("hunter2", &json!({"bind": bind})));
        let bench = Bench::new();
        let reply = bench.review(&review).await;
        assert_eq!(reply.record.name, format!("{prefix}*"));
        if opens {
            let stored = stored(&reply, &review);
            assert_eq!(stored["data"], json!({"password": b64("hunter2")}));
        } else {
            assert_eq!(reply.refusal(), Some("wrong-place"), "{name:?} {prefix}");
            assert!(reply.message().contains(PLACE), "{}", reply.message());
            assert_eq!(bench.calls(), 0);
        }
    }
}

#[tokio::test]
async fn a_dry_run_is_answered_like_the_real_request() {
    let envelope = sealed("hunter2", "password");
    let value = [("password", "hunter2")];
    for (what, review) in [
        (
            "create",
            Review::create(&[]).annotated("password", &envelope),
        ),
        (
            "update",
            Review::update(&value, &value)
                .annotated("password", &envelope)
                .stored_annotated("password", &sealed("old", "password")),
        ),
        (
            "removal",
            Review::update(&value, &value).stored_annotated("password", &envelope),
        ),
        ("dead", Review::create(&[]).annotated("password", &dead())),
        (
            "restored",
            Review::create(&value).annotated("password", &dead()),
        ),
    ] {
        let real = Bench::new().review(&review).await;
        let dry = review.request_with("dryRun", true.into());
        let dry = Bench::new().review(&dry).await;
        assert_eq!(dry.response, real.response, "{what}");
        assert!(dry.record.dry_run && !real.record.dry_run, "{what}");
    }
}

/// Another webhook beside us changed the object: the API server asks again, with what we made of it.
#[tokio::test]
async fn our_own_output_asked_about_again_gives_no_patch_and_no_call() {
    let (first, second) = (sealed("hunter2", "password"), sealed("hunter3", "password"));
    let old = [("password", "hunter2"), ("user", "sa")];
    for (what, review) in [
        (
            "create",
            Review::create(&[("user", "sa")]).annotated("password", &first),
        ),
        (
            "create without data",
            Review::create(&[])
                .without("/data")
                .annotated("password", &first),
        ),
        (
            "first annotation",
            Review::update(&[("user", "sa")], &[("user", "sa")]).annotated("password", &first),
        ),
        (
            "changed annotation",
            Review::update(&old, &old)
                .annotated("password", &second)
                .stored_annotated("password", &first),
        ),
        (
            "annotation gone",
            Review::update(&old, &old).stored_annotated("password", &first),
        ),
    ] {
        let bench = Bench::new();
        let reply = bench.review(&review).await;
        assert!(!reply.patch().is_empty(), "{what}");
        let calls = bench.calls();
        let mut again = review.clone();
        again.0["request"]["object"] = stored(&reply, &review);
        again = again.with(
            "/metadata/labels",
            json!({"injected": "by another webhook"}),
        );
        let reply = bench.review(&again).await;
        assert!(
            reply.allowed() && reply.patch().is_empty(),
            "{what}: {}",
            reply.text
        );
        assert!(reply.warnings().is_empty(), "{what}");
        assert_eq!(bench.calls(), calls, "{what}");
    }
}

/// What we made is stored: from then on nothing of it is our business, whatever happens to the key.
#[tokio::test]
async fn our_own_output_stored_is_not_even_looked_at() {
    let created = Review::create(&[]).annotated("password", &sealed("hunter2", "password"));
    let bench = Setup {
        cache: CacheOptions::off(),
        ..Setup::default()
    }
    .build();
    let object = stored(&bench.review(&created).await, &created);
    assert_eq!(bench.calls(), 1);
    for answer in failures() {
        bench.backend.set(answer.clone());
        let review = Review::of("UPDATE", &object, Some(&object));
        let reply = bench.review(&review).await;
        assert!(reply.allowed() && reply.patch().is_empty(), "{answer:?}");
        assert!(reply.record.fields.is_empty() && reply.warnings().is_empty());
        assert_eq!(reply.record.outcome, ReviewOutcome::Untouched);
    }
    assert_eq!(bench.calls(), 1);
}

/// The manifest in Git has the annotation and no value; server-side apply carries the stored value along, a replace
/// does not.
#[tokio::test]
async fn every_way_of_writing_ends_in_the_value_of_the_annotation() {
    let (old, new) = (sealed("old", "password"), sealed("new", "password"));
    let (none, kept, plain): (&[_], &[_], &[_]) = (
        &[],
        &[("password", "old")],
        &[("password", "given by hand")],
    );
    // What is stored (annotation and value), what is sent, and the value that is to be stored then.
    for (what, had, sent, expected) in [
        ("create", None, (&new, none), "new"),
        ("create with a value of its own", None, (&new, plain), "new"),
        ("first annotation", Some((None, none)), (&new, none), "new"),
        (
            "from field to annotation",
            Some((None, kept)),
            (&new, none),
            "new",
        ),
        (
            "from field to annotation, value carried along",
            Some((None, kept)),
            (&new, kept),
            "new",
        ),
        (
            "changed, value carried along",
            Some((Some(&old), kept)),
            (&new, kept),
            "new",
        ),
        (
            "changed, replaced",
            Some((Some(&old), kept)),
            (&new, none),
            "new",
        ),
        (
            "unchanged, value carried along",
            Some((Some(&old), kept)),
            (&old, kept),
            "old",
        ),
        (
            "unchanged, replaced",
            Some((Some(&old), kept)),
            (&old, none),
            "old",
        ),
        (
            "unchanged, value overwritten",
            Some((Some(&old), kept)),
            (&old, plain),
            "old",
        ),
        (
            "unchanged, value deleted long ago",
            Some((Some(&old), none)),
            (&old, none),
            "old",
        ),
    ] {
        let mut review = match had {
            None => Review::create(sent.1),
            Some((_, data)) => Review::update(data, sent.1),
        }
        .annotated("password", sent.0);
        if let Some((Some(annotation), _)) = had {
            review = review.stored_annotated("password", annotation);
        }
        let reply = Bench::new().review(&review).await;
        let data = &stored(&reply, &review)["data"];
        assert_eq!(*data, json!({"password": b64(expected)}), "{what}");
    }
}

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
            // Stored while nobody was there to open it: said, and no obstacle.
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
async fn a_key_goes_with_its_annotation_and_only_that_one() {
    let (password, token) = (sealed("hunter2", "password"), sealed("t", "token"));
    let all = [("password", "hunter2"), ("token", "t"), ("user", "sa")];
    let one_left = Review::update(&all, &all)
        .annotated("token", &token)
        .stored_annotated("password", &password)
        .stored_annotated("token", &token);
    let none_left = one_left.clone().without("/metadata/annotations");
    let gone_by_itself = Review::update(&all, &all[1..])
        .annotated("token", &token)
        .stored_annotated("password", &password)
        .stored_annotated("token", &token);
    for (what, review, removed, left) in [
        (
            "one of two",
            one_left,
            &["password"][..],
            &["token", "user"][..],
        ),
        ("both", none_left, &["password", "token"], &["user"]),
        ("with its value", gone_by_itself, &[], &["token", "user"]),
    ] {
        let bench = Bench::new();
        let reply = bench.review(&review).await;
        let stored = stored(&reply, &review);
        let mut keys: Vec<_> = stored["data"].as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, left, "{what}");
        let gone: Vec<_> = reply
            .record
            .fields
            .iter()
            .filter(|field| field.outcome == FieldOutcome::Removed)
            .map(|field| field.field.as_str())
            .collect();
        assert_eq!(gone, removed, "{what}");
        assert_eq!(reply.warnings().len(), removed.len(), "{what}");
        assert_eq!(bench.calls(), 0, "{what}");
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
    // A label alone is none of our business, and a dead key no obstacle.
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

/// A backup brings annotation and value: whoever restores it could have written the value anyway.
#[tokio::test]
async fn a_restored_backup_keeps_what_cannot_be_opened_here() {
    let late = json!({"v": 1, "ns": "payments", "exp": NOW - 3_600});
    let texts = [
        ("dead", dead(), "unknown-key"),
        (
            "damaged",
            sealed("x", "password").replace('.', ".."),
            "damaged",
        ),
        (
            "of another place",
            bound("x", "elsewhere", "db", "password"),
            "wrong-place",
        ),
        ("expired", seal("x", &json!({"bind": late})), "expired"),
    ];
    for (what, text, code) in &texts {
        for dry_run in [false, true] {
            let bench = Bench::new();
            let review = Review::create(&[("password", "hunter2")])
                .annotated("password", text)
                .request_with("dryRun", dry_run.into());
            let reply = bench.review(&review).await;
            assert_eq!(stored(&reply, &review), *review.object(), "{what}");
            let field = &reply.record.fields[0];
            assert_eq!(field.outcome, FieldOutcome::Restored, "{what}");
            assert_eq!(field.code.unwrap().as_str(), *code, "{what}");
            assert_eq!(reply.response["auditAnnotations"]["restored"], "password");
            assert_eq!(reply.warnings().len(), 1, "{what}");
            assert_eq!(bench.calls(), 0);
        }
        // Without its value there is nothing to restore, and a stored Secret is no backup.
        for review in [
            Review::create(&[]),
            Review::create(&[("user", "sa")]),
            Review::update(&[], &[("password", "hunter2")]),
            Review::update(&[("password", "old")], &[("password", "hunter2")])
                .stored_annotated("password", &sealed("old", "password")),
        ] {
            let reply = Bench::new()
                .review(&review.annotated("password", text))
                .await;
            assert!(!reply.allowed(), "{what}");
        }
        // One value that comes along is no excuse for another that does not.
        let both = Review::create(&[("password", "hunter2")])
            .annotated("password", text)
            .annotated(
                "token",
                &seal(
                    "t",
                    &json!({"kid": "gone", "bind": {"v": 1, "ns": "payments"}}),
                ),
            );
        let reply = Bench::new().review(&both).await;
        assert!(
            !reply.allowed() && !reply.message().contains(PLACE),
            "{what}: {}",
            reply.text
        );
    }
}

#[tokio::test]
async fn a_backup_is_restored_by_the_key_where_there_is_one() {
    let review = Review::create(&[("password", "from the backup")])
        .annotated("password", &sealed("hunter2", "password"));
    let bench = Bench::new();
    let reply = bench.review(&review).await;
    assert_eq!(stored(&reply, &review)["data"]["password"], b64("hunter2"));
    assert_eq!(bench.calls(), 1);
    // What the key service says for good is "not openable here"; that it is away is not.
    for (answer, allowed) in [
        (Key::Fail(Category::Denied), true),
        (Key::Fail(Category::UnknownKey), true),
        (Key::WrongKey, true),
        (Key::Fail(Category::Unavailable), false),
    ] {
        let bench = Bench::new();
        bench.backend.set(answer.clone());
        let reply = bench.review(&review).await;
        assert_eq!(reply.allowed(), allowed, "{answer:?}: {}", reply.text);
        assert!(reply.patch().is_empty());
    }
}
