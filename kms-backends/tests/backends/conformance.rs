//! The conformance suite over the backends of this crate, and over fakes that break the contract.

use std::fs;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jwe_envelope::{Curve, KeyKind, KeyManagement, LocalKey, RecipientKey};
use kms_backends::conformance;
use kms_backends::layer::Layered;
use kms_backends::local::LocalBackend;
use kms_backends::testing::{Reply, ScriptedBackend};
use kms_backends::{Category, Connector, KeyUnwrap, UnwrapError};

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
        let local = Connector::default()
            .connect(&uri, &recipient)
            .await
            .unwrap();
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
    let error = Connector::default()
        .connect(&uri, other.recipient())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(key.recipient().kid()), "{error}");
    assert!(error.contains(other.recipient().kid()), "{error}");
    kms_backends::connect(&uri).await.unwrap();
}

#[tokio::test]
async fn any_backend_type_can_be_checked() {
    let pem = LocalKey::generate(KeyKind::Ec(Curve::P256))
        .unwrap()
        .to_pkcs8_pem();
    let load = || LocalKey::from_bytes(pem.as_bytes(), None).unwrap();
    conformance::check(async || LocalBackend::from_key(load()), load().recipient()).await;
}

/// A real key behind replies that break the contract.
fn broken(kind: KeyKind, reply: Reply) -> (Arc<ScriptedBackend>, RecipientKey) {
    let key = LocalKey::generate(kind).unwrap();
    let recipient = key.recipient().clone();
    let fake = ScriptedBackend::with_key(Arc::new(LocalBackend::from_key(key)));
    fake.set(reply);
    (Arc::new(fake), recipient)
}

const RSA: KeyKind = KeyKind::Rsa(2048);
const EC: KeyKind = KeyKind::Ec(Curve::P256);

/// A suite that accepts everything shows nothing: each check fails on a backend that breaks what it checks.
#[tokio::test(start_paused = true)]
async fn every_check_fails_on_a_backend_that_breaks_it() {
    use conformance as suite;
    const SECOND: Duration = Duration::from_secs(1);
    let denied = || Reply::Fail(Category::Denied);
    let random = || Reply::WrongLength(32);

    for reply in [Reply::WrongKey, denied(), Reply::Hang] {
        let (backend, key) = broken(RSA, reply.clone());
        fails("opens_envelopes", suite::opens_envelopes(&*backend, &key)).await;
        let decrypts = suite::decrypts_every_content_key_length(&*backend, &key);
        fails("decrypts_every_content_key_length", decrypts).await;
        let many = suite::serves_many_at_once(backend.clone(), &key);
        fails("serves_many_at_once", many).await;
        let (backend, key) = broken(EC, reply);
        let agrees = suite::agrees_on_the_raw_secret(&*backend, &key);
        fails("agrees_on_the_raw_secret", agrees).await;
    }
    let (backend, key) = broken(EC, Reply::WrongLength(31));
    let agrees = suite::agrees_on_the_raw_secret(&*backend, &key);
    fails("agrees_on_the_raw_secret", agrees).await;

    for reply in [Reply::UNAVAILABLE, denied(), random(), Reply::Hang] {
        let (backend, key) = broken(RSA, reply.clone());
        let rejects = suite::rejects_bad_ciphertext(&*backend, &key);
        fails("rejects_bad_ciphertext", rejects).await;
        let padding = suite::never_answers_another_padding(&*backend, &key);
        fails("never_answers_another_padding", padding).await;
        let other = suite::refuses_the_other_kind_of_request(&*backend, &key);
        fails("refuses_the_other_kind_of_request", other).await;
        let (backend, key) = broken(EC, reply);
        let curves = suite::refuses_other_curves(&*backend, &key);
        fails("refuses_other_curves", curves).await;
        let other = suite::refuses_the_other_kind_of_request(&*backend, &key);
        fails("refuses_the_other_kind_of_request", other).await;
    }

    for reply in [
        denied(),
        Reply::WrongKey,
        Reply::Hang,
        Reply::Right.after(3 * SECOND),
        Reply::UNAVAILABLE.after(3 * SECOND),
    ] {
        let (backend, key) = broken(RSA, reply);
        let deadline = suite::returns_by_the_deadline(&*backend, &key);
        fails("returns_by_the_deadline", deadline).await;
    }

    for end in [Reply::UNAVAILABLE, Reply::WrongKey, Reply::Hang] {
        let (backend, key) = broken(RSA, Reply::Hang);
        backend.set_script(move |call| if call < 64 { Reply::Hang } else { end.clone() });
        let survives = suite::survives_cancelled_calls(&*backend, &key);
        fails("survives_cancelled_calls", survives).await;
    }

    let (backend, key) = broken(RSA, random());
    let words = suite::keeps_secrets_out_of_words(&*backend, &key);
    fails("keeps_secrets_out_of_words", words).await;
    let leak = UnwrapError::new(Category::Rejected, "bad: canary-in-the-wrapped-key");
    let (backend, key) = broken(RSA, Reply::Right);
    backend.set_script(move |call| match call {
        0 => Reply::Right,
        _ => Reply::Error(leak.clone()),
    });
    let words = suite::keeps_secrets_out_of_words(&*backend, &key);
    fails("keeps_secrets_out_of_words", words).await;
    let (backend, _) = broken(RSA, Reply::Right);
    let (_, other) = broken(RSA, Reply::Right);
    let knows = async { suite::knows_its_own_key(&*backend, &other) };
    fails("knows_its_own_key", knows).await;
}

#[tokio::test(start_paused = true)]
async fn the_suite_ends_however_a_backend_hangs() {
    let (backend, key) = broken(EC, Reply::Hang);
    let hangs = conformance::check(async || backend.clone(), &key);
    fails("check", hangs).await;
    let never = async || std::future::pending::<Arc<dyn KeyUnwrap>>().await;
    fails("check", conformance::check(never, &key)).await;
}

async fn fails(name: &str, check: impl Future<Output = ()>) {
    let mut check = pin!(check);
    let outcome = poll_fn(|context| {
        let poll = AssertUnwindSafe(|| check.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(true),
            Err(_) => Poll::Ready(false),
        }
    });
    let passed = tokio::time::timeout(Duration::from_mins(10), outcome).await;
    assert_eq!(
        passed,
        Ok(false),
        "{name} accepted a broken backend, or never ended"
    );
}
