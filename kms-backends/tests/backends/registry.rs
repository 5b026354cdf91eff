//! What a registry refuses, what it finds, and how it asks replicas.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Bench, open, seal};
use jwe_envelope::{
    Binding, Curve, Envelope, GrantContext, GrantError, KeyKind, KeyManagement, LocalKey, Place,
    Sealer, Serialization,
};
use kms_backends::local::LocalBackend;
use kms_backends::testing::{Reply, ScriptedBackend};
use kms_backends::{
    Category, Health, KeyEntry, KeyEntryBuilder, KeySource, NamespaceSet, Registry, RegistryError,
    SelectError,
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

fn sealed_for(keys: &[&LocalKey]) -> String {
    let recipients: Vec<_> = keys.iter().map(|key| key.recipient().clone()).collect();
    let serialization = match keys {
        [_] => Serialization::Compact,
        _ => Serialization::General,
    };
    Sealer::new(&recipients)
        .unwrap()
        .serialization(serialization)
        .unwrap()
        .seal(b"a value", &Binding::anywhere())
        .unwrap()
        .to_string()
}

#[test]
fn selects_the_first_recipient_whose_key_allows_the_namespace() {
    let (a, b, unknown) = (key(), key(), key());
    let only = |namespace| NamespaceSet::parse([namespace]).unwrap();
    let registry = Registry::builder()
        .key(entry("a", &a).namespaces(only("shop")))
        .key(entry("b", &b).namespaces(only("payments")))
        .build()
        .unwrap();
    let text = sealed_for(&[&unknown, &a, &b]);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let candidates: Vec<_> = registry.candidates(&envelope).collect();
    let order: Vec<_> = candidates
        .iter()
        .map(|found| (found.recipient, found.entry.name()))
        .collect();
    assert_eq!(order, [(1, "a"), (2, "b")]);
    for (namespace, recipient, name) in [("shop", 1, "a"), ("payments", 2, "b")] {
        let selected = registry.select(&envelope, namespace).unwrap();
        assert_eq!(
            (selected.recipient, selected.entry.name()),
            (recipient, name)
        );
    }
    assert_eq!(
        registry.select(&envelope, "elsewhere").unwrap_err(),
        SelectError::Namespace {
            key: "a".to_owned(),
            namespace: "elsewhere".to_owned(),
        }
    );
    let text = sealed_for(&[&unknown]);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    assert_eq!(
        registry.select(&envelope, "shop").unwrap_err(),
        SelectError::UnknownKeyId(unknown.recipient().kid().to_owned())
    );
}

/// An envelope for `kid`, of which nothing but its headers is real.
fn unbound(kid: Option<&str>) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let kid = kid
        .map(|kid| format!(r#","kid":"{kid}""#))
        .unwrap_or_default();
    let header = format!(r#"{{"alg":"ECDH-ES+A256KW","enc":"A256GCM"{kid}}}"#);
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    [
        part(header.as_bytes()),
        part(&[0; 40]),
        part(&[0; 12]),
        part(b"x"),
        part(&[0; 16]),
    ]
    .join(".")
}

#[test]
fn an_envelope_without_bind_is_selected_only_where_the_key_allows_it() {
    let key = key();
    let kid = key.recipient().kid();
    for (allowed, text) in [(false, unbound(Some(kid))), (true, unbound(Some(kid)))] {
        let registry = Registry::builder()
            .key(
                entry("a", &key)
                    .namespaces(NamespaceSet::all())
                    .allow_unbound(allowed),
            )
            .build()
            .unwrap();
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let selected = registry.select(&envelope, "shop");
        if allowed {
            assert_eq!(selected.unwrap().entry.name(), "a");
        } else {
            assert!(matches!(selected, Err(SelectError::Unbound { key }) if key == "a"));
        }
    }
}

#[test]
fn without_a_key_id_only_the_default_key_is_tried() {
    let key = key();
    for default in [false, true] {
        let registry = Registry::builder()
            .key(
                entry("a", &key)
                    .namespaces(NamespaceSet::all())
                    .allow_unbound(true)
                    .default_key(default),
            )
            .build()
            .unwrap();
        let text = unbound(None);
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let selected = registry.select(&envelope, "shop");
        if default {
            assert_eq!(selected.unwrap().entry.name(), "a");
        } else {
            assert_eq!(selected.unwrap_err(), SelectError::NoKeyId);
        }
        // An unknown `kid` is never replaced by the default key.
        let text = unbound(Some("unknown"));
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        assert!(matches!(
            registry.select(&envelope, "shop"),
            Err(SelectError::UnknownKeyId(_))
        ));
    }
}

/// The cache knows entries by name, so another registry's entry of that name must not reach it.
#[tokio::test]
async fn an_entry_of_another_registry_is_not_opened_whatever_its_name() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    let elsewhere = Arc::new(ScriptedBackend::new());
    let stranger = Registry::builder()
        .key(KeyEntry::builder("a", bench.recipients[0].clone()).backend(elsewhere.clone()))
        .build()
        .unwrap();
    let foreign = &stranger.entries()[0];
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.open_unchecked(0, foreign.recipient()).unwrap();
    for cached in [false, true] {
        if cached {
            bench.open(&text).await.unwrap();
            assert_eq!(bench.registry.cached_keys(), 1);
        }
        let calls = bench.service().calls();
        let deadline = Instant::now() + SECOND;
        let failure = bench
            .registry
            .open_unchecked(foreign, &opening, deadline)
            .await;
        assert_eq!(
            failure.unwrap_err().category(),
            Some(Category::Misconfigured),
            "cached: {cached}"
        );
        assert_eq!((bench.service().calls(), elsewhere.calls()), (calls, 0));
    }
    // An entry that is no more stays unopened in the registry that followed it.
    let successor = bench.registry.with_entries(stranger.entries().to_vec());
    let gone = &bench.registry.entries()[0];
    let deadline = Instant::now() + SECOND;
    let failure = successor
        .unwrap()
        .open_unchecked(gone, &opening, deadline)
        .await;
    assert_eq!(
        failure.unwrap_err().category(),
        Some(Category::Misconfigured)
    );
}

/// The namespace is the entry's rule, the rest is the envelope's; a grant needs both, and asking for one costs no call.
#[tokio::test]
async fn a_grant_needs_the_entry_and_the_envelope_to_allow_it() {
    let key = key();
    let service = Arc::new(ScriptedBackend::with_key(Arc::new(LocalBackend::from_key(
        LocalKey::from_bytes(key.to_pkcs8_pem().as_bytes(), None).unwrap(),
    ))));
    let registry = Registry::builder()
        .key(
            KeyEntry::builder("a", key.recipient().clone())
                .namespaces(NamespaceSet::parse(["payments", "shop"]).unwrap())
                .backend(service.clone()),
        )
        .build()
        .unwrap();
    let text = seal(key.recipient(), b"value");
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let place = |namespace| Place::new(namespace, "db", "password").unwrap();
    let (here, shop, elsewhere) = (place("payments"), place("shop"), place("elsewhere"));
    let now = std::time::SystemTime::now();
    assert!(matches!(
        registry.grant(&envelope, &GrantContext::webhook(&elsewhere, now)),
        Err(SelectError::Namespace { .. })
    ));
    for context in [
        GrantContext::webhook(&shop, now),
        GrantContext::service_account(&here, "app", now),
    ] {
        assert!(matches!(
            registry.grant(&envelope, &context),
            Err(SelectError::Grant(GrantError::Mismatch(_)))
        ));
    }
    // The entry says whether it opens what is unbound, whatever the context says.
    let loose = unbound(Some(key.recipient().kid()));
    let loose = Envelope::parse(loose.as_bytes()).unwrap();
    let context = GrantContext::webhook(&here, now).allow_unbound(true);
    assert!(matches!(
        registry.grant(&loose, &context),
        Err(SelectError::Unbound { .. })
    ));
    let unknown = seal(self::key().recipient(), b"value");
    let unknown = Envelope::parse(unknown.as_bytes()).unwrap();
    assert!(matches!(
        registry.grant(&unknown, &context),
        Err(SelectError::UnknownKeyId(_))
    ));
    assert_eq!(service.calls(), 0);
    let granted = registry
        .grant(&envelope, &GrantContext::webhook(&here, now))
        .unwrap();
    let opened = registry.open(&granted, Instant::now() + SECOND).await;
    assert_eq!(opened.unwrap().plaintext.expose(), b"value");
    assert_eq!(service.calls(), 1);
}
