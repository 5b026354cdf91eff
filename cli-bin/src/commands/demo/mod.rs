//! `privy demo`: the whole journey on one machine.
use crate::io::Io;
use crate::report::{Exit, Failure};

/// Arguments of `privy demo`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Plays the journey.
///
/// # Errors
/// When a step differs from what it claims.
pub fn run(args: &Args, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let _ = (args, io);
    Err(Failure::usage(anyhow::anyhow!("the demo is not built in")))
}
