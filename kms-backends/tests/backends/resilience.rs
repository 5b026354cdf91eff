//! All layers together against a key service that fails, throttles and goes away; in simulated time.
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever asks with --nocapture"
)]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kms_backends::layer::{
    BreakerOptions, BreakerState, Layered, Quota, RetryOptions, TokenBucket,
};
use kms_backends::testing::{RecordingObserver, Reply, ScriptedBackend, a_request};
use kms_backends::{Category, KeyUnwrap, KeyUnwrapExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A reproducible stream of percentages.
fn percentages(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % 100
    }
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_ten_cost_half_a_call_more_and_nearly_no_unwrap() {
    const UNWRAPS: usize = 10_000;
    for seed in [1, 2, 3] {
        let mut percentage = percentages(seed);
        let service = Arc::new(ScriptedBackend::scripted(move |_| {
            let reply = match percentage() {
                0..15 => Reply::UNAVAILABLE,
                15..30 => Reply::Hang,
                _ => Reply::Right,
            };
            reply.after(Duration::from_millis(20))
        }));
        let layered = Layered::remote(service.clone()).build();
        let done = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let layered = layered.clone();
            let done = done.clone();
            clients.spawn(async move {
                for _ in 0..UNWRAPS / 16 {
                    let answer = layered.unwrap_within(&a_request(), 30 * SECOND).await;
                    done.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
                }
            });
        }
        clients.join_all().await;
        let done = done.load(Ordering::Relaxed);
        assert!(done * 1000 >= UNWRAPS * 999, "{done} of {UNWRAPS} done");
        let calls = service.calls();
        println!("30 % failures: {done} of {UNWRAPS} unwraps done with {calls} calls");
        assert!(
            calls * 2 <= UNWRAPS * 3,
            "{calls} calls for {UNWRAPS} unwraps"
        );
    }
}

/// 5,000 callers at once with ten seconds each, who come back when told to, as the API server does.
#[tokio::test(start_paused = true)]
async fn five_thousand_unwraps_at_25_a_second_lose_none_and_keep_the_quota() {
    const UNWRAPS: usize = 5_000;
    let service = Arc::new(ScriptedBackend::always(
        Reply::Right.after(Duration::from_millis(40)),
    ));
    let quota = Quota::per_second(NonZeroU32::new(25).unwrap());
    let layered = Layered::remote(service.clone())
        .rate_limit(Arc::new(TokenBucket::new(quota)))
        .build();
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..UNWRAPS {
        let layered = layered.clone();
        clients.spawn(async move {
            loop {
                match layered.unwrap_within(&a_request(), 10 * SECOND).await {
                    Ok(_) => return,
                    Err(error) => {
                        assert_eq!(error.category(), Category::Unavailable, "{error}");
                        // Kubernetes clients come back after whole seconds.
                        let wait = error.retry_after().expect("a hint");
                        sleep(Duration::from_secs(wait.as_secs().clamp(1, 30))).await;
                    }
                }
            }
        });
    }
    clients.join_all().await;
    assert_eq!(service.calls(), UNWRAPS, "some unwrap was paid twice");
    assert!(service.busiest(SECOND) * 100 <= 25 * 105, "quota passed");
    assert!(service.busiest(60 * SECOND) * 100 <= 25 * 60 * 105);
    // 200 s at best; the quota must not lie idle either.
    let took = start.elapsed();
    println!(
        "25/s: {UNWRAPS} unwraps with {} calls in {took:?} of simulated time; at most {} in any second, {} in any minute",
        service.calls(),
        service.busiest(SECOND),
        service.busiest(60 * SECOND)
    );
    assert!(took <= 215 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn throttling_answers_do_not_lose_unwraps() {
    let mut count = 0;
    let service = Arc::new(ScriptedBackend::scripted(move |_| {
        count += 1;
        if count % 3 == 0 {
            Reply::throttled(SECOND)
        } else {
            Reply::Right
        }
    }));
    let layered = Layered::remote(service.clone()).build();
    for _ in 0..200 {
        layered
            .unwrap_within(&a_request(), 10 * SECOND)
            .await
            .unwrap();
    }
    assert!(service.calls() <= 300);
}

#[tokio::test(start_paused = true)]
async fn recovers_within_five_seconds_of_an_outage_and_is_let_alone_during_it() {
    for reply in [Reply::UNAVAILABLE, Reply::Hang] {
        let service = Arc::new(ScriptedBackend::new());
        let observer = Arc::new(RecordingObserver::default());
        let layered = Layered::remote(service.clone())
            .named("payments")
            .observer(observer.clone())
            .build();
        let stop = Arc::new(AtomicBool::new(false));
        let succeeded = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut traffic = JoinSet::new();
        for client in 0..20 {
            let (layered, stop) = (layered.clone(), stop.clone());
            let succeeded = succeeded.clone();
            traffic.spawn(async move {
                sleep(Duration::from_millis(7 * client)).await;
                while !stop.load(Ordering::Relaxed) {
                    if layered
                        .unwrap_within(&a_request(), 5 * SECOND)
                        .await
                        .is_ok()
                    {
                        succeeded.lock().unwrap().push(Instant::now());
                    }
                    sleep(Duration::from_millis(200)).await;
                }
            });
        }
        sleep(10 * SECOND).await;
        service.set(reply);
        let before = service.calls();
        sleep(60 * SECOND).await;
        let during = service.calls() - before;
        service.set(Reply::Right);
        let back = Instant::now();
        sleep(20 * SECOND).await;
        stop.store(true, Ordering::Relaxed);
        traffic.join_all().await;

        let succeeded = succeeded.lock().unwrap();
        let first = succeeded.iter().find(|at| **at > back).unwrap();
        println!(
            "outage: {during} calls during 60 s, the first success {:?} after it",
            *first - back
        );
        assert!(*first - back <= 5 * SECOND, "{:?}", *first - back);
        // Ten to open it and the retries under way, then one probe in two seconds.
        assert!(during <= 30 + 31 + 20, "{during} calls during the outage");
        let after = succeeded
            .iter()
            .filter(|at| **at > back + 5 * SECOND)
            .count();
        assert!(after >= 20 * 60, "only {after} unwraps after the recovery");
        let states = observer.breaker_states();
        assert_eq!(states.first(), Some(&BreakerState::Open));
        assert_eq!(states.last(), Some(&BreakerState::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn layers_are_put_in_their_order_whatever_order_they_are_named_in() {
    let service = Arc::new(ScriptedBackend::always(Reply::Hang));
    let observer = Arc::new(RecordingObserver::default());
    let quota = Quota::per_second(NonZeroU32::new(1).unwrap());
    let breaker = BreakerOptions::default().failures(100);
    let layered = Layered::new(service.clone())
        .retry(RetryOptions::default())
        .breaker(breaker)
        .rate_limit(Arc::new(TokenBucket::new(quota)))
        .observer(observer.clone())
        .named("payments")
        .attempt_timeout(SECOND / 4)
        .build();
    layered
        .unwrap_within(&a_request(), 60 * SECOND)
        .await
        .unwrap_err();
    // Every attempt took its own token, timed out by itself and was measured without the wait for the token.
    assert_eq!(service.calls(), 8);
    assert_eq!(service.busiest(SECOND), 1);
    let unwraps = observer.unwraps();
    assert_eq!(unwraps.len(), 8);
    for (name, outcome, took) in unwraps {
        assert_eq!(name, "payments");
        assert_eq!(outcome, Err(Category::Unavailable));
        assert_eq!(took, SECOND / 4);
    }
}

#[tokio::test(start_paused = true)]
async fn layers_pass_the_public_key_on() {
    let key = jwe_envelope::KeyKind::Ec(jwe_envelope::Curve::P256);
    let key = jwe_envelope::LocalKey::generate(key).unwrap();
    let local = Arc::new(kms_backends::local::LocalBackend::from_key(key));
    let quota = Quota::per_second(NonZeroU32::MIN);
    let layered = Layered::remote(local.clone())
        .rate_limit(Arc::new(TokenBucket::new(quota)))
        .build();
    assert_eq!(layered.public_key(), Some(local.recipient()));
}
