//! The webhook in front of a real API server: `e2e/cluster/run` starts this with the programs that it needs.
mod api;
mod cases;
mod kubectl;
mod lab;
mod pki;
mod process;
mod runner;
mod sealing;
mod second;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use lab::{Callers, Lab};
use tools::Tools;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let result = match arguments.next().as_deref().and_then(|verb| verb.to_str()) {
        Some("guard") => return process::guard(arguments),
        Some("second-webhook") => return second::run(arguments),
        Some("test") => {
            let texts: Vec<String> = arguments
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            let (flags, filters): (Vec<_>, Vec<_>) =
                texts.into_iter().partition(|text| text.starts_with("--"));
            runner::run(flags.iter().any(|flag| flag == "--all"), &filters)
        }
        Some("lab") => interactive(arguments.next().map(PathBuf::from)),
        _ => {
            eprintln!("usage: e2e-cluster test [--all] [NAME…] | lab FOLDER");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A lab to try things in; it ends when its folder has a file `stop`, or when this process ends.
fn interactive(folder: Option<PathBuf>) -> Result<bool> {
    let folder = std::path::absolute(folder.ok_or_else(|| anyhow::anyhow!("name a folder"))?)?;
    let tools = Tools::from_environment()?;
    let lab = match std::env::var("E2E_CALLERS").as_deref() {
        Ok("mtls") => Lab::start(&folder, &tools, Callers::Mtls),
        Ok("loopback") => Lab::start(&folder, &tools, Callers::Loopback),
        // Without the webhook: a cluster like anyone's.
        Ok("empty") => Lab::start_bare(&folder, &tools, Callers::Aggregated),
        _ => Lab::start(&folder, &tools, Callers::Aggregated),
    }?;
    std::fs::write(folder.join("ready"), lab.server().as_bytes())?;
    println!("ready: {} in {}", lab.server(), folder.display());
    while !folder.join("stop").exists() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    Ok(true)
}
