//! `privy sign`: a custodian signs what is sealed already.
//!
//! All files are read and signed in memory before the first is written, so that one refusal leaves all as they were.
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::{Envelope, FoundPlace, Serialization};
use secret_walker::{Manifest, ManifestSecret};
use serde_json::json;

use crate::cli::ReportFormat;
use crate::cli::sign::SignArgs;
use crate::failure::{Exit, Failure, fault};
use crate::io::Io;
use crate::io::files::{self, Content, Replacement};
use crate::project::walk;
use crate::sealing::layout::Writer;
use crate::sealing::manifest::{object_name, refuse_keys_in_both};
use crate::sealing::sealed::sealed_values;
use crate::sealing::signing::{self, SigningKey};
use crate::text::{Shown as _, printable};

/// What came of one file.
#[derive(Debug, Default)]
struct Counts {
    signed: usize,
    /// Signed by this key before.
    kept: usize,
    /// Sealed values of other names than those that were asked for.
    passed: usize,
}

/// Signs the sealed values of the files.
///
/// # Errors
/// Exit 1 when a value cannot be signed; exit 2 for wrong usage. No file is changed then.
pub fn run(args: &SignArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let key = SigningKey::choose(args.key.as_deref(), false, io)?.ok_or_else(|| {
        Failure::usage(anyhow!("no key to sign with is named")).hint(
            "name your private key with --key FILE; `privy key generate --kind ed25519 --out ~/me.pem` makes one",
        )
    })?;
    for field in &args.field {
        signing::check_key(field)?;
    }
    let mut changed: Vec<Replacement> = Vec::new();
    let mut outcomes: Vec<(PathBuf, Counts)> = Vec::new();
    let expanded = walk::expand(&args.files)?;
    for input in &expanded.inputs {
        let at =
            |failure: Failure| failure.context(format!("cannot sign `{}`", input.path.shown()));
        let before = files::read(&input.path, files::MANIFEST_LIMIT)?;
        let manifest = match Manifest::parse(&before) {
            Ok(manifest) if manifest.secrets().is_empty() && input.named => {
                return Err(at(Failure::usage(anyhow!("there is no Secret in it"))
                    .hint(
                        "a signature is kept in an annotation of the Secret, so name the manifest",
                    )));
            }
            Ok(manifest) => manifest,
            Err(error) => return Err(at(fault(error))),
        };
        let mut counts = Counts::default();
        let after = sign(&manifest, &key, args, io.now, &mut counts).map_err(at)?;
        if counts.signed > 0 {
            changed.push(Replacement {
                path: input.path.clone(),
                before: Content::of(&before),
                after,
            });
        }
        if input.named || counts.signed + counts.kept > 0 {
            outcomes.push((input.path.clone(), counts));
        }
    }
    refuse_nothing(args, &outcomes)?;
    if !args.dry_run {
        files::replace_all(&changed, &mut |_| ())?;
    }
    expanded.say_left_out(io);
    match args.output {
        ReportFormat::Json => report_json(args, &key, &outcomes, expanded.left_out_json(), io),
        ReportFormat::Text => {
            report(args, &outcomes, io);
            Ok(Exit::Done)
        }
    }
}

/// A named field that stands nowhere was misspelled.
fn refuse_nothing(args: &SignArgs, outcomes: &[(PathBuf, Counts)]) -> Result<(), Failure> {
    let found = |counts: &Counts| counts.signed + counts.kept > 0;
    if args.field.is_empty() || outcomes.iter().any(|(_, counts)| found(counts)) {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "no sealed value in these files is called {}",
        printable(&args.field.join(", "), 200)
    ))
    .hint("`privy inspect FILE` lists what is sealed"))
}

fn sign(
    manifest: &Manifest<'_>,
    key: &SigningKey,
    args: &SignArgs,
    now: u64,
    counts: &mut Counts,
) -> Result<Vec<u8>, Failure> {
    let mut edits = manifest.edits();
    for secret in manifest.secrets() {
        refuse_keys_in_both(secret)?;
        let mut writer = Writer::new(secret, Serialization::Compact, &mut edits);
        for value in sealed_values(secret)? {
            let name = value.key;
            if !args.field.is_empty() && !args.field.iter().any(|field| field == name) {
                counts.passed += 1;
                continue;
            }
            let at = |failure: Failure| value.at(failure);
            let envelope = value.envelope()?;
            let old = secret.annotation(&signing::annotation_of(name));
            if old.is_some_and(|old| key.has_signed(&envelope, old.text)) {
                counts.kept += 1;
                continue;
            }
            signing::check_key(name).map_err(at)?;
            check_place(secret, name, &envelope).map_err(at)?;
            let signature = key.sign(&envelope, now)?;
            writer.sign(name, Some(&signature)).map_err(at)?;
            counts.signed += 1;
        }
        writer.finish()?;
    }
    edits.apply().map_err(fault)
}

/// No one vouches for a value that could be opened anywhere, or that cannot be opened here.
fn check_place(
    secret: &ManifestSecret<'_>,
    key: &str,
    envelope: &Envelope<'_>,
) -> Result<(), Failure> {
    let Some(binding) = envelope.binding() else {
        return Err(Failure::refused(anyhow!(
            "the envelope is bound to no place, so its signature would be good in every place"
        ))
        .hint("seal the value again with `privy set`, which binds it to its place"));
    };
    let (Some(namespace), Some(name)) = (secret.namespace(), object_name(secret)) else {
        return Ok(());
    };
    let place = FoundPlace {
        namespace: namespace.text,
        name,
        key,
    };
    binding.check_place(place).map_err(|error| {
        Failure::refused(anyhow::Error::new(error).context("it cannot be opened in this place"))
            .hint("put the value back where it was sealed for, or seal it again for this place")
    })
}

fn report(args: &SignArgs, outcomes: &[(PathBuf, Counts)], io: &mut Io<'_>) {
    let would = if args.dry_run { "would be " } else { "" };
    for (path, counts) in outcomes {
        let path = path.shown();
        let values = match counts.signed {
            1 => "1 value".to_owned(),
            number => format!("{number} values"),
        };
        match (counts.signed, counts.kept) {
            (0, 0) => io.say(format_args!("{path}: nothing sealed, left as it is")),
            (0, _) => io.say(format_args!(
                "{path}: signed by this key already, left as it is"
            )),
            (_, 0) => io.say(format_args!("{path}: {values} {would}signed")),
            (_, kept) => io.say(format_args!(
                "{path}: {values} {would}signed, {kept} signed by this key already"
            )),
        }
    }
}

/// The report for programs: `schemas/cli/sign.schema.json` describes it.
fn report_json(
    args: &SignArgs,
    key: &SigningKey,
    outcomes: &[(PathBuf, Counts)],
    not_searched: Option<serde_json::Value>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let file = |(path, counts): &(PathBuf, Counts)| {
        json!({
            "path": display(path),
            "signed": counts.signed,
            "kept": counts.kept,
        })
    };
    let mut report = json!({
        "version": 1,
        "dryRun": args.dry_run,
        "kid": key.key_id(),
        "files": outcomes.iter().map(file).collect::<Vec<_>>(),
    });
    if let Some(folders) = not_searched {
        report["notSearched"] = folders;
    }
    io.report(&format!("{report:#}\n"), true)?;
    Ok(Exit::Done)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
