//! The annotation layout under every kind of request that reaches a Secret: one table per rule. What single answers
//! look like is in `annotations.rs`.
mod keeping;
mod restoring;
mod writing;

use kms_backends::testing::Reply as Key;
use kms_backends::{CacheOptions, Category};
use serde_json::{Value, json};
use test_support::reviews::*;
use webhook_bin::audit::{FieldOutcome, ReviewOutcome};

const PLACE: &str = "metadata.annotations[privyseal.dev/data.password]";

/// For `payments/db/password`, for a key that no one serves any more.
fn dead() -> String {
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    seal("hunter2", &json!({"kid": "gone", "bind": bind}))
}

/// The object that this answer has the API server store.
fn stored(reply: &Reply, review: &Review) -> Value {
    assert!(reply.allowed(), "{}", reply.text);
    reply.apply_to(review.object())
}

/// Every key service fails from now on, in every way that can be told apart.
fn failures() -> [Key; 5] {
    [
        Key::Fail(Category::Denied),
        Key::Fail(Category::Misconfigured),
        Key::Fail(Category::Unavailable),
        Key::Fail(Category::UnknownKey),
        Key::WrongKey,
    ]
}
