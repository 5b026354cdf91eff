//! `privy seal`: one value, or the values of manifests.

pub mod manifests;

use anyhow::anyhow;

use crate::cli::{ReportFormat, SealArgs};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::keys::Chooser;
use crate::place::{Limits, Target};
use crate::report::{Exit, Failure};
use crate::sealing::Manner;
use crate::value;

/// Seals a value when a field is named, manifests otherwise.
///
/// # Errors
/// Exit 1 when a value or manifest is refused; exit 2 for wrong usage. Nothing is written then.
pub fn run(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    value::refuse_on_command_line(&args.value)?;
    if args.place.field.is_some() || args.place.place.is_some() {
        one_value(args, io)
    } else {
        manifests::run(args, io)
    }
}

fn one_value(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if !args.files.is_empty() || args.in_place {
        // What stands there may be a value that somebody typed: it is not repeated.
        return Err(Failure::usage(anyhow!("with --field or --for the input is one value, and no manifest is named")).hint(
            "give the value on standard input or with --value-file FILE; to write it into a manifest, use `privy set FILE FIELD`",
        ));
    }
    if args.output == ReportFormat::Json {
        return Err(Failure::usage(anyhow!(
            "--output json reports on manifests, and the input is one value"
        ))
        .hint("leave it out; the result is the envelope"));
    }
    if args.layout.layout.is_some() {
        return Err(Failure::usage(anyhow!(
            "--layout is for manifests, and the input is one value"
        ))
        .hint("leave it out; to write the value into a manifest, use `privy set FILE FIELD`"));
    }
    let mut chooser = Chooser::new(&args.key.key);
    let placed = args.place.place.is_some()
        || args.place.name.is_some() && (args.place.namespace.is_some() || args.place.anywhere);
    let choice = if placed {
        chooser.keys(None, io)?
    } else {
        chooser.keys_and_place(None, io)?
    };
    let target = Target::of_value(&args.place, choice.fallback())?;
    let limits = Limits::of(&args.bounds, &choice.clusters(), io.now)?;
    let binding = target.bind(&limits)?;
    let manner = Manner::new(
        &choice,
        &args.sealing,
        limits.service_account.is_some(),
        io.now,
    )?;
    let value = value::read(&args.value, &target.describe(), io)?;
    let mut text = manner.begin().seal(&value, &binding)?;
    text.push('\n');
    if args.dry_run {
        io.say(format_args!(
            "would seal {} bytes for {}; nothing was written",
            value.len(),
            target.describe()
        ));
        return Ok(Exit::Done);
    }
    deliver(text.as_bytes(), args, io)
}

/// Writes the result to `--out` or standard output.
fn deliver(result: &[u8], args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    match &args.out {
        Some(path) => files::write(path, result, Audience::Usual, Existing::Replace)?,
        None => io.answer(result)?,
    }
    Ok(Exit::Done)
}
