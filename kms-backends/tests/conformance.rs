//! The conformance suite over the backends of this crate, and over fakes that break the contract.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use jwe_envelope::{Curve, KeyKind, KeyManagement, LocalKey};
use kms_backends::conformance;
use kms_backends::layer::Layered;
use kms_backends::local::LocalBackend;
use kms_backends::testing::{Reply, ScriptedBackend};
use kms_backends::{Category, KeyUnwrap};

async fn check_local(kind: KeyKind, algorithm: Option<KeyManagement>) {
    let pem = LocalKey::generate(kind).unwrap().to_pkcs8_pem();
    let load = || LocalKey::from_bytes(pem.as_bytes(), algorithm).unwrap();
    let recipient = load().recipient().clone();
    let backend = async || Arc::new(LocalBackend::from_key(load())) as Arc<dyn KeyUnwrap>;
    conformance::check(backend, &recipient).await;
}

#[tokio::test]
async fn local_rsa_2048() {
    check_local(KeyKind::Rsa(2048), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_rsa_3072() {
    check_local(KeyKind::Rsa(3072), None).await;
}

#[tokio::test]
async fn local_rsa_with_every_padding() {
    for algorithm in [
        KeyManagement::RsaOaep,
        KeyManagement::RsaOaep384,
        KeyManagement::RsaOaep512,
    ] {
        check_local(KeyKind::Rsa(2048), Some(algorithm)).await;
    }
}

#[tokio::test]
async fn local_p256() {
    check_local(KeyKind::Ec(Curve::P256), None).await;
}

#[tokio::test]
async fn local_p384() {
    check_local(KeyKind::Ec(Curve::P384), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_p521() {
    check_local(KeyKind::Ec(Curve::P521), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_x25519() {
    check_local(KeyKind::Ec(Curve::X25519), None).await;
}

#[cfg(unix)]
#[tokio::test]
async fn local_from_a_file_and_in_all_layers() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    fs::write(&path, key.to_pkcs8_pem().as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let uri: kms_backends::KeyUri = format!("file:{}", path.display()).parse().unwrap();
    let recipient = key.recipient().clone();
    let backend = async || {
        let local = kms_backends::connect_for(&uri, &recipient).await.unwrap();
        Layered::remote(local).build()
    };
    conformance::check(backend, &recipient).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_reference_that_holds_another_key_is_refused_at_once() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let other = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    fs::write(&path, key.to_pkcs8_pem().as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let uri: kms_backends::KeyUri = format!("file:{}", path.display()).parse().unwrap();
    let error = kms_backends::connect_for(&uri, other.recipient())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(key.recipient().kid()), "{error}");
    assert!(error.contains(other.recipient().kid()), "{error}");
    kms_backends::connect(&uri).await.unwrap();
}

/// A suite that accepts everything shows nothing.
#[tokio::test]
async fn the_suite_finds_backends_that_break_the_contract() {
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let recipient = key.recipient().clone();
    let real: Arc<dyn KeyUnwrap> = Arc::new(LocalBackend::from_key(key));
    let fake = |reply: Reply| {
        let fake = ScriptedBackend::with_key(real.clone());
        fake.set(reply);
        Arc::new(fake)
    };

    let wrong = fake(Reply::WrongKey);
    fails(conformance::opens_envelopes(&*wrong, &recipient)).await;
    fails(conformance::decrypts_every_content_key_length(
        &*wrong, &recipient,
    ))
    .await;
    fails(conformance::serves_many_at_once(wrong.clone(), &recipient)).await;
    let unavailable = fake(Reply::UNAVAILABLE);
    fails(conformance::rejects_bad_ciphertext(
        &*unavailable,
        &recipient,
    ))
    .await;
    let denied = fake(Reply::Fail(Category::Denied));
    fails(conformance::rejects_bad_ciphertext(&*denied, &recipient)).await;
    fails(conformance::refuses_the_other_kind_of_request(
        &*denied, &recipient,
    ))
    .await;
    let careless = fake(Reply::WrongLength(32));
    fails(conformance::rejects_bad_ciphertext(&*careless, &recipient)).await;
    fails(conformance::never_answers_another_padding(
        &*careless, &recipient,
    ))
    .await;
    fails(conformance::keeps_secrets_out_of_words(
        &*careless, &recipient,
    ))
    .await;
    fails(conformance::returns_by_the_deadline(&*denied, &recipient)).await;

    let other = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let other = other.recipient().clone();
    fails(async { conformance::knows_its_own_key(&*real, &other) }).await;
}

async fn fails(check: impl Future<Output = ()>) {
    let mut check = pin!(check);
    let outcome = poll_fn(|context| {
        let poll = AssertUnwindSafe(|| check.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(true),
            Err(_) => Poll::Ready(false),
        }
    });
    assert!(!outcome.await, "the suite accepted a broken backend");
}
