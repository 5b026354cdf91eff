//! `privy key`: make, fetch, show, trust and forget keys.

pub mod fetch;
pub mod generate;
pub mod remove;
pub mod show;
pub mod sign;
pub mod trust;
pub mod wrap;

use crate::cli::KeyCommand;
use crate::failure::{Exit, Failure};
use crate::io::Io;

/// Runs one of the verbs for keys.
///
/// # Errors
/// As the verb.
pub fn run(command: &KeyCommand, io: &mut Io<'_>) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Fetch(args) => fetch::run(args, io),
        KeyCommand::Generate(args) => generate::run(args, io),
        KeyCommand::List(args) => trust::list(args.output, io),
        KeyCommand::Remove(args) => remove::run(args, io),
        KeyCommand::Show(args) => show::run(args, io),
        KeyCommand::Sign(args) => sign::run(args, io),
        KeyCommand::Trust(args) => trust::run(args, io),
        KeyCommand::Wrap(args) => wrap::run(args, io),
    }
}
