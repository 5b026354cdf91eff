//! Manifests in, manifests out: every plain value sealed for the place where it stands.
//!
//! All files are checked and sealed in memory before the first is written, so that one refusal leaves all of them as
//! they were. Reading, sealing and writing use all cores; keys are chosen in one thread, because that may ask someone.
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use secret_walker::{Manifest, may_hold_secret};

use super::write;
use crate::cli::{ReportFormat, SealArgs};
use crate::failure::{Exit, Failure, fault};
use crate::io::files::{self, Content};
use crate::io::{Io, read_bounded};
use crate::keys::earlier::Earlier;
use crate::keys::{Choice, Chooser};
use crate::project::all_or_none::{self, Change, Fate, Tick, Written};
use crate::project::source::{self, Source};
use crate::project::walk::Input;
use crate::sealing::manifest::{Placing, Sealing, seal_plain_values};
use crate::sealing::options::Manner;
use crate::sealing::place::Limits;
use crate::text::Shown;

/// What came of one file.
enum Outcome {
    /// Found, not named, and no manifest of a Secret: not worth a word.
    Passed,
    /// Named, and without a Secret.
    NoSecret,
    /// Found, and not looked at, for this reason.
    PassedOver(String),
    /// Nothing in it was plain.
    Unchanged { named: bool },
    /// With its values sealed.
    Sealed {
        fields: usize,
        warnings: Vec<String>,
        choice: Arc<Choice>,
    },
}

/// Seals the manifests of standard input or of the named files.
///
/// # Errors
/// Exit 1 when a manifest is refused; exit 2 for wrong usage. No file is changed then.
pub fn run(args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    check_usage(args)?;
    let mut plans = Plans::new(args);
    if args.files.is_empty() {
        return standard_input(&mut plans, io);
    }
    if !args.in_place {
        return to_output(&mut plans, io);
    }
    in_place(&mut plans, io)
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
    if args.output == ReportFormat::Json && !args.in_place && !args.dry_run && args.out.is_none() {
        return Err(Failure::usage(anyhow!(
            "standard output takes the sealed manifest, and --output json asks for a report there"
        ))
        .hint("add -i, --dry-run or --out FILE"));
    }
    if args.in_place && args.files.is_empty() {
        return Err(
            Failure::usage(anyhow!("--in-place needs the files to change"))
                .hint("name them: privy seal -i FILE…"),
        );
    }
    if !args.in_place && (args.files.len() > 1 || args.files.iter().any(|path| path.is_dir())) {
        return Err(
            Failure::usage(anyhow!("several files cannot be written to one output"))
                .hint("add -i to write each back into its file"),
        );
    }
    Ok(())
}

fn standard_input(plans: &mut Plans<'_>, io: &mut Io<'_>) -> Result<Exit, Failure> {
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
    let sealed = one_manifest(&bytes, None, plans, io)?;
    deliver(sealed, Path::new("standard input"), plans.args, io)
}

fn to_output(plans: &mut Plans<'_>, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let path = plans
        .args
        .files
        .first()
        .ok_or_else(|| Failure::usage(anyhow!("no file is named")))?;
    let bytes = files::read(path, files::MANIFEST_LIMIT)?;
    let sealed = one_manifest(&bytes, Some(path), plans, io)?;
    deliver(sealed, path, plans.args, io)
}

/// A manifest with its values sealed.
struct Sealed {
    text: Vec<u8>,
    choice: Arc<Choice>,
    fields: usize,
    warnings: Vec<String>,
}

impl Sealed {
    fn outcome(&mut self, named: bool) -> Outcome {
        match self.fields {
            0 => Outcome::Unchanged { named },
            fields => Outcome::Sealed {
                fields,
                warnings: std::mem::take(&mut self.warnings),
                choice: Arc::clone(&self.choice),
            },
        }
    }
}

fn one_manifest(
    bytes: &[u8],
    path: Option<&Path>,
    plans: &mut Plans<'_>,
    io: &mut Io<'_>,
) -> Result<Sealed, Failure> {
    let at = |failure: Failure| match path {
        Some(path) => named(failure, path),
        None => failure.context("cannot seal the manifest on standard input"),
    };
    let manifest = Manifest::parse(bytes).map_err(|error| at(fault(error)))?;
    if manifest.secrets().is_empty() {
        // Text without a Secret may well be a value whose field was forgotten: it is not handed on as if it were sealed.
        let source = path.map_or("standard input".into(), Shown::shown);
        return Err(Failure::usage(anyhow!("there is no Secret in {source}"))
            .hint("to seal one value, name the field that it is for: --for NAMESPACE/NAME/FIELD"));
    }
    let plan = plans.of(path, &Earlier::of(&manifest), io).map_err(at)?;
    plan.seal(&manifest, plans.args).map_err(at)
}

fn deliver(
    mut sealed: Sealed,
    path: &Path,
    args: &SealArgs,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let outcome = sealed.outcome(true);
    if args.output == ReportFormat::Json {
        if !args.dry_run {
            write::deliver(&sealed.text, args, io)?;
        }
        return json(&[(Input::named(path), outcome)], None, args, io);
    }
    let named = matches!(&outcome, Outcome::Sealed { choice, .. } if choice.is_from_a_rule());
    if args.files.is_empty() && !args.dry_run && !named {
        warn(path, &outcome, io);
    } else {
        report(path, &outcome, args, io);
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    write::deliver(&sealed.text, args, io)
}

fn in_place(plans: &mut Plans<'_>, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let args = plans.args;
    let Written {
        outcomes,
        not_searched,
    } = all_or_none::in_place(&write::in_place(args, "sealed"), io, |batch, tick, io| {
        seal_batch(batch, plans, tick, io)
    })?;
    if args.output == ReportFormat::Json {
        return json(&outcomes, not_searched, args, io);
    }
    for (input, outcome) in &outcomes {
        report(&input.path, outcome, args, io);
    }
    summarize(&outcomes, args, io);
    Ok(Exit::Done)
}

/// A file that is being sealed: a manifest with a Secret.
struct Job<'b> {
    /// Which one of its batch.
    index: usize,
    input: &'b Input,
    before: &'b [u8],
    manifest: Manifest<'b>,
    plan: Arc<Plan>,
}

impl Job<'_> {
    fn seal(&self, args: &SealArgs) -> Result<Fate<Outcome>, Failure> {
        let sealed = self.plan.seal(&self.manifest, args);
        let mut sealed = sealed.map_err(|error| named(error, &self.input.path))?;
        let changed = sealed.text != self.before;
        let outcome = sealed.outcome(self.input.named);
        let change = changed.then(|| Change {
            before: Content::of(self.before),
            after: sealed.text,
        });
        Ok((outcome, change))
    }
}

/// What came of each file of a batch; the outer error ends everything.
fn seal_batch(
    batch: &[Input],
    plans: &mut Plans<'_>,
    tick: &mut Tick<'_>,
    io: &mut Io<'_>,
) -> Result<Vec<Result<Fate<Outcome>, Failure>>, Failure> {
    let mut fates: Vec<Option<Result<Fate<Outcome>, Failure>>> = Vec::new();
    let mut sources = Vec::with_capacity(batch.len());
    let read = tick.map("reading", batch, io, source::read);
    for (index, (input, read)) in batch.iter().zip(read).enumerate() {
        fates.push(match read {
            Ok(Source::Bytes(bytes)) => {
                sources.push((index, input, bytes));
                None
            }
            Ok(Source::PassedOver(why)) => Some(Ok((Outcome::PassedOver(why), None))),
            Err(failure) => Some(Err(failure)),
        });
    }
    let sources: Vec<(usize, &Input, &[u8])> = sources
        .iter()
        .map(|(index, input, bytes)| (*index, *input, bytes.as_slice()))
        .collect();
    let parsed = tick.map("reading", &sources, io, |&(_, input, bytes)| {
        parse(input, bytes)
    });
    let mut jobs = Vec::with_capacity(sources.len());
    for ((index, input, before), parsed) in sources.into_iter().zip(parsed) {
        let path = &input.path;
        match parsed {
            Ok(Parsed::Secrets(manifest, earlier)) => {
                let plan = plans.of(Some(path), &earlier, io);
                jobs.push(Job {
                    index,
                    input,
                    before,
                    manifest,
                    plan: plan.map_err(|error| named(error, path))?,
                });
            }
            Ok(Parsed::NoSecret) if input.named => {
                fates[index] = Some(Ok((Outcome::NoSecret, None)));
            }
            Ok(Parsed::NoSecret) => fates[index] = Some(Ok((Outcome::Passed, None))),
            Ok(Parsed::PassedOver(why)) => {
                fates[index] = Some(Ok((Outcome::PassedOver(why), None)));
            }
            Err(failure) => fates[index] = Some(Err(failure)),
        }
    }
    let args = plans.args;
    let sealed = tick.map_counted("sealing", &jobs, io, |job| job.seal(args));
    for (job, fate) in jobs.iter().zip(sealed) {
        fates[job.index] = Some(fate);
    }
    Ok(fates.into_iter().flatten().collect())
}

/// What a file turned out to be.
enum Parsed<'a> {
    NoSecret,
    PassedOver(String),
    /// A manifest with Secrets, and what is sealed in it.
    Secrets(Manifest<'a>, Earlier),
}

/// A file that was not named and that cannot hold a Secret is not even parsed.
fn parse<'a>(input: &Input, bytes: &'a [u8]) -> Result<Parsed<'a>, Failure> {
    if !input.named && !may_hold_secret(bytes) {
        return Ok(Parsed::NoSecret);
    }
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => match source::is_template(input, &error) {
            Some(why) => return Ok(Parsed::PassedOver(why)),
            None => return Err(named(fault(error), &input.path)),
        },
    };
    if manifest.secrets().is_empty() {
        return Ok(Parsed::NoSecret);
    }
    let earlier = Earlier::of(&manifest);
    Ok(Parsed::Secrets(manifest, earlier))
}

fn named(failure: Failure, path: &Path) -> Failure {
    failure.context(format!("cannot seal `{}`", path.shown()))
}

/// How the files of one rule are sealed: worked out once, used by all cores.
struct Plan {
    choice: Arc<Choice>,
    limits: Limits,
    manner: Manner,
}

impl Plan {
    fn seal(&self, manifest: &Manifest<'_>, args: &SealArgs) -> Result<Sealed, Failure> {
        let sealing = Sealing {
            placing: Placing {
                anywhere: args.place.anywhere,
                namespace: args.place.namespace.as_deref(),
                fallback: self.choice.namespace.as_deref(),
                name: args.place.name.as_deref(),
                target: None,
                limits: &self.limits,
            },
            manner: &self.manner,
            layout: args.layout.layout.or(self.choice.layout),
            raw: args.value.raw,
        };
        let mut edits = manifest.edits();
        let (mut fields, mut warnings) = (0, Vec::new());
        for secret in manifest.secrets() {
            fields += seal_plain_values(secret, &sealing, &mut edits, &mut warnings, &|_, _| true)?;
        }
        Ok(Sealed {
            text: edits.apply().map_err(fault)?,
            choice: Arc::clone(&self.choice),
            fields,
            warnings,
        })
    }
}

/// The plans of all files, one for each rule.
struct Plans<'a> {
    args: &'a SealArgs,
    chooser: Chooser,
    made: Vec<Arc<Plan>>,
}

impl<'a> Plans<'a> {
    fn new(args: &'a SealArgs) -> Self {
        Self {
            args,
            chooser: Chooser::new(&args.key),
            made: Vec::new(),
        }
    }

    fn of(
        &mut self,
        path: Option<&Path>,
        earlier: &Earlier,
        io: &mut Io<'_>,
    ) -> Result<Arc<Plan>, Failure> {
        let choice = self.chooser.keys_and_place(path, io)?;
        if earlier.plain {
            let file = path.unwrap_or(Path::new("-"));
            self.chooser.confirm_change(&choice, earlier, file, io)?;
        }
        let same = |plan: &&Arc<Plan>| Arc::ptr_eq(&plan.choice, &choice);
        if let Some(plan) = self.made.iter().find(same) {
            return Ok(Arc::clone(plan));
        }
        let limits = Limits::of(&self.args.bounds, &choice.clusters(), io.now)?;
        let alone = limits.service_account.is_some();
        let manner = Manner::new(&choice, &self.args.sealing, alone, io)?;
        let plan = Arc::new(Plan {
            choice,
            limits,
            manner,
        });
        self.made.push(Arc::clone(&plan));
        Ok(plan)
    }
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
            let (word, fields, warnings, keys) = match outcome {
                Outcome::Passed => return None,
                Outcome::NoSecret => ("no-secret", 0, &[][..], serde_json::json!([])),
                Outcome::PassedOver(why) => (
                    "passed-over",
                    0,
                    std::slice::from_ref(why),
                    serde_json::json!([]),
                ),
                Outcome::Unchanged { .. } => ("unchanged", 0, &[][..], serde_json::json!([])),
                Outcome::Sealed {
                    fields,
                    warnings,
                    choice,
                } => ("sealed", *fields, warnings.as_slice(), choice.facts()),
            };
            sums = (sums.0 + usize::from(fields > 0), sums.1 + fields);
            Some(serde_json::json!({
                "path": input.path.display().to_string(),
                "outcome": word,
                "fields": fields,
                "warnings": warnings,
                "keys": keys,
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

/// What looks like a mistake in the values; they are sealed as they are, byte for byte.
fn warn(path: &Path, outcome: &Outcome, io: &mut Io<'_>) {
    if let Outcome::Sealed { warnings, .. } = outcome {
        for warning in warnings {
            io.say(format_args!("warning: {}: {warning}", path.shown()));
        }
    }
}

fn report(path: &Path, outcome: &Outcome, args: &SealArgs, io: &mut Io<'_>) {
    warn(path, outcome, io);
    let path = path.shown();
    let would = if args.dry_run { "would be " } else { "" };
    match outcome {
        Outcome::Passed | Outcome::Unchanged { named: false } => {}
        Outcome::NoSecret => io.say(format_args!("{path}: no Secret, left as it is")),
        Outcome::PassedOver(why) => io.say(format_args!("note: {path}: {why}")),
        Outcome::Unchanged { named: true } => {
            io.say(format_args!("{path}: nothing to seal, left as it is"));
        }
        Outcome::Sealed { fields, choice, .. } => {
            let values = if *fields == 1 { "value" } else { "values" };
            let keys = choice.label();
            io.say(format_args!(
                "{path}: {fields} {values} {would}sealed for {keys}"
            ));
        }
    }
}

/// Of what was found in folders and by patterns, a last line says the outcome of it.
fn summarize(outcomes: &[(Input, Outcome)], args: &SealArgs, io: &mut Io<'_>) {
    if outcomes.iter().all(|(input, _)| input.named) && !outcomes.is_empty() {
        return;
    }
    let would = if args.dry_run { "would be " } else { "" };
    let (mut files, mut values) = (0, 0);
    for (_, outcome) in outcomes {
        if let Outcome::Sealed { fields, .. } = outcome {
            files += 1;
            values += fields;
        }
    }
    let word =
        |count: usize, one: &'static str, more: &'static str| if count == 1 { one } else { more };
    io.say(format_args!(
        "{} {} checked: {values} {} in {files} of them {would}sealed",
        outcomes.len(),
        word(outcomes.len(), "file", "files"),
        word(values, "value", "values"),
    ));
}
