//! Hidden prompts on a terminal of the kernel's: not a letter is shown, and the terminal is as it was afterwards.
#![cfg(unix)]
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};

use crate::support::{Bench, CANARY};

const TERMINAL: &str = "PRIVY_TEST_TERMINAL";
const FOLDER: &str = "PRIVY_TEST_FOLDER";
const PATIENCE: Duration = Duration::from_mins(1);

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
        .args([
            "seal",
            "--key",
            "payments.card.json",
            "--for",
            "payments/db/password",
            "--out",
            "sealed",
        ])
        .current_dir(&folder)
        .env_clear()
        .env("PRIVY_CONFIG_DIR", "/dev/null/nowhere")
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .exec();
    panic!("{error}");
}

/// Somebody's terminal with `privy seal` on it.
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
    fn start(bench: &Bench) -> Self {
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
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "hidden::becomes_privy_on_a_terminal_of_its_own",
                "--nocapture",
            ])
            .env(TERMINAL, &name)
            .env(FOLDER, bench.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            user: user.into(),
            program: program.into(),
            before,
            child,
            seen: Vec::new(),
        }
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

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

#[test]
fn nothing_typed_is_shown_from_the_moment_of_the_question() {
    let bench = Bench::new();
    // Whoever is quick enough would be shown otherwise; a few rounds make quick ones likely.
    for _ in 0..5 {
        let mut screen = Screen::start(&bench);
        screen.wait_for("Value for");
        assert!(
            !screen.echoes(),
            "the question is there and letters are shown"
        );
        screen.types(&format!("{CANARY}\r"));
        screen.wait_for("once more");
        assert!(!screen.echoes());
        screen.types(&format!("{CANARY}\r"));
        let status = screen.ends();
        assert!(status.success(), "{}", screen.text());
        assert!(!screen.text().contains(CANARY), "{}", screen.text());
        assert!(screen.is_restored());
        let opened = bench.open("payments/db/password", bench.read("sealed"));
        assert_eq!(opened.succeeded().stdout, CANARY.as_bytes());
        std::fs::remove_file(bench.path("sealed")).unwrap();
    }
}

#[test]
fn the_terminal_is_as_it_was_after_a_signal() {
    let bench = Bench::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut screen = Screen::start(&bench);
        screen.wait_for("Value for");
        screen.types("canary-5kQ9");
        let pid = Pid::from_child(&screen.child);
        kill_process(pid, signal).unwrap();
        let status = screen.ends();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        assert!(screen.is_restored(), "{signal:?}");
        assert!(!bench.path("sealed").exists());
    }
}

#[test]
fn the_terminal_is_as_it_was_after_ctrl_c() {
    let bench = Bench::new();
    let mut screen = Screen::start(&bench);
    screen.wait_for("Value for");
    // The reader of the line takes the key itself once it is at work.
    let begun = Instant::now();
    while tcgetattr(&screen.program)
        .unwrap()
        .local_modes
        .contains(LocalModes::ICANON)
    {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    screen.types("canary-5kQ9\u{3}");
    let status = screen.ends();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{status}");
    assert!(screen.is_restored());
    assert!(!bench.path("sealed").exists());
}
