//! The second webhook: where it is registered, a value comes sealed or not at all.
#![allow(clippy::unwrap_used, reason = "what fails shall panic")]

mod support;

use serde_json::{Value, json};
use support::*;

fn ask(review: &Review) -> Reply {
    let bench = Bench::new();
    let reply = Reply::new(bench.reviewer.must_be_sealed(review.body().as_bytes()));
    assert_eq!(bench.calls(), 0);
    assert!(reply.patch().is_empty());
    reply
}

fn by(review: Review, user: &str) -> Review {
    review.request_with(
        "userInfo",
        json!({"username": user, "groups": ["system:masters"]}),
    )
}

#[test]
fn a_plain_value_is_refused_with_its_name() {
    let review = Review::create(&[
        ("password", &sealed("x", "password")),
        ("user", "sa"),
        ("token", "hunter2"),
        ("empty", ""),
    ]);
    let reply = ask(&review);
    assert_eq!(reply.code(), 403);
    assert_eq!(
        reply.message(),
        "fields `data/user`, `data/token` [not-sealed]: the value is not sealed, and in this namespace every value \
         must be; seal it with `privy seal`, and apply that"
    );
    assert!(!reply.text.contains("hunter2"));
    assert_eq!(reply.record.fields.len(), 2);

    let text = Review::create(&[]).with("/stringData", json!({"user": "sa"}));
    assert_eq!(ask(&text).refusal(), Some("not-sealed"));
    // A text that only begins like an envelope.
    let token = Review::create(&[("jwt", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln")]);
    assert_eq!(ask(&token).refusal(), Some("not-sealed"));
}

#[test]
fn what_is_sealed_passes_whoever_it_is_for() {
    for review in [
        Review::create(&[("password", &sealed("x", "password"))]),
        // The first webhook says what is wrong with it.
        Review::create(&[("password", &seal("x", &json!({"kid": "theirs"})))]),
        Review::create(&[("password", "eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d")]),
        Review::create(&[]).annotated("password", &sealed("x", "password")),
        Review::create(&[]).with("/data", json!({"k": null})),
        Review::create(&[]).with("/data", Value::Null),
    ] {
        assert!(ask(&review).allowed());
    }
}

#[test]
fn what_is_stored_may_stay_and_may_go() {
    let stored = [("password", "hunter2"), ("user", "sa")];
    let labels = Review::update(&stored, &stored).with("/metadata/labels", json!({"a": "b"}));
    assert!(ask(&labels).allowed());
    assert!(ask(&Review::update(&stored, &stored[..1])).allowed());
    assert_eq!(
        ask(&Review::update(
            &stored,
            &[("password", "other"), ("user", "sa")]
        ))
        .message()
        .matches("data/")
        .count(),
        1
    );
    let moved = Review::update(&stored[..1], &[("elsewhere", "hunter2")]);
    assert_eq!(ask(&moved).refusal(), Some("not-sealed"));
    assert!(ask(&Review::of("DELETE", &Value::Null, Some(&secret(&stored)))).allowed());
}

#[test]
fn what_the_cluster_itself_writes_passes() {
    let plain = Review::create(&[("token", "hunter2")]);
    for (user, allowed) in [
        ("system:kube-controller-manager", true),
        ("system:apiserver", true),
        ("system:serviceaccount:kube-system:token-controller", true),
        ("system:serviceaccount:kube-system-two:x", false),
        ("system:serviceaccount:payments:kube-system:", false),
        ("system:apiserver2", false),
        ("kubernetes-admin", false),
        ("", false),
    ] {
        assert_eq!(ask(&by(plain.clone(), user)).allowed(), allowed, "{user}");
    }
    // A type is for anybody to write, so it opens no door; Helm's own records are told by all that they are.
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
    ] {
        assert!(
            !ask(&plain.clone().with("/type", kind.into())).allowed(),
            "{kind}"
        );
    }
    let release = Review::create(&[("release", "H4sIAAAA")])
        .with("/type", "helm.sh/release.v1".into())
        .at("payments", "sh.helm.release.v1.shop.v3");
    assert!(ask(&release).allowed());
    assert!(!ask(&release.clone().with("/type", "Opaque".into())).allowed());
    assert!(
        !ask(&release.with("/data", json!({"release": b64("x"), "password": b64("x")}))).allowed()
    );
}

#[test]
fn what_is_no_review_of_a_secret_is_answered_as_ever() {
    let reply = Reply::new(Bench::new().reviewer.must_be_sealed(b"{}"));
    assert_eq!(reply.status, 400);
    let other = Review::create(&[("password", "x")]).request_with(
        "kind",
        json!({"group": "", "version": "v1", "kind": "ConfigMap"}),
    );
    assert!(ask(&other).allowed());
    let missing = Review::of("CREATE", &Value::Null, None);
    assert_eq!(ask(&missing).code(), 400);
}
