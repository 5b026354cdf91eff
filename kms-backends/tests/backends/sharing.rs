//! Equal requests that meet share one call, whatever happens to the one who started it.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::common::{Bench, edited, flattened, open, seal, with_bad_tag};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kms_backends::testing::Reply;
use kms_backends::{CacheEvent, CacheOptions, Category, KeySource, OpenFailure};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// The source of a value that must open.
async fn source(bench: &Bench, text: &str) -> KeySource {
    bench.open(text).await.unwrap().source
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_call_checks_a_tag_of_its_own() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    let bad = with_bad_tag(&text);
    bench.service().set(Reply::Right.after(SECOND));
    let calls = [&bad, &text, &bad, &text].map(|text| bench.spawn(text, 10 * SECOND));
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap().is_ok());
    }
    assert_eq!(outcomes, [false, true, false, true]);
    assert_eq!(bench.service().calls(), 1);
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_equal_requests_are_one_call() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Right.after(SECOND));
    let calls: Vec<_> = (0..1000).map(|_| bench.spawn(&text, 10 * SECOND)).collect();
    let mut own = 0;
    for call in calls {
        let opened = call.await.unwrap().unwrap();
        assert_eq!(opened.plaintext.expose(), b"value");
        match opened.source {
            KeySource::Unwrapped => own += 1,
            KeySource::Joined => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(own, 1);
    assert_eq!(bench.service().calls(), 1);
    assert_eq!(bench.observer.count(CacheEvent::Joined), 999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_equal_requests_are_one_call_on_several_threads() {
    let bench = Bench::new();
    for _ in 0..5 {
        let text = bench.seal(b"value");
        let before = bench.service().calls();
        let calls: Vec<_> = (0..1000).map(|_| bench.spawn(&text, 60 * SECOND)).collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(bench.service().calls() - before, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_call_shares_its_failure_and_nobody_after_them() {
    for wrong in [
        Category::Unavailable,
        Category::Denied,
        Category::UnknownKey,
    ] {
        let bench = Bench::new();
        let text = bench.seal(b"value");
        bench.service().set(Reply::Fail(wrong).after(SECOND));
        let calls: Vec<_> = (0..100).map(|_| bench.spawn(&text, 10 * SECOND)).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap_err().category(), Some(wrong));
        }
        assert_eq!(bench.service().calls(), 1);
        bench.service().set(Reply::Right);
        assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_leader_strands_nobody() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Right.after(2 * SECOND));
    let leader = bench.spawn(&text, 10 * SECOND);
    sleep(SECOND / 2).await;
    let others: Vec<_> = (0..10).map(|_| bench.spawn(&text, 10 * SECOND)).collect();
    sleep(SECOND / 2).await;
    leader.abort();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().source, KeySource::Joined);
    }
    assert_eq!(bench.service().calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_leaders_deadline_does_not_shorten_the_others() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Right.after(SECOND));
    let leader = bench.spawn(&text, SECOND / 5);
    sleep(SECOND / 10).await;
    let other = bench.spawn(&text, 5 * SECOND);
    let failure = leader.await.unwrap().unwrap_err();
    assert_eq!(failure.category(), Some(Category::Unavailable));
    assert_eq!(other.await.unwrap().unwrap().source, KeySource::Joined);
    assert_eq!(bench.service().calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_joins_waits_no_longer_than_its_own_deadline() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Right.after(5 * SECOND));
    let leader = bench.spawn(&text, 10 * SECOND);
    sleep(SECOND).await;
    let start = Instant::now();
    let failure = bench.open_within(&text, SECOND).await.unwrap_err();
    assert_eq!(failure.category(), Some(Category::Unavailable));
    assert_eq!(start.elapsed(), SECOND);
    leader.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waited_for_serves_the_next_who_asks() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Right.after(2 * SECOND));
    let gone = bench.spawn(&text, 10 * SECOND);
    sleep(SECOND).await;
    gone.abort();
    sleep(5 * SECOND).await;
    // No tag has been seen, so it is not cached; but it was paid for.
    assert_eq!(bench.registry.cached_keys(), 0);
    assert_eq!(source(&bench, &text).await, KeySource::Joined);
    assert_eq!(source(&bench, &text).await, KeySource::Cache);
    assert_eq!(bench.service().calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_wants_is_dropped_soon() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Right.after(2 * SECOND));
    let gone = bench.spawn(&text, 10 * SECOND);
    sleep(SECOND).await;
    gone.abort();
    sleep(MINUTE).await;
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
    assert_eq!(bench.service().calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_answer_that_lingers_misleads_one_caller_at_most() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::WrongKey.after(2 * SECOND));
    let gone = bench.spawn(&text, 10 * SECOND);
    sleep(SECOND).await;
    gone.abort();
    sleep(5 * SECOND).await;
    bench.service().set(Reply::Right);
    bench.open(&text).await.unwrap_err();
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_backend_is_an_unavailable_one() {
    let bench = Bench::new();
    let text = bench.seal(b"value");
    bench.service().set(Reply::Panic);
    let calls = [&text, &text, &text].map(|text| bench.spawn(text, 10 * SECOND));
    for call in calls {
        let failure = call.await.unwrap().unwrap_err();
        assert_eq!(failure.category(), Some(Category::Unavailable));
    }
    bench.service().set(Reply::Right);
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_are_bounded() {
    let bench = Bench::new();
    let text = flattened(&bench.recipients[0]);
    let variant = |number: u16| {
        let apu = URL_SAFE_NO_PAD.encode(number.to_be_bytes());
        edited(&text, |envelope| envelope["header"]["apu"] = apu.into())
    };
    bench.service().set(Reply::Hang);
    let calls: Vec<_> = (0..4096)
        .map(|number| bench.spawn(&variant(number), 10 * SECOND))
        .collect();
    sleep(SECOND).await;
    let start = Instant::now();
    match bench.open(&variant(4096)).await.unwrap_err() {
        OpenFailure::Unwrap(error) => {
            assert_eq!(error.category(), Category::Unavailable);
            assert_eq!(error.retry_after(), Some(SECOND));
            assert!(!error.was_sent());
        }
        OpenFailure::Open(error) => panic!("{error}"),
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    bench.service().set(Reply::Right);
    assert_eq!(source(&bench, &text).await, KeySource::Unwrapped);
}

/// A mistake of the embedder must show, not hang; the same path is taken while a runtime ends.
#[test]
fn outside_a_runtime_it_panics_and_works_afterwards() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Waker};

    let bench = Bench::new();
    let text = bench.seal(b"value");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut opening = std::pin::pin!(bench.open(&text));
        let mut context = Context::from_waker(Waker::noop());
        opening.as_mut().poll(&mut context).is_ready()
    }));
    assert!(outcome.is_err());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let opened = runtime.block_on(bench.open(&text)).unwrap();
    assert_eq!(opened.source, KeySource::Unwrapped);
    // The next runtime finds the cache as it was left.
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let opened = runtime.block_on(bench.open(&text)).unwrap();
    assert_eq!(opened.source, KeySource::Cache);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_in_a_small_cache_do_not_block_each_other() {
    let options = CacheOptions::default().capacity(NonZeroUsize::new(4).unwrap());
    let bench = Bench::with(2, options);
    let mut count = 0;
    let replies = move |_| {
        count += 1;
        match count % 11 {
            0 => Reply::Fail(Category::Denied),
            3 => Reply::WrongKey,
            5 => Reply::UNAVAILABLE,
            7 => Reply::Right.after(Duration::from_millis(2)),
            _ => Reply::Right,
        }
    };
    bench.service().set_script(replies);
    let texts: Vec<_> = (0..8)
        .map(|n| seal(&bench.recipients[n % 2], b"value"))
        .collect();
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let registry = bench.registry.clone();
            let texts = texts.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    let text = &texts[(task + round) % texts.len()];
                    let limit = Duration::from_millis(if round % 7 == 0 { 1 } else { 5000 });
                    if let Ok(opened) = open(&registry, text, limit).await {
                        assert_eq!(opened.plaintext.expose(), b"value");
                    }
                }
            })
        })
        .collect();
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    tokio::time::timeout(60 * SECOND, all)
        .await
        .expect("a deadlock");
    assert!(bench.registry.cached_keys() <= 4);
}
