//! `privy completions`: the script that teaches a shell our verbs and flags.
use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::io::Io;

/// Prints the script of `shell`.
///
/// # Errors
/// When standard output does not take it.
pub fn run(shell: clap_complete::Shell, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "privy", &mut script);
    io.answer(&script)?;
    Ok(Exit::Done)
}
