//! The second webhook: where it is registered, a value comes sealed or not at all.

use jwe_envelope::local::{KeyKind, LocalKey};
use jwe_envelope::{Binding, Sealer};
use serde_json::{Value, json};
use test_support::reviews::*;

fn ask(review: &Review) -> Reply {
    let bench = Bench::new();
    let reply = Reply::new(bench.reviewer.must_be_sealed(review.body().as_bytes()));
    assert_eq!(bench.calls(), 0);
    assert!(reply.patch().is_empty());
    reply
}

/// An envelope as `privy` writes it, for a key that no one serves: whose it is does not matter here.
fn sealed_by_privy() -> String {
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    Sealer::new(std::slice::from_ref(key.recipient()))
        .and_then(|mut sealer| sealer.seal(b"x", &Binding::anywhere()))
        .unwrap()
        .to_string()
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
        ("password", &sealed_by_privy()),
        ("user", "sa"),
        ("token", "hunter2"),
        ("empty", ""),
    ]);
    let reply = ask(&review);
    assert_eq!(reply.code(), 403);
    assert_eq!(
        reply.message(),
        "nothing was stored: fields `data/user`, `data/token` [not-sealed]: the value is not sealed, and in this \
         namespace every value must be; seal it with `privy seal`, and apply that"
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
        Review::create(&[("password", &sealed_by_privy())]),
        // The other webhook says what is wrong with it.
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
    for kind in TYPES {
        assert!(
            !ask(&plain.clone().with("/type", kind.into())).allowed(),
            "{kind}"
        );
    }
}

/// Types of Secrets that the cluster itself or Helm writes.
const TYPES: [&str; 3] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
];

#[test]
fn the_registration_asks_about_every_type() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/manifests/75-must-be-sealed.yaml"
    ))
    .unwrap();
    // A type that is named is named with all else that such a Secret is.
    for kind in TYPES {
        for (at, _) in text.match_indices(&format!("'{kind}'")) {
            let condition = text[at..].split("\n    - name:").next().unwrap();
            assert_eq!(kind, "helm.sh/release.v1");
            for part in [
                "object.metadata.name.startsWith('sh.helm.release.v1.')",
                "size(object.data) == 1",
                "object.data['release'].startsWith('SDRzSUFBQUFBQUFDL')",
            ] {
                assert!(condition.contains(part), "{part}");
            }
        }
    }
}

/// A finalizer keeps a Secret for as long as its owner likes, and pods mount it all the time.
#[test]
fn a_secret_that_is_being_deleted_takes_no_plain_value() {
    let going = |data: &[(&str, &str)]| {
        Review::update(&[("password", "hunter2")], data)
            .with("/metadata/deletionTimestamp", json!("2027-01-15T08:00:00Z"))
            .with("/metadata/finalizers", json!([]))
    };
    assert!(ask(&going(&[("password", "hunter2")])).allowed());
    assert_eq!(
        ask(&going(&[("password", "other")])).refusal(),
        Some("not-sealed")
    );
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/manifests/75-must-be-sealed.yaml"
    ))
    .unwrap();
    assert!(!text.contains("deletionTimestamp"));
}

#[test]
fn helm_s_releases_are_told_by_all_that_they_are() {
    // As Helm compresses them.
    const RELEASE: &str = "H4sIAAAAAAAC/6tWKkpNTFaqBQBGWDb9CwAAAA==";
    assert!(b64(RELEASE).starts_with("SDRzSUFBQUFBQUFDL"));
    let release = Review::create(&[("release", RELEASE)])
        .with("/type", "helm.sh/release.v1".into())
        .at("payments", "sh.helm.release.v1.shop.v3");
    assert!(ask(&release).allowed());
    for other in [
        release.clone().with("/type", "Opaque".into()),
        release.clone().at("payments", "shop"),
        release
            .clone()
            .with("/data", json!({"release": b64("hunter2")})),
        release
            .clone()
            .with("/data", json!({"release": b64("H4sI")})),
        release
            .clone()
            .with("/data", json!({"password": b64(RELEASE)})),
        release.with(
            "/data",
            json!({"release": b64(RELEASE), "password": b64("x")}),
        ),
    ] {
        assert!(!ask(&other).allowed());
    }
}

#[test]
fn what_would_be_stored_as_it_is_does_not_count_as_sealed() {
    // With parts of the right lengths: no damage shows that nothing was encrypted.
    let (iv, tag) = (b64url([0; 12]), b64url([0; 16]));
    let compact = |header: &str| format!("{}.a2V5.{iv}.aHVudGVyMg.{tag}", b64url(header));
    let direct = |header: &str| compact(header).replace(".a2V5.", "..");
    let protected = b64url(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#);
    let json = |text: &str| text.replace("PROTECTED", &protected);
    for plain in [
        compact(r#"{"kid":"mine","alg":"RSA-OAEP-256","enc":"A256GCM"}"#),
        direct(r#"{"alg":"dir","enc":"A256GCM"}"#),
        direct(r#"{"enc":"A256GCM","alg":"dir"}"#),
        compact(r#"{"enc":"A256GCM","alg":"A256KW"}"#),
        // Damaged ones, which the backstop does not tell from whole ones.
        compact(r#"{"enc":"A256GCM","alg":"dir"}"#),
        compact(r#"{"enc":"A128CBC-HS256","alg":"dir"}"#),
        "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiZGlyIn0.my.plain.hunter2.value".to_owned(),
        "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUEJFUzItSFMyNTYrQTEyOEtXIn0.a.b.hunter2.d".to_owned(),
        "eyJlbmMiO............iwiYWxnIjoiEhunter2".to_owned(),
        json(
            r#"{"ciphertext":"aHVudGVyMg","protected":"PROTECTED","encrypted_key":"a2V5","iv":"aXY","tag":"dGFn"}"#,
        ),
        json(
            r#"{ "protected":"PROTECTED","encrypted_key":"a2V5","iv":"aXY","ciphertext":"aHVudGVyMg","tag":"dGFn"}"#,
        ),
        "eyJlbmMiOi hunter2".to_owned(),
    ] {
        let reply = ask(&Review::create(&[("password", &plain)]));
        assert_eq!(reply.refusal(), Some("not-sealed"), "{plain}");
    }
    // To be left: an envelope for someone's public key, in any form. Nothing else.
    let left = |value: &str| {
        Review::create(&[("password", value)]).with(
            "/metadata/annotations",
            json!({"privyseal.dev/leave": "other, password"}),
        )
    };
    let whole = sealed_by_privy();
    for (value, allowed) in [
        (whole.as_str(), true),
        ("eyJlbmMiOi hunter2", false),
        ("eyJlbmMiOiJBMjU2R0NNIn0.a.b.c.d", false),
        (&direct(r#"{"enc":"A256GCM","alg":"dir"}"#), false),
        ("hunter2", false),
    ] {
        assert_eq!(ask(&left(value)).allowed(), allowed, "{value}");
    }
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
