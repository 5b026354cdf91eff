//! Asks without showing what is typed or pasted, and leaves nothing of it to the shell.
//!
//! The echo goes off before the question is on the screen. It comes back on every way out, on the signals that end a
//! process too, and what is still waiting in the terminal by then is discarded: the second line of a pasted key would be
//! run by the shell, and kept in its history, otherwise.
//!
//! A paste is taken whole, newlines included, where the terminal marks pastes (bracketed paste). Where it does not,
//! more input right after a newline means that the value has several lines, which Ctrl-D ends.
#[cfg(unix)]
mod entry;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(super) use unix::{ask, discard_typed};

/// Asks a question on the terminal.
#[cfg(not(unix))]
pub(super) fn ask(question: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
    rpassword::prompt_password(question).map(zeroize::Zeroizing::new)
}

/// Discards what was typed and not read.
#[cfg(not(unix))]
pub(super) fn discard_typed() {}
