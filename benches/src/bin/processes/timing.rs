//! One process, and two in turns.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

/// A command with what it reads.
pub(crate) struct Run {
    /// What people call it.
    pub(crate) name: String,
    program: std::path::PathBuf,
    arguments: Vec<String>,
    input: Vec<u8>,
}

impl Run {
    /// `program` with `arguments`, and nothing to read.
    pub(crate) fn new(program: &Path, arguments: &[&str]) -> Self {
        let name = program
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self {
            name,
            program: program.to_owned(),
            arguments: arguments.iter().map(|&one| one.to_owned()).collect(),
            input: Vec::new(),
        }
    }

    /// The same, reading `bytes`.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.input = bytes.to_vec();
        self
    }

    /// Runs it once and returns milliseconds from before its start to after its end.
    pub(crate) fn once(&self) -> Result<f64> {
        let begun = Instant::now();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        // A program that reads no input may be gone already.
        drop(child.stdin.take().context("stdin")?.write_all(&self.input));
        let output = child.wait_with_output()?;
        let time = begun.elapsed().as_secs_f64() * 1000.0;
        ensure!(
            output.status.success(),
            "{} {} failed: {}",
            self.program.display(),
            self.arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(time)
    }
}

/// The median of as many runs, after one that does not count.
pub(crate) fn median(runs: usize, run: &Run) -> Result<f64> {
    run.once()?;
    let times = (0..runs).map(|_| run.once()).collect::<Result<Vec<_>>>()?;
    Ok(middle(times))
}

/// Ours and theirs in turns; prints their median, and the median of the ratios.
pub(crate) fn beside(runs: usize, ours: &Run, theirs: &Run) -> Result<()> {
    theirs.once()?;
    let (mut times, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let own = ours.once()?;
        let other = theirs.once()?;
        times.push(other);
        ratios.push(other / own);
    }
    println!(
        "  {:<15} {:>30.2} ms, {:.1} times ours",
        theirs.name,
        middle(times),
        middle(ratios)
    );
    Ok(())
}

/// The value in the middle.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
