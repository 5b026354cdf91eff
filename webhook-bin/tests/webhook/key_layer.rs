//! The key service behind the webhook: failing, slow, lying, breaking. Values come out only when it is right.

use std::time::{Duration, Instant};

use kms_backends::testing::Reply;
use kms_backends::{CacheOptions, Category};
use test_support::keys::{ServedKey, patched};
use test_support::requests::{CANARY, plain_review};
use test_support::server::{Running, Setup};
use webhook_bin::telemetry::metrics::Metrics;

async fn start(key: &ServedKey, cache: CacheOptions) -> Running {
    let metrics = Metrics::new();
    let setup = Setup {
        registry: key.registry(&metrics, cache),
        metrics,
        ..Setup::default()
    };
    setup.start().await
}

#[tokio::test]
async fn opens_a_value_and_serves_the_next_one_from_the_cache() {
    let key = ServedKey::new();
    let server = start(&key, CacheOptions::default()).await;
    let review = key.review(b"hunter2");
    for _ in 0..2 {
        let answer = server.review(&review).await.json();
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        assert_eq!(patched(&answer), b"hunter2");
    }
    assert_eq!(key.backend.calls(), 1);
    assert_eq!(server.metric("privy_cek_cache_hits_total").await, 1);
    assert_eq!(server.metric("privy_cek_cache_misses_total").await, 1);
    assert_eq!(server.metric("privy_cek_cache_entries").await, 1);
    assert_eq!(
        server
            .metric("privy_envelopes_total{outcome=\"opened\"}")
            .await,
        2
    );
    assert_eq!(
        server
            .metric("privy_kms_unwrap_seconds_count{key=\"payments\",category=\"ok\"}")
            .await,
        1
    );
}

#[tokio::test]
async fn an_unavailable_key_service_asks_the_caller_to_retry() {
    let key = ServedKey::new();
    key.backend.set(Reply::UNAVAILABLE);
    let server = start(&key, CacheOptions::off()).await;
    let answer = server.review(&key.review(b"hunter2")).await;
    assert!([429, 503].contains(&answer.status), "{answer:?}");
    assert!(answer.header("retry-after").is_some());

    // The next try finds it back.
    key.backend.set(Reply::Right);
    assert_eq!(
        patched(&server.review(&key.review(b"hunter2")).await.json()),
        b"hunter2"
    );
}

#[tokio::test]
async fn plain_secrets_do_not_notice_that_it_is_down() {
    let key = ServedKey::new();
    key.backend.set(Reply::Hang);
    let server = start(&key, CacheOptions::off()).await;
    let answer = server.review(&plain_review("")).await.json();
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(key.backend.calls(), 0);
}

#[tokio::test]
async fn a_denied_key_is_a_denial_and_no_retry() {
    let key = ServedKey::new();
    key.backend.set(Reply::Fail(Category::Denied));
    let server = start(&key, CacheOptions::off()).await;
    let answer = server.review(&key.review(b"hunter2")).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert_eq!(key.backend.calls(), 1);
}

#[tokio::test]
async fn a_slow_key_service_is_answered_for_before_the_callers_timeout() {
    let key = ServedKey::new();
    key.backend.set(Reply::Hang);
    let server = start(&key, CacheOptions::off()).await;
    let mut client = server.connect().await;
    let begun = Instant::now();
    let answer = client
        .review_with_query("timeout=1s", &key.review(b"hunter2"))
        .await
        .unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(950), "{took:?}");
    // A denial that says so, or a status that the API server's client retries: never an opened value.
    if answer.status == 200 {
        assert_eq!(answer.json()["response"]["allowed"], false);
    } else {
        assert!([429, 503].contains(&answer.status), "{answer:?}");
    }
    let request = key.backend.requests().remove(0);
    assert!(request.deadline.duration_since(request.at) <= Duration::from_millis(500));
}

#[tokio::test]
async fn a_lying_key_service_opens_nothing_and_nothing_of_it_is_kept() {
    let key = ServedKey::new();
    let server = start(&key, CacheOptions::default()).await;
    let review = key.review(b"hunter2");
    for lie in [
        Reply::WrongKey,
        Reply::WrongLength(31),
        Reply::WrongLength(0),
    ] {
        key.backend.set(lie);
        let answer = server.review(&review).await.json();
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
        assert_eq!(answer["response"]["patch"], serde_json::Value::Null);
        assert!(
            answer["response"]["status"]["message"]
                .as_str()
                .unwrap()
                .contains("could not be opened"),
            "{answer}"
        );
    }
    assert_eq!(server.metric("privy_cek_cache_entries").await, 0);
    key.backend.set(Reply::Right);
    assert_eq!(patched(&server.review(&review).await.json()), b"hunter2");
}

#[tokio::test]
async fn a_panic_ends_its_review_alone_and_quotes_nothing() {
    let server = Setup::default().start().await;
    let mut client = server.connect().await;
    let answer = client
        .review(&plain_review(&format!("panic {CANARY}")))
        .await
        .unwrap();
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!format!("{answer:?}").contains(CANARY));
    assert!(client.is_open().await, "the connection goes on");
    assert_eq!(server.metric("privy_panics_total").await, 1);
    assert_eq!(server.metric("privy_inflight").await, 0);
    assert!(!server.get("/metrics").await.text().contains(CANARY));
}

#[tokio::test]
async fn a_panicking_key_service_takes_nobody_down() {
    let key = ServedKey::new();
    key.backend.set(Reply::Panic);
    let server = start(&key, CacheOptions::default()).await;
    let review = key.review(b"hunter2");
    let answer = server.review(&review).await;
    assert!(
        answer.status >= 429 || answer.json()["response"]["allowed"] == false,
        "{answer:?}"
    );
    key.backend.set(Reply::Right);
    assert_eq!(patched(&server.review(&review).await.json()), b"hunter2");
}

#[tokio::test]
async fn a_hang_up_gives_the_review_up_and_later_ones_go_on() {
    let key = ServedKey::new();
    key.backend.set(Reply::Hang);
    let server = start(&key, CacheOptions::off()).await;
    let review = key.review(b"hunter2");
    let mut client = server.connect().await;
    client.send_head(review.len(), "").await.unwrap();
    client.send(&review).await.unwrap();
    server.until_begun(1).await;
    drop(client);
    server.until(|began| began.dropped == 1).await;
    key.backend.set(Reply::Right);
    let another = key.review(b"hunter2");
    assert_eq!(patched(&server.review(&another).await.json()), b"hunter2");
}

#[tokio::test]
async fn readiness_does_not_depend_on_the_key_service_but_its_body_tells() {
    let key = ServedKey::new();
    key.backend.set(Reply::UNAVAILABLE);
    let server = start(&key, CacheOptions::off()).await;
    server.review(&key.review(b"hunter2")).await;
    let ready = server.get("/readyz?verbose").await;
    assert_eq!(ready.status, 200);
    let body = ready.text();
    assert!(body.contains("[i] key payments: unavailable\n"), "{body}");
    assert!(body.contains("[+] certificate\n"), "{body}");
    assert_eq!(server.get("/readyz").await.text(), "ok\n");
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/mutate").await.status, 404);
}
