//! Private keys from files, and where their operations run.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{open, seal};
use jwe_envelope::{Curve, KeyKind, KeyManagement, LocalKey, LocalUnwrapError};
use kms_backends::local::{LocalBackend, LocalFileError};
use kms_backends::testing::a_request;
use kms_backends::{Category, KeyEntry, KeyUnwrapExt as _, Registry, UnwrapError};

const MINUTE: Duration = Duration::from_mins(1);

/// A file that only its owner can read, as `privy key generate` leaves it.
fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    (folder, path)
}

#[tokio::test]
async fn a_pem_file_opens_what_was_sealed_for_it() {
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P384)] {
        let pem = LocalKey::generate(kind).unwrap().to_pkcs8_pem();
        let (_folder, path) = file("key.pem", pem.as_bytes());
        let backend = LocalBackend::open(&path, None).unwrap();
        let recipient = backend.recipient().clone();
        let entry = KeyEntry::builder("a", recipient.clone()).backend(Arc::new(backend));
        let registry = Registry::builder().key(entry).build().unwrap();
        let text = seal(&recipient, b"value");
        let opened = open(&registry, &text, MINUTE).await.unwrap();
        assert_eq!(opened.plaintext.expose(), b"value");
    }
}

#[test]
fn the_pin_chooses_the_algorithm_of_a_pem_file() {
    let pem = LocalKey::generate(KeyKind::Rsa(2048))
        .unwrap()
        .to_pkcs8_pem();
    let (_folder, path) = file("key.pem", pem.as_bytes());
    let algorithm = |pin| {
        let backend = LocalBackend::open(&path, pin).unwrap();
        backend.recipient().algorithm()
    };
    assert_eq!(algorithm(None), KeyManagement::RsaOaep256);
    let pin = KeyManagement::RsaOaep512;
    assert_eq!(algorithm(Some(pin)), pin);
}

#[test]
fn a_file_without_a_usable_key_is_named_and_not_shown() {
    let canary = "canary-4711-canary-4711";
    let broken = format!("-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n");
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","d":"{canary}"}}"#);
    let public = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let public = public.recipient().to_pem();
    for content in [canary, "", broken.as_str(), jwk.as_str(), public.as_str()] {
        let (_folder, path) = file("key.pem", content.as_bytes());
        let error = LocalBackend::open(&path, None).unwrap_err();
        assert!(matches!(error, LocalFileError::Key { .. }), "{error}");
        let mut words = format!("{error:?} {error}");
        assert!(words.contains("key.pem"), "{words}");
        let source = std::error::Error::source(&error).unwrap();
        words.push_str(&source.to_string());
        assert!(!words.contains("canary"), "{words}");
    }
}

#[test]
fn debug_shows_the_public_half_alone() {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let pem = key.to_pkcs8_pem();
    let (_folder, path) = file("key.pem", pem.as_bytes());
    let words = format!("{:?}", LocalBackend::open(&path, None).unwrap());
    assert!(words.contains(key.recipient().kid()), "{words}");
    let body = pem.lines().nth(1).unwrap();
    assert!(!words.contains(&body[..16]), "{words}");
}

/// On the one thread of this runtime nothing else could run if the operation ran there.
#[tokio::test(flavor = "current_thread")]
async fn an_rsa_operation_leaves_the_async_thread_free() {
    let key = LocalKey::generate(KeyKind::Rsa(4096)).unwrap();
    let backend = Arc::new(LocalBackend::from_key(key));
    let turns = Arc::new(AtomicUsize::new(0));
    let other = tokio::spawn({
        let turns = turns.clone();
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let request = vec![0x42; 512];
    let request = jwe_envelope::UnwrapRequest::Decrypt {
        padding: jwe_envelope::OaepHash::Sha256,
        ciphertext: &request,
    };
    let mut during = Vec::new();
    for _ in 0..5 {
        let before = turns.load(Ordering::Relaxed);
        let error = backend.unwrap_within(&request, MINUTE).await.unwrap_err();
        assert_eq!(error.category(), Category::Rejected);
        during.push(turns.load(Ordering::Relaxed) - before);
    }
    other.abort();
    // Inline, the other task would get one turn at most while an operation is awaited.
    assert!(during.iter().sum::<usize>() > 50, "{during:?}");
}

#[tokio::test]
async fn a_request_of_another_length_is_rejected_and_one_of_another_kind_misconfigured() {
    let rsa = LocalBackend::from_key(LocalKey::generate(KeyKind::Rsa(3072)).unwrap());
    let error = rsa.unwrap_within(&a_request(), MINUTE).await.unwrap_err();
    assert_eq!(error.category(), Category::Rejected);
    let ec = LocalBackend::from_key(LocalKey::generate(KeyKind::Ec(Curve::X25519)).unwrap());
    let error = ec.unwrap_within(&a_request(), MINUTE).await.unwrap_err();
    assert_eq!(error.category(), Category::Misconfigured);
    assert!(error.to_string().contains(ec.recipient().kid()), "{error}");
}

#[test]
fn only_a_bad_wrapped_key_becomes_rejected() {
    for (error, category) in [
        (LocalUnwrapError::Rejected, Category::Rejected),
        (LocalUnwrapError::WrongKind, Category::Misconfigured),
    ] {
        assert_eq!(UnwrapError::from(error).category(), category);
    }
}
