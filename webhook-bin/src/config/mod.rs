//! The configuration: a YAML file turned into values known to be good, or into a list of everything that
//! is wrong with it.
//!
//! `schemas/webhook-config.schema.json` at the top of the repository says the same for editors; tests hold
//! the two to each other. [`Rules`] is the part that decides, for whoever checks manifests beforehand; `Config` is
//! the whole, for the server.

#[cfg(feature = "server")]
mod bounds;
mod document;
mod keys;
mod owners;
mod problem;
#[cfg_attr(
    not(feature = "server"),
    allow(
        dead_code,
        reason = "spans and sizes stand in members of the server alone"
    )
)]
mod reader;
mod rulebook;
mod rules;
#[cfg(feature = "server")]
mod services;
#[cfg(feature = "server")]
mod serving;
mod signers;

pub use problem::{Problem, Problems};
pub use rules::{KeyRule, Overrides, Rules};
#[cfg(feature = "server")]
pub use serving::{Config, KeyConfig};
