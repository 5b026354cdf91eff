//! A key service that goes away for a minute under a registry that caches; in simulated time. Prints its figures.
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever asks with --nocapture"
)]

use std::sync::Arc;
use std::time::Duration;

use jwe_envelope::{Curve, KeyKind, LocalKey};
use kms_backends::layer::Layered;
use kms_backends::local::LocalBackend;
use kms_backends::testing::{RecordingObserver, Reply, ScriptedBackend};
use kms_backends::{CacheOptions, Category, KeyEntry, KeySource, Registry};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::common::{open, seal};

const SECOND: Duration = Duration::from_secs(1);

/// A registry over one key in all layers, as for a key service on a network.
fn remote() -> (
    Arc<Registry>,
    Arc<ScriptedBackend>,
    jwe_envelope::RecipientKey,
) {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let recipient = key.recipient().clone();
    let service = Arc::new(ScriptedBackend::with_key(Arc::new(LocalBackend::from_key(
        key,
    ))));
    let observer = Arc::new(RecordingObserver::default());
    let layered = Layered::remote(service.clone())
        .named("payments")
        .observer(observer.clone())
        .build();
    let registry = Registry::builder()
        .cache(CacheOptions::default())
        .observer(observer)
        .key(KeyEntry::builder("payments", recipient.clone()).backend(layered))
        .build()
        .unwrap();
    (Arc::new(registry), service, recipient)
}

#[tokio::test(start_paused = true)]
async fn a_minute_without_the_key_service_serves_what_is_cached_and_refuses_the_rest_in_time() {
    for away in [Reply::UNAVAILABLE, Reply::Hang] {
        let (registry, service, recipient) = remote();
        let cached: Vec<_> = (0..20).map(|_| seal(&recipient, b"value")).collect();
        for text in &cached {
            open(&registry, text, 10 * SECOND).await.unwrap();
        }
        // Past their ten minutes, so that only the outage lets them serve.
        sleep(Duration::from_mins(11)).await;
        service.set(away);
        let begun = Instant::now();
        let (mut served, mut refused, mut slowest) = (0, 0, Duration::ZERO);
        while begun.elapsed() < 60 * SECOND {
            let mut reviews = JoinSet::new();
            for (round, text) in cached.iter().enumerate() {
                let registry = Arc::clone(&registry);
                // Every fourth value was never opened before.
                let known = round % 4 != 0;
                let text = if known {
                    text.clone()
                } else {
                    seal(&recipient, b"new")
                };
                reviews.spawn(async move {
                    let asked = Instant::now();
                    (
                        known,
                        open(&registry, &text, 5 * SECOND).await,
                        asked.elapsed(),
                    )
                });
            }
            for (known, outcome, took) in reviews.join_all().await {
                slowest = slowest.max(took);
                match outcome {
                    Ok(opened) => {
                        assert!(known);
                        assert_eq!(opened.source, KeySource::Stale);
                        served += 1;
                    }
                    Err(failure) => {
                        assert!(!known, "a cached key was not served: {failure}");
                        assert_eq!(failure.category(), Some(Category::Unavailable));
                        refused += 1;
                    }
                }
            }
            sleep(SECOND).await;
        }
        assert!(slowest <= 5 * SECOND, "{slowest:?}");
        let during = service.calls() - cached.len();
        service.set(Reply::Right);
        let back = Instant::now();
        while open(&registry, &seal(&recipient, b"new"), SECOND)
            .await
            .is_err()
        {
            sleep(SECOND / 10).await;
        }
        let recovery = back.elapsed();
        assert!(recovery <= 5 * SECOND, "{recovery:?}");
        println!(
            "60 s outage: {served} served from the cache, {refused} refused, the slowest after {slowest:?} of 5 s; \
             {during} calls reached the service; opens {recovery:?} after it is back"
        );
        assert!(served >= 15 * 5 && refused >= 5 * 5);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_served_past_one_hour_from_its_unwrap() {
    let (registry, service, recipient) = remote();
    let text = seal(&recipient, b"value");
    open(&registry, &text, 10 * SECOND).await.unwrap();
    service.set(Reply::UNAVAILABLE);
    sleep(Duration::from_mins(59)).await;
    let opened = open(&registry, &text, 5 * SECOND).await.unwrap();
    assert_eq!(opened.source, KeySource::Stale);
    sleep(Duration::from_mins(1)).await;
    open(&registry, &text, 5 * SECOND).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_denial_ends_it_at_once() {
    let (registry, service, recipient) = remote();
    let texts: Vec<_> = (0..20).map(|_| seal(&recipient, b"value")).collect();
    for text in &texts {
        open(&registry, text, 10 * SECOND).await.unwrap();
    }
    assert_eq!(registry.cached_keys(), 20);
    service.set(Reply::Fail(Category::Denied));
    // One value that is not cached, and the right is known to be gone.
    let failure = open(&registry, &seal(&recipient, b"new"), 5 * SECOND)
        .await
        .unwrap_err();
    assert_eq!(failure.category(), Some(Category::Denied));
    assert_eq!(registry.cached_keys(), 0);
    let asked = service.calls();
    for text in &texts {
        let failure = open(&registry, text, 5 * SECOND).await.unwrap_err();
        assert_eq!(failure.category(), Some(Category::Denied));
    }
    println!(
        "denied: 20 cached keys dropped by one answer; {} calls for 20 more attempts",
        service.calls() - asked
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_equal_requests_in_all_layers_are_one_call() {
    let (registry, service, recipient) = remote();
    service.set(Reply::Right.after(SECOND / 10));
    let text = seal(&recipient, b"value");
    let mut reviews = JoinSet::new();
    for _ in 0..1_000 {
        let (registry, text) = (Arc::clone(&registry), text.clone());
        reviews.spawn(async move { open(&registry, &text, 5 * SECOND).await.unwrap() });
    }
    assert_eq!(reviews.join_all().await.len(), 1_000);
    println!("1,000 equal requests: {} call", service.calls());
    assert_eq!(service.calls(), 1);
}
