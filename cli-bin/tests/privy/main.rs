//! The binary as scripts and people use it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod assumed;
mod chosen_key;
mod commands;
mod diff;
#[cfg(unix)]
mod doctor;
mod edit;
#[cfg(all(
    unix,
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "pkcs11",
    feature = "vault"
))]
mod environment;
mod everyday;
mod folders;
mod hidden;
#[cfg(unix)]
mod hostile;
mod import;
mod inspect;
mod integrations;
mod key;
mod key_forms;
#[cfg(feature = "vault")]
mod key_services;
#[cfg(all(unix, feature = "kms-plugin"))]
mod key_wrap;
mod layout;
mod lint;
mod lint_admission;
mod manifests;
mod many;
mod names;
mod open;
mod outputs;
mod project;
mod render;
mod rewrap;
mod rewrite;
mod schema;
mod seal;
mod set;
mod signed;
mod signing;
mod support;
mod terminal;
mod wider;
