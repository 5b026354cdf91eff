//! What the API server would not store is denied by us first.
use super::*;

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
