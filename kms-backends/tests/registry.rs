//! What a registry refuses, what it finds, and how it asks replicas.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{open, seal};
use jwe_envelope::{Curve, KeyKind, KeyManagement, LocalKey};
use kms_backends::local::LocalBackend;
use kms_backends::testing::{Reply, ScriptedBackend};
use kms_backends::{
    Category, Health, KeyEntry, KeyEntryBuilder, KeySource, NamespaceSet, Registry, RegistryError,
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn key() -> LocalKey {
    LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap()
}

fn entry(name: &str, key: &LocalKey) -> KeyEntryBuilder {
    KeyEntry::builder(name, key.recipient().clone()).backend(Arc::new(ScriptedBackend::new()))
}

fn refusal(entries: impl IntoIterator<Item = KeyEntryBuilder>) -> RegistryError {
    let mut builder = Registry::builder();
    for entry in entries {
        builder = builder.key(entry);
    }
    builder.build().unwrap_err()
}

#[test]
fn finds_by_thumbprint_and_alias_and_nothing_else() {
    let (a, b) = (key(), key());
    let registry = Registry::builder()
        .key(entry("a", &a).alias("old-name").alias("older"))
        .key(entry("b", &b).default_key(true))
        .build()
        .unwrap();
    for kid in [a.recipient().kid(), "old-name", "older"] {
        assert_eq!(registry.find(kid).unwrap().name(), "a");
    }
    assert_eq!(registry.find(b.recipient().kid()).unwrap().name(), "b");
    let padded = format!("{} ", a.recipient().kid());
    for kid in ["", "a", "OLD-NAME", "old-name/../b", "old", &padded] {
        assert!(registry.find(kid).is_none(), "{kid:?}");
    }
    assert_eq!(registry.default_key().unwrap().name(), "b");
    let names: Vec<_> = registry.entries().iter().map(KeyEntry::name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn an_entry_is_closed_until_it_is_opened() {
    let registry = Registry::builder().key(entry("a", &key())).build().unwrap();
    let entry = &registry.entries()[0];
    assert!(!entry.allows_namespace("payments"));
    assert!(!entry.allow_unbound());
    assert!(!entry.is_default());
    assert!(registry.default_key().is_none());
}

#[test]
fn an_entry_says_what_was_configured() {
    let key = key();
    let entry = entry("a", &key)
        .alias("old")
        .namespaces(NamespaceSet::parse(["payments", "team-*"]).unwrap())
        .allow_unbound(true)
        .references(vec!["file:a.pem".to_owned()])
        .build();
    assert_eq!(entry.aliases(), ["old"]);
    assert!(entry.allows_namespace("team-a"));
    assert!(!entry.allows_namespace("team"));
    assert!(entry.allow_unbound());
    assert_eq!(entry.references(), ["file:a.pem"]);
    assert_eq!(entry.recipient(), key.recipient());
    assert_eq!(entry.namespaces().to_string(), "payments, team-*");
}

#[test]
fn refuses_the_same_public_key_twice() {
    let key = key();
    let error = refusal([entry("a", &key), entry("b", &key)]);
    assert!(matches!(error, RegistryError::SameKey { .. }), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("`a`") && message.contains("`b`"),
        "{message}"
    );
}

#[test]
fn refuses_the_same_public_key_under_two_algorithms() {
    let key = key();
    let other = key
        .recipient()
        .pinned_to(KeyManagement::EcdhEsA128Kw)
        .unwrap();
    let other = KeyEntry::builder("b", other).backend(Arc::new(ScriptedBackend::new()));
    let error = refusal([entry("a", &key), other]);
    assert!(matches!(error, RegistryError::SameKey { .. }), "{error}");
}

#[test]
fn refuses_an_alias_that_is_another_keys_id_in_either_order() {
    let (a, b) = (key(), key());
    let alias = a.recipient().kid();
    for entries in [
        [entry("a", &a), entry("b", &b).alias(alias)],
        [entry("b", &b).alias(alias), entry("a", &a)],
    ] {
        let error = refusal(entries);
        assert!(matches!(error, RegistryError::SameKeyId { .. }), "{error}");
    }
}

#[test]
fn refuses_an_alias_of_two_keys() {
    let error = refusal([
        entry("a", &key()).alias("x").alias("y"),
        entry("b", &key()).alias("y"),
    ]);
    assert!(matches!(error, RegistryError::SameKeyId { .. }), "{error}");
    assert!(error.to_string().contains("\"y\""), "{error}");
}

#[test]
fn an_alias_may_repeat_the_keys_own_id() {
    let key = key();
    let own = key.recipient().kid();
    let registry = Registry::builder()
        .key(entry("a", &key).alias(own).alias("x").alias("x"))
        .build()
        .unwrap();
    assert_eq!(registry.find(own).unwrap().name(), "a");
}

#[test]
fn refuses_what_an_operator_could_not_have_meant() {
    let error = refusal([entry("a", &key()), entry("a", &key())]);
    assert_eq!(error, RegistryError::SameName("a".to_owned()));
    let error = refusal([
        entry("a", &key()).default_key(true),
        entry("b", &key()).default_key(true),
    ]);
    assert!(
        matches!(error, RegistryError::TwoDefaults { .. }),
        "{error}"
    );
    let error = refusal([KeyEntry::builder("a", key().recipient().clone())]);
    assert_eq!(error, RegistryError::NoBackend("a".to_owned()));
    assert_eq!(refusal([entry("", &key())]), RegistryError::NoName);
    let error = refusal([entry("a", &key()).alias("")]);
    assert_eq!(error, RegistryError::EmptyAlias("a".to_owned()));
}

#[test]
fn refuses_a_private_key_of_another_public_key() {
    let local = Arc::new(LocalBackend::from_key(key()));
    let error = refusal([entry("a", &key())
        .backend(local.clone())
        .references(vec!["file:right.pem".into(), "file:wrong.pem".into()])]);
    let message = error.to_string();
    assert!(matches!(error, RegistryError::OtherKey { .. }), "{message}");
    assert!(message.contains("`file:wrong.pem`"), "{message}");
    assert!(message.contains(local.recipient().kid()), "{message}");
}

#[test]
fn refuses_a_private_key_that_answers_another_padding() {
    let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
    let pinned = key
        .recipient()
        .pinned_to(KeyManagement::RsaOaep512)
        .unwrap();
    let backend = Arc::new(LocalBackend::from_key(key));
    let error = refusal([KeyEntry::builder("a", pinned).backend(backend)]);
    assert!(
        matches!(error, RegistryError::OtherAlgorithm { .. }),
        "{error}"
    );
}

#[test]
fn any_key_wrap_suits_an_agreement_key() {
    let key = key();
    let pinned = key
        .recipient()
        .pinned_to(KeyManagement::EcdhEsA128Kw)
        .unwrap();
    let backend = Arc::new(LocalBackend::from_key(key));
    let entry = KeyEntry::builder("a", pinned).backend(backend);
    Registry::builder().key(entry).build().unwrap();
}

/// A registry over one key with these replicas, and an envelope for it.
fn replicas(replies: &[Reply]) -> (Registry, Vec<Arc<ScriptedBackend>>, String) {
    let key = key();
    let text = seal(key.recipient(), b"value");
    let mut entry = KeyEntry::builder("a", key.recipient().clone());
    let real = Arc::new(LocalBackend::from_key(key));
    let mut fakes = Vec::new();
    for reply in replies {
        let fake = Arc::new(ScriptedBackend::with_key(real.clone()));
        fake.set(reply.clone());
        fakes.push(fake.clone());
        entry = entry.backend(fake);
    }
    let registry = Registry::builder().key(entry).build().unwrap();
    (registry, fakes, text)
}

#[tokio::test(start_paused = true)]
async fn the_next_replica_is_asked_when_one_is_unavailable() {
    let (registry, fakes, text) = replicas(&[Reply::UNAVAILABLE, Reply::Right, Reply::Right]);
    let opened = open(&registry, &text, SECOND).await.unwrap();
    assert_eq!(opened.plaintext.expose(), b"value");
    let calls: Vec<_> = fakes.iter().map(|f| f.calls()).collect();
    assert_eq!(calls, [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_replica_leaves_time_for_the_next() {
    let (registry, _, text) = replicas(&[Reply::Hang, Reply::Right.after(SECOND)]);
    let start = Instant::now();
    open(&registry, &text, 10 * SECOND).await.unwrap();
    assert_eq!(start.elapsed(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_one_replica_is_final() {
    for category in [
        Category::Denied,
        Category::Misconfigured,
        Category::UnknownKey,
    ] {
        let (registry, fakes, text) = replicas(&[Reply::Fail(category), Reply::Right]);
        let failure = open(&registry, &text, SECOND).await.unwrap_err();
        assert_eq!(failure.category(), Some(category));
        assert_eq!(fakes[1].calls(), 0);
    }
    let (registry, fakes, text) = replicas(&[Reply::Fail(Category::Rejected), Reply::Right]);
    let failure = open(&registry, &text, SECOND).await.unwrap_err();
    assert_eq!(failure.category(), None);
    assert_eq!(fakes[1].calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn when_all_replicas_are_away_the_shortest_wait_is_told() {
    let (registry, _, text) = replicas(&[
        Reply::throttled(3 * SECOND),
        Reply::throttled(7 * SECOND),
        Reply::UNAVAILABLE,
    ]);
    match open(&registry, &text, SECOND).await.unwrap_err() {
        kms_backends::OpenFailure::Unwrap(error) => {
            assert_eq!(error.category(), Category::Unavailable);
            assert_eq!(error.retry_after(), Some(3 * SECOND));
        }
        kms_backends::OpenFailure::Open(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn status_says_how_each_key_answers_and_since_when() {
    let (registry, fakes, text) = replicas(&[Reply::Right]);
    let health = || {
        let status = &registry.status()[0];
        assert_eq!(status.name, "a");
        (status.health, status.since.elapsed())
    };
    tokio::time::sleep(SECOND).await;
    assert_eq!(health().0, Health::Untried);

    fakes[0].set(Reply::UNAVAILABLE);
    open(&registry, &text, SECOND).await.unwrap_err();
    assert_eq!(health(), (Health::Unavailable, Duration::ZERO));
    tokio::time::sleep(5 * SECOND).await;
    open(&registry, &text, SECOND).await.unwrap_err();
    assert_eq!(health(), (Health::Unavailable, 5 * SECOND));

    for (reply, expected) in [
        (Reply::Fail(Category::Denied), Health::Denied),
        (Reply::Fail(Category::UnknownKey), Health::Misconfigured),
        (Reply::Fail(Category::Misconfigured), Health::Misconfigured),
        (Reply::Fail(Category::Rejected), Health::Reachable),
        (Reply::Panic, Health::Unavailable),
    ] {
        fakes[0].set(reply);
        open(&registry, &text, SECOND).await.unwrap_err();
        assert_eq!(health().0, expected);
    }
    fakes[0].set(Reply::Right);
    assert_eq!(
        open(&registry, &text, SECOND).await.unwrap().source,
        KeySource::Unwrapped
    );
    assert_eq!(health().0, Health::Reachable);
}
