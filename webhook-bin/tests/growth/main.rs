//! No dimension of a review makes it cost more than in proportion: not its fields, nor its annotations, the names in
//! `leave`, groups, extras, recipients, sizes; and none at all makes it cost more than a bound.
//! A program of its own: it counts allocations, through an allocator that the whole process shares. `e2e/growth` counts
//! the instructions of the same reviews.

#![allow(clippy::unwrap_used, reason = "what fails shall panic")]
#![allow(clippy::similar_names, reason = "what is opened and who opens it")]

mod linear;

use std::time::Duration;

use jwe_envelope::{Binding, Sealer};
use linear::{assert_linear, most_held};
use test_support::dimensions::dimensions;
use test_support::reviews::{Bench, Review, rsa_key, sealed, secret};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// A review of 7.5 MB may take so much beside its own bytes, with which it makes 64 MiB.
const MOST_HELD: u64 = (64 << 20) - 7_500_000;
const LARGEST: usize = 7_500_000;

/// The answer and the audit line together, whatever is refused.
const LONGEST_ANSWER: usize = 1 << 20;

struct Stage {
    bench: Bench,
    runtime: Runtime,
}

impl Stage {
    fn set() -> Self {
        Self {
            bench: Bench::new(),
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// Both webhooks, the audit lines, and the line of a review that got no answer.
    fn review(&self, body: &str) {
        let reviewer = &self.bench.reviewer;
        let deadline = Duration::from_mins(1);
        let answer = self.runtime.block_on(async {
            let deadline = Instant::now() + deadline;
            reviewer.review(body.as_bytes(), deadline).await
        });
        let mut line = Vec::new();
        answer.record.write_json(&mut line);
        if !answer
            .body
            .as_ref()
            .windows(7)
            .any(|word| word == b"\"patch\"")
        {
            assert!(answer.body.as_ref().len() + line.len() <= LONGEST_ANSWER);
        }
        drop(answer);
        let answer = reviewer.must_be_sealed(body.as_bytes());
        line.clear();
        answer.record.write_json(&mut line);
        assert!(answer.body.as_ref().len() + line.len() <= LONGEST_ANSWER);
    }
}

#[test]
fn a_review_costs_no_more_than_in_proportion_to_its_parts() {
    for (what, make) in dimensions() {
        let stage = Stage::set();
        assert_linear(what, 1_000, make, |body| stage.review(body));
    }
}

#[test]
fn opening_costs_no_more_than_in_proportion_to_fields_and_bytes() {
    let fields = |count: usize| {
        let binding = Binding::namespace("payments").unwrap();
        let mut sealer = Sealer::new(std::slice::from_ref(rsa_key().recipient())).unwrap();
        let sealed: Vec<(String, String)> = (0..count)
            .map(|n| {
                (
                    format!("k{n}"),
                    sealer.seal(b"hunter2", &binding).unwrap().to_string(),
                )
            })
            .collect();
        let data: Vec<(&str, &str)> = sealed
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        Review::of("CREATE", &secret(&data), None).body()
    };
    let opens = |stage: &Stage, body: &str| {
        let deadline = Instant::now() + Duration::from_mins(1);
        let answer = stage
            .runtime
            .block_on(stage.bench.reviewer.review(body.as_bytes(), deadline));
        assert!(String::from_utf8_lossy(answer.body.as_ref()).contains("\"patch\""));
    };
    let stage = Stage::set();
    assert_linear("sealed fields", 32, fields, |body| opens(&stage, body));
    let bytes = |count: usize| {
        let value = "x".repeat(count);
        Review::create(&[("password", &sealed(value, "password"))]).body()
    };
    assert_linear("sealed bytes", 32 << 10, bytes, |body| opens(&stage, body));
}

#[test]
fn no_review_of_any_shape_holds_more_than_its_share_of_memory() {
    for (what, make) in dimensions() {
        // As many parts as make the largest body.
        let (short, long) = (make(2_000).len(), make(4_000).len());
        let count = 2_000 + (LARGEST - short) * 2_000 / (long - short);
        let body = make(count);
        let stage = Stage::set();
        let held = most_held(|| stage.review(&body));
        assert!(held <= MOST_HELD, "{what}: {held} bytes for {count} parts");
    }
}
