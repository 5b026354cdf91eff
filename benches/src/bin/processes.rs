//! Whole processes, one after the other: how long `privy` takes to start and to seal one value,
//! beside `jose-util` doing the same with the same key.
#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use benches::setup::Setup;
use clap::Parser;
use jwe_envelope::KeyKind;

#[derive(Parser)]
struct Arguments {
    /// Counted runs of each command.
    #[arg(long, default_value_t = 51)]
    runs: usize,
    /// The CLI's binary; by default the one beside this program.
    #[arg(long)]
    privy: Option<PathBuf>,
    /// The folder with `jose-util` (`benches/peers.sh` builds and prints it).
    #[arg(long)]
    peers: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let privy = match arguments.privy {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("privy"),
    };
    ensure!(
        privy.exists(),
        "{} is missing: build it first with `cargo build --release`",
        privy.display()
    );
    let setup = Setup::new(KeyKind::Rsa(4096), 18_463)?;
    let key = setup.file("payments.pub.pem").display().to_string();

    let version = median(arguments.runs, &privy, &["--version"])?;
    println!("privy --version                 {version:>7.2} ms");
    let seal = ["seal", "--key", &key, "--for", "payments/db/password"];
    let ours = median(arguments.runs, &privy, &seal)?;
    println!("privy seal, one value, RSA-4096 {ours:>7.2} ms");

    let Some(peers) = arguments.peers else {
        println!("jose-util: NOT MEASURED, no --peers folder given (`benches/peers.sh` builds it)");
        return Ok(());
    };
    let theirs = [
        "encrypt",
        "--key",
        &key,
        "--alg",
        "RSA-OAEP-256",
        "--enc",
        "A256GCM",
    ];
    let mut ratios = Vec::new();
    for _ in 0..arguments.runs {
        ratios.push(once(&privy, &seal)? / once(&peers.join("jose-util"), &theirs)?);
    }
    let peer = median(arguments.runs, &peers.join("jose-util"), &theirs)?;
    println!("jose-util encrypt, the same key {peer:>7.2} ms");
    ratios.sort_by(f64::total_cmp);
    println!(
        "privy seal / jose-util, pair by pair: median {:.2}",
        ratios[ratios.len() / 2]
    );
    Ok(())
}

fn median(runs: usize, program: &Path, arguments: &[&str]) -> Result<f64> {
    once(program, arguments)?;
    let mut times = (0..runs)
        .map(|_| once(program, arguments))
        .collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// One run, in milliseconds.
fn once(program: &Path, arguments: &[&str]) -> Result<f64> {
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    // A program that reads no input may be gone already.
    drop(child.stdin.take().context("stdin")?.write_all(b"hunter2"));
    let output = child.wait_with_output()?;
    let time = begun.elapsed().as_secs_f64() * 1000.0;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(time)
}
