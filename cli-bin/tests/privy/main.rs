//! The binary as scripts and people use it.

mod commands;
mod inspect;
mod key;
mod manifests;
mod open;
mod project;
mod schema;
mod seal;
mod set;
mod support;
