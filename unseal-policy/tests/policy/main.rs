//! What the policy says, held against the expressions that the API server evaluates; one program.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod backstop;
mod filter;
