//! `privy man`: a manual page for each verb.
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::text::Shown as _;

/// Writes the pages into the folder, which must exist.
///
/// # Errors
/// Exit 2 when a page cannot be written.
pub fn run(folder: &Path, io: &mut Io<'_>) -> Result<Exit, Failure> {
    files::require_folder(&folder.join("privy.1"))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = write(command, folder)?;
    io.say(format_args!(
        "{pages} manual pages written to `{}`",
        folder.shown()
    ));
    Ok(Exit::Done)
}

fn write(command: Command, folder: &Path) -> Result<usize, Failure> {
    let mut pages = 1;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        pages += write(verb.clone(), folder)?;
    }
    let page = Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text).map_err(Failure::usage)?;
    let path = folder.join(page.get_filename());
    files::create(&path, &text, Audience::Usual, Existing::Replace)?;
    Ok(pages)
}
