//! What the webhook answers, one test per row of the design's table and per sentence beside it.

mod support;

use std::time::Duration;

use insta::assert_snapshot;
use kms_backends::testing::Reply as Key;
use kms_backends::{CacheOptions, Category};
use serde_json::{Value, json};
use support::*;
use webhook_bin::audit::{FieldOutcome, ReviewOutcome};
use webhook_bin::decide::{Expired, Foreign, Policy};

/// An envelope of a key that nobody here serves, bound to no place.
fn foreign() -> String {
    seal("theirs", &json!({"kid": "their-key"}))
}

/// An envelope for this place, of a key that is gone.
fn dead() -> String {
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    seal("lost", &json!({"kid": "a-key-that-is-gone", "bind": bind}))
}

/// With this time limit.
fn timed(member: &str, at: u64) -> String {
    let mut bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    bind[member] = at.into();
    seal("hunter2", &json!({"bind": bind}))
}

#[tokio::test]
async fn a_value_that_is_no_envelope_is_left_alone() {
    let bench = Bench::new();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
    for plain in [
        "hunter2",
        "",
        jwt,
        "{\"a\":1}",
        "e",
        "{",
        "eyJ",
        "\u{feff}eyJ",
        "two\nlines\n",
    ] {
        let reply = bench.review(&Review::create(&[("password", plain)])).await;
        assert!(reply.allowed(), "{plain:?}");
        assert!(
            reply.patch().is_empty() && reply.warnings().is_empty(),
            "{plain:?}"
        );
        assert_eq!(reply.response.as_object().unwrap().len(), 2, "{plain:?}");
        assert_eq!(reply.record.outcome, ReviewOutcome::Untouched);
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn an_envelope_in_its_place_is_replaced_and_nothing_else() {
    let bench = Bench::new();
    let review = Review::create(&[
        ("password", &sealed("hunter2", "password")),
        ("user", "app"),
    ])
    .with("/immutable", false.into())
    .with("/later", json!({"unknown": [1, null]}));
    let reply = bench.review(&review).await;
    assert_snapshot!(reply.summary());
    let mut expected = review.object().clone();
    expected["data"]["password"] = b64("hunter2").into();
    assert_eq!(reply.apply_to(review.object()), expected);
    assert_eq!(reply.record.outcome, ReviewOutcome::Opened);
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn every_serialization_and_a_trailing_newline_are_opened() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let envelope = jwe_envelope::Envelope::parse(value.as_bytes()).unwrap();
    let flattened = envelope
        .to_text(jwe_envelope::Serialization::Flattened)
        .unwrap();
    let general = envelope
        .to_text(jwe_envelope::Serialization::General)
        .unwrap();
    for text in [
        value.clone(),
        flattened,
        general,
        format!("{value}\n"),
        format!("{value}\r\n \t"),
    ] {
        let reply = bench.review(&Review::create(&[("password", &text)])).await;
        assert_eq!(
            reply.opened(),
            [("password".to_owned(), b"hunter2".to_vec())],
            "{}",
            reply.text
        );
    }
}

#[tokio::test]
async fn any_bytes_come_out_as_they_went_in() {
    let bench = Bench::new();
    let every: Vec<u8> = (0..=255).collect();
    for value in [
        &b""[..],
        b"\n",
        b"\xff\xfe\x00",
        b" {\"a\": 1}\n",
        b"0123",
        &every,
    ] {
        let reply = bench
            .review(&Review::create(&[("password", &sealed(value, "password"))]))
            .await;
        assert_eq!(reply.opened(), [("password".to_owned(), value.to_vec())]);
    }
}

#[tokio::test]
async fn a_pointer_is_escaped() {
    // No API server lets such a key through; the patch must be right all the same.
    let bench = Bench::new();
    let value = seal(
        "v",
        &json!({"bind": {"v": 1, "ns": "payments", "name": "db"}}),
    );
    let reply = bench.review(&Review::create(&[("a/b~c", &value)])).await;
    assert_eq!(reply.patch()[0]["path"], "/data/a~1b~0c");
}

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
async fn the_place_is_checked_member_by_member() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let mut texts = String::new();
    for (namespace, name, key) in [
        ("team-a", "db", "password"),
        ("payments", "other", "password"),
        ("payments", "db", "token"),
    ] {
        let reply = bench
            .review(&Review::create(&[(key, &value)]).at(namespace, name))
            .await;
        assert_eq!(
            reply.refusal(),
            Some("wrong-place"),
            "{namespace}/{name}/{key}"
        );
        texts.push_str(&reply.summary());
    }
    assert_snapshot!(texts);
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn patterns_widen_a_place() {
    let bench = Bench::new();
    for (bind, namespace, name, key, opens) in [
        (json!({"v": 1, "ns": "team-*"}), "team-a", "x", "y", true),
        (json!({"v": 1, "ns": "team-*"}), "team", "x", "y", false),
        (json!({"v": 1, "ns": "team-*"}), "payments", "x", "y", false),
        (json!({"v": 1, "any": true}), "payments", "x", "y", true),
        (
            json!({"v": 1, "any": true, "name": "db-*"}),
            "payments",
            "db-1",
            "y",
            true,
        ),
        (
            json!({"v": 1, "any": true, "name": "db-*"}),
            "payments",
            "db-",
            "y",
            false,
        ),
        (
            json!({"v": 1, "any": true, "key": "db_*"}),
            "payments",
            "x",
            "db_1",
            true,
        ),
        (
            json!({"v": 1, "any": true, "key": "db_*"}),
            "payments",
            "x",
            "db1",
            false,
        ),
    ] {
        let value = seal("v", &json!({"bind": bind}));
        let reply = bench
            .review(&Review::create(&[(key, &value)]).at(namespace, name))
            .await;
        assert_eq!(
            reply.allowed(),
            opens,
            "{bind} {namespace}/{name}/{key}: {}",
            reply.text
        );
    }
}

#[tokio::test]
async fn a_generated_name_fits_a_pattern_alone() {
    let bench = Bench::new();
    for (name, prefix, opens) in [
        ("db-*", "db-", true),
        ("db-*", "db-x-", true),
        ("db-*", "d", false),
        ("db-1", "db-", false),
    ] {
        let bind = json!({"v": 1, "ns": "payments", "name": name});
        let value = seal("v", &json!({"bind": bind}));
        let mut review = Review::create(&[("k", &value)])
            .request_with("name", Value::Null)
            .with("/metadata/generateName", prefix.into());
        review.0["request"]["object"]["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("name");
        let reply = bench.review(&review).await;
        assert_eq!(reply.allowed(), opens, "{name} {prefix}: {}", reply.text);
        assert_eq!(reply.record.name, format!("{prefix}*"));
    }
}

#[tokio::test]
async fn a_key_serves_its_namespaces_alone() {
    let bench = Bench::new();
    let value = seal("v", &json!({"bind": {"v": 1, "any": true}}));
    let reply = bench
        .review(&Review::create(&[("k", &value)]).at("team-a", "x"))
        .await;
    assert!(reply.allowed());
    let reply = bench
        .review(&Review::create(&[("k", &value)]).at("other", "x"))
        .await;
    assert_snapshot!(reply.summary());
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn an_unbound_envelope_opens_where_the_key_allows_it() {
    let value = seal("v", &json!({}));
    let bench = Bench::new();
    let reply = bench.review(&Review::create(&[("k", &value)])).await;
    assert_snapshot!(reply.summary());
    assert_eq!(bench.calls(), 0);
    let bench = Setup {
        payments: |entry| entry.allow_unbound(true),
        ..Setup::default()
    }
    .build();
    let reply = bench.review(&Review::create(&[("k", &value)])).await;
    assert_eq!(reply.opened(), [("k".to_owned(), b"v".to_vec())]);
}

#[tokio::test]
async fn without_kid_the_default_key_is_tried_where_there_is_one() {
    let bind = json!({"v": 1, "ns": "payments"});
    let value = seal("v", &json!({"kid": null, "bind": bind}));
    let bench = Bench::new();
    let reply = bench.review(&Review::create(&[("k", &value)])).await;
    assert_eq!(reply.refusal(), Some("unknown-key"), "{}", reply.text);
    let bench = Setup {
        payments: |entry| entry.default_key(true),
        ..Setup::default()
    }
    .build();
    let reply = bench.review(&Review::create(&[("k", &value)])).await;
    assert_eq!(reply.opened(), [("k".to_owned(), b"v".to_vec())]);
    // Neither kid nor bind: with a default key it is ours, and the key's policy decides.
    let bare = seal("v", &json!({"kid": null}));
    let reply = bench.review(&Review::create(&[("k", &bare)])).await;
    assert_eq!(reply.refusal(), Some("unbound"));
    // A kid that is not ours is never tried with the default key.
    let reply = bench.review(&Review::create(&[("k", &foreign())])).await;
    assert!(reply.allowed() && reply.patch().is_empty());
}

#[tokio::test]
async fn an_alias_names_the_same_key() {
    let bench = Bench::new();
    let bind = json!({"v": 1, "ns": "payments"});
    let mut header = josekit::jwe::JweHeader::new();
    header.set_content_encryption("A128CBC-HS256");
    header.set_key_id("ledger-2024");
    header.set_claim("bind", Some(bind)).unwrap();
    let encrypter = josekit::jwe::ECDH_ES_A256KW
        .encrypter_from_pem(p256_key().recipient().to_pem())
        .unwrap();
    let value = josekit::jwe::serialize_compact(b"v", &header, &encrypter).unwrap();
    let reply = bench.review(&Review::create(&[("k", &value)])).await;
    assert_eq!(
        reply.opened(),
        [("k".to_owned(), b"v".to_vec())],
        "{}",
        reply.text
    );
    assert_eq!(reply.record.fields[0].key.as_deref(), Some("ledger"));
}

#[tokio::test]
async fn a_foreign_envelope_is_left_with_a_warning_or_denied_by_policy() {
    let bench = Bench::new();
    let reply = bench
        .review(&Review::create(&[("token", &foreign())]))
        .await;
    assert_snapshot!("foreign_warn", reply.summary());
    let policy = Policy {
        foreign: Foreign::Deny,
        ..Policy::default()
    };
    let bench = Setup {
        policy,
        ..Setup::default()
    }
    .build();
    let reply = bench
        .review(&Review::create(&[("token", &foreign())]))
        .await;
    assert_snapshot!("foreign_deny", reply.summary());
    // Stored already: labels must still be possible.
    let reply = bench
        .review(&Review::update(
            &[("token", &foreign())],
            &[("token", &foreign())],
        ))
        .await;
    assert!(!reply.allowed(), "another envelope is another value");
    let token = foreign();
    let reply = bench
        .review(&Review::update(&[("token", &token)], &[("token", &token)]))
        .await;
    assert!(reply.allowed());
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn a_bound_envelope_of_an_unknown_key_is_refused() {
    let bench = Bench::new();
    let reply = bench
        .review(&Review::create(&[("password", &dead())]))
        .await;
    assert_snapshot!(reply.summary());
    assert_eq!(bench.calls(), 0);
}

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
async fn the_unchanged_manifest_applied_again_gives_the_same_patch() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let reply = bench
        .review(&Review::update(
            &[("password", "hunter2")],
            &[("password", &value)],
        ))
        .await;
    assert_eq!(
        reply.opened(),
        [("password".to_owned(), b"hunter2".to_vec())]
    );
    let again = bench
        .review(&Review::update(
            &[("password", "hunter2")],
            &[("password", &value)],
        ))
        .await;
    assert_eq!(again.opened(), reply.opened());
    assert_eq!(bench.calls(), 1, "the content key is cached");
}

#[tokio::test]
async fn times_bound_the_introduction_of_a_value() {
    let bench = Bench::new();
    for (value, create, stored) in [
        (timed("exp", NOW - 59), true, true),
        (timed("exp", NOW - 60), false, false),
        (timed("nbf", NOW + 60), true, true),
        (timed("nbf", NOW + 61), false, false),
    ] {
        let data = [("password", value.as_str())];
        assert_eq!(bench.review(&Review::create(&data)).await.allowed(), create);
        assert_eq!(
            bench
                .review(&Review::update(&[("password", "old")], &data))
                .await
                .allowed(),
            create
        );
        let reply = bench.review(&Review::update(&data, &data)).await;
        assert!(reply.allowed());
        assert_eq!(!reply.patch().is_empty(), stored);
    }
    let expired = bench
        .review(&Review::create(&[("password", &timed("exp", NOW - 61))]))
        .await;
    let early = bench
        .review(&Review::create(&[("password", &timed("nbf", NOW + 61))]))
        .await;
    assert_snapshot!(format!("{}{}", expired.summary(), early.summary()));
}

#[tokio::test]
async fn a_manifest_applied_again_after_its_time_introduces_nothing() {
    let bench = Bench::new();
    for (member, at, code) in [
        ("exp", NOW - 61, "expired"),
        ("nbf", NOW + 61, "not-yet-valid"),
    ] {
        let value = timed(member, at);
        let data = [("password", value.as_str())];
        let again = bench
            .review(&Review::update(&[("password", "hunter2")], &data))
            .await;
        assert!(again.allowed(), "{}", again.text);
        assert_eq!(again.warnings().len(), 1, "{}", again.text);
        assert!(!again.patch().is_empty(), "ciphertext must not be stored");
        for stored in [("password", "hunter3"), ("user", "hunter2")] {
            let reply = bench.review(&Review::update(&[stored], &data)).await;
            assert_eq!(reply.refusal(), Some(code), "{stored:?}");
        }
    }
}

#[tokio::test]
async fn an_expired_value_is_served_with_a_warning_where_policy_says_so() {
    let policy = Policy {
        expired: Expired::Warn,
        ..Policy::default()
    };
    let bench = Setup {
        policy,
        ..Setup::default()
    }
    .build();
    let reply = bench
        .review(&Review::create(&[("password", &timed("exp", NOW - 61))]))
        .await;
    assert_snapshot!(reply.summary());
    // That is about lateness alone.
    let reply = bench
        .review(&Review::create(&[("password", &timed("nbf", NOW + 61))]))
        .await;
    assert_eq!(reply.refusal(), Some("not-yet-valid"));
}

#[tokio::test]
async fn the_cluster_must_be_one_of_those_named() {
    let value = |clusters: Value| {
        let bind = json!({"v": 1, "ns": "payments", "aud": clusters});
        seal("v", &json!({"bind": bind}))
    };
    let bench = Bench::new();
    let reply = bench
        .review(&Review::create(&[(
            "k",
            &value(json!(["staging", "prod-eu"])),
        )]))
        .await;
    assert!(reply.allowed());
    let reply = bench
        .review(&Review::create(&[("k", &value(json!(["staging"])))]))
        .await;
    assert_snapshot!("wrong_cluster", reply.summary());
    let bench = Setup {
        policy: Policy::default(),
        ..Setup::default()
    }
    .build();
    let reply = bench
        .review(&Review::create(&[("k", &value(json!(["prod-eu"])))]))
        .await;
    assert_snapshot!("no_cluster_configured", reply.summary());
    assert_eq!(bench.calls(), 0);
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
async fn what_would_fail_the_check_of_its_type_is_denied_by_us() {
    let bench = Bench::new();
    let mut texts = String::new();
    for (kind, key, value) in [
        (
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            "not json",
        ),
        ("kubernetes.io/dockercfg", ".dockercfg", "[]"),
        ("kubernetes.io/ssh-auth", "ssh-privatekey", ""),
        (
            "kubernetes.io/tls",
            "tls.crt",
            "a certificate without its key",
        ),
        (
            "kubernetes.io/basic-auth",
            "token",
            "neither user nor password",
        ),
        (
            "kubernetes.io/service-account-token",
            "token",
            "without the annotation",
        ),
    ] {
        let review = Review::create(&[(key, &sealed(value, key))]).with("/type", kind.into());
        let reply = bench.review(&review).await;
        assert_eq!(
            (reply.code(), reply.refusal()),
            (403, Some("type-check")),
            "{kind}"
        );
        texts.push_str(&reply.summary());
    }
    assert_snapshot!(texts);
    for (kind, data) in [
        (
            "kubernetes.io/dockerconfigjson",
            &[(".dockerconfigjson", "{\"auths\":{}}")][..],
        ),
        ("kubernetes.io/dockercfg", &[(".dockercfg", "{}")]),
        ("kubernetes.io/ssh-auth", &[("ssh-privatekey", "k")]),
        ("kubernetes.io/tls", &[("tls.crt", ""), ("tls.key", "")]),
        ("kubernetes.io/basic-auth", &[("password", "")]),
        ("bootstrap.kubernetes.io/token", &[("token-id", "x")]),
        ("Opaque", &[("x", "")]),
        ("example.org/own", &[("x", "")]),
    ] {
        let data: Vec<(&str, String)> = data
            .iter()
            .map(|(key, value)| (*key, sealed(value, key)))
            .collect();
        let data: Vec<(&str, &str)> = data
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        let reply = bench
            .review(&Review::create(&data).with("/type", kind.into()))
            .await;
        assert!(reply.allowed(), "{kind}: {}", reply.text);
        assert_eq!(reply.patch().len(), data.len());
    }
}

#[tokio::test]
async fn what_would_make_the_secret_too_large_is_denied_by_us() {
    let bench = Bench::new();
    let half = "x".repeat(512 * 1024);
    let data = [
        ("plain", half.as_str()),
        ("password", &sealed(&half, "password")),
    ];
    let reply = bench.review(&Review::create(&data)).await;
    assert!(reply.allowed(), "exactly 1 MiB fits");
    let data = [
        ("plain", half.as_str()),
        ("password", &sealed(format!("{half}y"), "password")),
    ];
    let reply = bench.review(&Review::create(&data)).await;
    assert_snapshot!(reply.summary());
}

#[tokio::test]
async fn a_secret_that_may_not_change_is_not_changed() {
    let bench = Bench::new();
    let frozen = |stored: &str, sealed_value: &str| {
        Review::update(
            &[("password", stored)],
            &[("password", &sealed(sealed_value, "password"))],
        )
        .with("/immutable", true.into())
        .stored_with("/immutable", true.into())
    };
    let reply = bench.review(&frozen("hunter2", "hunter2")).await;
    assert_eq!(
        reply.opened(),
        [("password".to_owned(), b"hunter2".to_vec())]
    );
    let reply = bench.review(&frozen("hunter2", "hunter3")).await;
    assert_snapshot!(reply.summary());
    // A new key is a change too.
    let review = Review::update(&[], &[("password", &sealed("x", "password"))])
        .stored_with("/immutable", true.into());
    assert_eq!(bench.review(&review).await.refusal(), Some("immutable"));
    // Ciphertext that is stored in it stays: opening it would be a change.
    let value = sealed("x", "password");
    let data = [("password", value.as_str())];
    let review = Review::update(&data, &data).stored_with("/immutable", true.into());
    let reply = bench.review(&review).await;
    assert!(reply.allowed() && reply.patch().is_empty() && reply.warnings().len() == 1);
}

#[tokio::test]
async fn a_key_service_that_is_away_asks_the_caller_back_while_there_is_time() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password")), ("plain", "x")]);
    bench.backend.set(Key::Fail(Category::Unavailable));
    let reply = bench.review_within(&review, Duration::from_secs(10)).await;
    assert_snapshot!("away", reply.summary());
    assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
    assert_eq!(reply.record.outcome, ReviewOutcome::Unavailable);

    let bench = Bench::new();
    bench
        .backend
        .set(Key::throttled(Duration::from_millis(1500)));
    let reply = bench.review_within(&review, Duration::from_secs(10)).await;
    assert_eq!((reply.status, reply.retry_after), (429, Some(2)));

    let bench = Bench::new();
    bench.backend.set(Key::Fail(Category::Unavailable));
    let reply = bench
        .review_within(&review, Duration::from_millis(1500))
        .await;
    assert_snapshot!("away_too_long", reply.summary());
    assert_eq!((reply.status, reply.code()), (200, 503));
}

#[tokio::test(start_paused = true)]
async fn a_key_service_that_hangs_is_answered_for_by_the_deadline() {
    let bench = Bench::new();
    bench.backend.set(Key::Hang);
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let begun = tokio::time::Instant::now();
    let reply = bench.review_within(&review, Duration::from_secs(3)).await;
    assert_eq!(
        (reply.status, reply.code(), reply.refusal()),
        (200, 503, Some("unavailable"))
    );
    assert!(
        begun.elapsed() <= Duration::from_millis(3100),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_review_coming_back_has_less_time_each_time() {
    let bench = Bench::new();
    bench.backend.set(Key::Fail(Category::Unavailable));
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let mut answers = Vec::new();
    for _ in 0..5 {
        // As the API server does: the same `timeout` each time, and a second of sleep between.
        let reply = bench
            .review_within(&review, Duration::from_millis(4500))
            .await;
        answers.push(reply.status);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(
        answers,
        [503, 503, 503, 200, 200],
        "the last word is a denial that says why"
    );
}

#[tokio::test]
async fn cached_keys_serve_while_the_key_service_is_away() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    assert!(bench.review(&review).await.allowed());
    bench.backend.set(Key::Fail(Category::Unavailable));
    assert!(bench.review(&review).await.allowed());
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn each_answer_of_the_key_service_has_its_own_words() {
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let mut texts = String::new();
    for (answer, code) in [
        (Key::Fail(Category::Denied), "denied"),
        (Key::Fail(Category::Misconfigured), "misconfigured"),
        (Key::Fail(Category::UnknownKey), "unknown-key"),
        (Key::Fail(Category::Rejected), "not-opened"),
        (Key::WrongKey, "not-opened"),
        (Key::WrongLength(0), "not-opened"),
        (Key::WrongLength(16), "not-opened"),
        (Key::WrongLength(33), "not-opened"),
    ] {
        let bench = Bench::new();
        bench.backend.set(answer.clone());
        let reply = bench.review(&review).await;
        assert_eq!(
            (reply.code(), reply.refusal()),
            (403, Some(code)),
            "{answer:?}"
        );
        texts.push_str(&reply.summary());
        // A lie is not remembered.
        if code == "not-opened" {
            bench.backend.set(Key::Right);
            assert!(bench.review(&review).await.allowed(), "{answer:?}");
        }
    }
    assert_snapshot!(texts);
}

#[tokio::test]
async fn a_key_service_that_panics_is_a_key_service_that_is_away() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    bench.backend.set(Key::Panic);
    let reply = bench.review_within(&review, Duration::from_secs(1)).await;
    assert!(!reply.allowed());
    assert_eq!(reply.refusal(), Some("unavailable"), "{}", reply.text);
    bench.backend.set(Key::Right);
    assert!(bench.review(&review).await.allowed());
}

#[tokio::test]
async fn twenty_fields_of_one_sealing_act_are_one_call() {
    let recipient = rsa_key().recipient().clone();
    let mut sealer = jwe_envelope::Sealer::new(&[recipient]).unwrap();
    let fields: Vec<(String, String)> = (0..20)
        .map(|n| {
            let key = format!("key-{n}");
            let place = jwe_envelope::Place::new("payments", "db", &key).unwrap();
            let value = sealer
                .seal(key.as_bytes(), &jwe_envelope::Binding::exact(&place))
                .unwrap();
            (key, value.to_string())
        })
        .collect();
    let data: Vec<(&str, &str)> = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let bench = Bench::new();
    let reply = bench.review(&Review::create(&data)).await;
    assert_eq!(reply.opened().len(), 20, "{}", reply.text);
    assert!(
        reply
            .opened()
            .iter()
            .all(|(key, value)| key.as_bytes() == value)
    );
    assert_eq!(bench.calls(), 1);
    assert_eq!(reply.record.unwraps(), 1);
}

#[tokio::test(start_paused = true)]
async fn fields_with_keys_of_their_own_are_unwrapped_together() {
    let bench = Bench::new();
    let fields: Vec<(String, String)> = (0..8)
        .map(|n| (format!("k{n}"), sealed("v", &format!("k{n}"))))
        .collect();
    let data: Vec<(&str, &str)> = fields
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    bench
        .backend
        .set(Key::Right.after(Duration::from_millis(200)));
    let begun = tokio::time::Instant::now();
    let reply = bench.review(&Review::create(&data)).await;
    assert_eq!(reply.opened().len(), 8);
    assert_eq!(bench.calls(), 8);
    assert!(
        begun.elapsed() < Duration::from_millis(8 * 200),
        "one after the other takes as long as that"
    );
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
async fn dry_run_is_answered_alike() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))])
        .request_with("dryRun", true.into());
    let reply = bench.review(&review).await;
    assert_eq!(reply.opened().len(), 1);
    assert!(reply.record.dry_run);
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

#[tokio::test]
async fn the_audit_says_who_what_and_which_envelope() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let reply = bench.review(&Review::create(&[("password", &value)])).await;
    let digest = jwe_envelope::Envelope::parse(value.as_bytes())
        .unwrap()
        .digest();
    let mut line = Vec::new();
    reply.record.write_json(&mut line);
    let mut line: Value = serde_json::from_slice(&line).unwrap();
    assert!(line["micros"].take().is_u64());
    assert_eq!(
        line,
        json!({
            "time": "2027-01-15T08:00:00.000Z",
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "operation": "CREATE", "dryRun": false, "namespace": "payments", "name": "db",
            "user": "system:serviceaccount:flux-system:kustomize-controller",
            "userUid": "3f7a3a3e-0000-4000-8000-000000000000",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/pod-name": ["kustomize-controller-0"]},
            "outcome": "opened",
            "fields": [{"field": "password", "kid": rsa_kid(), "key": "payments", "envelope": digest.to_string(),
                "outcome": "opened", "source": "unwrapped"}],
            "unwraps": 1, "micros": null,
        })
    );
    assert_eq!(
        reply.response["auditAnnotations"],
        json!({"outcome": "opened", "opened": "1", "fields": "password", "kid": rsa_kid(), "envelope": digest.to_string()})
    );
    let again = bench.review(&Review::create(&[("password", &value)])).await;
    assert_eq!(again.record.unwraps(), 0);
    assert_eq!(
        again.record.fields[0].source,
        Some(kms_backends::KeySource::Cache)
    );
}

#[tokio::test]
async fn two_recipients_give_two_tries() {
    let bind = json!({"v": 1, "ns": "payments"});
    let mut protected = josekit::jwe::JweHeaderSet::new();
    protected.set_content_encryption("A256GCM", true);
    protected.set_claim("bind", Some(bind), true).unwrap();
    let rsa = josekit::jwe::RSA_OAEP_256
        .encrypter_from_pem(rsa_key().recipient().to_pem())
        .unwrap();
    let ec = josekit::jwe::ECDH_ES_A256KW
        .encrypter_from_pem(p256_key().recipient().to_pem())
        .unwrap();
    let header = |kid: &str| {
        let mut header = josekit::jwe::JweHeader::new();
        header.set_key_id(kid);
        header
    };
    let (first, second) = (header(&rsa_kid()), header(&p256_kid()));
    let value = josekit::jwe::serialize_general_json(
        b"v",
        Some(&protected),
        &[
            (Some(&first), &*Box::new(rsa)),
            (Some(&second), &*Box::new(ec)),
        ],
        None,
    )
    .unwrap();
    for answer in [
        Key::Fail(Category::Denied),
        Key::Fail(Category::Unavailable),
        Key::WrongKey,
    ] {
        let bench = Setup {
            cache: CacheOptions::off(),
            ..Setup::default()
        }
        .build();
        bench.backend.set(answer.clone());
        let reply = bench.review(&Review::create(&[("k", &value)])).await;
        assert_eq!(
            reply.opened(),
            [("k".to_owned(), b"v".to_vec())],
            "{answer:?} {}",
            reply.text
        );
    }
}
