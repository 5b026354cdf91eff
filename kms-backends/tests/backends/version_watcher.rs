//! Keys that are named without a version: listed, refreshed, exchanged while they are in use.

use std::sync::Arc;
use std::time::Duration;

use crate::client::seal;
use jwe_envelope::{Envelope, RecipientKey};
use kms_backends::vault::VaultAuth;
use kms_backends::{
    Category, Connector, Health, KeyEntry, KeyServices, KeySource, NamespaceSet, OpenFailure,
    Opened, Registry, RegistryBuilder, Unobserved, VersionWatcher, WatchedKey,
};
use test_support::fakes::http::Fault;
use test_support::fakes::vault::FakeVault;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn connector(vault: &FakeVault) -> Arc<Connector> {
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.url());
    services.vault.auth = Some(VaultAuth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "privy".to_owned(),
        token_file: vault.token_file.clone(),
    });
    Arc::new(Connector::new(services))
}

fn watcher(vault: &FakeVault, fixed: Vec<KeyEntry>) -> VersionWatcher {
    let registry = fixed
        .into_iter()
        .fold(Registry::builder(), RegistryBuilder::key);
    let watched = WatchedKey {
        name: "payments".to_owned(),
        uri: "vault-transit://transit/payments".parse().unwrap(),
        recipient: vault.recipient(1),
        namespaces: NamespaceSet::parse(["payments"]).unwrap(),
        allow_unbound: false,
        default_key: true,
    };
    VersionWatcher::new(
        &registry.build().unwrap(),
        vec![watched],
        connector(vault),
        Arc::new(Unobserved),
    )
    .unwrap()
}

fn sealed(recipient: &RecipientKey) -> String {
    seal(recipient, b"hunter2")
}

/// As a review does it: the registry of the moment, the entry of the envelope's `kid`.
async fn open(watcher: &VersionWatcher, text: &str) -> Option<Result<Opened, OpenFailure>> {
    let registry = watcher.registry().current();
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let entry = registry.find(envelope.recipients()[0].key_id().unwrap())?;
    let opening = envelope.open_unchecked(0, entry.recipient()).unwrap();
    Some(
        registry
            .open_unchecked(entry, &opening, Instant::now() + 2 * SECOND)
            .await,
    )
}

fn names(watcher: &VersionWatcher) -> Vec<String> {
    let registry = watcher.registry().current();
    registry
        .entries()
        .iter()
        .map(|entry| entry.name().to_owned())
        .collect()
}

#[tokio::test]
async fn every_version_that_decrypts_is_served_under_its_own_kid() {
    let vault = FakeVault::start(3).await;
    vault.set_min_decryption_version(2);
    let watcher = watcher(&vault, Vec::new());
    let listings = watcher.refresh(5 * SECOND).await;
    assert_eq!(*listings[0].outcome.as_ref().unwrap(), 2);
    // The configured one is version 1, which Vault does not decrypt with any more.
    assert!(listings[0].lacks_known);
    assert_eq!(names(&watcher), ["payments#3", "payments#2"]);
    let registry = watcher.registry().current();
    assert_eq!(registry.default_key().unwrap().name(), "payments#3");
    assert!(
        registry
            .entries()
            .iter()
            .all(|entry| entry.allows_namespace("payments"))
    );
    for version in [2, 3] {
        let opened = open(&watcher, &sealed(&vault.recipient(version)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(opened.plaintext.expose(), b"hunter2");
    }
    assert!(open(&watcher, &sealed(&vault.recipient(1))).await.is_none());
}

#[tokio::test]
async fn a_new_version_joins_and_the_others_stay_as_they_are() {
    let vault = FakeVault::start(1).await;
    let watcher = watcher(&vault, Vec::new());
    watcher.refresh(5 * SECOND).await;
    let old = sealed(&vault.recipient(1));
    open(&watcher, &old).await.unwrap().unwrap();
    vault.rotate();
    assert!(!watcher.refresh(5 * SECOND).await[0].lacks_known);
    assert_eq!(names(&watcher), ["payments#2", "payments#1"]);
    assert_eq!(
        watcher.registry().current().default_key().unwrap().name(),
        "payments#2"
    );
    open(&watcher, &sealed(&vault.recipient(2)))
        .await
        .unwrap()
        .unwrap();
    watcher.refresh(5 * SECOND).await;
    // Served from the cache: an exchange of the registry forgets nothing that still is in it.
    let again = open(&watcher, &sealed(&vault.recipient(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.source, KeySource::Unwrapped);
    let text = sealed(&vault.recipient(2));
    open(&watcher, &text).await.unwrap().unwrap();
    watcher.refresh(5 * SECOND).await;
    assert_eq!(
        open(&watcher, &text).await.unwrap().unwrap().source,
        KeySource::Cache
    );
    let status = watcher.registry().current().status();
    assert!(status.iter().any(|key| key.health == Health::Reachable));
}

#[tokio::test]
async fn a_version_that_went_takes_its_cached_content_keys_along() {
    let vault = FakeVault::start(2).await;
    let watcher = watcher(&vault, Vec::new());
    watcher.refresh(5 * SECOND).await;
    for version in [1, 2] {
        open(&watcher, &sealed(&vault.recipient(version)))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(watcher.registry().current().cached_keys(), 2);
    vault.set_min_decryption_version(2);
    watcher.refresh(5 * SECOND).await;
    assert_eq!(names(&watcher), ["payments#2"]);
    assert_eq!(watcher.registry().current().cached_keys(), 1);
}

#[tokio::test]
async fn until_it_is_listed_the_known_key_is_not_available_rather_than_unknown() {
    let vault = FakeVault::start(1).await;
    vault.control().set(Fault::status(503));
    let watcher = watcher(&vault, Vec::new());
    let text = sealed(&vault.recipient(1));
    for _ in 0..2 {
        let failure = open(&watcher, &text)
            .await
            .expect("a known kid")
            .unwrap_err();
        assert_eq!(failure.category(), Some(Category::Unavailable));
        let listings = watcher.refresh(5 * SECOND).await;
        assert_eq!(
            listings[0].outcome.as_ref().unwrap_err().category(),
            Category::Unavailable
        );
    }
    vault.control().set(Fault::None);
    watcher.refresh(5 * SECOND).await;
    open(&watcher, &text).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_outage_of_the_listing_keeps_what_was_listed() {
    let vault = FakeVault::start(2).await;
    let watcher = watcher(&vault, Vec::new());
    watcher.refresh(5 * SECOND).await;
    for fault in [
        Fault::status(503),
        Fault::Stall,
        Fault::status(404),
        Fault::Cut,
    ] {
        vault.control().then([fault]);
        assert!(watcher.refresh(SECOND).await[0].outcome.is_err());
        assert_eq!(names(&watcher), ["payments#2", "payments#1"]);
        open(&watcher, &sealed(&vault.recipient(1)))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_key_that_is_configured_by_itself_keeps_its_own_policy() {
    let vault = FakeVault::start(1).await;
    vault.rotate();
    let uri = "vault-transit://transit/payments#2".parse().unwrap();
    let unwrapper = connector(&vault)
        .connect(&uri, &vault.recipient(2))
        .await
        .unwrap();
    let fixed = KeyEntry::builder("second", vault.recipient(2))
        .namespaces(NamespaceSet::parse(["other"]).unwrap())
        .backend(unwrapper)
        .build();
    let watcher = watcher(&vault, vec![fixed]);
    watcher.refresh(5 * SECOND).await;
    assert_eq!(names(&watcher), ["second", "payments#1"]);
    let registry = watcher.registry().current();
    let entry = registry.find(vault.recipient(2).kid()).unwrap();
    assert!(!entry.allows_namespace("payments"));
}

#[tokio::test]
async fn a_review_under_way_keeps_the_registry_that_it_began_with() {
    let vault = FakeVault::start(1).await;
    let watcher = watcher(&vault, Vec::new());
    watcher.refresh(5 * SECOND).await;
    let before = watcher.registry().current();
    let text = sealed(&vault.recipient(1));
    vault.rotate();
    vault.set_min_decryption_version(2);
    watcher.refresh(5 * SECOND).await;
    vault.set_min_decryption_version(1);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let entry = before.find(vault.recipient(1).kid()).unwrap();
    let opening = envelope.open_unchecked(0, entry.recipient()).unwrap();
    before
        .open_unchecked(entry, &opening, Instant::now() + 2 * SECOND)
        .await
        .unwrap();
    // It may finish, and leaves nothing behind.
    assert_eq!(watcher.registry().current().cached_keys(), 0);
}

/// Anyone who may submit a Secret can name any `kid`: that costs the key service a handful of calls, however many
/// reviews do it.
#[tokio::test]
async fn unknown_kids_bring_a_new_version_soon_and_the_key_service_little_to_do() {
    let vault = FakeVault::start(1).await;
    let watcher = watcher(&vault, Vec::new());
    let lists = || vault.control().count("/v1/transit/keys/");
    watcher.refresh(5 * SECOND).await;
    assert_eq!(lists(), 1);

    // A rotation, and a value that someone seals for the new version at once.
    vault.rotate();
    let text = sealed(&vault.recipient(2));
    assert!(open(&watcher, &text).await.is_none());
    let registry = watcher.registry().current();
    assert!(registry.may_be_unlisted("payments"));
    registry.note_unknown_kid("payments");
    drop(registry);
    assert!((10..=30).contains(&waited(&watcher).await));
    assert_eq!(lists(), 1, "nothing is asked in the path of a review");
    watcher.refresh(5 * SECOND).await;
    assert!(open(&watcher, &text).await.unwrap().is_ok());

    // An hour in which review after review names what no one has.
    let (before, mut hour) = (lists(), 0);
    while hour < 3600 {
        for _ in 0..1000 {
            watcher.registry().current().note_unknown_kid("payments");
        }
        hour += waited(&watcher).await;
        watcher.refresh(5 * SECOND).await;
    }
    let planned = 3600 / 300;
    assert!(
        lists() - before <= planned + 4,
        "{} lists",
        lists() - before
    );

    // A namespace that may use none of the keys causes none at all.
    watcher.refresh(5 * SECOND).await;
    let registry = watcher.registry().current();
    assert!(!registry.may_be_unlisted("elsewhere"));
    registry.note_unknown_kid("elsewhere");
    drop(registry);
    assert_eq!(waited(&watcher).await, 300);
}

/// Whole seconds of simulated time until the next round, where one is planned in five minutes.
async fn waited(watcher: &VersionWatcher) -> u64 {
    let began = Instant::now();
    tokio::time::pause();
    watcher.pause(300 * SECOND).await;
    tokio::time::resume();
    began.elapsed().as_secs()
}
