//! What a command may touch: streams, terminal, environment and clock, as values.

pub mod files;
mod hidden;
pub mod kubectl;
pub mod parallel;
#[cfg(unix)]
pub(crate) mod signals;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use jwe_envelope::untrusted::{self, Lines};
pub use kms_backends::read_bounded;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// The world of one command.
#[allow(missing_debug_implementations, reason = "streams have no useful Debug")]
pub struct Io<'a> {
    /// Where values, envelopes and manifests come from.
    pub stdin: &'a mut dyn Read,
    /// Results only.
    pub stdout: &'a mut dyn Write,
    /// Everything said to people.
    pub stderr: &'a mut dyn Write,
    /// Which of them are terminals.
    pub terminal: Terminals,
    /// Asks without showing what is typed.
    pub hidden: &'a mut dyn FnMut(&str) -> io::Result<Zeroizing<String>>,
    /// Discards what was typed and not read, so that the shell does not get it.
    pub discard_typed: &'a mut dyn FnMut(),
    /// Environment variables.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Unix seconds.
    pub now: u64,
}

/// Which streams are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    /// Someone types.
    pub stdin: bool,
    /// Results go to a screen.
    pub stdout: bool,
    /// Someone reads what we say.
    pub stderr: bool,
}

impl Io<'_> {
    /// Whether someone is there to be asked.
    pub fn can_ask(&self) -> bool {
        self.terminal.stdin && self.terminal.stderr
    }

    /// Says something to people, one line or a few. That no one listens is no reason to fail.
    ///
    /// What others wrote is to be escaped where it enters the sentence; here the rest is caught.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.stderr, "{}", Lines(&line.to_string()));
    }

    /// Writes a report to standard output: lines for people or JSON, which others' words must not turn into anything
    /// else.
    ///
    /// # Errors
    /// Exit 2 when standard output does not take it.
    pub fn report(&mut self, text: &str, is_json: bool) -> Result<(), Failure> {
        if is_json {
            return self.answer(untrusted::json(text).as_bytes());
        }
        self.answer(Lines(text).to_string().as_bytes())
    }

    /// Writes a result to standard output, whole and byte for byte: an envelope, a manifest, a value. A reader who has
    /// seen enough, as `head` has, is no error.
    ///
    /// # Errors
    /// Exit 2 when standard output does not take it.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self
            .stdout
            .write_all(bytes)
            .and_then(|()| self.stdout.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::usage(
                anyhow::Error::new(error).context("cannot write to standard output"),
            )),
        }
    }

    /// Asks a question and returns the line that was typed, without its end.
    fn ask_line(&mut self, question: &str) -> io::Result<String> {
        // A line of a terminal is short; the bound keeps a mistaken pipe from filling the memory.
        const LONGEST: usize = 4096;
        write!(self.stderr, "{}", Lines(question))?;
        self.stderr.flush()?;
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < LONGEST && self.stdin.read(&mut byte)? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Asks for one line; what is typed or pasted behind it is discarded.
    ///
    /// # Errors
    /// When the terminal does not answer.
    pub fn ask(&mut self, question: &str) -> io::Result<String> {
        let answer = self.ask_line(question);
        (self.discard_typed)();
        answer
    }

    /// Asks for words that may be typed or pasted over several lines, until `is_whole` says that this is all of them.
    /// They also end with an empty line. What is typed or pasted behind them is discarded.
    ///
    /// # Errors
    /// When the terminal does not answer.
    pub fn ask_until(
        &mut self,
        question: &str,
        is_whole: impl Fn(&str) -> bool,
    ) -> io::Result<String> {
        // A fingerprint is twelve words: this is one for each, and some to spare.
        const MOST_LINES: usize = 16;
        let mut answer = String::new();
        let mut ended = Ok(());
        for line in 0..MOST_LINES {
            match self.ask_line(if line == 0 { question } else { "the rest: " }) {
                Ok(words) if words.is_empty() => break,
                Ok(words) => answer.extend([" ", &words]),
                Err(error) => ended = Err(error),
            }
            if ended.is_err() || is_whole(&answer) {
                break;
            }
        }
        (self.discard_typed)();
        ended.map(|()| answer.trim_start().to_owned())
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

/// Runs `command` with the streams, environment and clock of this process.
pub fn with_process(command: impl FnOnce(&mut Io<'_>) -> Exit) -> Exit {
    keep_out_of_core_dumps();
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
        discard_typed: &mut hidden::discard_typed,
        environment: &|name| std::env::var_os(name),
        now: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    })
}

/// Neither this process nor a program that it starts, an editor say, writes its memory to a file when it crashes.
fn keep_out_of_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        // Where it is not allowed, the work goes on.
        let _ = setrlimit(Resource::Core, none);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A core pattern that is a pipe is not bound by the limit, and other programs of the user could look inside.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
