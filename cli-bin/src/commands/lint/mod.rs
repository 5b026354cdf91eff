//! `privy lint`: an offline check of files and repositories.
//!
//! ```text
//! paths ─ find ─▶ files, kustomizations      .privy.yaml, cards, --policy ─ setup ─▶ registry, policy, rules
//!                        │ kustomize: places                                              │
//!                        └──────────▶ check: one file, on any core ◀──────────────────────┘
//!                                         └─ judge: the webhook's own decision ─▶ findings ─▶ report
//! ```

pub mod args;
pub mod check;
pub mod find;
pub mod finding;
pub mod generated;
pub mod judge;
pub mod kustomize;
pub mod report;
pub mod rules;
pub mod setup;
pub mod suppress;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::anyhow;

use self::args::{LintArgs, LintFormat};
use self::check::Subject;
use self::find::Found;
use self::finding::{Finding, Outcome, Tally};
use self::kustomize::Kustomizations;
use self::rules::RuleId;
use self::setup::Setup;
use crate::io::{Io, files, read_bounded};
use crate::report::{Exit, Failure};
use crate::text::printable;
use crate::trust::Store;

/// Checks what the arguments name and reports.
///
/// # Errors
/// Exit 2 for paths that do not exist and configuration that is not valid.
pub fn run(args: &LintArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if args.list_rules {
        io.answer(report::text::rules(args.output).as_bytes())?;
        return Ok(Exit::Done);
    }
    let outcome = lint(args, io)?;
    let text = match args.output {
        LintFormat::Text => report::text::print(&outcome, report::Paint::for_stdout(io)),
        LintFormat::Json => report::json::print(&outcome),
        LintFormat::Sarif => report::sarif::print(&outcome),
    };
    io.answer(text.as_bytes())?;
    Ok(if outcome.findings.iter().any(Finding::counts) {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// Everything that is found, in the order of paths and lines.
///
/// # Errors
/// As [`run`].
pub fn lint(args: &LintArgs, io: &mut Io<'_>) -> Result<Outcome, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot tell the present folder"))
    })?;
    let mut setup = Setup::new(args, io.now)?;
    setup.trust(Store::load(io)?.signatures());
    let mut found = find::find(args, io)?;
    let kustomizations = Kustomizations::read(&found.kustomizations, &here);
    follow(&mut found, &kustomizations, &here);
    for folder in folders(&found, &kustomizations, &here) {
        setup.enter(&folder, &found.asked)?;
    }
    setup.finish()?;

    let mut outcome = Outcome::default();
    if found.stdin {
        let (findings, tally) = from_stdin(io, &setup, &here)?;
        outcome.findings.extend(findings);
        outcome.tally += tally;
    }
    let jobs: Vec<(&PathBuf, &String)> = found.files.iter().collect();
    let work = |(path, name): &(&PathBuf, &String)| one_file(path, name, &setup, &kustomizations);
    for (findings, tally) in on_all_cores(&jobs, work) {
        outcome.findings.extend(findings);
        outcome.tally += tally;
    }
    for generated in kustomizations
        .generated
        .iter()
        .filter(|made| found.asked.iter().any(|asked| made.path.starts_with(asked)))
    {
        let subject = Subject {
            name: &generated.file,
            setup: &setup,
            governing: setup.governing(&generated.path),
            placements: generated.placements.clone(),
        };
        let (findings, tally) = generated::check(generated, &subject);
        outcome.findings.extend(findings);
        outcome.tally += tally;
    }
    outcome.findings.extend(kustomizations.findings);
    for (folder, reason) in &found.unreadable {
        let message = format!("the folder was not searched: {reason}");
        outcome
            .findings
            .push(Finding::new(RuleId::Unreadable, folder, message));
    }
    for (file, reason) in &setup.broken {
        let message = format!(
            "its folder was checked without it: {}",
            printable(reason, 400)
        );
        outcome.findings.push(Finding::new(
            RuleId::InvalidProject,
            &find::shown(file, &here),
            message,
        ));
    }
    outcome
        .findings
        .retain(|finding| setup.checks(finding.rule));
    outcome.findings.sort_by(|a, b| {
        (&a.path, a.line, a.column, a.rule, &a.message)
            .cmp(&(&b.path, b.line, b.column, b.rule, &b.message))
    });
    outcome.not_checked = not_checked(&setup, &outcome);
    Ok(outcome)
}

/// Files that a checked kustomization draws on are checked too, wherever they are: whoever changes its namespace
/// changes their place.
fn follow(found: &mut Found, kustomizations: &Kustomizations, here: &Path) {
    let folders: Vec<PathBuf> = found
        .asked
        .iter()
        .filter_map(|path| match path {
            path if find::is_kustomization(path) => path.parent().map(Path::to_owned),
            path => path.is_dir().then(|| path.clone()),
        })
        .collect();
    let drawn = kustomizations.drawn.iter().filter(|path| path.is_file());
    for path in drawn {
        let built_here = |folder: &PathBuf| {
            path.starts_with(folder)
                || kustomizations.placements(path).iter().any(|placement| {
                    let through = placement.through.as_ref();
                    through.is_some_and(|through| here.join(through).starts_with(folder))
                })
        };
        if folders.iter().any(built_here) {
            found
                .files
                .entry(path.clone())
                .or_insert_with(|| find::shown(path, here));
        }
    }
}

fn folders(
    found: &Found,
    kustomizations: &Kustomizations,
    here: &Path,
) -> std::collections::BTreeSet<PathBuf> {
    let generated = kustomizations.generated.iter().map(|made| &made.path);
    found
        .files
        .keys()
        .chain(generated)
        .filter_map(|path| path.parent().map(Path::to_owned))
        .chain(found.stdin.then(|| here.to_owned()))
        .collect()
}

fn from_stdin(
    io: &mut Io<'_>,
    setup: &Setup,
    here: &Path,
) -> Result<(Vec<Finding>, Tally), Failure> {
    let bytes = read_bounded(io.stdin, files::MANIFEST_LIMIT)
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
        })?
        .ok_or_else(|| Failure::refused(anyhow!("standard input is larger than any manifest")))?;
    let subject = Subject {
        name: "<stdin>",
        setup,
        governing: setup.governing(&here.join("-")),
        placements: vec![kustomize::Placement::default()],
    };
    Ok(check::check(&bytes, &subject))
}

fn one_file(
    path: &Path,
    name: &str,
    setup: &Setup,
    kustomizations: &Kustomizations,
) -> (Vec<Finding>, Tally) {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err((rule, message)) => {
            let mut finding = Finding::new(rule, name, message);
            finding.suppressed = setup.governing(path).reason_for(rule).map(str::to_owned);
            return (vec![finding], Tally::default());
        }
    };
    let subject = Subject {
        name,
        setup,
        governing: setup.governing(path),
        placements: kustomizations.placements(path),
    };
    check::check(&bytes, &subject)
}

/// A manifest that is longer than any that is read holds what nobody checked.
fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, (RuleId, String)> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    let read = std::fs::File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        if length > files::MANIFEST_LIMIT as u64 {
            return Ok(false);
        }
        // In one piece, so that no copy is left behind.
        bytes.reserve_exact(usize::try_from(length).unwrap_or_default() + 1);
        std::io::Read::read_to_end(
            &mut std::io::Read::take(&mut file, files::MANIFEST_LIMIT as u64),
            &mut bytes,
        )?;
        Ok(true)
    });
    match read {
        Ok(true) => Ok(bytes),
        Ok(false) => Err((
            RuleId::Oversize,
            format!(
                "the file is longer than {} bytes and was not read",
                files::MANIFEST_LIMIT
            ),
        )),
        Err(error) => Err((
            RuleId::Unreadable,
            format!("the file cannot be read: {error}"),
        )),
    }
}

/// Does the work for every item, a few items at a time on each core; the results come in no order.
fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const AT_A_TIME: usize = 16;
    let workers = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(items.len().div_ceil(AT_A_TIME));
    if workers <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut results = Vec::new();
        loop {
            let start = next.fetch_add(AT_A_TIME, Ordering::Relaxed);
            let Some(items) = items.get(start..).filter(|items| !items.is_empty()) else {
                return results;
            };
            results.extend(items.iter().take(AT_A_TIME).map(&work));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(some)).collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn not_checked(setup: &Setup, outcome: &Outcome) -> Vec<String> {
    let mut list = Vec::new();
    if !setup.knows_keys() {
        list.push(
            "whether the keys are known, current and strong enough: no key card was given (--key CARD, or a `.privy.yaml`)"
                .to_owned(),
        );
    }
    if !setup.by_policy {
        list.push(
            "whether the cluster serves these keys to these namespaces, and its name: the webhook's configuration was not given (--policy FILE)"
                .to_owned(),
        );
    }
    let templates = outcome
        .findings
        .iter()
        .filter(|finding| finding.rule == RuleId::Template)
        .count();
    if templates > 0 {
        list.push(format!(
            "{templates} templates: render them and check the result"
        ));
    }
    list.push(
        "what only the cluster knows: the key service, who submits, what is stored, and what is inside an envelope"
            .to_owned(),
    );
    list
}
