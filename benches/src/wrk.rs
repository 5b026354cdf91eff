//! The same requests from `wrk`, an HTTP load generator in wide use.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::setup::Setup;

/// Whether it can be run.
pub fn is_installed() -> bool {
    Command::new("wrk").arg("--version").output().is_ok()
}

/// Puts the request where `wrk` finds it.
pub fn prepare(setup: &Setup, body: &str) -> Result<()> {
    fs::write(setup.file("body.json"), body)?;
    let script = format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\n\
         local file = assert(io.open(\"{}\"))\nwrk.body = file:read(\"*a\")\nfile:close()\n",
        setup.file("body.json").display()
    );
    Ok(fs::write(setup.file("post.lua"), script)?)
}

/// Answers per second, median latency, 99th percentile.
pub fn run(
    setup: &Setup,
    port: u16,
    connections: usize,
    time: Duration,
) -> Result<(f64, Duration, Duration)> {
    let output = Command::new("wrk")
        .arg("--threads=1")
        .arg(format!("--connections={connections}"))
        .arg(format!("--duration={}s", time.as_secs()))
        .arg("--latency")
        .arg("--script")
        .arg(setup.file("post.lua"))
        .arg(format!("https://localhost:{port}/mutate?timeout=10s"))
        .output()
        .context("wrk cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && !text.contains("Non-2xx"),
        "wrk: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let word = |start: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(start));
        line.map(str::trim)
            .with_context(|| format!("no {start:?} in what wrk printed: {text}"))
    };
    Ok((
        word("Requests/sec:")?.parse()?,
        latency(word("50%")?)?,
        latency(word("99%")?)?,
    ))
}

/// `94.00us`, `1.07ms`, `2.00s`.
fn latency(text: &str) -> Result<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse()?;
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        _ => 1.0,
    };
    Ok(Duration::from_secs_f64(number * seconds))
}
