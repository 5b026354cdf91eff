//! Who may submit sealed values: lists by namespace and key, and the right to `unseal`, asked of the API server.
#![allow(clippy::unwrap_used, reason = "what fails shall panic")]

mod common;
mod support;

use std::sync::Arc;
use std::time::Duration;

use common::api_server::FakeApiServer;
use http::StatusCode;
use kms_backends::NamespaceSet;
use serde_json::{Value, json};
use support::*;
use webhook_bin::access_review::AccessReviews;
use webhook_bin::decide::{Expired, Foreign};
use webhook_bin::rulebook::{NamespaceRule, Rulebook};
use webhook_bin::submitters::Submitters;

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
    let foreign = Review::create(&[("token", &seal("x", &json!({"kid": "theirs"})))]);
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
    // A yes holds for a moment, for the same user in the same namespace alone.
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
    assert!(!reply.allowed() && begun.elapsed() < common::PATIENCE);
    assert_eq!(reply.refusal(), Some("unavailable"));
    // Somebody else answers in its place.
    std::fs::write(
        api_server.pki.path("ca.crt"),
        common::pki::Pki::new().authority_pem(),
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
    // Whoever may not unseal is still not kept from labels.
    api_server.answer_access(says(&json!({"allowed": false})));
    let envelope = sealed("x", "password");
    let labels = Review::update(&[("password", &envelope)], &[("password", &envelope)]);
    let reply = bench.review(&labels).await;
    assert!(reply.allowed() && reply.patch().is_empty());
    assert_eq!(api_server.asked().len(), 1);
}
