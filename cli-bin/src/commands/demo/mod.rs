//! `privy demo`: the whole journey on one machine, for real.
//!
//! Three people play it in a temporary folder, with the programs that they would use: this `privy`, and
//! `privy-webhook` as a process of its own, behind TLS 1.3 with client certificates. What is said about each step is
//! checked first; the first claim that does not hold ends the demo with exit code 1.

mod acts;
mod api_server;
mod certificates;
mod curtain;
mod files;
mod http;
mod people;
mod screen;
mod webhook;

use crate::cli::demo::Args;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use curtain::Curtain;
use screen::Screen;

/// Plays the journey.
///
/// # Errors
/// Exit 2 when the webhook's program is missing, exit 1 when a step differs from what is claimed of it.
pub fn run(args: &Args, io: &mut Io<'_>) -> Result<Exit, Failure> {
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

    let curtain = Curtain::new((!args.keep).then_some(root.as_path())).map_err(Failure::usage)?;

    let color = use_color(args, io);
    let mut screen = Screen::new(io.stdout, color);
    let played = acts::play(
        &mut screen,
        &acts::Setting {
            privy: &privy,
            webhook: &program,
            root: &root,
            curtain: &curtain,
            show: args.show,
            keep: args.keep,
        },
    );
    // The webhook is gone by now, and the folder goes with `folder` unless it is to be kept.
    played.map_err(|error| {
        let failure = Failure::refused(error).context("the demo did not go as it says");
        if args.keep {
            failure.hint(format!("look at {}", root.display()))
        } else {
            failure.hint("`privy demo --keep` leaves the files and the webhook's log to look at")
        }
    })?;
    Ok(Exit::Done)
}

fn use_color(args: &Args, io: &Io<'_>) -> bool {
    let is_set = |name: &str| (io.environment)(name).is_some_and(|value| !value.is_empty());
    let dumb = (io.environment)("TERM").is_some_and(|term| term == "dumb");
    io.terminal.stdout && !args.no_color && !is_set("NO_COLOR") && !dumb
}
