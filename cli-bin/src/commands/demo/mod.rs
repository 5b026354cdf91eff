//! `privy demo`: the whole journey on one machine, for real.
//!
//! Three people play it in a temporary folder, with the programs that they would use: this `privy`, and
//! `privy-webhook` as a process of its own, behind TLS 1.3 with client certificates. What is said about each step is
//! checked first; the first claim that does not hold ends the demo with exit code 1.

mod certificates;
mod cleanup;
mod files;
mod http;
mod people;
mod review_sender;
mod steps;
mod transcript;
mod webhook;

use crate::cli::demo::DemoArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use cleanup::CleanupGuard;
use transcript::Transcript;

/// Plays the journey.
///
/// # Errors
/// Exit 2 when the webhook's program is missing, exit 1 when a step differs from what is claimed of it.
pub fn run(args: &DemoArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let privy = std::env::current_exe().map_err(Failure::usage)?;
    let program = webhook::locate(&privy, args.webhook.as_deref()).map_err(|error| {
        Failure::usage(error)
            .hint("build it with `cargo build --release`, or name it with `--webhook PROGRAM`")
    })?;
    let folder = tempfile::Builder::new()
        .prefix("privy-demo-")
        .disable_cleanup(args.keep)
        .tempdir()
        .map_err(Failure::usage)?;
    // On some systems the temporary folder is reached through a link; children print the real path.
    let root = folder.path().canonicalize().map_err(Failure::usage)?;

    let cleanup =
        CleanupGuard::new((!args.keep).then_some(root.as_path())).map_err(Failure::usage)?;

    let color = use_color(args, io);
    let mut transcript = Transcript::new(io.stdout, color);
    let ended = steps::run(
        &mut transcript,
        &steps::Setting {
            privy: &privy,
            webhook: &program,
            root: &root,
            cleanup: &cleanup,
            show: args.show,
            keep: args.keep,
        },
    );
    // The webhook is gone by now, and the folder goes with `folder` unless it is to be kept.
    ended.map_err(|error| {
        let failure = Failure::refused(error).context("the demo did not go as it says");
        if args.keep {
            failure.hint(format!("look at {}", root.display()))
        } else {
            failure.hint("`privy demo --keep` leaves the files and the webhook's log to look at")
        }
    })?;
    Ok(Exit::Done)
}

fn use_color(args: &DemoArgs, io: &Io<'_>) -> bool {
    let is_set = |name: &str| (io.environment)(name).is_some_and(|value| !value.is_empty());
    let dumb = (io.environment)("TERM").is_some_and(|term| term == "dumb");
    io.terminal.stdout && !args.no_color && !is_set("NO_COLOR") && !dumb
}
