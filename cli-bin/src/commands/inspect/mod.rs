//! `privy inspect`: what envelopes say of themselves. Needs no private key, opens nothing.

pub mod describe;
pub mod table;

use anyhow::anyhow;
use jwe_envelope::{Recognized, recognize};
use secret_walker::{Manifest, may_hold_secret};
use serde_json::{Value, json};

use crate::cli::{InspectArgs, ReportFormat};
use crate::failure::{Exit, Failure, fault};
use crate::io::{Io, files, read_bounded};
use crate::keys::trust::Store;
use crate::project::source::{self, Source};
use crate::project::walk;
use crate::text::{Shown as _, one_line};

/// What one input turned out to be.
struct Inspected {
    text: String,
    json: Value,
    found: bool,
}

/// Reports on every input.
///
/// # Errors
/// Exit 1 when an input is neither manifest nor envelope; damage is part of the report, with exit 1, too.
pub fn run(args: &InspectArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let store = Store::load(io)?;
    let mut reports = Vec::new();
    if args.files.is_empty() {
        if io.terminal.stdin {
            io.say("reading an envelope or a manifest from the terminal; end it with Ctrl-D on a line of its own");
        }
        let bytes = read_bounded(io.stdin, files::MANIFEST_LIMIT)
            .map_err(|error| {
                Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
            })?
            .ok_or_else(|| {
                Failure::refused(anyhow!("standard input is larger than any manifest"))
            })?;
        reports.push(inspect("standard input", &bytes, &store)?);
    }
    let expanded = walk::expand(&args.files)?;
    for input in &expanded.inputs {
        let path = &input.path;
        let bytes = match source::read(input)? {
            Source::Bytes(bytes) if input.named || may_hold_secret(&bytes) => bytes,
            Source::Bytes(_) => continue,
            Source::PassedOver(why) => {
                io.say(format_args!("note: {}: {why}", path.shown()));
                continue;
            }
        };
        let name = path.display().to_string();
        match inspect(&name, &bytes, &store) {
            Ok(report) => reports.push(report),
            Err(failure) if input.named => {
                return Err(failure.context(format!("cannot inspect `{}`", path.shown())));
            }
            Err(failure) => io.say(format_args!(
                "note: {}: not looked at: {}",
                path.shown(),
                failure.message()
            )),
        }
    }
    expanded.say_left_out(io);
    if reports.is_empty() {
        return Err(
            Failure::refused(anyhow!("nothing in it is sealed, and no Secret is in it"))
                .hint("name files with manifests or an envelope"),
        );
    }
    let found = reports.iter().any(|report| report.found);
    let text = match args.output {
        ReportFormat::Text => reports
            .iter()
            .map(|report| report.text.as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        ReportFormat::Json => {
            let inputs: Vec<_> = reports.into_iter().map(|report| report.json).collect();
            format!("{:#}\n", json!({ "inputs": inputs }))
        }
    };
    io.report(&text, args.output == ReportFormat::Json)?;
    Ok(if found { Exit::Refused } else { Exit::Done })
}

fn inspect(source: &str, bytes: &[u8], store: &Store) -> Result<Inspected, Failure> {
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::refused(anyhow!(
            "there is nothing to inspect: the input is empty"
        )));
    }
    match recognize(bytes.trim_ascii_start()) {
        Recognized::Sealed(envelope) => Ok(Inspected {
            text: describe::text(&envelope, store),
            json: with_source(source, describe::json(&envelope, store)),
            found: false,
        }),
        Recognized::Malformed(error) => Ok(Inspected {
            text: format!("damaged envelope: {error}\n"),
            json: with_source(
                source,
                json!({ "kind": "envelope", "state": "damaged", "problem": one_line(&error.to_string()) }),
            ),
            found: true,
        }),
        Recognized::Plain => manifest(source, bytes, store),
    }
}

fn manifest(source: &str, bytes: &[u8], store: &Store) -> Result<Inspected, Failure> {
    let manifest = Manifest::parse(bytes).map_err(fault)?;
    if manifest.secrets().is_empty() {
        return Err(Failure::refused(anyhow!(
            "it is neither an envelope nor a manifest with a Secret"
        ))
        .hint(
            "an envelope of ours begins with `eyJ`; was it broken over several lines, or cut off?",
        ));
    }
    let table = table::Table::of(&manifest, store);
    Ok(Inspected {
        text: format!("{}\n{}", one_line(source), table.text()),
        json: with_source(source, table.json()),
        found: table.found(),
    })
}

fn with_source(source: &str, mut report: Value) -> Value {
    report["source"] = json!(source);
    report
}
