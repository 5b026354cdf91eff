//! `privy seal --rewrite`: sealed values in a form that admission does not open are written in one that it does.
//!
//! No key is needed: nothing is opened, and the protected header, wrapped keys, ciphertext and tag keep their text, so
//! that signatures stay valid. All files are rewritten in memory before the first is written.
use std::collections::HashSet;
use std::path::Path;

use anyhow::anyhow;
use jwe_envelope::{
    Envelope, HiddenEnvelope, KeyManagement, Recognized, RewriteError, Serialization,
    hidden_envelope, is_openable_form, recognize, to_openable_form,
};
use secret_walker::{
    ANNOTATION_PREFIX, EditValue, Edits, Field, Manifest, ManifestSecret, may_hold_secret,
};

use super::write::{self, deliver};
use crate::cli::{ReportFormat, SealArgs};
use crate::failure::{Exit, Failure, fault};
use crate::io::files::{self, Content};
use crate::io::{Io, read_bounded};
use crate::project::all_or_none::{self, Change, Fate, Written};
use crate::project::walk::Input;
use crate::sealing::manifest::left_fields;
use crate::text::{Shown as _, printable};

/// What came of one file.
enum Outcome {
    /// Found, not named, and no manifest of a Secret.
    Passed,
    /// Named, and without a Secret.
    NoSecret,
    /// Every envelope in it is in a form that admission opens.
    Unchanged { named: bool, warnings: Vec<String> },
    /// With this many envelopes rewritten.
    Rewritten {
        envelopes: usize,
        warnings: Vec<String>,
    },
}

/// Rewrites the sealed values of standard input or of the named files.
///
/// # Errors
/// Exit 1 when an envelope is damaged or cannot be rewritten; exit 2 for wrong usage. No file is changed then.
pub fn run(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    check_usage(args)?;
    if args.files.is_empty() {
        return standard_input(args, io);
    }
    if let (Some(_), [path]) = (&args.out, args.files.as_slice()) {
        let bytes = files::read(path, files::MANIFEST_LIMIT)?;
        let rewritten = rewrite(&bytes, true).map_err(|error| named(error, path))?;
        return to_output(&bytes, rewritten, path, args, io);
    }
    in_place(args, io)
}

fn check_usage(args: &SealArgs) -> Result<(), Failure> {
    let to_stdout = args.files.is_empty() && args.out.is_none();
    if to_stdout && args.output == ReportFormat::Json && !args.dry_run {
        return Err(Failure::usage(anyhow!(
            "standard output takes the rewritten manifest, and --output json asks for a report there"
        ))
        .hint("add --dry-run or --out FILE"));
    }
    if args.in_place && args.files.is_empty() {
        return Err(
            Failure::usage(anyhow!("--in-place needs the files to change"))
                .hint("name them: privy seal --rewrite FILE…"),
        );
    }
    let several = args.files.len() > 1 || args.files.iter().any(|path| path.is_dir());
    if args.out.is_some() && several {
        return Err(
            Failure::usage(anyhow!("several files cannot be written to one output"))
                .hint("leave --out out to write each back into its file"),
        );
    }
    Ok(())
}

fn standard_input(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if io.terminal.stdin {
        return Err(Failure::usage(anyhow!("there is nothing to rewrite"))
            .hint("name files: privy seal --rewrite FILE…"));
    }
    let bytes = read_bounded(io.stdin, files::MANIFEST_LIMIT)
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
        })?
        .ok_or_else(|| Failure::refused(anyhow!("standard input is larger than any manifest")))?;
    let rewritten = rewrite(&bytes, true)
        .map_err(|error| error.context("cannot rewrite what is on standard input"))?;
    if matches!(rewritten.0, Outcome::NoSecret) {
        return Err(Failure::usage(anyhow!(
            "there is neither a Secret nor an envelope in standard input"
        ))
        .hint("did the command before the pipe fail?"));
    }
    to_output(&bytes, rewritten, Path::new("standard input"), args, io)
}

fn to_output(
    before: &[u8],
    (outcome, after): Fate<Outcome>,
    path: &Path,
    args: &SealArgs,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let after = after.as_ref().map_or(before, |change| &change.after);
    if args.output == ReportFormat::Json {
        if !args.dry_run {
            deliver(after, args, io)?;
        }
        return json(&[(Input::named(path), outcome)], None, args, io);
    }
    report(path, &outcome, args, io);
    if args.dry_run {
        return Ok(Exit::Done);
    }
    deliver(after, args, io)
}

fn in_place(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let Written {
        outcomes,
        not_searched,
    } = all_or_none::in_place(
        &write::in_place(args, "rewritten"),
        io,
        |batch, tick, io| Ok(tick.map_counted("rewriting", batch, io, one_file)),
    )?;
    if args.output == ReportFormat::Json {
        return json(&outcomes, not_searched, args, io);
    }
    for (input, outcome) in &outcomes {
        report(&input.path, outcome, args, io);
    }
    Ok(Exit::Done)
}

fn one_file(input: &Input) -> Result<Fate<Outcome>, Failure> {
    let bytes = files::read(&input.path, files::MANIFEST_LIMIT)?;
    rewrite(&bytes, input.named).map_err(|error| named(error, &input.path))
}

fn named(failure: Failure, path: &Path) -> Failure {
    failure.context(format!("cannot rewrite `{}`", path.shown()))
}

/// Rewrites a file: manifests, or one envelope and nothing else.
fn rewrite(bytes: &[u8], named: bool) -> Result<Fate<Outcome>, Failure> {
    if let Some(rewritten) = lone_envelope(bytes)? {
        return Ok(rewritten);
    }
    if !named && !may_hold_secret(bytes) {
        return Ok((Outcome::Passed, None));
    }
    let manifest = Manifest::parse(bytes).map_err(fault)?;
    if manifest.secrets().is_empty() {
        let outcome = if named {
            Outcome::NoSecret
        } else {
            Outcome::Passed
        };
        return Ok((outcome, None));
    }
    let mut edits = manifest.edits();
    let (mut envelopes, mut warnings) = (0, Vec::new());
    for secret in manifest.secrets() {
        envelopes += one_secret(secret, &mut edits, &mut warnings)?;
    }
    if envelopes == 0 {
        return Ok((Outcome::Unchanged { named, warnings }, None));
    }
    let text = edits.apply().map_err(fault)?;
    let outcome = Outcome::Rewritten {
        envelopes,
        warnings,
    };
    let change = Change {
        before: Content::of(bytes),
        after: text,
    };
    Ok((outcome, Some(change)))
}

/// A file that is one envelope; `None` when it is something else.
fn lone_envelope(bytes: &[u8]) -> Result<Option<Fate<Outcome>>, Failure> {
    if Envelope::parse(bytes).is_err() {
        return Ok(None);
    }
    Ok(Some(match openable(bytes)? {
        None => {
            let unchanged = Outcome::Unchanged {
                named: true,
                warnings: Vec::new(),
            };
            (unchanged, None)
        }
        Some(mut text) => {
            if bytes.ends_with(b"\n") {
                text.push('\n');
            }
            let outcome = Outcome::Rewritten {
                envelopes: 1,
                warnings: Vec::new(),
            };
            let change = Change {
                before: Content::of(bytes),
                after: text.into_bytes(),
            };
            (outcome, Some(change))
        }
    }))
}

/// Rewrites the envelopes of a Secret and says how many they were.
fn one_secret<'a>(
    secret: &ManifestSecret<'a>,
    edits: &mut Edits<'_, 'a>,
    warnings: &mut Vec<String>,
) -> Result<usize, Failure> {
    let left: HashSet<&str> = left_fields(secret).collect();
    let mut rewritten = 0;
    for field in secret.fields() {
        // What the application opens itself is none of the webhook's; what cannot be read is not an envelope of ours.
        let Some(value) = field.value().ok().filter(|_| !left.contains(field.key())) else {
            continue;
        };
        let at = |failure: Failure| {
            failure.context(format!(
                "field {:?} on line {}",
                printable(&field.path().to_string(), 100),
                field.line()
            ))
        };
        if hidden_envelope(&value) == Some(HiddenEnvelope::Within) {
            warnings.push(format!(
                "field {:?} on line {} contains an envelope within a longer text, which is never opened; seal the whole text as one value",
                printable(&field.path().to_string(), 100),
                field.line()
            ));
            continue;
        }
        if let Some(text) = openable(&value).map_err(at)? {
            let value = written(field, &text).map_err(at)?;
            edits.replace(field, value).map_err(fault)?;
            rewritten += 1;
        }
    }
    for (name, value) in secret.annotations() {
        if !name.starts_with(ANNOTATION_PREFIX) {
            continue;
        }
        let at = |failure: Failure| {
            failure.context(format!(
                "annotation {:?} on line {}",
                printable(name, 100),
                value.line
            ))
        };
        let Some(text) = openable(value.text.as_bytes()).map_err(at)? else {
            continue;
        };
        let word = compact(&text)
            .and_then(|text| EditValue::word(text).ok())
            .ok_or_else(|| {
                at(Failure::refused(anyhow!(
                    "an annotation holds only compact envelopes, and this one can only be rewritten as JSON"
                ))
                .hint("seal the value again, or move the envelope to the field of the same name and rewrite it there"))
            })?;
        edits.set_annotation(secret, name, word).map_err(fault)?;
        rewritten += 1;
    }
    Ok(rewritten)
}

/// The compact text of an envelope that admission opens in that form.
fn compact(text: &str) -> Option<String> {
    Envelope::parse(text.as_bytes())
        .ok()?
        .to_text(Serialization::Compact)
        .filter(|text| is_openable_form(text.as_bytes()))
}

/// As the field's section wants it.
fn written(field: &Field<'_>, text: &str) -> Result<EditValue, Failure> {
    EditValue::envelope(text, field.section()).map_err(|_| {
        Failure::refused(anyhow!(
            "the envelope has members that cannot be written under `stringData`"
        ))
        .hint("move the field to `data`, in base64, or seal the value again")
    })
}

/// A value as admission opens it; `None` when it is so already, or is no envelope for a key of the profile.
fn openable(value: &[u8]) -> Result<Option<String>, Failure> {
    let hidden = hidden_envelope(value);
    let text = match hidden.as_ref().map(HiddenEnvelope::envelope) {
        Some(None) => return Ok(None),
        Some(Some(text)) => text,
        None => value,
    };
    match recognize(text.trim_ascii_start()) {
        Recognized::Plain => return Ok(None),
        Recognized::Sealed(envelope) if !is_of_the_profile(&envelope) => return Ok(None),
        Recognized::Sealed(_) => {}
        Recognized::Malformed(error) => {
            return Err(Failure::refused(
                anyhow::Error::new(error).context("holds a damaged envelope"),
            )
            .hint("take the envelope from version control again, or seal the value again"));
        }
    }
    let rewritten = to_openable_form(text).map_err(|error| {
        let hint = match error {
            RewriteError::Header => {
                "seal the value again with `privy set FILE FIELD`, whose envelopes admission opens"
            }
            _ => "split the value, and seal its parts",
        };
        Failure::refused(error).hint(hint)
    })?;
    // What was hidden is taken out of what hid it, whatever its form.
    let unhidden = hidden
        .is_some()
        .then(|| String::from_utf8_lossy(text.trim_ascii()).into_owned());
    Ok(rewritten.or(unhidden))
}

/// Other people's encrypted tokens (`dir`, A*KW) are no business of ours.
fn is_of_the_profile(envelope: &Envelope<'_>) -> bool {
    envelope
        .recipients()
        .iter()
        .any(|recipient| recipient.algorithm().parse::<KeyManagement>().is_ok())
}

/// The report for programs: `schemas/cli/seal.schema.json` describes it.
fn json(
    outcomes: &[(Input, Outcome)],
    not_searched: Option<serde_json::Value>,
    args: &SealArgs,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let mut sums = (0, 0);
    let files: Vec<_> = outcomes
        .iter()
        .filter_map(|(input, outcome)| {
            let (word, fields, warnings) = match outcome {
                Outcome::Passed => return None,
                Outcome::NoSecret => ("no-secret", 0, &[][..]),
                Outcome::Unchanged { warnings, .. } => ("unchanged", 0, warnings.as_slice()),
                Outcome::Rewritten {
                    envelopes,
                    warnings,
                } => ("rewritten", *envelopes, warnings.as_slice()),
            };
            sums = (sums.0 + usize::from(fields > 0), sums.1 + fields);
            Some(serde_json::json!({
                "path": input.path.display().to_string(),
                "outcome": word,
                "fields": fields,
                "warnings": warnings,
            }))
        })
        .collect();
    let mut report = serde_json::json!({
        "version": 1,
        "dryRun": args.dry_run,
        "files": files,
        "summary": { "files": outcomes.len(), "changed": sums.0, "fields": sums.1 },
    });
    if let Some(folders) = not_searched {
        report["notSearched"] = folders;
    }
    io.report(&format!("{report:#}\n"), true)?;
    Ok(Exit::Done)
}

fn report(path: &Path, outcome: &Outcome, args: &SealArgs, io: &mut Io<'_>) {
    let path = path.shown();
    let would = if args.dry_run { "would be " } else { "" };
    let warnings = match outcome {
        Outcome::Passed | Outcome::NoSecret => &[][..],
        Outcome::Unchanged { warnings, .. } | Outcome::Rewritten { warnings, .. } => warnings,
    };
    for warning in warnings {
        io.say(format_args!("warning: {path}: {warning}"));
    }
    match outcome {
        Outcome::Passed | Outcome::Unchanged { named: false, .. } => {}
        Outcome::NoSecret => io.say(format_args!("{path}: no Secret, left as it is")),
        Outcome::Unchanged { named: true, .. } => {
            io.say(format_args!("{path}: nothing to rewrite, left as it is"));
        }
        Outcome::Rewritten { envelopes: 1, .. } => {
            io.say(format_args!("{path}: 1 envelope {would}rewritten"));
        }
        Outcome::Rewritten { envelopes, .. } => {
            io.say(format_args!(
                "{path}: {envelopes} envelopes {would}rewritten"
            ));
        }
    }
}
