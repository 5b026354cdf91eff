//! `privy-webhook`: opens sealed Secrets on their way into a cluster.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    webhook_bin::run(&webhook_bin::args::Args::parse())
}
