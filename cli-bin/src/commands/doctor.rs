//! `privy doctor`: looks at a cluster with the administrator's own rights and says what is wrong, and what to do.
//!
//! Everything is asked through `kubectl`, so that the CLI brings neither a client nor TLS, and works with whatever
//! way of logging in the administrator's kubeconfig has. No value of a Secret reaches this process: what can be an
//! envelope is picked out within kubectl, by its first letters.

mod args;
mod checks;
mod cluster;
mod finding;

use std::fmt::Write as _;

pub use args::Args;

use crate::cli::ReportFormat;
use crate::io::Io;
use crate::report::{Exit, Failure};
use cluster::Cluster;
use finding::{Finding, State};

/// Makes every check and prints what it found.
///
/// # Errors
/// Exit 2 when kubectl cannot be run or does not reach the cluster, or a file cannot be read.
pub fn run(args: &Args, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let cluster = Cluster::connect(args)?;
    let findings = checks::all(args, &cluster, io.now)?;
    let text = match args.output {
        ReportFormat::Text => table(&findings),
        ReportFormat::Json => json(&findings),
    };
    io.answer(text.as_bytes())?;
    let problem = findings
        .iter()
        .any(|finding| finding.state == State::Problem);
    Ok(if problem { Exit::Refused } else { Exit::Done })
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(
            text,
            "{:<8} {:<20} {}",
            finding.state.as_str(),
            finding.check,
            finding.message
        );
        for detail in &finding.details {
            let _ = writeln!(text, "{:30}{detail}", "");
        }
        if let Some(step) = &finding.next_step {
            let _ = writeln!(text, "{:30}next: {step}", "");
        }
    }
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let _ = writeln!(
        text,
        "\n{} ok, {} problems, {} unknown",
        count(State::Ok),
        count(State::Problem),
        count(State::Unknown)
    );
    text
}

fn json(findings: &[Finding]) -> String {
    let checks: Vec<_> = findings.iter().map(Finding::to_json).collect();
    let mut text = serde_json::json!({ "version": 1, "checks": checks }).to_string();
    text.push('\n');
    text
}
