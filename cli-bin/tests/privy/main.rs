//! The binary as scripts and people use it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod commands;
mod diff;
#[cfg(unix)]
mod doctor;
mod inspect;
mod integrations;
mod key;
mod lint;
mod manifests;
mod open;
mod outputs;
mod project;
mod render;
mod schema;
mod seal;
mod set;
mod support;
mod terminal;
