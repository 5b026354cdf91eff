//! `privy seal`: one value, or the values of manifests.

pub mod manifests;
pub mod rewrite;
mod write;

use std::path::Path;

use anyhow::anyhow;

use self::write::deliver;
use crate::cli::{ReportFormat, SealArgs};
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::keys::{Choice, Chooser};
use crate::sealing::options::{Manner, Sealed};
use crate::sealing::place::{Limits, Target};
use crate::sealing::signing::{self, SigningKey};
use crate::sealing::value;

/// Stands for standard input.
const STDIN: &str = "-";

/// Seals a value when a field is named, manifests otherwise.
///
/// # Errors
/// Exit 1 when a value or manifest is refused; exit 2 for wrong usage. Nothing is written then.
pub fn run(mut args: SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    value::refuse_on_command_line(&args.value)?;
    if args.files == [Path::new(STDIN)] {
        args.files.clear();
    } else if args.files.iter().any(|file| file == Path::new(STDIN)) {
        return Err(Failure::usage(anyhow!(
            "`-` is standard input, and goes with no other file"
        ))
        .hint("name a file of that name as ./-"));
    }
    let args = &args;
    if args.rewrite {
        return rewrite::run(args, io);
    }
    if args.place.field.is_some() || args.place.place.is_some() {
        one_value(args, io)
    } else {
        manifests::run(args, io)
    }
}

fn one_value(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if !args.files.is_empty() || args.in_place {
        // What is there may be a value that someone typed: it is not repeated.
        return Err(Failure::usage(anyhow!("with --field or --for the input is one value, and no manifest is named")).hint(
            "give the value on standard input or with --value-file FILE; to write it into a manifest, use `privy set FILE FIELD`",
        ));
    }
    if args.layout.layout.is_some() {
        return Err(Failure::usage(anyhow!(
            "--layout is for manifests, and the input is one value"
        ))
        .hint("leave it out; to write the value into a manifest, use `privy set FILE FIELD`"));
    }
    let mut chooser = Chooser::new(&args.key);
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
    let manner = Manner::new(&choice, &args.sealing, limits.service_account.is_some(), io)?;
    manner.check_places(&binding)?;
    let key = target.field.exact();
    if manner.signer().is_some()
        && let Some(key) = key
    {
        signing::check_key(key)?;
    }
    let value = value::read(&args.value, &target.describe(), io)?;
    let sealed = manner.begin().seal(&value, &binding)?;
    if args.output == ReportFormat::Json {
        let report = json(args, &target, &sealed, &choice, manner.signer());
        return deliver(format!("{report:#}\n").as_bytes(), args, io);
    }
    if args.dry_run {
        io.say(format_args!(
            "would seal {} bytes for {} and {}; nothing was written",
            value.len(),
            target.describe(),
            choice.label()
        ));
        return Ok(Exit::Done);
    }
    deliver(format!("{}\n", sealed.text).as_bytes(), args, io)?;
    if choice.is_from_a_rule() {
        io.say(format_args!(
            "sealed for {} and {}",
            target.describe(),
            choice.label()
        ));
    }
    if let Some(signature) = &sealed.signature {
        // One line of YAML, to stand among the annotations of the Secret.
        let name = signing::annotation_of(key.unwrap_or("FIELD"));
        io.say(format_args!("{name}: {signature}"));
    }
    Ok(Exit::Done)
}

/// The value for programs: `schemas/cli/seal-value.schema.json` describes it.
fn json(
    args: &SealArgs,
    target: &Target,
    sealed: &Sealed,
    choice: &Choice,
    signer: Option<&SigningKey>,
) -> serde_json::Value {
    let signature = signer.zip(sealed.signature.as_ref());
    serde_json::json!({
        "version": 1,
        "dryRun": args.dry_run,
        "place": target.describe(),
        "keys": choice.facts(),
        "envelope": (!args.dry_run).then_some(&sealed.text),
        "signature": signature.filter(|_| !args.dry_run).map(|(signer, signature)| serde_json::json!({
            "annotation": target.field.exact().map(signing::annotation_of),
            "kid": signer.key_id(),
            "value": signature,
        })),
    })
}
