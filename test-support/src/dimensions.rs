//! What an attacker makes many of in a review: for the test that counts allocations, and the program that is run under a
//! counter of instructions.

use std::fmt::Write as _;

use serde_json::json;

use crate::reviews::{Review, b64, b64url};

/// Its name, and a review with so many.
pub type Dimension = (&'static str, Box<dyn Fn(usize) -> String>);

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

/// What an attacker makes many of.
#[allow(
    clippy::too_many_lines,
    reason = "one table of dimensions reads better whole"
)]
pub fn dimensions() -> Vec<Dimension> {
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
                let text = format!("{}.a.a.a.a", b64url(header));
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
