//! Writing what was sealed or rewritten to an output.
use crate::cli::SealArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::project::all_or_none::Work;

/// What `-i` is to do.
pub(super) fn in_place<'a>(args: &'a SealArgs, done: &'a str) -> Work<'a> {
    Work {
        files: &args.files,
        jobs: args.jobs,
        dry_run: args.dry_run,
        done,
    }
}

/// Writes the result to `--out` or standard output.
pub(super) fn deliver(result: &[u8], args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    match &args.out {
        Some(path) => files::create(path, result, Audience::Usual, Existing::Replace)?,
        None => io.answer(result)?,
    }
    Ok(Exit::Done)
}
