//! What the webhook answers, one test per row of the design's table and per sentence beside it.

mod audit;
mod keys;
mod opening;
mod outages;
mod places;
mod refusals;
mod storable;
mod stored;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use insta::assert_snapshot;
use kms_backends::testing::Reply as Key;
use kms_backends::{CacheOptions, Category};
use serde_json::{Value, json};
use support::*;
use webhook_bin::audit::{FieldOutcome, ReviewOutcome};
use webhook_bin::decide::{Expired, Foreign, Policy};

/// An envelope of a key that nobody here serves, bound to no place.
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
