//! Everything about envelopes and keys, through the public API; one program, because each one links the whole crate again.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod cookbook;
mod cookbook_parse;
mod hostile;
mod interop;
mod key_card;
mod keys;
mod opening;
mod printing;
mod properties;
mod rfc7516;
mod rfc7516_parse;
mod roundtrip;
mod sealing;
mod signature;
mod signed_envelopes;
mod support;
mod well_formed;
