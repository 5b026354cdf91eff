//! An envelope that was opened recently is not read again. What it may do is decided each time anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use test_support::reviews::*;
use unseal_policy::signatures::{OnlyFrom, Signatures, Signer};
use webhook_bin::audit::ReviewOutcome;

/// Opened once, so that the reviewer knows it, at `payments/db` under `password`.
async fn known(bench: &Bench, envelope: &str) {
    let reply = bench
        .review(&Review::create(&[("password", envelope)]))
        .await;
    assert_eq!(reply.record.outcome, ReviewOutcome::Opened);
}

#[tokio::test]
async fn it_opens_again_with_the_same_answer_and_without_a_call() {
    let bench = Bench::new();
    let review = Review::create(&[("password", &sealed("hunter2", "password"))]);
    let first = bench.review(&review).await;
    let second = bench.review(&review).await;
    assert_eq!(
        second.apply_to(review.object()),
        first.apply_to(review.object())
    );
    assert_eq!(
        second.record.fields[0].envelope,
        first.record.fields[0].envelope
    );
    assert_eq!(second.record.fields[0].kid, first.record.fields[0].kid);
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn its_place_is_compared_each_time() {
    let bench = Bench::new();
    let envelope = sealed("hunter2", "password");
    known(&bench, &envelope).await;
    let review = Review::create(&[("password", &envelope)]);
    for elsewhere in [
        review.clone().at("team-a", "db"),
        review.clone().at("payments", "other"),
        // Not a namespace of the key at all.
        review.clone().at("kube-system", "db"),
        Review::create(&[("token", &envelope)]),
    ] {
        let reply = bench.review(&elsewhere).await;
        assert_eq!(
            reply.record.outcome,
            ReviewOutcome::Denied,
            "{}",
            elsewhere.body()
        );
        assert!(reply.patch().is_empty());
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn its_time_is_compared_each_time() {
    let Bench { backend, reviewer } = Bench::new();
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let reviewer = reviewer
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    let bench = Bench { backend, reviewer };
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password", "exp": NOW + 100});
    let envelope = seal("hunter2", &json!({"bind": bind}));
    known(&bench, &envelope).await;
    now.store(NOW + 1_000, Ordering::Relaxed);
    let reply = bench
        .review(&Review::create(&[("password", &envelope)]))
        .await;
    assert_eq!(reply.record.outcome, ReviewOutcome::Denied);
}

#[tokio::test]
async fn its_signature_is_looked_at_each_time() {
    let signer = jwe_envelope::LocalSigner::generate().unwrap();
    let mut setup = Setup::default();
    setup.policy.signatures = Signatures {
        signers: Arc::new(vec![Signer::new("dba", signer.public().clone())]),
        only_from: vec![OnlyFrom::Signers(vec!["dba".to_owned()])],
        ..Signatures::default()
    };
    let bench = setup.build();
    let envelope = sealed("hunter2", "password");
    let unsigned = Review::create(&[("password", &envelope)]);
    let good = signature(&signer, &envelope);
    let vouched = unsigned.clone().signed("password", &good);
    for _ in 0..2 {
        let reply = bench.review(&vouched).await;
        assert_eq!(reply.record.outcome, ReviewOutcome::Opened);
        let other = signature(&signer, &sealed("x", "password"));
        let borrowed = unsigned.clone().signed("password", &other);
        for review in [&unsigned, &borrowed] {
            let reply = bench.review(review).await;
            assert_eq!(reply.record.outcome, ReviewOutcome::Denied);
            assert!(reply.patch().is_empty());
        }
    }
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn one_changed_character_is_another_envelope() {
    let bench = Bench::new();
    let envelope = sealed("hunter2", "password");
    known(&bench, &envelope).await;
    for index in (0..envelope.len()).step_by(7) {
        let mut changed = envelope.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let reply = bench
            .review(&Review::create(&[("password", &changed)]))
            .await;
        assert_ne!(
            reply.record.outcome,
            ReviewOutcome::Opened,
            "character {index}"
        );
    }
}
