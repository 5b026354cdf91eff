//! Manifests in, manifests out: every plain value sealed for the place where it stands.
//!
//! All files are checked and sealed in memory before the first is written, so that one refusal leaves all of them as
//! they were. Reading, sealing and writing use all cores; keys are chosen in one thread, because that may ask somebody.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use secret_walker::Manifest;

use crate::cli::{ReportFormat, SealArgs};
use crate::io::{Io, files, read_bounded};
use crate::keys::{Choice, Chooser};
use crate::manifest::{Placing, Sealing, fault, seal_plain_values};
use crate::parallel::{self, Progress};
use crate::paths::{self, Input};
use crate::place::Limits;
use crate::report::{Exit, Failure};
use crate::sealing::Manner;

/// Files that are in memory with all that was found in them.
const BATCH: usize = 512;

/// Refusals that are reported in full.
const MOST_REPORTS: usize = 20;

/// What came of one file.
enum Outcome {
    /// Found, not named, and no manifest of a Secret: not worth a word.
    Passed,
    /// Named, and without a Secret.
    NoSecret,
    /// Nothing in it was plain.
    Unchanged { named: bool },
    /// With its values sealed.
    Sealed {
        fields: usize,
        warnings: Vec<String>,
    },
}

/// What came of a file, and its new text if that is another.
type Fate = (Outcome, Option<Vec<u8>>);

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
        let source = path.map_or("standard input".into(), |path| path.display().to_string());
        return Err(Failure::usage(anyhow!("there is no Secret in {source}"))
            .hint("to seal one value, name the field that it is for: --for NAMESPACE/NAME/FIELD"));
    }
    let plan = plans.of(path, io).map_err(at)?;
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
            super::deliver(&sealed.text, args, io)?;
        }
        return json(&[(path, outcome)], args, io);
    }
    if args.files.is_empty() && !args.dry_run {
        warn(path, &outcome, io);
    } else {
        report(path, &outcome, args, io);
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    super::deliver(&sealed.text, args, io)
}

fn in_place(plans: &mut Plans<'_>, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let args = plans.args;
    let inputs = paths::expand(&args.files)?;
    let workers = parallel::workers(args.jobs);
    let mut progress = Progress::new(inputs.len());
    let mut outcomes = Vec::with_capacity(inputs.len());
    let (mut changed, mut failures) = (Vec::new(), Vec::new());
    for batch in inputs.chunks(BATCH) {
        let done = outcomes.len() + failures.len();
        let mut tick = Tick {
            progress: &mut progress,
            done,
        };
        let results = seal_batch(batch, workers, plans, &mut tick, io)?;
        for (input, result) in batch.iter().zip(results) {
            match result {
                Ok((outcome, text)) => {
                    changed.extend(text.map(|text| (input.path.clone(), text)));
                    outcomes.push((&input.path, outcome));
                }
                Err(failure) => failures.push(failure),
            }
        }
    }
    if !failures.is_empty() {
        progress.finish(io);
        return Err(all_refused(failures, inputs.len(), io));
    }
    if !args.dry_run {
        let written = files::replace_all(&changed, &mut |done| progress.tick("writing", done, io));
        if let Err(failure) = written {
            progress.finish(io);
            return Err(failure);
        }
    }
    progress.finish(io);
    if args.output == ReportFormat::Json {
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|(path, outcome)| (path.as_path(), outcome))
            .collect();
        return json(&outcomes, args, io);
    }
    for (path, outcome) in &outcomes {
        report(path, outcome, args, io);
    }
    summarize(&inputs, &outcomes, args, io);
    Ok(Exit::Done)
}

/// Where the work is, for people who wait.
struct Tick<'p> {
    progress: &'p mut Progress,
    done: usize,
}

/// What came of each file of a batch; the outer error ends everything.
fn seal_batch(
    batch: &[Input],
    workers: usize,
    plans: &mut Plans<'_>,
    tick: &mut Tick<'_>,
    io: &mut Io<'_>,
) -> Result<Vec<Result<Fate, Failure>>, Failure> {
    let base = tick.done;
    let read = parallel::map(
        batch,
        workers,
        &mut |_| tick.progress.tick("reading", base, io),
        |input| files::read(&input.path, files::MANIFEST_LIMIT),
    );
    let sources: Vec<_> = batch.iter().zip(&read).collect();
    let manifests = parallel::map(
        &sources,
        workers,
        &mut |_| tick.progress.tick("reading", base, io),
        |(input, bytes)| parse(input, bytes.as_deref().ok()?),
    );
    let mut works = Vec::with_capacity(batch.len());
    for ((input, bytes), manifest) in sources.iter().zip(&manifests) {
        let plan = match manifest {
            Some(Ok(manifest)) if !manifest.secrets().is_empty() => Some(
                plans
                    .of(Some(&input.path), io)
                    .map_err(|error| named(error, &input.path))?,
            ),
            _ => None,
        };
        works.push((
            *input,
            bytes.as_deref().map(Vec::as_slice),
            manifest.as_ref(),
            plan,
        ));
    }
    let args = plans.args;
    let sealed = parallel::map(
        &works,
        workers,
        &mut |done| tick.progress.tick("sealing", base + done, io),
        |(input, bytes, manifest, plan)| match (bytes, manifest, plan) {
            (Ok(before), Some(Ok(manifest)), Some(plan)) => {
                let sealed = plan.seal(manifest, args);
                let mut sealed = sealed.map_err(|error| named(error, &input.path))?;
                let changed = sealed.text != *before;
                let outcome = sealed.outcome(input.named);
                Ok((outcome, changed.then_some(sealed.text)))
            }
            _ if input.named => Ok((Outcome::NoSecret, None)),
            _ => Ok((Outcome::Passed, None)),
        },
    );
    drop(works);
    let parsed: Vec<_> = manifests
        .into_iter()
        .map(|manifest| manifest.and_then(Result::err))
        .collect();
    Ok(read
        .into_iter()
        .zip(parsed)
        .zip(sealed)
        .map(|((read, parsed), sealed)| match (read, parsed) {
            (Err(failure), _) | (Ok(_), Some(failure)) => Err(failure),
            (Ok(_), None) => sealed,
        })
        .collect())
}

/// A manifest; a file that nobody named and that cannot hold a Secret is not even parsed.
fn parse<'a>(input: &Input, bytes: &'a [u8]) -> Option<Result<Manifest<'a>, Failure>> {
    if !input.named && !may_hold_secret(bytes) {
        return None;
    }
    Some(Manifest::parse(bytes).map_err(|error| named(fault(error), &input.path)))
}

/// Whether the word can be read in it: as it is, or with something escaped.
fn may_hold_secret(bytes: &[u8]) -> bool {
    const WORD: &[u8] = b"Secret";
    bytes.contains(&b'\\') || bytes.windows(WORD.len()).any(|window| window == WORD)
}

fn named(failure: Failure, path: &Path) -> Failure {
    failure.context(format!("cannot seal `{}`", path.display()))
}

/// Reports every refusal; the last word is that nothing was changed.
fn all_refused(mut failures: Vec<Failure>, files: usize, io: &mut Io<'_>) -> Failure {
    if failures.len() == 1
        && let Some(failure) = failures.pop()
    {
        return failure;
    }
    for failure in failures.iter().take(MOST_REPORTS) {
        failure.write_to(io.stderr);
    }
    let count = failures.len();
    let left = count.saturating_sub(MOST_REPORTS);
    let error = anyhow!("{count} of {files} files cannot be sealed, and none was changed");
    let worst = failures.iter().any(|failure| failure.exit() == Exit::Usage);
    let failure = if worst {
        Failure::usage(error)
    } else {
        Failure::refused(error)
    };
    failure.hint(if left == 0 {
        "mend them, and run the same command again".to_owned()
    } else {
        format!("mend them, and run the same command again, which will name the other {left}, too")
    })
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
            chooser: Chooser::new(&args.key.key),
            made: Vec::new(),
        }
    }

    fn of(&mut self, path: Option<&Path>, io: &mut Io<'_>) -> Result<Arc<Plan>, Failure> {
        let choice = self.chooser.keys_and_place(path, io)?;
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
fn json(outcomes: &[(&Path, Outcome)], args: &SealArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut sums = (0, 0);
    let files: Vec<_> = outcomes
        .iter()
        .filter_map(|(path, outcome)| {
            let (word, fields, warnings) = match outcome {
                Outcome::Passed => return None,
                Outcome::NoSecret => ("no-secret", 0, &[][..]),
                Outcome::Unchanged { .. } => ("unchanged", 0, &[][..]),
                Outcome::Sealed { fields, warnings } => ("sealed", *fields, warnings.as_slice()),
            };
            sums = (sums.0 + usize::from(fields > 0), sums.1 + fields);
            Some(serde_json::json!({
                "path": path.display().to_string(),
                "outcome": word,
                "fields": fields,
                "warnings": warnings,
            }))
        })
        .collect();
    let report = serde_json::json!({
        "version": 1,
        "dryRun": args.dry_run,
        "files": files,
        "summary": { "files": outcomes.len(), "changed": sums.0, "fields": sums.1 },
    });
    io.answer(format!("{report:#}\n").as_bytes())?;
    Ok(Exit::Done)
}

/// What looks like a mistake in the values; they are sealed as they are, byte for byte.
fn warn(path: &Path, outcome: &Outcome, io: &mut Io<'_>) {
    if let Outcome::Sealed { warnings, .. } = outcome {
        for warning in warnings {
            io.say(format_args!("warning: {}: {warning}", path.display()));
        }
    }
}

fn report(path: &Path, outcome: &Outcome, args: &SealArgs, io: &mut Io<'_>) {
    warn(path, outcome, io);
    let path = path.display();
    let would = if args.dry_run { "would be " } else { "" };
    match outcome {
        Outcome::Passed | Outcome::Unchanged { named: false } => {}
        Outcome::NoSecret => io.say(format_args!("{path}: no Secret, left as it is")),
        Outcome::Unchanged { named: true } => {
            io.say(format_args!("{path}: nothing to seal, left as it is"));
        }
        Outcome::Sealed { fields: 1, .. } => io.say(format_args!("{path}: 1 value {would}sealed")),
        Outcome::Sealed { fields, .. } => {
            io.say(format_args!("{path}: {fields} values {would}sealed"));
        }
    }
}

/// Of what was found in folders and by patterns, a last line says what became of it.
fn summarize(inputs: &[Input], outcomes: &[(&PathBuf, Outcome)], args: &SealArgs, io: &mut Io<'_>) {
    if inputs.iter().all(|input| input.named) && !inputs.is_empty() {
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
    io.say(format_args!(
        "{} files looked at: {values} values in {files} of them {would}sealed",
        inputs.len()
    ));
}
