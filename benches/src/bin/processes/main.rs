//! Whole processes: `privy` beside jose-util, kubeseal and sops with age, doing the same work in turns.
//!
//! Only ratios carry over to another machine, and they are taken pair by pair: ours, theirs, ours, theirs.
#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

mod peers;
mod timing;
mod tree;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use benches::setup::Setup;
use clap::Parser;
use jwe_envelope::KeyKind;

use peers::Peers;
use timing::{Run, beside, median};

#[derive(Parser)]
struct Arguments {
    /// Counted runs of each short command.
    #[arg(long, default_value_t = 51)]
    runs: usize,
    /// Counted runs over a tree of manifests.
    #[arg(long, default_value_t = 5)]
    tree_runs: usize,
    /// Manifests to seal, of 20 values each.
    #[arg(long, default_value_t = 500)]
    manifests: usize,
    /// Manifests that a peer, one process for each, is measured with; its time is scaled to all.
    #[arg(long, default_value_t = 25)]
    peer_manifests: usize,
    /// Manifests to lint.
    #[arg(long, default_value_t = 10_000)]
    lint: usize,
    /// A few runs over small trees: shows that it works, and measures nothing.
    #[arg(long)]
    quick: bool,
    /// The CLI's binary; by default the one beside this program.
    #[arg(long)]
    privy: Option<PathBuf>,
    /// The folder with the peers (`benches/peers.sh` builds them and prints it).
    #[arg(long)]
    peers: Option<PathBuf>,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        println!("--quick: these figures say nothing but that the commands work");
        arguments.runs = 3;
        arguments.tree_runs = 1;
        arguments.manifests = 10;
        arguments.peer_manifests = 3;
        arguments.lint = 50;
    }
    let privy = match &arguments.privy {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("privy"),
    };
    ensure!(
        privy.exists(),
        "{} is missing: build it first with `cargo build --release`",
        privy.display()
    );
    let setup = Setup::new(KeyKind::Rsa(4096), 18_463)?;
    let peers = if let Some(folder) = &arguments.peers {
        Some(Peers::new(folder, &setup)?)
    } else {
        println!("NOT COMPARED: no --peers folder given (`benches/peers.sh` builds it)");
        None
    };
    let key = setup.file("payments.pub.pem").display().to_string();

    println!("\nstart");
    let version = Run::new(&privy, &["--version"]);
    println!(
        "  privy --version {:>30.2} ms",
        median(arguments.runs, &version)?
    );
    for peer in peers.iter().flat_map(Peers::start) {
        beside(arguments.runs, &version, &peer)?;
    }

    println!("\none value, RSA-4096 (sops: age, X25519)");
    let seal = Run::new(
        &privy,
        &["seal", "--key", &key, "--for", "payments/db/password"],
    )
    .input(b"hunter2");
    println!("  privy seal {:>35.2} ms", median(arguments.runs, &seal)?);
    for peer in peers.iter().flat_map(Peers::seal_one) {
        beside(arguments.runs, &seal, &peer)?;
    }

    tree::seal(&arguments, &privy, &key, peers.as_ref())?;
    tree::lint(&arguments, &privy, &key)
}
