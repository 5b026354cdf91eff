//! Manifests that other tools encrypted, read and opened in memory.
//!
//! There is no I/O here, and nothing is sealed: what comes out is a [`Draft`], a manifest of plain Secrets whose values
//! are missing, and the values beside it. So no text that a parser copies contains a plain value.

mod draft;
mod fault;
pub mod live;
pub mod sealed_secrets;
pub mod sops;
mod yaml;

pub use draft::{Draft, DraftSecret, Scope};
pub use fault::Fault;
