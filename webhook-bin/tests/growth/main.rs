//! No dimension of a review makes it cost more than in proportion: not its fields, nor its annotations, the names in
//! `leave`, groups, extras, recipients, sizes; and none at all makes it cost more than a bound.
//! A program of its own: it counts allocations, through an allocator that the whole process shares.

#![allow(clippy::unwrap_used, reason = "what fails shall panic")]
#![allow(
    clippy::similar_names,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "one table of dimensions reads better whole"
)]

mod linear;

use std::fmt::Write as _;
use std::time::Duration;

use jwe_envelope::{Binding, Sealer};
use linear::{assert_linear, most_held};
use serde_json::json;
use test_support::reviews::{Bench, Review, b64, rsa_key, sealed, secret};
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

/// A review with this text in the place of a marker, so that the text need not be parsed to be put there.
fn with_raw(review: &Review, pointer: &str, raw: &str) -> String {
    let marked = review.clone().with(pointer, json!("MARKER"));
    marked.body().replacen("\"MARKER\"", raw, 1)
}

fn object_of(count: usize, member: impl Fn(usize) -> String) -> String {
    let mut object = String::from("{");
    for number in 0..count {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(object, "{comma}{}", member(number));
    }
    object.push('}');
    object
}

fn array_of(count: usize, element: &str) -> String {
    format!("[{}]", vec![element; count].join(","))
}

fn plain() -> Review {
    Review::create(&[("password", "hunter2")])
}

/// A stored Secret beside the one under review, with the same `data`.
fn stored_alike(data: &str) -> String {
    let review = Review::update(&[("a", "MARKER")], &[("a", "MARKER")]);
    let value = format!("{{\"a\":\"{}\"}}", b64("MARKER"));
    review.body().replace(&value, data)
}

const DAMAGED: &str = "ZXlKaGJHY2lPaUpTVTBFdFQwRkZVQ0o5";

/// What an attacker makes many of: name, and a review with so many.
fn dimensions() -> Vec<(&'static str, Box<dyn Fn(usize) -> String>)> {
    let damaged = |n: usize| format!("\"k{n}\":\"{DAMAGED}\"");
    let annotations = "/metadata/annotations";
    vec![
        (
            "plain fields",
            Box::new(|n| {
                with_raw(
                    &plain(),
                    "/data",
                    &object_of(n, |n| format!("\"k{n}\":\"YQ==\"")),
                )
            }),
        ),
        (
            "damaged fields",
            Box::new(move |n| with_raw(&plain(), "/data", &object_of(n, damaged))),
        ),
        (
            "damaged fields of many kinds",
            Box::new(|n| {
                let kind = |n: usize| {
                    let text = format!("{{\"ciphertext\":\"{n}\",\"header\":{n}}}");
                    format!("\"k{n}\":\"{}\"", b64(text))
                };
                with_raw(&plain(), "/data", &object_of(n, kind))
            }),
        ),
        (
            "fields with escapes",
            Box::new(|n| {
                let escaped = |n: usize| format!("\"\\u006b{n}\":\"\\u0059Q==\"");
                with_raw(&plain(), "/data", &object_of(n, escaped))
            }),
        ),
        (
            "stored damage",
            Box::new(move |n| stored_alike(&object_of(n, damaged))),
        ),
        (
            "stringData",
            Box::new(|n| {
                let field = |n: usize| format!("\"k{n}\":\"eyJhbGciOiJ\"");
                with_raw(&plain(), "/stringData", &object_of(n, field))
            }),
        ),
        (
            "annotations",
            Box::new(move |n| {
                with_raw(
                    &plain(),
                    annotations,
                    &object_of(n, |n| format!("\"k{n}\":\"v\"")),
                )
            }),
        ),
        (
            "sealed annotations",
            Box::new(move |n| {
                let sealed = |n: usize| format!("\"privyseal.dev/data.k{n}\":\"eyJhbGciOiJ\"");
                with_raw(&plain(), annotations, &object_of(n, sealed))
            }),
        ),
        (
            "names in leave, one candidate for each",
            Box::new(move |n| {
                let names: Vec<String> = (0..n).map(|n| format!("k{n}")).collect();
                let leave = json!({"privyseal.dev/leave": names.join(",")});
                let review = plain().with(annotations, leave);
                with_raw(&review, "/data", &object_of(n, damaged))
            }),
        ),
        (
            "commas in leave",
            Box::new(move |n| {
                let leave = json!({"privyseal.dev/leave": ",".repeat(n)});
                let review = plain().with(annotations, leave);
                with_raw(&review, "/data", &object_of(n.min(2_000), damaged))
            }),
        ),
        (
            "groups",
            Box::new(|n| user("groups", &array_of(n, "\"g\""))),
        ),
        (
            "extras",
            Box::new(|n| user("extra", &object_of(n, |n| format!("\"k{n}\":[\"v\"]")))),
        ),
        (
            "values of one extra",
            Box::new(|n| user("extra", &format!("{{\"k\":{}}}", array_of(n, "\"v\"")))),
        ),
        (
            "unknown members",
            Box::new(|n| {
                let members = object_of(n, |n| format!("\"k{n}\":1"));
                let members = members.trim_matches(['{', '}']);
                with_raw(&plain(), "/later", &format!("1,{members}"))
            }),
        ),
        (
            "managed fields",
            Box::new(|n| {
                with_raw(
                    &plain(),
                    "/metadata/managedFields",
                    &array_of(n, "{\"a\":1}"),
                )
            }),
        ),
        (
            "recipients",
            Box::new(|n| {
                let recipients =
                    array_of(n, "{\"header\":{\"kid\":\"k\"},\"encrypted_key\":\"AA\"}");
                let text = format!(
                    "{{\"protected\":\"eyJlbmMiOiJBMjU2R0NNIn0\",\"recipients\":{recipients},\"ciphertext\":\"AA\"}}"
                );
                Review::create(&[("password", &text)]).body()
            }),
        ),
        (
            "members of a header",
            Box::new(|n| {
                let header = object_of(n, |n| format!("\"k{n}\":1"));
                let text = format!("{}.a.a.a.a", test_support::reviews::b64url(header));
                Review::create(&[("password", &text)]).body()
            }),
        ),
        (
            "bytes of a plain value",
            Box::new(|n| Review::create(&[("password", &"x".repeat(n))]).body()),
        ),
        (
            "bytes of a damaged value",
            Box::new(|n| Review::create(&[("password", &format!("eyJ{}", "x".repeat(n)))]).body()),
        ),
        (
            "bytes of names",
            Box::new(|n| plain().at(&"n".repeat(n), &"m".repeat(n)).body()),
        ),
        (
            "bytes of a key",
            Box::new(|n| Review::create(&[(&"k".repeat(n), "eyJhbGciOiJ")]).body()),
        ),
        (
            "strings of another kind",
            Box::new(|n| {
                let thing = json!({"version": "v1", "kind": "Thing"});
                let review = plain().request_with("kind", thing);
                with_raw(
                    &review,
                    "/spec",
                    &array_of(n, "\"eyJhbGciOiJSU0EtT0FFUCJ9.a.a.a.a\""),
                )
            }),
        ),
    ]
}

fn user(member: &str, raw: &str) -> String {
    let review = plain().request_with("userInfo", json!({"username": "u", member: "MARKER"}));
    review.body().replacen("\"MARKER\"", raw, 1)
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
