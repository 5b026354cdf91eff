//! Who may submit sealed values: lists by namespace and key, and the right to `unseal`, asked of the API server.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use kms_backends::NamespaceSet;
use serde_json::{Value, json};
use test_support::api_server::FakeApiServer;
use test_support::reviews::*;
use unseal_policy::decide::{Expired, Foreign};
use unseal_policy::rulebook::{NamespaceRule, Rulebook};
use unseal_policy::submitters::Submitters;
use webhook_bin::kube::access_review::AccessReviews;

const FLUX: &str = "system:serviceaccount:flux-system:kustomize-controller";

fn list(words: &[&str]) -> Submitters {
    Submitters::parse(words).unwrap()
}

fn rule(namespaces: &[&str]) -> NamespaceRule {
    NamespaceRule::new(NamespaceSet::parse(namespaces).unwrap())
}

fn bench(rulebook: Rulebook) -> Bench {
    let mut bench = Bench::new();
    bench.reviewer = bench.reviewer.with_rulebook(rulebook);
    bench
}

fn by(review: Review, user: &str, groups: &[&str]) -> Review {
    review.request_with("userInfo", json!({"username": user, "groups": groups}))
}

/// General JSON: a recipient for `ledger` whose wrapped key is junk, then a good one for `payments`.
fn junk_then_good() -> String {
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
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
    let (first, second) = (header(&p256_kid()), header(&rsa_kid()));
    let text = josekit::jwe::serialize_general_json(
        b"hunter2",
        Some(&protected),
        &[
            (Some(&first), &*Box::new(ec)),
            (Some(&second), &*Box::new(rsa)),
        ],
        None,
    )
    .unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["recipients"][0]["encrypted_key"] = b64url([7; 40]).into();
    protected_first(&value)
}

fn password() -> Review {
    Review::create(&[("password", &sealed("hunter2", "password"))])
}

#[tokio::test]
async fn sealed_values_are_submitted_by_those_on_the_list_alone() {
    let bench = bench(Rulebook {
        submitters: Some(list(&["serviceAccount:flux-system/*", "group:break-glass"])),
        ..Rulebook::default()
    });
    for (user, groups, allowed) in [
        (FLUX, &["system:authenticated"][..], true),
        ("alice", &["break-glass"], true),
        ("alice", &["system:masters"], false),
        (
            "system:serviceaccount:flux-system2:kustomize-controller",
            &[],
            false,
        ),
    ] {
        let before = bench.calls();
        for review in [
            password(),
            Review::create(&[]).annotated("password", &sealed("hunter2", "password")),
        ] {
            let reply = bench.review(&by(review, user, groups)).await;
            assert_eq!(reply.allowed(), allowed, "{user}");
            if !allowed {
                assert_eq!(
                    (reply.refusal(), reply.code()),
                    (Some("submitter-not-allowed"), 403)
                );
                assert!(
                    reply.message().contains(&format!("user {user:?}")),
                    "{}",
                    reply.message()
                );
                assert!(reply.message().contains("password"));
                assert_eq!(bench.calls(), before);
            }
        }
    }
    // Nothing is asked of those who submit nothing sealed, or what is stored.
    let plain = by(Review::create(&[("user", "sa")]), "alice", &[]);
    assert!(bench.review(&plain).await.allowed());
    let envelope = sealed("hunter2", "password");
    let labels = Review::update(&[("password", &envelope)], &[("password", &envelope)]);
    let reply = bench.review(&by(labels, "alice", &[])).await;
    assert!(reply.allowed() && reply.patch().is_empty());
}

#[tokio::test]
async fn lists_of_a_namespace_come_first_and_those_of_a_key_besides() {
    let bench = bench(Rulebook {
        submitters: Some(list(&["user:everywhere"])),
        namespaces: vec![
            NamespaceRule {
                submitters: Some(list(&["user:here", "user:both"])),
                ..rule(&["payments"])
            },
            NamespaceRule {
                submitters: Some(list(&["user:too-late"])),
                ..rule(&["*"])
            },
        ],
        keys: vec![("payments".into(), list(&["user:both", "user:key"]))],
        ..Rulebook::default()
    });
    for (user, refused) in [
        ("both", None),
        ("here", Some("of key `payments`")),
        ("key", Some("in namespace \"payments\"")),
        ("everywhere", Some("in namespace")),
        ("too-late", Some("in namespace")),
    ] {
        let reply = bench.review(&by(password(), user, &[])).await;
        assert_eq!(reply.allowed(), refused.is_none(), "{user}");
        assert!(
            reply.message().contains(refused.unwrap_or_default()),
            "{}",
            reply.message()
        );
    }
}

/// An envelope for two keys: the first names a key that anyone may submit values of and does not open, the second opens
/// under one that this user may not submit values of.
#[tokio::test]
async fn every_list_is_asked_about_the_key_that_opens() {
    let value = junk_then_good();
    for (rules, allowed) in [
        (vec![("payments", "user:other")], false),
        (vec![("ledger", "user:other")], true),
        (vec![("payments", "user:alice")], true),
        (
            vec![("payments", "user:other"), ("ledger", "user:other")],
            false,
        ),
    ] {
        let keys = rules
            .iter()
            .map(|(key, who)| ((*key).to_owned(), list(&[who])))
            .collect();
        let bench = bench(Rulebook {
            keys,
            ..Rulebook::default()
        });
        let review = by(Review::create(&[("password", &value)]), "alice", &[]);
        let reply = bench.review(&review).await;
        assert_eq!(reply.allowed(), allowed, "{rules:?}: {}", reply.text);
        if allowed {
            let field = &reply.record.fields[0];
            assert_eq!(field.key.as_deref(), Some("payments"));
            assert_eq!(field.kid.as_deref(), Some(rsa_kid().as_str()));
        } else {
            assert_eq!(bench.calls(), 0, "{rules:?}");
        }
    }
}

/// Anyone who is not on the list may write a value beside an annotation, as a backup has both. Neither this request nor
/// a later one of someone on the list opens the annotation.
#[tokio::test]
async fn a_value_that_comes_with_its_annotation_is_no_way_round_the_list() {
    let bench = bench(Rulebook {
        submitters: Some(list(&["serviceAccount:flux-system/*"])),
        ..Rulebook::default()
    });
    let planted = sealed("hunter2", "password");
    let create = Review::create(&[("password", "x")]).annotated("password", &planted);
    let reply = bench.review(&by(create.clone(), "alice", &[])).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    assert_eq!(reply.response["auditAnnotations"]["restored"], "password");
    let stored = create.object();
    for object in [
        Review::create(&[("password", "x")]),
        Review::create(&[]),
        Review::create(&[("password", "")]),
        Review::create(&[("password", "other")]),
    ] {
        let object = object.annotated("password", &planted);
        let later = Review::of("UPDATE", object.object(), Some(stored));
        let reply = bench.review(&by(later.clone(), FLUX, &[])).await;
        assert!(reply.allowed(), "{}", reply.text);
        assert_eq!(reply.apply_to(later.object())["data"]["password"], b64("x"));
    }
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn what_becomes_of_foreign_and_expired_values_may_differ_by_namespace() {
    let rules = || Rulebook {
        namespaces: vec![NamespaceRule {
            foreign: Some(Foreign::Deny),
            expired: Some(Expired::Warn),
            ..rule(&["payments"])
        }],
        ..Rulebook::default()
    };
    // In another form than those that admission opens.
    let header = r#"{"kid":"theirs","alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
    let theirs = compact_raw(header, &[7; 256], &[1; 12], &[2; 20], &[3; 16]);
    let foreign = Review::create(&[("token", &theirs)]);
    let bound = json!({"bind": {"v": 1, "any": true, "exp": NOW - 100}});
    let expired = Review::create(&[("password", &seal("x", &bound))]);
    for (namespace, foreign_allowed, expired_allowed) in
        [("payments", false, true), ("team-a", true, false)]
    {
        let bench = bench(rules());
        let review = foreign.clone().at(namespace, "db");
        assert_eq!(
            bench.review(&review).await.allowed(),
            foreign_allowed,
            "{namespace}"
        );
        let review = expired.clone().at(namespace, "db");
        assert_eq!(
            bench.review(&review).await.allowed(),
            expired_allowed,
            "{namespace}"
        );
    }
}

#[tokio::test]
async fn a_namespace_may_be_spared_by_the_second_webhook() {
    let bench = bench(Rulebook {
        namespaces: vec![NamespaceRule {
            must_be_sealed: Some(false),
            ..rule(&["team-*"])
        }],
        ..Rulebook::default()
    });
    let plain = Review::create(&[("user", "sa")]);
    for (namespace, allowed) in [("team-a", true), ("payments", false)] {
        let review = plain.clone().at(namespace, "db");
        let reply = Reply::new(bench.reviewer.must_be_sealed(review.body().as_bytes()));
        assert_eq!(reply.allowed(), allowed);
    }
}

/// A bench whose right to unseal the fake API server decides.
async fn guarded() -> (Bench, FakeApiServer) {
    let api_server = FakeApiServer::start(Value::Null).await;
    let mut bench = Bench::new();
    let reviews = Arc::new(AccessReviews::new(api_server.client()));
    bench.reviewer = bench.reviewer.with_access_reviews(reviews);
    (bench, api_server)
}

fn says(status: &Value) -> (StatusCode, Value) {
    (
        StatusCode::CREATED,
        json!({"kind": "SubjectAccessReview", "status": status}),
    )
}

#[tokio::test]
async fn the_api_server_is_asked_with_everything_that_it_said_of_the_user() {
    let (bench, api_server) = guarded().await;
    api_server.answer_access(says(&json!({"allowed": true})));
    let reply = bench.review(&password()).await;
    assert_eq!(reply.opened().len(), 1);
    assert_eq!(
        api_server.asked()[0],
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": FLUX,
                "uid": "3f7a3a3e-0000-4000-8000-000000000000",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/pod-name": ["kustomize-controller-0"]},
                "resourceAttributes": {
                    "namespace": "payments", "verb": "unseal", "group": "privyseal.dev", "resource": "secrets",
                },
            },
        })
    );
    // A yes holds for a moment, for the same user in the same namespace only.
    assert!(bench.review(&password()).await.allowed());
    assert_eq!(api_server.asked().len(), 1);
    api_server.answer_access(says(&json!({"allowed": false})));
    let other = by(password(), FLUX, &["system:serviceaccounts"]);
    assert!(!bench.review(&other).await.allowed());
    assert_eq!(api_server.asked().len(), 2);
}

#[tokio::test]
async fn without_a_clear_yes_nothing_is_opened() {
    for (answer, refusal) in [
        (says(&json!({"allowed": false})), "not-permitted"),
        (
            says(&json!({"allowed": false, "denied": true, "reason": "x"})),
            "not-permitted",
        ),
        (
            says(&json!({"allowed": true, "denied": true})),
            "not-permitted",
        ),
        (says(&json!({"allowed": "true"})), "not-permitted"),
        (says(&json!({})), "not-permitted"),
        (says(&Value::Null), "not-permitted"),
        (
            (StatusCode::FORBIDDEN, json!({"status": {"allowed": true}})),
            "unavailable",
        ),
        (
            (StatusCode::INTERNAL_SERVER_ERROR, json!({})),
            "unavailable",
        ),
    ] {
        let (bench, api_server) = guarded().await;
        api_server.answer_access(answer.clone());
        for _ in 0..2 {
            let reply = bench
                .review_within(&password(), Duration::from_millis(1_400))
                .await;
            assert!(!reply.allowed() && reply.patch().is_empty(), "{answer:?}");
            assert_eq!(reply.refusal(), Some(refusal), "{answer:?}");
            if refusal == "not-permitted" {
                assert_eq!(reply.code(), 403);
                assert!(reply.message().contains("`unseal`"));
            }
        }
        assert_eq!(bench.calls(), 0);
        // A no is not kept.
        assert_eq!(api_server.asked().len(), 2);
    }
}

#[tokio::test]
async fn an_api_server_that_hangs_or_is_gone_is_answered_for_in_time() {
    let (bench, api_server) = guarded().await;
    api_server.answer_access(None);
    let begun = std::time::Instant::now();
    let reply = bench
        .review_within(&password(), Duration::from_millis(700))
        .await;
    assert!(!reply.allowed() && begun.elapsed() < test_support::client::PATIENCE);
    assert_eq!(reply.refusal(), Some("unavailable"));
    // Someone else answers in its place.
    std::fs::write(
        api_server.pki.path("ca.crt"),
        test_support::pki::Pki::new().authority_pem(),
    )
    .unwrap();
    api_server.answer_access(says(&json!({"allowed": true})));
    let reply = bench
        .review_within(&password(), Duration::from_millis(1_400))
        .await;
    assert!(!reply.allowed());
    assert_eq!(bench.calls(), 0);
}

#[tokio::test]
async fn nobody_is_asked_about_what_is_not_opened() {
    let (bench, api_server) = guarded().await;
    let dead = seal("x", &json!({"kid": "gone", "bind": {"v": 1, "any": true}}));
    for review in [
        Review::create(&[("user", "sa")]),
        Review::create(&[("password", &dead)]),
        Review::update(&[("password", &dead)], &[("password", &dead)]),
        Review::create(&[("password", &sealed("x", "other"))]),
    ] {
        bench.review(&review).await;
    }
    assert!(api_server.asked().is_empty());
    // What is stored is opened for no one, so no one is asked about.
    api_server.answer_access(says(&json!({"allowed": true})));
    let envelope = sealed("x", "password");
    for stored in [
        Review::update(&[("password", &envelope)], &[("password", &envelope)]),
        Review::update(&[("password", "x")], &[])
            .annotated("password", &envelope)
            .stored_annotated("password", &envelope),
        Review::create(&[("password", "x")]).annotated("password", &envelope),
    ] {
        assert!(bench.review(&stored).await.allowed());
    }
    assert!(api_server.asked().is_empty());
    assert_eq!(bench.calls(), 0);
}
