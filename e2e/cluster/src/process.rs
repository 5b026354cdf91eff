//! Programs that end when we end, however that happens.
//!
//! Each runs under a guard: this very program, which kills its child as soon as its own standard input closes. The
//! kernel closes that for us, even after a kill.
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

/// A program under its guard.
#[derive(Debug)]
pub struct Program {
    guard: Child,
    leash: Option<ChildStdin>,
    /// What it writes.
    pub log: PathBuf,
}

impl Program {
    /// Starts `program` with its output in `log`.
    pub fn start(program: &Path, arguments: &[String], folder: &Path, log: &str) -> Result<Self> {
        let log = folder.join(log);
        let file = File::options().create(true).append(true).open(&log)?;
        let mut guard = Command::new(std::env::current_exe()?)
            .arg("guard")
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let leash = guard.stdin.take();
        Ok(Self { guard, leash, log })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.guard.try_wait(), Ok(None))
    }

    /// Ends it and waits until it is gone.
    pub fn stop(&mut self) {
        self.leash.take();
        let _ = self.guard.wait();
    }

    /// The last lines that it wrote.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The guard's own main.
pub fn guard(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = arguments.next() else {
        return ExitCode::from(2);
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let id = child.id();
    std::thread::spawn(move || {
        // No one ever writes here; the end of the stream is the message.
        let _ = std::io::stdin().read(&mut [0]);
        let _ = Command::new("kill")
            .arg("-TERM")
            .arg(id.to_string())
            .status();
        std::thread::sleep(std::time::Duration::from_secs(2));
        let _ = Command::new("kill")
            .arg("-KILL")
            .arg(id.to_string())
            .stderr(Stdio::null())
            .status();
    });
    match child.wait() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
