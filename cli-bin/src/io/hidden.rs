//! Asks without showing what is typed: not a letter of it, however early it is typed.
//!
//! `rpassword` reads the line. It writes its question first and turns the echo off then, so what somebody types ahead
//! would be shown; here the echo goes off before the question is on the screen. It comes back on every way out, on the
//! signals that end a process, too.
use std::io;

use zeroize::Zeroizing;

/// Asks a question on the terminal.
pub(super) fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    #[cfg(unix)]
    let quiet = unix::Quiet::begin()?;
    let answer = rpassword::prompt_password(question).map(Zeroizing::new);
    #[cfg(unix)]
    {
        drop(quiet);
        if matches!(&answer, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
            unix::end_as_interrupted();
        }
    }
    answer
}

#[cfg(unix)]
mod unix {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
    use std::time::Duration;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    /// How long whoever reads the line has to set the terminal to what it found, which is without echo.
    const PATIENCE: Duration = Duration::from_millis(200);

    /// The terminal that shows nothing now, as it was before.
    static QUIET: Mutex<Option<Arc<Before>>> = Mutex::new(None);
    static SHOWS_AGAIN: Condvar = Condvar::new();
    static WATCHED: OnceLock<()> = OnceLock::new();

    struct Before {
        terminal: File,
        modes: Termios,
    }

    impl Before {
        fn restore(&self) {
            // Nothing more can be done about a terminal that does not take it.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.modes);
        }
    }

    /// A terminal that shows nothing, until this is dropped.
    pub(super) struct Quiet(Arc<Before>);

    impl Quiet {
        pub(super) fn begin() -> io::Result<Self> {
            let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
            let modes = tcgetattr(&terminal)?;
            watch()?;
            let mut silent = modes.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            let before = Arc::new(Before { terminal, modes });
            *QUIET.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&before));
            let quiet = Self(before);
            tcsetattr(&quiet.0.terminal, OptionalActions::Now, &silent)?;
            Ok(quiet)
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            self.0.restore();
            *QUIET.lock().unwrap_or_else(PoisonError::into_inner) = None;
            SHOWS_AGAIN.notify_all();
        }
    }

    /// Ctrl-C ends the process as the signal would have, whoever of the two threads gets there first.
    pub(super) fn end_as_interrupted() {
        let _ = emulate_default_handler(SIGINT);
    }

    /// Once for the process: a signal that is caught once is never left to the system again.
    fn watch() -> io::Result<()> {
        if WATCHED.get().is_some() {
            return Ok(());
        }
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        std::thread::spawn(move || {
            for signal in signals.forever() {
                // Ctrl-C comes from whoever reads the line, who then leaves by the ordinary way out.
                let quiet = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
                let waited =
                    SHOWS_AGAIN.wait_timeout_while(quiet, PATIENCE, |quiet| quiet.is_some());
                let (quiet, _) = waited.unwrap_or_else(PoisonError::into_inner);
                if let Some(before) = &*quiet {
                    before.restore();
                }
                // Ends the process as the signal would have.
                let _ = emulate_default_handler(signal);
            }
        });
        let _ = WATCHED.set(());
        Ok(())
    }
}
