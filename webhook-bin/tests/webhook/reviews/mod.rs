//! What the webhook answers, one test per row of the design's table and per sentence beside it.

mod audit;
mod keys;
mod opening;
mod outages;
mod places;
mod refusals;
mod storable;
mod stored;

use std::time::Duration;

use insta::assert_snapshot;
use kms_backends::testing::Reply as Key;
use kms_backends::{CacheOptions, Category};
use serde_json::{Value, json};
use test_support::reviews::*;
use unseal_policy::decide::{Expired, Foreign, Policy};
use webhook_bin::audit::{FieldOutcome, ReviewOutcome};

/// An envelope of a key that no one here serves, bound to no place.
fn foreign() -> String {
    seal("theirs", &json!({"kid": "their-key"}))
}

/// An envelope for this place, of a key that is gone.
fn dead() -> String {
    let bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    seal("lost", &json!({"kid": "a-key-that-is-gone", "bind": bind}))
}

/// With this time limit.
fn timed(member: &str, at: u64) -> String {
    let mut bind = json!({"v": 1, "ns": "payments", "name": "db", "key": "password"});
    bind[member] = at.into();
    seal("hunter2", &json!({"bind": bind}))
}

/// A compact envelope in flattened JSON, `protected` first.
fn flattened(compact: &str) -> String {
    let parts: Vec<&str> = compact.split('.').collect();
    protected_first(&json!({
        "protected": parts[0], "encrypted_key": parts[1], "iv": parts[2],
        "ciphertext": parts[3], "tag": parts[4],
    }))
}

/// The same, with line breaks and spaces.
fn pretty(compact: &str) -> String {
    let value: Value = serde_json::from_str(&flattened(compact)).expect("JSON");
    format!("{value:#}")
}
