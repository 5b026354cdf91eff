//! `privy doctor`: looks at a cluster with the administrator's own rights and says what is wrong, and what to do.
//!
//! Everything is asked through `kubectl`, so that the CLI brings neither a client nor TLS, and works with whatever
//! way of logging in the administrator's kubeconfig has. No value of a Secret reaches this process whole: what can be an
//! envelope is picked out within kubectl by its first letters, and its beginning is printed.

mod check_rights;
mod checks;
mod cluster;
mod compare;
mod finding;
mod rbac;

use std::fmt::Write as _;

pub use crate::cli::doctor::DoctorArgs;

use crate::cli::ReportFormat;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::text::one_line;
use cluster::Cluster;
use finding::{CheckResult, CheckState};

/// Lines of one check that the table shows.
const MOST_DETAILS: usize = 50;

/// Makes every check and prints what it found.
///
/// # Errors
/// Exit 2 when kubectl cannot be run or does not reach the cluster, or a file cannot be read.
pub fn run(args: &DoctorArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let cluster = Cluster::connect(args)?;
    if let Some(subject) = &args.who {
        return check_rights::run(subject, args, &cluster, io);
    }
    let findings = checks::all(args, &cluster, io.now)?;
    let text = match args.output {
        ReportFormat::Text => table(&findings),
        ReportFormat::Json => json(&findings),
    };
    io.report(&text, args.output == ReportFormat::Json)?;
    let any = |state| findings.iter().any(|finding| finding.state == state);
    Ok(if any(CheckState::Problem) {
        Exit::Refused
    } else if any(CheckState::Unknown) {
        Exit::Unknown
    } else {
        Exit::Done
    })
}

fn table(findings: &[CheckResult]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(
            text,
            "{:<8} {:<20} {}",
            finding.state.as_str(),
            finding.check,
            one_line(&finding.message)
        );
        for detail in finding.details.iter().take(MOST_DETAILS) {
            let _ = writeln!(text, "{:30}{}", "", one_line(detail));
        }
        if let Some(more) = finding.details.len().checked_sub(MOST_DETAILS + 1) {
            let _ = writeln!(
                text,
                "{:30}and {} more: --output json lists all",
                "",
                more + 1
            );
        }
        if let Some(step) = &finding.next_step {
            let _ = writeln!(text, "{:30}next: {}", "", one_line(step));
        }
    }
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let totals = CheckState::ALL.map(|state| match (state, count(state)) {
        (CheckState::Problem, 1) => "1 problem".to_owned(),
        (CheckState::Problem, count) => format!("{count} problems"),
        (state, count) => format!("{count} {}", state.as_str()),
    });
    let _ = writeln!(text, "\n{}", totals.join(", "));
    text
}

fn json(findings: &[CheckResult]) -> String {
    let checks: Vec<_> = findings.iter().map(CheckResult::to_json).collect();
    let mut text = serde_json::json!({ "version": 1, "checks": checks }).to_string();
    text.push('\n');
    text
}
