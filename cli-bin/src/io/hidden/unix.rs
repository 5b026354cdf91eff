//! The terminal of a Unix system while it shows nothing.
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jwe_envelope::untrusted::Lines;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcsetattr,
};
use signal_hook::consts::{SIGINT, SIGQUIT};
use zeroize::Zeroizing;

use super::entry::{HiddenEntry, Step};
use crate::io::signals::{catch_terminating, end_by};

/// Input that arrives this soon after a newline was not typed by a person.
const AT_ONCE: Duration = Duration::from_millis(50);
/// A terminal hands on a paste in pieces. When nothing comes for this long, it was the last one.
const QUIET: Duration = Duration::from_millis(100);
/// No one waits longer than this for a terminal that keeps sending.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const PASTES_MARKED: &str = "\x1b[?2004h";
const PASTES_NOT_MARKED: &str = "\x1b[?2004l";

/// The terminal that shows nothing now, as it was before.
static HIDDEN: Mutex<Option<Arc<Before>>> = Mutex::new(None);
static WATCHED: OnceLock<()> = OnceLock::new();

/// Asks a question on the terminal; returns what was typed or pasted.
pub(in crate::io) fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    let terminal = Hidden::begin()?;
    terminal.say(question)?;
    let mut entry = HiddenEntry::new();
    let ended = read(&terminal, &mut entry);
    let _ = terminal.say("\n");
    drop(terminal);
    match ended? {
        Ended::Interrupted(signal) => {
            end_by(signal);
            Err(io::ErrorKind::Interrupted.into())
        }
        Ended::TooLong => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the value is longer than any that a Secret holds",
        )),
        Ended::Whole => text(&entry.into_value()),
    }
}

/// Discards what was typed or pasted and is not read yet, so that the shell does not get it.
pub(in crate::io) fn discard_typed() {
    if let Ok(terminal) = OpenOptions::new().read(true).open("/dev/tty") {
        discard(&terminal);
    }
}

enum Ended {
    Whole,
    Interrupted(i32),
    TooLong,
}

fn read(terminal: &Hidden, entry: &mut HiddenEntry) -> io::Result<Ended> {
    let mut chunk = Zeroizing::new([0; 4096]);
    loop {
        let length = match (&terminal.0.terminal).read(&mut *chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for (at, byte) in chunk[..length].iter().enumerate() {
            match entry.feed(*byte) {
                Step::More | Step::Pasted(1) => {}
                Step::Pasted(lines) => {
                    terminal.say(&format!("({lines} lines pasted; Enter ends the value) "))?;
                }
                Step::Enter => {
                    let rest = &chunk[at + 1..length];
                    let more = !rest.is_empty() && rest != b"\n"
                        || comes_within(&terminal.0.terminal, AT_ONCE);
                    if !more && !entry.is_empty() {
                        return Ok(Ended::Whole);
                    }
                    entry.take_several_lines();
                    terminal.say("(several lines: Ctrl-D ends the value) ")?;
                }
                Step::End => return Ok(Ended::Whole),
                Step::Interrupt => return Ok(Ended::Interrupted(SIGINT)),
                Step::Quit => return Ok(Ended::Interrupted(SIGQUIT)),
                Step::TooLong => return Ok(Ended::TooLong),
            }
        }
    }
}

fn text(value: &[u8]) -> io::Result<Zeroizing<String>> {
    let text = std::str::from_utf8(value)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "what was typed is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn comes_within(terminal: &File, time: Duration) -> bool {
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut watched = [PollFd::new(terminal, PollFlags::IN)];
    poll(&mut watched, Some(&time)).is_ok_and(|ready| ready > 0)
        && watched[0].revents().contains(PollFlags::IN)
}

/// Discards input until none comes any more.
fn discard(terminal: &File) {
    let begun = Instant::now();
    loop {
        let _ = tcflush(terminal, QueueSelector::IFlush);
        if !comes_within(terminal, QUIET) || begun.elapsed() > LONGEST_WAIT {
            break;
        }
    }
    let _ = tcflush(terminal, QueueSelector::IFlush);
}

struct Before {
    terminal: File,
    modes: Termios,
    marks_pastes: bool,
}

impl Before {
    fn restore(&self) {
        // Nothing more can be done about a terminal that does not take it.
        discard(&self.terminal);
        if self.marks_pastes {
            let _ = (&self.terminal).write_all(PASTES_NOT_MARKED.as_bytes());
        }
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.modes);
    }
}

/// A terminal that shows nothing, until this is dropped.
struct Hidden(Arc<Before>);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let modes = tcgetattr(&terminal)?;
        watch()?;
        let mut silent = modes.clone();
        silent.local_modes.remove(
            LocalModes::ECHO
                | LocalModes::ECHONL
                | LocalModes::ICANON
                | LocalModes::ISIG
                | LocalModes::IEXTEN,
        );
        silent.input_modes.remove(
            InputModes::ICRNL
                | InputModes::INLCR
                | InputModes::IGNCR
                | InputModes::ISTRIP
                | InputModes::IXON,
        );
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        let marks_pastes = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        let before = Arc::new(Before {
            terminal,
            modes,
            marks_pastes,
        });
        *HIDDEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&before));
        let hidden = Self(before);
        // What was typed ahead stays: it is the beginning of the value.
        tcsetattr(&hidden.0.terminal, OptionalActions::Now, &silent)?;
        if marks_pastes {
            (&hidden.0.terminal).write_all(PASTES_MARKED.as_bytes())?;
        }
        Ok(hidden)
    }

    fn say(&self, text: &str) -> io::Result<()> {
        (&self.0.terminal).write_all(Lines(text).to_string().as_bytes())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let mut hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.restore();
        *hidden = None;
    }
}

/// Once for the process: a signal that is caught once is never left to the system again.
fn watch() -> io::Result<()> {
    if WATCHED.get().is_some() {
        return Ok(());
    }
    let mut signals = catch_terminating()?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            // Held until the process ends, so that no one hides the terminal again.
            let hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(before) = &*hidden {
                before.restore();
            }
            end_by(signal);
        }
    });
    let _ = WATCHED.set(());
    Ok(())
}
