//! How a command ends: the exit code, and on stderr the error, its causes and a hint.
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use anyhow::anyhow;
use jwe_envelope::untrusted::Lines;
use secret_walker::WalkError;

/// The exit codes; scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: refused, or found something.
    Refused,
    /// 2: wrong usage or configuration.
    Usage,
    /// 3: the key service is not available.
    Unavailable,
    /// 4: nothing wrong was found, and not everything could be known.
    Unknown,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
            Self::Unknown => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what was asked, and what to do next.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// Exit 1.
    pub fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Refused, error)
    }

    /// Exit 2.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// Exit 3.
    pub fn unavailable(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Unavailable, error)
    }

    /// Exit 4.
    pub fn unknown(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Unknown, error)
    }

    fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
        }
    }

    /// Adds the next step, the last line that people read.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// States what was being attempted, above the present error.
    #[must_use]
    pub fn context(mut self, context: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(context);
        self
    }

    /// How the process ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The error and its causes on one line.
    pub fn message(&self) -> String {
        format!("{:#}", self.error)
    }

    /// Writes the error, its causes and the hint.
    pub fn write_to(&self, stderr: &mut dyn Write) {
        let mut text = format!("error: {}\n", self.error);
        for cause in self.error.chain().skip(1) {
            // A cause of several lines shows a place in a file; it stays together below its first line.
            let _ = writeln!(
                text,
                "  Caused by: {}",
                cause.to_string().replace('\n', "\n    ")
            );
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        // Nothing is left to say when stderr is gone.
        let _ = write!(stderr, "{}", Lines(&text));
    }
}

/// What the walker found, with its place; exit 1.
pub fn fault(error: WalkError) -> Failure {
    let WalkError::Manifest(error) = error else {
        return Failure::refused(error);
    };
    let failure = Failure::refused(anyhow!(error.render_without_hint()));
    match error.hint() {
        // Our last line, below the causes.
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
