//! Which key an envelope is for, and whose it is.
use super::*;

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
    assert_eq!(reply.refusal(), Some("foreign"));
    assert_eq!(bench.calls(), 1);
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

fn foreign_denied() -> Bench {
    let policy = Policy {
        foreign: Foreign::Deny,
        ..Policy::default()
    };
    Setup {
        policy,
        ..Setup::default()
    }
    .build()
}

/// In a form that admission opens, the API server's policies cannot tell it from one of ours that was not opened.
#[tokio::test]
async fn a_foreign_envelope_in_an_openable_form_is_refused_unless_it_is_to_be_left() {
    for bench in [Bench::new(), foreign_denied()] {
        for review in [
            Review::create(&[("token", &foreign())]),
            Review::update(&[], &[("token", &foreign())]),
            Review::update(&[("token", "in use")], &[("token", &foreign())]),
            Review::update(&[("token", &foreign())], &[("token", &foreign())]),
        ] {
            let reply = bench.review(&review).await;
            assert_eq!(reply.refusal(), Some("foreign"), "{}", reply.text);
            assert!(reply.message().contains("privyseal.dev/leave"));
            let left = review.with(
                "/metadata/annotations",
                json!({"privyseal.dev/leave": "token"}),
            );
            let reply = bench.review(&left).await;
            assert!(reply.allowed() && reply.patch().is_empty());
        }
        // Stored already, no change is blocked.
        let token = foreign();
        let reply = bench
            .review(&Review::update(&[("token", &token)], &[("token", &token)]))
            .await;
        assert!(reply.allowed() && reply.patch().is_empty());
        assert_eq!(bench.calls(), 0);
    }
    let reply = Bench::new()
        .review(&Review::create(&[("token", &foreign())]))
        .await;
    assert_snapshot!("foreign_openable", reply.summary());
}

/// In another form it is stored with a warning, but never in place of a value that is in use.
#[tokio::test]
async fn a_foreign_envelope_in_another_form_never_replaces_a_value_that_is_in_use() {
    let header = r#"{"kid":"their-key","enc":"A256GCM","alg":"RSA-OAEP-256"}"#;
    let other = compact_raw(header, &[7; 256], &[1; 12], &[2; 20], &[3; 16]);
    let another = compact_raw(header, &[8; 256], &[1; 12], &[2; 20], &[3; 16]);
    let bench = Bench::new();
    for review in [
        Review::create(&[("token", &other)]),
        Review::update(&[], &[("token", &other)]),
        Review::update(&[("token", "")], &[("token", &other)]),
        Review::update(&[("token", &another)], &[("token", &other)]),
    ] {
        let reply = bench.review(&review).await;
        assert!(
            reply.allowed() && reply.warnings().len() == 1,
            "{}",
            reply.text
        );
        assert_eq!(
            foreign_denied().review(&review).await.refusal(),
            Some("foreign")
        );
    }
    let over_live = Review::update(&[("token", "in use")], &[("token", &other)]);
    let reply = bench.review(&over_live).await;
    assert_eq!(reply.refusal(), Some("foreign"));
    assert_snapshot!("foreign_over_live", reply.summary());
}

/// Identity providers issue such tokens, and web frameworks keep their sessions in them. No key of ours could open one.
#[tokio::test]
async fn tokens_under_symmetric_keys_are_left_alone_in_every_transition() {
    for (algorithm, encrypted_key) in [
        ("dir", 0),
        ("A128KW", 40),
        ("A256KW", 40),
        ("A256GCMKW", 32),
        ("PBES2-HS256+A128KW", 40),
    ] {
        let token = |seed: u8| {
            let header = json!({"alg": algorithm, "enc": "A256GCM", "kid": "their-key"});
            compact(
                &header,
                &vec![seed; encrypted_key],
                &[seed; 12],
                &[2; 20],
                &[3; 16],
            )
        };
        let (old, new) = (token(1), token(2));
        for bench in [
            Bench::new(),
            foreign_denied(),
            Setup {
                payments: |entry| entry.default_key(true),
                ..Setup::default()
            }
            .build(),
        ] {
            for review in [
                Review::create(&[("token", &new)]),
                Review::update(&[], &[("token", &new)]),
                Review::update(&[("token", "in use")], &[("token", &new)]),
                Review::update(&[("token", &old)], &[("token", &new)]),
                Review::update(&[("token", &new)], &[("token", &new)]),
            ] {
                let reply = bench.review(&review).await;
                assert!(
                    reply.allowed() && reply.patch().is_empty(),
                    "{}",
                    reply.text
                );
            }
            assert_eq!(bench.calls(), 0, "{algorithm}");
        }
    }
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
