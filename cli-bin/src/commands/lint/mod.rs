//! `privy lint`: an offline check of files and repositories.
//!
//! ```text
//! paths ─ find ─▶ files, kustomizations      .privy.yaml, cards, --policy ─ setup ─▶ registry, policy, rules
//!                        │ kustomize: places                                              │
//!                        └──────────▶ check: one file, on any core ◀──────────────────────┘
//!                                         └─ judge: the webhook's own decision ─▶ findings ─▶ report
//! ```

mod baseline;
pub mod check;
pub mod find;
pub mod finding;
pub mod generated;
pub mod kustomize;
mod patches;
pub mod policy_check;
pub mod private_key;
pub mod report;
pub mod setup;
pub mod subject;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::untrusted;
use secret_walker::{Manifest, may_hold_secret};

use self::find::Found;
use self::finding::{Finding, LintOutcome, Tally};
use self::kustomize::Kustomizations;
use self::setup::LintSetup;
use self::subject::LintSubject;
use crate::cli::lint::{LintArgs, LintFormat};
use crate::failure::{Exit, Failure};
use crate::io::parallel;
use crate::io::{Io, files, read_bounded};
use crate::keys::trust::Store;
use crate::project::contents::Contents;
use crate::project::lint::rules::RuleId;
use crate::project::walk;
use crate::text::printable;

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
    if let Some(file) = &args.write_baseline {
        return baseline::write(file, &outcome, io);
    }
    let text = match args.output {
        LintFormat::Text => {
            let paint = report::Paint::for_stdout(io);
            paint.finish(&report::text::print(&outcome, paint))
        }
        LintFormat::Json => untrusted::json(&report::json::print(&outcome)).into_owned(),
        LintFormat::Sarif => untrusted::json(&report::sarif::print(&outcome)).into_owned(),
        LintFormat::Github => report::github::print(&outcome),
        LintFormat::Gitlab => untrusted::json(&report::gitlab::print(&outcome)).into_owned(),
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
pub fn lint(args: &LintArgs, io: &mut Io<'_>) -> Result<LintOutcome, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot tell the current folder"))
    })?;
    let mut setup = LintSetup::new(args, io.now)?;
    setup.trust(Store::load(io)?.signatures());
    let mut found = find::find(args, &setup.contents, io)?;
    let kustomizations = Kustomizations::read(&found.kustomizations, &setup.contents, &here);
    follow(&mut found, &kustomizations, &here);
    for folder in folders(&found, &kustomizations, &here) {
        setup.enter(&folder, &found.asked)?;
    }
    setup.finish()?;

    let mut outcome = LintOutcome::default();
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
    let asked = found
        .kustomizations
        .iter()
        .filter(|path| found.is_asked(path));
    for path in asked {
        let (findings, tally) = secrets_of_kustomization(path, &here, &setup, &kustomizations);
        outcome.findings.extend(findings);
        outcome.tally += tally;
    }
    let others: Vec<(&PathBuf, &String)> = found.others.iter().collect();
    let look = |(path, name): &(&PathBuf, &String)| private_key::look_into(path, name, &setup);
    outcome
        .findings
        .extend(on_all_cores(&others, look).into_iter().flatten());
    for generated in kustomizations
        .generated
        .iter()
        .filter(|made| found.is_asked(&made.path))
    {
        let subject = LintSubject {
            name: &generated.file,
            setup: &setup,
            path_rules: setup.path_rules(&generated.path),
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
    if let Some(file) = &args.baseline {
        baseline::apply(file, args, &mut outcome)?;
    }
    unused_allowances(args, &setup, &found, &here, &mut outcome);
    outcome.findings.sort_by(|a, b| {
        (&a.path, a.line, a.column, a.rule, &a.message)
            .cmp(&(&b.path, b.line, b.column, b.rule, &b.message))
    });
    outcome.not_checked = not_checked(&setup, &outcome);
    let left_out = found.left_out.iter().map(String::as_str);
    outcome.not_checked.extend(walk::left_out_words(left_out));
    Ok(outcome)
}

/// Allowances without a finding are out of date: the next value in the same file would be allowed by them in silence.
fn unused_allowances(
    args: &LintArgs,
    setup: &LintSetup,
    found: &Found,
    here: &Path,
    outcome: &mut LintOutcome,
) {
    let whole = !args.staged && args.since.is_none() && args.rule.is_empty();
    if !whole {
        return;
    }
    let used: HashSet<(RuleId, &str)> = outcome
        .findings
        .iter()
        .filter_map(|finding| Some((finding.rule, finding.suppressed.as_deref()?)))
        .collect();
    let unused: Vec<String> = setup
        .allowances(&found.asked)
        .filter(|(_, allowed)| setup.checks(allowed.rule))
        .filter(|(_, allowed)| !used.contains(&(allowed.rule, allowed.reason.as_str())))
        .map(|(root, allowed)| {
            let file = find::shown(&root.join(crate::project::FILE_NAME), here);
            let paths: Vec<_> = allowed
                .paths
                .iter()
                .map(|path| printable(path, 100))
                .collect();
            format!(
                "{}: nothing is found any more that it allows: `{}` in {}",
                printable(&file, 200),
                allowed.rule,
                paths.join(", ")
            )
        })
        .collect();
    outcome.unused.extend(unused);
    outcome.unused.sort();
}

/// Files that a checked kustomization draws on are checked too, wherever they are: anyone who changes its namespace
/// changes their place.
fn follow(found: &mut Found, kustomizations: &Kustomizations, here: &Path) {
    let folders: HashSet<PathBuf> = found
        .asked
        .iter()
        .filter_map(|path| match path {
            path if find::is_kustomization(path) => path.parent().map(Path::to_owned),
            path => path.is_dir().then(|| path.clone()),
        })
        .collect();
    let drawn = kustomizations.drawn.iter().filter(|path| path.is_file());
    for path in drawn {
        let within = |path: &Path| path.ancestors().any(|above| folders.contains(above));
        let built_here = within(path)
            || kustomizations.placements(path).iter().any(|placement| {
                let through = placement.through.as_ref();
                through.is_some_and(|through| within(&here.join(through)))
            });
        if built_here {
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
        .chain(found.others.keys())
        .chain(generated)
        .filter_map(|path| path.parent().map(Path::to_owned))
        .chain(found.stdin.then(|| here.to_owned()))
        .collect()
}

fn from_stdin(
    io: &mut Io<'_>,
    setup: &LintSetup,
    here: &Path,
) -> Result<(Vec<Finding>, Tally), Failure> {
    let bytes = read_bounded(io.stdin, files::MANIFEST_LIMIT)
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
        })?
        .ok_or_else(|| Failure::refused(anyhow!("standard input is larger than any manifest")))?;
    let subject = LintSubject {
        name: "<stdin>",
        setup,
        path_rules: setup.path_rules(&here.join("-")),
        placements: vec![kustomize::Placement::default()],
    };
    Ok(check::check(&bytes, &subject))
}

/// `kubectl apply -f FOLDER` takes a kustomization for a manifest like any other: a Secret in it is one.
fn secrets_of_kustomization(
    path: &Path,
    here: &Path,
    setup: &LintSetup,
    kustomizations: &Kustomizations,
) -> (Vec<Finding>, Tally) {
    let holds = |bytes: &[u8]| {
        may_hold_secret(bytes)
            && Manifest::parse(bytes).is_ok_and(|manifest| !manifest.secrets().is_empty())
    };
    // What cannot be read is reported as a kustomization already.
    match read(path, &setup.contents) {
        Ok(bytes) if holds(&bytes) => {
            one_file(path, &find::shown(path, here), setup, kustomizations)
        }
        _ => (Vec::new(), Tally::default()),
    }
}

fn one_file(
    path: &Path,
    name: &str,
    setup: &LintSetup,
    kustomizations: &Kustomizations,
) -> (Vec<Finding>, Tally) {
    let bytes = match read(path, &setup.contents) {
        Ok(bytes) => bytes,
        Err((rule, message)) => {
            let mut finding = Finding::new(rule, name, message);
            finding.suppressed = setup.path_rules(path).reason_for(rule).map(str::to_owned);
            return (vec![finding], Tally::default());
        }
    };
    let subject = LintSubject {
        name,
        setup,
        path_rules: setup.path_rules(path),
        placements: kustomizations.placements(path),
    };
    let (mut findings, tally) = check::check(&bytes, &subject);
    // As a value of a Secret it is found already.
    if !findings.iter().any(|one| one.rule == RuleId::Plaintext) {
        findings.extend(private_key::finding(&bytes, path, name, setup));
    }
    (findings, tally)
}

/// A manifest that is longer than any that is read holds what no one checked.
fn read(path: &Path, contents: &Contents) -> Result<zeroize::Zeroizing<Vec<u8>>, (RuleId, String)> {
    if contents.is_staged(path) {
        let staged = contents.read(path, files::MANIFEST_LIMIT);
        return staged.map_err(|failure| (RuleId::Oversize, failure.message()));
    }
    let read = std::fs::File::open(path)
        .and_then(|mut file| read_bounded(&mut file, files::MANIFEST_LIMIT));
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err((
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

/// The work for every item, on all cores.
fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    parallel::map(items, parallel::workers(None), &mut |_| {}, work)
}

fn not_checked(setup: &LintSetup, outcome: &LintOutcome) -> Vec<String> {
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
