//! What a command may touch: streams, terminal, environment and clock, as values.

pub mod files;
mod hidden;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::report::{Exit, Failure};

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
    /// Asks without showing what is typed.
    pub hidden: &'a mut dyn FnMut(&str) -> io::Result<Zeroizing<String>>,
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

impl Io<'_> {
    /// Whether somebody is there to be asked.
    pub fn can_ask(&self) -> bool {
        self.terminal.stdin && self.terminal.stderr
    }

    /// Says one line to people. That nobody listens is no reason to fail.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.stderr, "{line}");
    }

    /// Writes a result to standard output, whole.
    ///
    /// # Errors
    /// Exit 2 when standard output does not take it.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout
            .write_all(bytes)
            .and_then(|()| self.stdout.flush())
            .map_err(|error| {
                Failure::usage(anyhow::Error::new(error).context("cannot write to standard output"))
            })
    }

    /// Asks a question and returns the line that was typed, without its end.
    ///
    /// # Errors
    /// When the terminal does not answer.
    pub fn ask(&mut self, question: &str) -> io::Result<String> {
        // A line of a terminal is short; the bound keeps a mistaken pipe from filling the memory.
        const LONGEST: usize = 4096;
        write!(self.stderr, "{question}")?;
        self.stderr.flush()?;
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < LONGEST && self.stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Asks a yes-or-no question; anything but yes is no.
    ///
    /// # Errors
    /// When the terminal does not answer.
    pub fn confirm(&mut self, question: &str) -> io::Result<bool> {
        let answer = self.ask(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Reads to the end, into memory that is wiped; `None` when there are more than `limit` bytes.
///
/// # Errors
/// When the reader fails.
pub fn read_bounded(reader: &mut dyn Read, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.min(16 * 1024)));
    let mut chunk = Zeroizing::new([0; 16 * 1024]);
    loop {
        let read = match reader.read(&mut *chunk) {
            Ok(0) => return Ok(Some(bytes)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let needed = bytes.len() + read;
        if needed > limit {
            return Ok(None);
        }
        if needed > bytes.capacity() {
            // A vector that grows by itself leaves its old bytes behind; this one is wiped when replaced.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * bytes.capacity())));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// Runs `command` with the streams, environment and clock of this process.
pub fn with_process(command: impl FnOnce(&mut Io<'_>) -> Exit) -> Exit {
    let (mut stdin, mut stdout, mut stderr) =
        (io::stdin().lock(), io::stdout().lock(), io::stderr().lock());
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
        hidden: &mut hidden::ask,
        environment: &|name| std::env::var_os(name),
        now: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit_and_no_further() {
        for len in [0, 1, 16 * 1024, 16 * 1024 + 1, 100_000] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            let read = read_bounded(&mut bytes.as_slice(), len).unwrap().unwrap();
            assert_eq!(*read, bytes);
            if len > 0 {
                assert!(
                    read_bounded(&mut bytes.as_slice(), len - 1)
                        .unwrap()
                        .is_none()
                );
            }
        }
    }
}
