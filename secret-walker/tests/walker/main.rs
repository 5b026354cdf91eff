//! Everything about Secrets and patches, through the public API; one program, because each one links the whole crate again.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod admitted;
#[cfg(feature = "manifest")]
mod annotations;
#[cfg(feature = "manifest")]
mod manifest;
mod patch;
#[cfg(feature = "manifest")]
mod properties;
#[cfg(feature = "manifest")]
mod refusals;
