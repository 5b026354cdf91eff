//! Prompts on a terminal of the kernel's: nothing hidden is shown, the terminal is as it was afterwards, and nothing that was
//! typed or pasted is left for the shell, whenever it was typed.
#![cfg(unix)]
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::support::{Bench, CANARY};

const TERMINAL: &str = "PRIVY_TEST_TERMINAL";
const FOLDER: &str = "PRIVY_TEST_FOLDER";
const ARGUMENTS: &str = "PRIVY_TEST_ARGUMENTS";
const PATIENCE: Duration = Duration::from_mins(1);

const SEAL: &[&str] = &[
    "seal",
    "--key",
    "payments.card.json",
    "--for",
    "payments/db/password",
    "--out",
    "sealed",
];

/// Three lines, the second of them empty, as a terminal sends them: with a carriage return for each newline.
const LINES_AS_TYPED: &str = "-----BEGIN canary-5kQ9\r\rtouch canary-5kQ9\r";
const LINES: &str = "-----BEGIN canary-5kQ9\n\ntouch canary-5kQ9\n";

/// Not a test by itself: what [`Screen::start`] runs becomes the leader of a session, takes its terminal, and then
/// becomes `privy`.
#[test]
fn becomes_privy_on_a_terminal_of_its_own() {
    let (Some(terminal), Some(folder)) = (std::env::var_os(TERMINAL), std::env::var_os(FOLDER))
    else {
        return;
    };
    setsid().unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(terminal)
        .unwrap();
    ioctl_tiocsctty(&terminal).unwrap();
    let stream = || Stdio::from(terminal.try_clone().unwrap());
    let error = Command::new(env!("CARGO_BIN_EXE_privy"))
        .args(std::env::var(ARGUMENTS).unwrap().lines())
        .current_dir(&folder)
        .env_clear()
        .env("TERM", "xterm")
        .env(
            "PRIVY_CONFIG_DIR",
            std::path::Path::new(&folder).join(".configuration"),
        )
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .exec();
    panic!("{error}");
}

/// Someone's terminal with `privy` on it.
struct Screen {
    /// What the terminal's user types into, and sees.
    user: File,
    /// The side of the program, held open so that its modes outlive it.
    program: File,
    before: Termios,
    child: Child,
    seen: Vec<u8>,
}

impl Screen {
    fn start(bench: &Bench, arguments: &[&str]) -> Self {
        Self::start_with(bench, arguments, "")
    }

    /// Types this before the program is there.
    fn start_with(bench: &Bench, arguments: &[&str], ahead: &str) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
        let program = rustix::fs::open(
            name.as_str(),
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        let before = tcgetattr(&program).unwrap();
        assert!(before.local_modes.contains(LocalModes::ECHO));
        let mut user = File::from(user);
        user.write_all(ahead.as_bytes()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "hidden::becomes_privy_on_a_terminal_of_its_own",
                "--nocapture",
            ])
            .env(TERMINAL, &name)
            .env(FOLDER, bench.path("."))
            .env(ARGUMENTS, arguments.join("\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            user,
            program: program.into(),
            before,
            child,
            seen: Vec::new(),
        }
    }

    /// Pastes as a terminal that marks pastes does.
    fn pastes(&mut self, text: &str) {
        self.types(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Forgets what was seen so far.
    fn looks_away(&mut self) {
        self.seen.clear();
    }

    /// What is left for the shell, which would run it.
    fn left_over(&self) -> u64 {
        let mut raw = self.before.clone();
        raw.local_modes.remove(LocalModes::ICANON);
        tcsetattr(&self.program, OptionalActions::Now, &raw).unwrap();
        let left = rustix::io::ioctl_fionread(&self.program).unwrap();
        tcsetattr(&self.program, OptionalActions::Now, &self.before).unwrap();
        left
    }

    /// Reads until these words are on the screen.
    fn wait_for(&mut self, words: &str) {
        let mut byte = [0];
        while !self.text().contains(words) {
            assert_eq!(self.user.read(&mut byte).unwrap(), 1, "{}", self.text());
            self.seen.push(byte[0]);
        }
    }

    fn types(&mut self, text: &str) {
        self.user.write_all(text.as_bytes()).unwrap();
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.program).unwrap();
        modes.local_modes.contains(LocalModes::ECHO)
    }

    fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the terminal is as it was before.
    fn is_restored(&self) -> bool {
        let now = tcgetattr(&self.program).unwrap();
        now.local_modes == self.before.local_modes && now.input_modes == self.before.input_modes
    }

    /// Reads what the program wrote before it ended.
    fn sees_the_rest(&mut self) {
        let flags = rustix::fs::fcntl_getfl(&self.user).unwrap();
        rustix::fs::fcntl_setfl(&self.user, flags | OFlags::NONBLOCK).unwrap();
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = self.user.read(&mut bytes) {
            self.seen.extend_from_slice(&bytes[..length]);
        }
        rustix::fs::fcntl_setfl(&self.user, flags).unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

#[test]
fn nothing_typed_is_shown_from_the_moment_of_the_question() {
    let bench = Bench::new();
    // Anyone who is quick enough would be shown otherwise; a few rounds make quick ones likely.
    for _ in 0..5 {
        let mut screen = Screen::start(&bench, SEAL);
        screen.wait_for("Value for");
        assert!(
            !screen.echoes(),
            "the question is there and letters are shown"
        );
        screen.types(&format!("{CANARY}\r"));
        screen.wait_for("once more");
        assert!(!screen.echoes());
        screen.types(&format!("{CANARY}\r"));
        sealed_is(&bench, screen, CANARY);
    }
}

/// The command succeeds, nothing of the value was shown, nothing is left for the shell, and this is what was sealed.
#[track_caller]
fn sealed_is(bench: &Bench, mut screen: Screen, value: &str) {
    let status = screen.ends();
    screen.sees_the_rest();
    assert!(status.success(), "{}", screen.text());
    assert!(!screen.text().contains("canary"), "{}", screen.text());
    assert_eq!(screen.left_over(), 0);
    assert!(screen.is_restored());
    let opened = bench.open("payments/db/password", bench.read("sealed"));
    assert_eq!(opened.succeeded().stdout, value.as_bytes());
    std::fs::remove_file(bench.path("sealed")).unwrap();
}

/// The command ends by this signal, seals nothing and leaves nothing for the shell.
#[track_caller]
fn ends_by(bench: &Bench, mut screen: Screen, signal: Signal) {
    let status = screen.ends();
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    screen.sees_the_rest();
    assert!(screen.is_restored(), "{signal:?}");
    assert_eq!(screen.left_over(), 0, "{signal:?}");
    assert!(!bench.path("sealed").exists());
}

#[test]
fn a_paste_is_taken_whole_and_the_terminal_is_asked_to_mark_it_while_it_is_hidden() {
    let bench = Bench::new();
    let mut screen = Screen::start(&bench, SEAL);
    screen.wait_for("Value for");
    assert!(screen.text().contains("\x1b[?2004h"), "{}", screen.text());
    screen.pastes(LINES_AS_TYPED);
    screen.wait_for("4 lines pasted");
    screen.types("\r");
    screen.wait_for("\x1b[?2004l");
    screen.wait_for("once more");
    screen.looks_away();
    screen.pastes(LINES_AS_TYPED);
    screen.wait_for("4 lines pasted");
    screen.types("\r");
    screen.wait_for("\x1b[?2004l");
    sealed_is(&bench, screen, LINES);
}

#[test]
fn lines_that_come_at_once_are_one_value_where_pastes_are_not_marked() {
    let bench = Bench::new();
    let mut screen = Screen::start(&bench, SEAL);
    for question in ["Value for", "once more"] {
        screen.wait_for(question);
        screen.looks_away();
        screen.types(LINES_AS_TYPED);
        screen.wait_for("Ctrl-D ends");
        screen.types("\u{4}");
    }
    sealed_is(&bench, screen, LINES);
}

#[test]
fn several_lines_may_be_typed() {
    let bench = Bench::new();
    let mut screen = Screen::start(&bench, SEAL);
    for question in ["Value for", "once more"] {
        screen.wait_for(question);
        screen.looks_away();
        screen.types("\r");
        screen.wait_for("Ctrl-D ends");
        for line in ["canary\r", "\r", "x\u{4}"] {
            screen.types(line);
            std::thread::sleep(Duration::from_millis(80));
        }
    }
    sealed_is(&bench, screen, "canary\n\nx");
}

/// Before the question the terminal is the shell's, and shows what is typed: that is not for privy to prevent. To lose it to
/// the shell is.
#[test]
fn lines_that_were_typed_before_the_question_are_not_left_to_the_shell() {
    let bench = Bench::new();
    let mut screen = Screen::start_with(&bench, SEAL, LINES_AS_TYPED);
    screen.wait_for("Ctrl-D ends");
    screen.looks_away();
    screen.types("\u{4}");
    screen.wait_for("once more");
    screen.pastes(LINES_AS_TYPED);
    screen.wait_for("lines pasted");
    screen.types("\r");
    sealed_is(&bench, screen, LINES);

    let marked = format!("\x1b[200~{LINES_AS_TYPED}\x1b[201~");
    let mut screen = Screen::start_with(&bench, SEAL, &marked);
    screen.wait_for("lines pasted");
    screen.types("\u{3}");
    ends_by(&bench, screen, Signal::INT);
}

#[test]
fn nothing_behind_the_answer_to_a_question_is_left_to_the_shell() {
    let bench = Bench::new();
    // A value that looks like a mistake is asked about; the answer is pasted with a line too many.
    let mut screen = Screen::start(&bench, SEAL);
    for question in ["Value for", "once more"] {
        screen.wait_for(question);
        screen.types(" canary\r");
    }
    screen.wait_for("[y/N]");
    screen.looks_away();
    screen.types("y\rtouch pwned\rhalf a line");
    let status = screen.ends();
    assert!(status.success(), "{}", screen.text());
    assert_eq!(screen.left_over(), 0);
}

#[test]
fn the_end_of_a_paste_within_a_paste_lets_nothing_out() {
    let bench = Bench::new();
    let mut screen = Screen::start(&bench, SEAL);
    screen.wait_for("Value for");
    screen.pastes("canary\x1b[201~\rtouch pwned\r");
    screen.wait_for("Ctrl-D ends");
    screen.types("\u{3}");
    ends_by(&bench, screen, Signal::INT);
}

#[test]
fn ctrl_c_in_the_middle_of_a_paste_leaves_nothing_to_the_shell() {
    let bench = Bench::new();
    let mut screen = Screen::start(&bench, SEAL);
    screen.wait_for("Value for");
    // More than the kernel holds, so that the terminal still has some of it when the program ends.
    let lines = "touch pwned\r".repeat(2_000);
    let mut user = screen.user.try_clone().unwrap();
    let typist = std::thread::spawn(move || {
        let paste = format!("\x1b[200~canary\r\u{3}{lines}\x1b[201~");
        user.write_all(paste.as_bytes()).unwrap();
    });
    typist.join().unwrap();
    ends_by(&bench, screen, Signal::INT);
}

#[test]
fn the_terminal_is_as_it_was_after_a_signal() {
    let bench = Bench::new();
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::USR1,
        Signal::ALARM,
        Signal::XCPU,
    ] {
        let mut screen = Screen::start(&bench, SEAL);
        screen.wait_for("Value for");
        screen.types("canary-5kQ9\rtouch pwned");
        let pid = Pid::from_child(&screen.child);
        kill_process(pid, signal).unwrap();
        ends_by(&bench, screen, signal);
    }
}

#[test]
fn the_terminal_is_as_it_was_after_ctrl_c() {
    let bench = Bench::new();
    for key in ["\u{3}", "\x1b[200~\u{3}"] {
        let mut screen = Screen::start(&bench, SEAL);
        screen.wait_for("Value for");
        screen.types(&format!("canary-5kQ9{key}"));
        ends_by(&bench, screen, Signal::INT);
    }
}

#[test]
fn a_fingerprint_over_several_lines_is_one_and_what_is_behind_it_is_no_command() {
    let bench = Bench::new();
    let fingerprint = bench.fingerprint("payments.card.json");
    let (first, second) = fingerprint.split_at(35);
    let trust = ["key", "trust", "payments.card.json"];
    let mut screen = Screen::start(&bench, &trust);
    screen.wait_for("Fingerprint: ");
    screen.types(&format!("{first}\r{second}\rtouch pwned\rhalf a line"));
    let status = screen.ends();
    assert_eq!(screen.left_over(), 0);
    screen.sees_the_rest();
    assert!(status.success(), "{}", screen.text());

    // Words that are no fingerprint end the question at once, and what follows is discarded as well.
    std::fs::remove_dir_all(bench.path(".configuration")).unwrap();
    let mut screen = Screen::start(&bench, &trust);
    screen.wait_for("Fingerprint: ");
    screen.types("touch pwned\rtouch pwned\r");
    assert_eq!(screen.ends().code(), Some(1));
    assert_eq!(screen.left_over(), 0);
}
