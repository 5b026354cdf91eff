//! What a command may touch: streams, terminal, environment and clock, as values.
use std::ffi::OsString;
use std::io::{IsTerminal as _, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::report::Exit;

/// The world of one command.
#[allow(missing_debug_implementations, reason = "streams have no useful Debug")]
pub struct Io<'a> {
    /// Where values, envelopes and manifests come from.
    pub stdin: &'a mut dyn Read,
    /// Results alone.
    pub stdout: &'a mut dyn Write,
    /// Everything said to people.
    pub stderr: &'a mut dyn Write,
    /// Which of them are terminals.
    pub terminal: Terminals,
    /// Environment variables.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Unix seconds.
    pub now: u64,
}

/// Which streams are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    /// Somebody types.
    pub stdin: bool,
    /// Results go to a screen.
    pub stdout: bool,
    /// Somebody reads what we say.
    pub stderr: bool,
}

/// Runs `command` with the streams, environment and clock of this process.
pub fn with_process(command: impl FnOnce(&mut Io<'_>) -> Exit) -> Exit {
    let (mut stdin, mut stdout, mut stderr) = (
        std::io::stdin().lock(),
        std::io::stdout().lock(),
        std::io::stderr().lock(),
    );
    let terminal = Terminals {
        stdin: stdin.is_terminal(),
        stdout: stdout.is_terminal(),
        stderr: stderr.is_terminal(),
    };
    command(&mut Io {
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
        terminal,
        environment: &|name| std::env::var_os(name),
        now: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    })
}
