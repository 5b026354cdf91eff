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
