//! Keys that are named without a version: listed, refreshed, exchanged while they are in use.
#![cfg(feature = "vault")]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod fakes;

use std::sync::Arc;
use std::time::Duration;

use fakes::client::seal;
use fakes::http::Fault;
use fakes::vault::FakeVault;
use jwe_envelope::{Envelope, RecipientKey};
use kms_backends::vault::VaultAuth;
use kms_backends::{
    Category, Connector, Health, KeyEntry, KeyServices, KeySource, Keyring, NamespaceSet,
    OpenFailure, Opened, Registry, RegistryBuilder, Unobserved, WatchedKey,
};
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

fn keyring(vault: &FakeVault, fixed: Vec<KeyEntry>) -> Keyring {
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
    Keyring::new(
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
async fn open(keyring: &Keyring, text: &str) -> Option<Result<Opened, OpenFailure>> {
    let registry = keyring.registry().present();
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let entry = registry.find(envelope.recipients()[0].key_id().unwrap())?;
    let opening = envelope.opening(0, entry.recipient()).unwrap();
    Some(
        registry
            .open(entry, &opening, Instant::now() + 2 * SECOND)
            .await,
    )
}

fn names(keyring: &Keyring) -> Vec<String> {
    let registry = keyring.registry().present();
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
    let keyring = keyring(&vault, Vec::new());
    let listings = keyring.refresh(5 * SECOND).await;
    assert_eq!(*listings[0].outcome.as_ref().unwrap(), 2);
    // The configured one is version 1, which Vault does not decrypt with any more.
    assert!(listings[0].lacks_known);
    assert_eq!(names(&keyring), ["payments#3", "payments#2"]);
    let registry = keyring.registry().present();
    assert_eq!(registry.default_key().unwrap().name(), "payments#3");
    assert!(
        registry
            .entries()
            .iter()
            .all(|entry| entry.allows_namespace("payments"))
    );
    for version in [2, 3] {
        let opened = open(&keyring, &sealed(&vault.recipient(version)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(opened.plaintext.expose(), b"hunter2");
    }
    assert!(open(&keyring, &sealed(&vault.recipient(1))).await.is_none());
}

#[tokio::test]
async fn a_new_version_joins_and_the_others_stay_as_they_are() {
    let vault = FakeVault::start(1).await;
    let keyring = keyring(&vault, Vec::new());
    keyring.refresh(5 * SECOND).await;
    let old = sealed(&vault.recipient(1));
    open(&keyring, &old).await.unwrap().unwrap();
    vault.rotate();
    assert!(!keyring.refresh(5 * SECOND).await[0].lacks_known);
    assert_eq!(names(&keyring), ["payments#2", "payments#1"]);
    assert_eq!(
        keyring.registry().present().default_key().unwrap().name(),
        "payments#2"
    );
    open(&keyring, &sealed(&vault.recipient(2)))
        .await
        .unwrap()
        .unwrap();
    keyring.refresh(5 * SECOND).await;
    // Served from the cache: an exchange of the registry forgets nothing that still stands in it.
    let again = open(&keyring, &sealed(&vault.recipient(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.source, KeySource::Unwrapped);
    let text = sealed(&vault.recipient(2));
    open(&keyring, &text).await.unwrap().unwrap();
    keyring.refresh(5 * SECOND).await;
    assert_eq!(
        open(&keyring, &text).await.unwrap().unwrap().source,
        KeySource::Cache
    );
    let status = keyring.registry().present().status();
    assert!(status.iter().any(|key| key.health == Health::Reachable));
}

#[tokio::test]
async fn a_version_that_went_takes_its_cached_content_keys_along() {
    let vault = FakeVault::start(2).await;
    let keyring = keyring(&vault, Vec::new());
    keyring.refresh(5 * SECOND).await;
    for version in [1, 2] {
        open(&keyring, &sealed(&vault.recipient(version)))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(keyring.registry().present().cached_keys(), 2);
    vault.set_min_decryption_version(2);
    keyring.refresh(5 * SECOND).await;
    assert_eq!(names(&keyring), ["payments#2"]);
    assert_eq!(keyring.registry().present().cached_keys(), 1);
}

#[tokio::test]
async fn until_it_is_listed_the_known_key_is_not_available_rather_than_unknown() {
    let vault = FakeVault::start(1).await;
    vault.control().set(Fault::status(503));
    let keyring = keyring(&vault, Vec::new());
    let text = sealed(&vault.recipient(1));
    for _ in 0..2 {
        let failure = open(&keyring, &text)
            .await
            .expect("a known kid")
            .unwrap_err();
        assert_eq!(failure.category(), Some(Category::Unavailable));
        let listings = keyring.refresh(5 * SECOND).await;
        assert_eq!(
            listings[0].outcome.as_ref().unwrap_err().category(),
            Category::Unavailable
        );
    }
    vault.control().set(Fault::None);
    keyring.refresh(5 * SECOND).await;
    open(&keyring, &text).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_outage_of_the_listing_keeps_what_was_listed() {
    let vault = FakeVault::start(2).await;
    let keyring = keyring(&vault, Vec::new());
    keyring.refresh(5 * SECOND).await;
    for fault in [
        Fault::status(503),
        Fault::Stall,
        Fault::status(404),
        Fault::Cut,
    ] {
        vault.control().then([fault]);
        assert!(keyring.refresh(SECOND).await[0].outcome.is_err());
        assert_eq!(names(&keyring), ["payments#2", "payments#1"]);
        open(&keyring, &sealed(&vault.recipient(1)))
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
    let holder = connector(&vault)
        .connect(&uri, &vault.recipient(2))
        .await
        .unwrap();
    let fixed = KeyEntry::builder("second", vault.recipient(2))
        .namespaces(NamespaceSet::parse(["other"]).unwrap())
        .backend(holder)
        .build();
    let keyring = keyring(&vault, vec![fixed]);
    keyring.refresh(5 * SECOND).await;
    assert_eq!(names(&keyring), ["second", "payments#1"]);
    let registry = keyring.registry().present();
    let entry = registry.find(vault.recipient(2).kid()).unwrap();
    assert!(!entry.allows_namespace("payments"));
}

#[tokio::test]
async fn a_review_under_way_keeps_the_registry_that_it_began_with() {
    let vault = FakeVault::start(1).await;
    let keyring = keyring(&vault, Vec::new());
    keyring.refresh(5 * SECOND).await;
    let before = keyring.registry().present();
    let text = sealed(&vault.recipient(1));
    vault.rotate();
    vault.set_min_decryption_version(2);
    keyring.refresh(5 * SECOND).await;
    vault.set_min_decryption_version(1);
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let entry = before.find(vault.recipient(1).kid()).unwrap();
    let opening = envelope.opening(0, entry.recipient()).unwrap();
    before
        .open(entry, &opening, Instant::now() + 2 * SECOND)
        .await
        .unwrap();
    // It may finish, and leaves nothing behind.
    assert_eq!(keyring.registry().present().cached_keys(), 0);
}

/// Whoever may submit a Secret can name any `kid`: that costs the key service a handful of calls, however many reviews do it.
#[tokio::test]
async fn unknown_kids_bring_a_new_version_soon_and_the_key_service_little_to_do() {
    let vault = FakeVault::start(1).await;
    let keyring = keyring(&vault, Vec::new());
    let lists = || vault.control().count("/v1/transit/keys/");
    keyring.refresh(5 * SECOND).await;
    assert_eq!(lists(), 1);

    // A rotation, and a value that somebody seals for the new version at once.
    vault.rotate();
    let text = sealed(&vault.recipient(2));
    assert!(open(&keyring, &text).await.is_none());
    assert!(keyring.registry().present().misses("payments"));
    assert!((10..=30).contains(&waited(&keyring).await));
    assert_eq!(lists(), 1, "nothing is asked in the path of a review");
    keyring.refresh(5 * SECOND).await;
    assert!(open(&keyring, &text).await.unwrap().is_ok());

    // An hour in which review after review names what nobody has.
    let (before, mut hour) = (lists(), 0);
    while hour < 3600 {
        for _ in 0..1000 {
            keyring.registry().present().misses("payments");
        }
        hour += waited(&keyring).await;
        keyring.refresh(5 * SECOND).await;
    }
    let planned = 3600 / 300;
    assert!(
        lists() - before <= planned + 4,
        "{} lists",
        lists() - before
    );

    // A namespace that may use none of the keys causes none at all.
    keyring.refresh(5 * SECOND).await;
    assert!(!keyring.registry().present().misses("elsewhere"));
    assert_eq!(waited(&keyring).await, 300);
}

/// Whole seconds of simulated time until the next round, where one is planned in five minutes.
async fn waited(keyring: &Keyring) -> u64 {
    let began = Instant::now();
    tokio::time::pause();
    keyring.pause(300 * SECOND).await;
    tokio::time::resume();
    began.elapsed().as_secs()
}
