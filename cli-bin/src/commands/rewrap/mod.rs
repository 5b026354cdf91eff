//! `privy rewrap`: values from one key or version to another.
//!
//! Unlike `seal`, it writes each file as soon as it is done: the work may be long, and a key service may stop to answer.
//! What is done stays done, and the same command goes on with the rest.

mod secret;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use secret_walker::{Manifest, may_hold_secret};
use zeroize::Zeroizing;

use self::secret::{Bench, Counts};
use crate::cli::ReportFormat;
use crate::cli::groups::SealingArgs;
use crate::cli::rewrap::RewrapArgs;
use crate::failure::{Exit, Failure, fault};
use crate::io::Io;
use crate::io::files::{self, Content, Expected, Replaced};
use crate::io::parallel::{self, Progress};
use crate::keys::earlier::Earlier;
use crate::keys::trust::Store;
use crate::keys::{Choice, Chooser, services};
use crate::opening::{Keyring, Usage};
use crate::project::source::{self, Source};
use crate::project::walk::{self, Input};
use crate::sealing::options::Manner;
use crate::text::Shown as _;

/// Files that are in memory at once.
const BATCH: usize = 512;

/// Files that wait for a key service at once.
const WAITING: usize = 32;

/// Failures that are reported in full.
const MOST_REPORTS: usize = 20;

/// What came of one file.
enum Outcome {
    /// Found, not named, and no manifest of a Secret.
    Passed,
    /// Named, and without a Secret.
    NoSecret,
    /// Found, and not looked at, for this reason.
    PassedOver(String),
    /// Opened and sealed again, as far as that was due.
    Done { counts: Counts, plan: Arc<Plan> },
    /// As it was.
    Failed(Failure),
    /// As it was: the key service had stopped to answer.
    NotTried,
}

/// How the files of one rule are sealed again.
struct Plan {
    choice: Arc<Choice>,
    manner: Manner,
}

/// Seals the values of the files again.
///
/// # Errors
/// Exit 1 when a file could not be rewrapped, exit 3 when the key service did not answer, exit 2 for wrong usage. Files
/// that could be are written nevertheless.
pub fn run(args: &RewrapArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let runtime = services::runtime()?;
    let usage = Usage {
        allow_unbound: false,
        calls_per_second: args.calls_per_second,
    };
    let keyring = runtime.block_on(Keyring::read(&args.open_with, usage, io))?;
    let signers = Store::load(io)?.signatures();
    let bench = Bench {
        keyring: &keyring,
        runtime: &runtime,
        signers: &signers,
        now: io.now,
    };
    let workers = match args.jobs {
        None if keyring.is_remote() => WAITING,
        wanted => parallel::workers(wanted),
    };
    let expanded = walk::expand(&args.files)?;
    let mut plans = Plans {
        args,
        chooser: Chooser::new(&args.key),
        made: Vec::new(),
    };
    let mut progress = Progress::new(expanded.inputs.len());
    let stop = AtomicBool::new(false);
    let mut outcomes = Vec::with_capacity(expanded.inputs.len());
    for batch in expanded.inputs.chunks(BATCH) {
        let sources = parallel::map(batch, parallel::workers(None), &mut |_| (), source::read);
        let mut ended: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut jobs = Vec::new();
        for (index, (input, source)) in batch.iter().zip(sources).enumerate() {
            match plan(index, input, source, &mut plans, io)? {
                Ok(job) => {
                    jobs.push(job);
                    ended.push(None);
                }
                Err(outcome) => ended.push(Some(outcome)),
            }
        }
        let base = outcomes.len() + ended.iter().flatten().count();
        let tick = &mut |done| progress.tick("rewrapping", base + done, io);
        let run = parallel::map(&jobs, workers, tick, |job| {
            job.run(&bench, args.dry_run, &stop)
        });
        for (job, outcome) in jobs.iter().zip(run) {
            ended[job.index] = Some(outcome);
        }
        outcomes.extend(ended.into_iter().flatten());
    }
    progress.finish(io);
    expanded.say_left_out(io);
    let outcomes: Vec<_> = expanded.inputs.iter().zip(outcomes).collect();
    match args.output {
        ReportFormat::Json => json(args, &outcomes, expanded.left_out_json(), io)?,
        ReportFormat::Text => report(args, &outcomes, io),
    }
    finish(&outcomes, io)
}

/// A manifest that is sealed again.
struct Job<'b> {
    /// Which one of its batch.
    index: usize,
    input: &'b Input,
    before: Zeroizing<Vec<u8>>,
    plan: Arc<Plan>,
}

impl Job<'_> {
    fn run(&self, bench: &Bench<'_>, dry_run: bool, stop: &AtomicBool) -> Outcome {
        if stop.load(Ordering::Relaxed) {
            return Outcome::NotTried;
        }
        match rewrap(&self.input.path, &self.before, &self.plan, bench, dry_run) {
            Ok(counts) => Outcome::Done {
                counts,
                plan: Arc::clone(&self.plan),
            },
            Err(failure) => {
                if failure.exit() == Exit::Unavailable {
                    stop.store(true, Ordering::Relaxed);
                }
                Outcome::Failed(named(failure, &self.input.path))
            }
        }
    }
}

/// What there is to do in a file, or what came of it already. Keys are chosen in this thread, because that may ask the
/// user; the outer error ends everything.
fn plan<'b>(
    index: usize,
    input: &'b Input,
    source: Result<Source, Failure>,
    plans: &mut Plans<'_>,
    io: &mut Io<'_>,
) -> Result<Result<Job<'b>, Outcome>, Failure> {
    let nothing = if input.named {
        Outcome::NoSecret
    } else {
        Outcome::Passed
    };
    let before = match source {
        Ok(Source::Bytes(before)) if input.named || may_hold_secret(&before) => before,
        Ok(Source::Bytes(_)) => return Ok(Err(nothing)),
        Ok(Source::PassedOver(why)) => return Ok(Err(Outcome::PassedOver(why))),
        Err(failure) => return Ok(Err(Outcome::Failed(failure))),
    };
    let earlier = match Manifest::parse(&before) {
        Ok(manifest) => Earlier::of(&manifest),
        Err(error) => {
            let why = source::is_template(input, &error);
            return Ok(Err(why.map_or_else(
                || Outcome::Failed(named(fault(error), &input.path)),
                Outcome::PassedOver,
            )));
        }
    };
    if earlier.recipients.is_empty() {
        return Ok(Err(nothing));
    }
    let plan = plans
        .of(&input.path, &earlier, io)
        .map_err(|failure| named(failure, &input.path))?;
    Ok(Ok(Job {
        index,
        input,
        before,
        plan,
    }))
}

fn named(failure: Failure, path: &Path) -> Failure {
    failure.context(format!("cannot rewrap `{}`", path.shown()))
}

/// Rewraps one file, and writes it.
fn rewrap(
    path: &Path,
    before: &[u8],
    plan: &Plan,
    bench: &Bench<'_>,
    dry_run: bool,
) -> Result<Counts, Failure> {
    let manifest = Manifest::parse(before).map_err(fault)?;
    let mut edits = manifest.edits();
    let mut counts = Counts::default();
    let fallback = plan.choice.namespace.as_deref();
    for secret in manifest.secrets() {
        secret::rewrap(
            secret,
            fallback,
            &plan.manner,
            bench,
            &mut edits,
            &mut counts,
        )?;
    }
    if counts.rewrapped == 0 || dry_run {
        return Ok(counts);
    }
    let after = edits.apply().map_err(fault)?;
    let expected = Expected::Content(Content::of(before));
    if files::write_manifest(path, &after, expected)? == Replaced::Done {
        return Ok(counts);
    }
    Err(Failure::refused(anyhow!(
        "it was changed by someone else meanwhile, and is as they left it"
    ))
    .hint("run the same command again"))
}

/// The plans of all files, one for each rule.
struct Plans<'a> {
    args: &'a RewrapArgs,
    chooser: Chooser,
    made: Vec<Arc<Plan>>,
}

impl Plans<'_> {
    fn of(
        &mut self,
        path: &Path,
        earlier: &Earlier,
        io: &mut Io<'_>,
    ) -> Result<Arc<Plan>, Failure> {
        let choice = self.chooser.keys_and_place(Some(path), io)?;
        // A changed rule of the repository must not hand every value to another key unasked.
        self.chooser.confirm_change(&choice, earlier, path, io)?;
        let same = |plan: &&Arc<Plan>| Arc::ptr_eq(&plan.choice, &choice);
        if let Some(plan) = self.made.iter().find(same) {
            return Ok(Arc::clone(plan));
        }
        let flags = SealingArgs {
            sign: self.args.sign.clone(),
            ..SealingArgs::default()
        };
        let manner = Manner::new(&choice, &flags, false, io)?;
        let plan = Arc::new(Plan { choice, manner });
        self.made.push(Arc::clone(&plan));
        Ok(plan)
    }
}

fn report(args: &RewrapArgs, outcomes: &[(&Input, Outcome)], io: &mut Io<'_>) {
    let would = if args.dry_run { "would be " } else { "" };
    let (mut files, mut values, mut kept_files) = (0, 0, 0);
    for (input, outcome) in outcomes {
        let path = input.path.shown();
        match outcome {
            Outcome::Passed | Outcome::Failed(_) | Outcome::NotTried => {}
            Outcome::PassedOver(why) => io.say(format_args!("note: {path}: {why}")),
            Outcome::NoSecret => io.say(format_args!(
                "{path}: nothing in it is sealed, left as it is"
            )),
            Outcome::Done { counts, plan } => {
                for warning in &counts.warnings {
                    io.say(format_args!("warning: {path}: {warning}"));
                }
                if counts.rewrapped == 0 {
                    kept_files += 1;
                    continue;
                }
                (files, values) = (files + 1, values + counts.rewrapped);
                let word = if counts.rewrapped == 1 {
                    "value"
                } else {
                    "values"
                };
                io.say(format_args!(
                    "{path}: {} {word} {would}sealed again for {}",
                    counts.rewrapped,
                    plan.choice.label()
                ));
            }
        }
    }
    let failed = outcomes
        .iter()
        .any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
    if files == 0 && failed {
        return;
    }
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    io.say(format_args!(
        "{} in {} {would}sealed again; {} up to date",
        count(values, "value"),
        count(files, "file"),
        count(kept_files, "file"),
    ));
}

/// The report for programs: `schemas/cli/rewrap.schema.json` describes it.
fn json(
    args: &RewrapArgs,
    outcomes: &[(&Input, Outcome)],
    not_searched: Option<serde_json::Value>,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let mut sums = (0, 0, 0);
    let mut files = Vec::new();
    for (input, outcome) in outcomes {
        let mut file = serde_json::json!({ "path": input.path.display().to_string() });
        let word = match outcome {
            Outcome::Passed => continue,
            Outcome::NoSecret => "nothing-sealed",
            Outcome::NotTried => "not-tried",
            Outcome::PassedOver(why) => {
                file["warnings"] = serde_json::json!([why]);
                "passed-over"
            }
            Outcome::Failed(failure) => {
                sums.2 += 1;
                file["error"] = failure.message().into();
                "failed"
            }
            Outcome::Done { counts, plan } => {
                file["rewrapped"] = counts.rewrapped.into();
                file["kept"] = counts.kept.into();
                file["warnings"] = counts.warnings.clone().into();
                file["keys"] = plan.choice.facts();
                sums.0 += usize::from(counts.rewrapped > 0);
                sums.1 += counts.rewrapped;
                if counts.rewrapped > 0 {
                    "rewrapped"
                } else {
                    "unchanged"
                }
            }
        };
        file["outcome"] = word.into();
        files.push(file);
    }
    let mut report = serde_json::json!({
        "version": 1,
        "dryRun": args.dry_run,
        "files": files,
        "summary": { "files": outcomes.len(), "changed": sums.0, "values": sums.1, "failed": sums.2 },
    });
    if let Some(folders) = not_searched {
        report["notSearched"] = folders;
    }
    io.report(&format!("{report:#}\n"), true)
}

/// Says what was not done, and how it ends.
fn finish(outcomes: &[(&Input, Outcome)], io: &mut Io<'_>) -> Result<Exit, Failure> {
    let failures: Vec<_> = outcomes
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        })
        .collect();
    if failures.is_empty() {
        return Ok(Exit::Done);
    }
    for failure in failures.iter().take(MOST_REPORTS) {
        failure.write_to(io.stderr);
    }
    let not_tried = outcomes
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::NotTried))
        .count();
    let count = failures.len();
    let files = if count == 1 { "file was" } else { "files were" };
    let (error, hint) = if not_tried > 0 {
        (
            anyhow!(
                "{count} {files} not rewrapped, and {not_tried} were not tried, because the key service did not answer"
            ),
            "run the same command again when it does: it goes on with the rest",
        )
    } else {
        (
            anyhow!("{count} {files} not rewrapped; what was reported above is done"),
            "correct what is named above, and run the same command again: it goes on with the rest",
        )
    };
    let unavailable = failures.iter().any(|one| one.exit() == Exit::Unavailable);
    Err(if unavailable {
        Failure::unavailable(error)
    } else {
        Failure::refused(error)
    }
    .hint(hint))
}
