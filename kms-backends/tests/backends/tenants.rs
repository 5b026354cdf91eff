//! What one tenant does to another: nothing. And what anyone learns from asking twice: nothing either.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::common::{Bench, open, with_bad_tag};
use kms_backends::testing::Reply;
use kms_backends::{CacheOptions, Category, KeySource, OpenFailure, Opened, Tenant};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Opens as this tenant, in a task of its own.
fn spawn(tenant: &str, bench: &Bench, text: &str) -> JoinHandle<Result<Opened, OpenFailure>> {
    let registry = bench.registry.clone();
    let text = text.to_owned();
    let open = async move { open(&registry, &text, 60 * SECOND).await };
    tokio::spawn(Tenant::new(tenant).scope(open))
}

async fn source(tenant: &str, bench: &Bench, text: &str) -> KeySource {
    spawn(tenant, bench, text).await.unwrap().unwrap().source
}

#[tokio::test(start_paused = true)]
async fn no_tenant_drives_out_the_cached_keys_of_one_that_has_fewer() {
    let cache = CacheOptions::default().capacity(NonZeroUsize::new(10).unwrap());
    let bench = Bench::with(1, cache);
    let modest: Vec<String> = (0..3).map(|_| bench.seal(b"value")).collect();
    for text in &modest {
        source("modest", &bench, text).await;
    }
    let greedy: Vec<String> = (0..50).map(|_| bench.seal(b"value")).collect();
    for text in &greedy {
        source("greedy", &bench, text).await;
    }
    assert_eq!(bench.registry.cached_keys(), 10);
    for text in &modest {
        assert_eq!(source("modest", &bench, text).await, KeySource::Cache);
    }
    // Of the greedy tenant the youngest are left.
    for text in &greedy[43..] {
        assert_eq!(source("greedy", &bench, text).await, KeySource::Cache);
    }
    assert_eq!(
        source("greedy", &bench, &greedy[42]).await,
        KeySource::Unwrapped
    );
    // By itself, a tenant has all of it.
    for text in &greedy {
        source("modest", &bench, text).await;
    }
    assert_eq!(bench.registry.cached_keys(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_waits_for_anothers_call_only_where_that_has_its_turn_soon() {
    for (backlog, expected) in [(5, KeySource::Joined), (100, KeySource::Unwrapped)] {
        let bench = Bench::new();
        bench.service().set(Reply::Right.after(SECOND));
        let shared = bench.seal(b"value");
        let mut greedy: Vec<_> = (0..backlog)
            .map(|_| spawn("greedy", &bench, &bench.seal(b"value")))
            .collect();
        greedy.push(spawn("greedy", &bench, &shared));
        sleep(SECOND / 2).await;
        assert_eq!(source("modest", &bench, &shared).await, expected);
        for call in greedy {
            assert!(call.await.unwrap().is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_and_asks_again_does_not_learn_whether_the_padding_was_right() {
    let mut seen = Vec::new();
    for reply in [
        Reply::Right,
        Reply::WrongKey,
        Reply::WrongLength(3),
        Reply::Fail(Category::Rejected),
    ] {
        let bench = Bench::new();
        let text = with_bad_tag(&bench.seal(b"value"));
        bench.service().set(reply.after(SECOND));
        let first = bench.spawn(&text, 10 * SECOND);
        sleep(SECOND / 2).await;
        first.abort();
        sleep(SECOND).await;
        let start = Instant::now();
        for _ in 0..2 {
            let failure = bench.open(&text).await.unwrap_err();
            assert!(matches!(failure, OpenFailure::Open(_)), "{failure:?}");
        }
        seen.push((
            bench.service().calls(),
            bench.observer.cache_events(),
            start.elapsed(),
        ));
    }
    assert!(seen.iter().all(|traces| *traces == seen[0]), "{seen:?}");
}
