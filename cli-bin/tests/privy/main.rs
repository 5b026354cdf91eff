//! The binary as scripts and people use it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod commands;
mod diff;
#[cfg(unix)]
mod doctor;
mod edit;
mod hidden;
mod inspect;
mod integrations;
mod key;
mod layout;
mod lint;
mod manifests;
mod many;
mod names;
mod open;
mod outputs;
mod project;
mod render;
mod schema;
mod seal;
mod set;
mod signed;
mod signing;
mod support;
mod terminal;
mod wider;
