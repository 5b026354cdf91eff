//! The command line of Privy Seal: `privy`.
//!
//! A thin layer: flags, files, streams and words. Sealing and keys are `jwe-envelope`'s, manifests are
//! `secret-walker`'s, and whether an envelope may be opened is decided by the very code that the webhook runs.
//!
//! [`run`] takes its inputs as values, so a test calls it without a process:
//!
//! ```text
//! arguments ─ cli ─▶ commands::<verb> ─▶ bytes for stdout or a file, written only on success
//!                                     └▶ Failure ─ failure ─▶ stderr: error, causes, hint; exit code
//! ```

pub mod cli;
pub mod commands;
pub mod failure;
pub mod import;
pub mod io;
pub mod keys;
pub mod opening;
pub mod project;
pub mod sealing;
pub mod text;
pub mod time;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};

use jwe_envelope::untrusted::Lines;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::io::Io;

/// The process: real arguments and streams.
pub fn main() -> ExitCode {
    io::with_process(|io| run(std::env::args_os(), io)).into()
}

/// Runs one command and says how it ended. Errors are already written to `io.stderr`.
pub fn run(arguments: impl IntoIterator<Item = OsString>, io: &mut Io<'_>) -> Exit {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, io),
    };
    match dispatch(cli, io) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.write_to(io.stderr);
            failure.exit()
        }
    }
}

/// Reads the arguments; usage texts name the command as it was called, which may be as a plugin of kubectl.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut arguments = as_flags(arguments.into_iter().collect())
        .into_iter()
        .peekable();
    let plugin = arguments.peek().is_some_and(|name| {
        let name = Path::new(name).file_stem();
        // kubectl looks for `kubectl-privy`; Krew on some systems links it with an underscore.
        name.is_some_and(|name| name == "kubectl-privy" || name == "kubectl_privy")
    });
    if !plugin {
        return Cli::try_parse_from(arguments).map_err(honest);
    }
    let mut command = Cli::command().bin_name("kubectl privy");
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// `help`, `help VERB` and `version`, which people type, as the flags that they mean.
fn as_flags(mut arguments: Vec<OsString>) -> Vec<OsString> {
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("help") => {
            arguments.remove(1);
            arguments.push("--help".into());
        }
        Some("version") if arguments.len() == 2 => arguments[1] = "--version".into(),
        _ => {}
    }
    arguments
}

/// What a word for the opposite is not to be answered with: `unseal` looks like `seal`.
fn honest(mut error: clap::Error) -> clap::Error {
    const OPENS: [&str; 4] = ["unseal", "unwrap", "unlock", "decode"];
    let word = error.get(ContextKind::InvalidSubcommand);
    if matches!(word, Some(ContextValue::String(word)) if OPENS.contains(&word.as_str())) {
        error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(vec!["open".to_owned()]),
        );
    }
    error
}

fn dispatch(cli: Cli, io: &mut Io<'_>) -> Result<Exit, Failure> {
    match cli.command {
        Command::Completions { shell } => commands::completions::run(shell, io),
        #[cfg(feature = "demo")]
        Command::Demo(args) => commands::demo::run(&args, io),
        Command::Doctor(args) => commands::doctor::run(&args, io),
        Command::Diff(args) => commands::diff::run(&args, io),
        Command::Edit(args) => commands::edit::run(&args, io),
        Command::Import(args) => commands::import::run(&args, io),
        Command::Inspect(args) => commands::inspect::run(&args, io),
        Command::Key(command) => commands::key::run(&command, io),
        Command::Lint(args) => commands::lint::run(&args, io),
        Command::Man { folder } => commands::man::run(&folder, io),
        Command::Open(args) => commands::open::run(&args, io),
        Command::Render(args) => commands::render::run(&args, io),
        Command::Rewrap(args) => commands::rewrap::run(&args, io),
        Command::Seal(args) => commands::seal::run(args, io),
        Command::Set(args) => commands::set::run(&args, io),
        Command::Sign(args) => commands::sign::run(&args, io),
    }
}

/// Reports what clap says: help and version are answers, everything else is wrong usage.
fn usage(error: &clap::Error, io: &mut Io<'_>) -> Exit {
    let text = error.render();
    if error.use_stderr() {
        // It repeats arguments, which a shell may have made of the names of files.
        let _ = write!(io.stderr, "{}", Lines(&text.to_string()));
        return Exit::Usage;
    }
    match write!(io.stdout, "{text}").and_then(|()| io.stdout.flush()) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Usage,
    }
}
