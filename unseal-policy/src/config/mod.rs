//! The configuration's keys and policy: a YAML file turned into values known to be good, or into a list of everything
//! that is wrong with it.
//!
//! `schemas/webhook-config.schema.json` at the top of the repository says the same for editors; tests hold
//! the two to each other. [`Rules`] is all that the decision needs. The server reads more of the same file: its loader
//! stands on [`Loader`] and on [`reader`].

pub mod document;
mod keys;
mod owners;
mod problem;
pub mod reader;
mod rulebook;
mod rules;
mod signers;

pub use keys::RawKey;
pub use problem::{Problem, Problems, quoted};
pub use rules::{KeyRule, Loader, ROOT, ReadFile, Rules, bytes_of, document_of};
pub use signers::unasked;
