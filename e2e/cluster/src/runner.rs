//! Runs the cases one after the other, in one lab per way of calling.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use anyhow::Result;

use crate::cases;
use crate::lab::{Callers, Lab};
use crate::tools::Tools;

/// One test.
#[derive(Clone, Copy)]
pub struct Case {
    /// The rule that it checks.
    pub name: &'static str,
    /// The check.
    pub check: fn(&Lab) -> Result<()>,
}

/// A check that cannot be made here, and what is missing.
#[derive(Debug)]
pub struct Missing(pub String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

/// Runs what `filters` name, or everything; `true` when nothing failed.
pub fn run(long: bool, filters: &[String]) -> Result<bool> {
    let tools = Tools::from_environment()?;
    let mut counts = Counts::default();
    let labs = if tools.kubeconfig.is_some() {
        // Nothing of the API server's own can be configured: one way of calling, and every check that can be made.
        vec![(
            Callers::Aggregated,
            "given",
            cases::in_a_given_cluster(long),
        )]
    } else {
        vec![
            (Callers::Mtls, "mtls", cases::with_mtls(long)),
            (Callers::Aggregated, "aggregated", cases::aggregated(long)),
            (Callers::Loopback, "loopback", cases::on_one_host()),
        ]
    };
    for (callers, label, cases) in labs {
        let wanted: Vec<Case> = cases
            .into_iter()
            .filter(|case| {
                filters.is_empty()
                    || filters
                        .iter()
                        .any(|filter| format!("{label}::{}", case.name).contains(filter))
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let start = Instant::now();
        println!("\n-- lab with {label} callers");
        let folder = tempfile::Builder::new().prefix("privy-e2e-").tempdir()?;
        let lab = match Lab::start(folder.path(), &tools, callers) {
            Ok(lab) => lab,
            Err(error) => {
                println!("FAILED to start: {error:#}");
                counts
                    .failed
                    .push(format!("{label}: the lab does not start"));
                keep(folder);
                continue;
            }
        };
        println!("   started in {} s", start.elapsed().as_secs());
        let failed_before = counts.failed.len();
        for case in wanted {
            one(&lab, label, case, &mut counts);
        }
        drop(lab);
        if counts.failed.len() > failed_before {
            keep(folder);
        }
        println!("-- {label}: {} s", start.elapsed().as_secs());
    }
    println!();
    for name in &counts.failed {
        println!("failed: {name}");
    }
    for name in &counts.skipped {
        println!("!!! SKIPPED: {name}");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        counts.passed,
        counts.failed.len(),
        counts.skipped.len()
    );
    Ok(counts.failed.is_empty() && counts.passed > 0)
}

fn keep(folder: tempfile::TempDir) {
    println!("   the lab's files are kept in {}", folder.keep().display());
}

fn one(lab: &Lab, label: &str, case: Case, counts: &mut Counts) {
    let start = Instant::now();
    let name = format!("{label}::{}", case.name);
    let result = catch_unwind(AssertUnwindSafe(|| (case.check)(lab)));
    let took = start.elapsed().as_secs_f32();
    match result {
        Ok(Ok(())) => {
            println!("test {name} ... ok ({took:.1} s)");
            counts.passed += 1;
        }
        Ok(Err(error)) if error.is::<Missing>() => {
            println!("test {name} ... SKIPPED: {error}");
            counts.skipped.push(format!("{name}: {error}"));
        }
        Ok(Err(error)) => {
            println!("test {name} ... FAILED ({took:.1} s)\n    {error:#}");
            counts.failed.push(name);
        }
        Err(_) => {
            println!("test {name} ... FAILED (panicked)");
            counts.failed.push(name);
        }
    }
}
