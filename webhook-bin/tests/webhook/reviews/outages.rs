//! A key service that is away, slow, lying or dead.
use super::*;

#[tokio::test]
async fn a_key_service_that_is_away_asks_the_caller_back_while_there_is_time() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password")), ("plain", "x")]);
    bench.backend.set(Key::Fail(Category::Unavailable));
    let reply = bench.review_within(&review, Duration::from_secs(10)).await;
    assert_snapshot!("away", reply.summary());
    assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
    assert_eq!(reply.record.outcome, ReviewOutcome::Unavailable);

    let bench = Bench::new();
    bench
        .backend
        .set(Key::throttled(Duration::from_millis(1500)));
    let reply = bench.review_within(&review, Duration::from_secs(10)).await;
    assert_eq!((reply.status, reply.retry_after), (429, Some(2)));

    let bench = Bench::new();
    bench.backend.set(Key::Fail(Category::Unavailable));
    let reply = bench
        .review_within(&review, Duration::from_millis(1500))
        .await;
    assert_snapshot!("away_too_long", reply.summary());
    assert_eq!((reply.status, reply.code()), (200, 503));
}

#[tokio::test(start_paused = true)]
async fn a_key_service_that_hangs_is_answered_for_by_the_deadline() {
    let bench = Bench::new();
    bench.backend.set(Key::Hang);
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let begun = tokio::time::Instant::now();
    let reply = bench.review_within(&review, Duration::from_secs(3)).await;
    assert_eq!(
        (reply.status, reply.code(), reply.refusal()),
        (200, 503, Some("unavailable"))
    );
    assert!(
        begun.elapsed() <= Duration::from_millis(3100),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_review_coming_back_has_less_time_each_time() {
    let bench = Bench::new();
    bench.backend.set(Key::Fail(Category::Unavailable));
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let mut answers = Vec::new();
    for _ in 0..5 {
        // As the API server does: the same `timeout` each time, and a second of sleep between.
        let reply = bench
            .review_within(&review, Duration::from_millis(4500))
            .await;
        answers.push(reply.status);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(
        answers,
        [503, 503, 503, 200, 200],
        "the last word is a denial that says why"
    );
}

#[tokio::test]
async fn cached_keys_serve_while_the_key_service_is_away() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    assert!(bench.review(&review).await.allowed());
    bench.backend.set(Key::Fail(Category::Unavailable));
    assert!(bench.review(&review).await.allowed());
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn each_answer_of_the_key_service_has_its_own_words() {
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let mut texts = String::new();
    for (answer, code) in [
        (Key::Fail(Category::Denied), "denied"),
        (Key::Fail(Category::Misconfigured), "misconfigured"),
        (Key::Fail(Category::UnknownKey), "unknown-key"),
        (Key::Fail(Category::Rejected), "not-opened"),
        (Key::WrongKey, "not-opened"),
        (Key::WrongLength(0), "not-opened"),
        (Key::WrongLength(16), "not-opened"),
        (Key::WrongLength(33), "not-opened"),
    ] {
        let bench = Bench::new();
        bench.backend.set(answer.clone());
        let reply = bench.review(&review).await;
        assert_eq!(
            (reply.code(), reply.refusal()),
            (403, Some(code)),
            "{answer:?}"
        );
        texts.push_str(&reply.summary());
        // A lie is not remembered.
        if code == "not-opened" {
            bench.backend.set(Key::Right);
            assert!(bench.review(&review).await.allowed(), "{answer:?}");
        }
    }
    assert_snapshot!(texts);
}

#[tokio::test]
async fn a_key_service_that_panics_is_a_key_service_that_is_away() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    bench.backend.set(Key::Panic);
    let reply = bench.review_within(&review, Duration::from_secs(1)).await;
    assert!(!reply.allowed());
    assert_eq!(reply.refusal(), Some("unavailable"), "{}", reply.text);
    bench.backend.set(Key::Right);
    assert!(bench.review(&review).await.allowed());
}

#[tokio::test(start_paused = true)]
async fn one_namespaces_large_reviews_leave_memory_for_those_of_others() {
    let mut bench = Bench::new();
    bench.reviewer = bench.reviewer.with_memory(3 * 24_000);
    bench.backend.set(Key::Hang);
    let large = |namespace: &str| {
        let sealed = bound("hunter2", namespace, "db", "password");
        let filling = "x".repeat(4_000);
        Review::create(&[("password", &sealed), ("plain", &filling)]).at(namespace, "db")
    };
    let (greedy, modest) = (large("team-greedy"), large("team-modest"));
    let first_two = async {
        tokio::join!(
            bench.review_within(&greedy, Duration::from_secs(3)),
            bench.review_within(&greedy, Duration::from_secs(3))
        )
    };
    let later = async {
        // The two wait for the key service by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let third = bench.review_within(&greedy, Duration::from_secs(1)).await;
        assert_eq!((third.status, third.retry_after), (429, Some(1)));
        assert_eq!(third.record.outcome, ReviewOutcome::Unavailable);
        let delete = Review::of("DELETE", greedy.object(), Some(greedy.object()));
        let delete = delete.at("team-greedy", "db");
        let reply = bench.review_within(&delete, Duration::from_secs(1)).await;
        assert!(reply.allowed(), "what goes away needs no share");
        bench.backend.set(Key::Right);
        let other = bench.review_within(&modest, Duration::from_secs(1)).await;
        assert!(other.allowed(), "{}", other.summary());
    };
    let ((first, second), ()) = tokio::join!(first_two, later);
    assert_eq!((first.status, second.status), (200, 200));
    let again = bench.review_within(&greedy, Duration::from_secs(1)).await;
    assert!(again.allowed(), "answered reviews gave back what they took");
}
