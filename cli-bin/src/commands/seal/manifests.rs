//! Manifests in, manifests out: every plain value sealed for the place where it stands.
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use secret_walker::Manifest;

use crate::cli::SealArgs;
use crate::io::{Io, files, read_bounded};
use crate::keys::{Choice, Chooser};
use crate::manifest::{Placing, fault, seal_plain_values};
use crate::place::Limits;
use crate::report::{Exit, Failure};
use crate::sealing::Manner;

/// A manifest with its values sealed.
struct Sealed {
    text: Vec<u8>,
    secrets: usize,
    fields: usize,
}

/// Seals the manifests of standard input or of the named files.
///
/// # Errors
/// Exit 1 when a manifest is refused; exit 2 for wrong usage. No file is changed then.
pub fn run(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    check_usage(args)?;
    let mut chooser = Chooser::new(&args.key.key);
    if args.files.is_empty() {
        return standard_input(args, &mut chooser, io);
    }
    let mut results = Vec::new();
    // All files are sealed in memory before the first is written.
    for path in &args.files {
        let bytes = files::read(path, files::MANIFEST_LIMIT)?;
        let sealed = seal(&bytes, Some(path), args, &mut chooser, io)
            .map_err(|failure| failure.context(format!("cannot seal `{}`", path.display())))?;
        results.push((path, sealed, bytes));
    }
    if !args.in_place {
        let (path, sealed, _) = results
            .pop()
            .ok_or_else(|| Failure::usage(anyhow!("no file is named")))?;
        require_secret(&sealed, &path.display().to_string())?;
        report(path, &sealed, args, io);
        return if args.dry_run {
            Ok(Exit::Done)
        } else {
            super::deliver(&sealed.text, args, io)
        };
    }
    let changed: Vec<(PathBuf, Vec<u8>)> = results
        .iter()
        .filter(|(_, sealed, before)| sealed.text != **before)
        .map(|(path, sealed, _)| ((*path).clone(), sealed.text.clone()))
        .collect();
    if !args.dry_run {
        files::replace_all(&changed)?;
    }
    for (path, sealed, _) in &results {
        report(path, sealed, args, io);
    }
    Ok(Exit::Done)
}

fn check_usage(args: &SealArgs) -> Result<(), Failure> {
    let value = &args.value;
    if value.value_file.is_some()
        || value.decode.is_some()
        || value.strip_newline
        || value.allow_empty
    {
        return Err(Failure::usage(anyhow!(
            "a value is given, but not the field that it is for"
        ))
        .hint("add --for NAMESPACE/NAME/FIELD, or use `privy set FILE FIELD`"));
    }
    if args.in_place && args.files.is_empty() {
        return Err(
            Failure::usage(anyhow!("--in-place needs the files to change"))
                .hint("name them: privy seal -i FILE…"),
        );
    }
    if args.files.len() > 1 && !args.in_place {
        return Err(
            Failure::usage(anyhow!("several files cannot be written to one output"))
                .hint("add -i to write each back into its file"),
        );
    }
    Ok(())
}

fn standard_input(
    args: &SealArgs,
    chooser: &mut Chooser,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    if io.terminal.stdin {
        return Err(Failure::usage(anyhow!("there is nothing to seal"))
            .hint("name manifests (privy seal -i FILE…), or a field for one value (privy seal --for NAMESPACE/NAME/FIELD)"));
    }
    let bytes = read_bounded(io.stdin, files::MANIFEST_LIMIT)
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
        })?
        .ok_or_else(|| Failure::refused(anyhow!("standard input is larger than any manifest")))?;
    if bytes.is_empty() {
        return Err(Failure::refused(anyhow!("standard input is empty"))
            .hint("did the command before the pipe fail?"));
    }
    let sealed = seal(&bytes, None, args, chooser, io)
        .map_err(|failure| failure.context("cannot seal the manifest on standard input"))?;
    require_secret(&sealed, "standard input")?;
    if args.dry_run {
        report(Path::new("standard input"), &sealed, args, io);
        return Ok(Exit::Done);
    }
    super::deliver(&sealed.text, args, io)
}

/// Text without a Secret may well be a value whose field was forgotten: it is not handed on as if it were sealed.
fn require_secret(sealed: &Sealed, source: &str) -> Result<(), Failure> {
    if sealed.secrets > 0 {
        return Ok(());
    }
    Err(Failure::usage(anyhow!("there is no Secret in {source}"))
        .hint("to seal one value, name the field that it is for: --for NAMESPACE/NAME/FIELD"))
}

fn seal(
    bytes: &[u8],
    path: Option<&Path>,
    args: &SealArgs,
    chooser: &mut Chooser,
    io: &mut Io<'_>,
) -> Result<Sealed, Failure> {
    let manifest = Manifest::parse(bytes).map_err(fault)?;
    if manifest.secrets().is_empty() {
        return Ok(Sealed {
            text: bytes.to_vec(),
            secrets: 0,
            fields: 0,
        });
    }
    let choice = chooser.keys_and_place(path, io)?;
    let (limits, manner) = manner(&choice, args, io.now)?;
    let placing = Placing {
        anywhere: args.place.anywhere,
        namespace: args.place.namespace.as_deref(),
        fallback: choice.namespace.as_deref(),
        name: args.place.name.as_deref(),
        limits: &limits,
    };
    let mut edits = manifest.edits();
    let mut fields = 0;
    for secret in manifest.secrets() {
        fields += seal_plain_values(secret, &placing, &manner, &mut edits)?;
    }
    Ok(Sealed {
        text: edits.apply().map_err(fault)?,
        secrets: manifest.secrets().len(),
        fields,
    })
}

fn manner(choice: &Choice, args: &SealArgs, now: u64) -> Result<(Limits, Manner), Failure> {
    let limits = Limits::of(&args.bounds, &choice.clusters(), now)?;
    let manner = Manner::new(choice, &args.sealing, limits.service_account.is_some(), now)?;
    Ok((limits, manner))
}

fn report(path: &Path, sealed: &Sealed, args: &SealArgs, io: &mut Io<'_>) {
    let path = path.display();
    let would = if args.dry_run { "would be " } else { "" };
    match (sealed.secrets, sealed.fields) {
        (0, _) => io.say(format_args!("{path}: no Secret, left as it is")),
        (_, 0) => io.say(format_args!("{path}: nothing to seal, left as it is")),
        (_, 1) => io.say(format_args!("{path}: 1 value {would}sealed")),
        (_, fields) => io.say(format_args!("{path}: {fields} values {would}sealed")),
    }
}
