//! `privy`: see the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    cli_bin::main()
}
