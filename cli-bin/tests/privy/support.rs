//! A folder of its own, a configuration of its own, and the binary.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A value that must not turn up where it does not belong.
pub(crate) const CANARY: &str = "canary-5kQ9-hunter2";

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    /// Where `runtime` leads to.
    #[cfg(unix)]
    memory: std::cell::OnceCell<tempfile::TempDir>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Bench {
    /// With the key `payments` in `payments.pem` and `payments.card.json`.
    pub(crate) fn new() -> Self {
        let bench = Self::empty();
        bench.generate("payments");
        bench
    }

    /// As [`new`](Self::new), and the key was compared.
    pub(crate) fn trusting() -> Self {
        let bench = Self::new();
        bench.trust("payments.card.json");
        bench
    }

    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            #[cfg(unix)]
            memory: std::cell::OnceCell::new(),
        }
    }

    /// Makes `NAME.pem` and `NAME.card.json`; elliptic, because that is quick.
    pub(crate) fn generate(&self, name: &str) {
        let (private, card) = (format!("{name}.pem"), format!("{name}.card.json"));
        self.run(
            &[
                "key", "generate", "--kind", "p256", "--name", name, "--out", &private, "--card",
                &card,
            ],
            "",
        )
        .succeeded();
    }

    /// Makes the folder `runtime`, in memory where the system has such a folder: what is edited goes there.
    #[cfg(unix)]
    pub(crate) fn make_runtime(&self) {
        let memory = self.memory.get_or_init(|| {
            tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
        });
        std::os::unix::fs::symlink(memory.path(), self.path("runtime")).unwrap();
    }

    /// Trusts the key of a card, by its fingerprint.
    pub(crate) fn trust(&self, card: &str) {
        let fingerprint = self.fingerprint(card);
        self.run(&["key", "trust", card, "--fingerprint", &fingerprint], "")
            .succeeded();
    }

    /// Trusts the key of a card in place of what was trusted.
    pub(crate) fn trust_again(&self, card: &str) {
        let fingerprint = self.fingerprint(card);
        let trust = [
            "key",
            "trust",
            card,
            "--replace",
            "--fingerprint",
            &fingerprint,
        ];
        self.run(&trust, "").succeeded();
    }

    pub(crate) fn fingerprint(&self, key: &str) -> String {
        let shown = self
            .run(&["key", "show", key, "--output", "json"], "")
            .succeeded();
        shown.json()["fingerprint"].as_str().unwrap().to_owned()
    }

    /// As reports name the key of a card: `"payments" (12345 67890 12345 …)`.
    pub(crate) fn label(&self, card: &str) -> String {
        let shown = self
            .run(&["key", "show", card, "--output", "json"], "")
            .succeeded()
            .json();
        let fingerprint = shown["fingerprint"].as_str().unwrap();
        format!("{} ({} …)", shown["name"], &fingerprint[..17])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Every file below the folder, the configuration apart, with its content.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(self.folder.path(), &mut files);
        files.sort();
        files
    }

    pub(crate) fn run(&self, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Ended {
        self.run_in(".", arguments, stdin)
    }

    pub(crate) fn run_in(
        &self,
        folder: &str,
        arguments: &[&str],
        stdin: impl AsRef<[u8]>,
    ) -> Ended {
        let mut child = self.spawn_in(folder, arguments);
        // A command that refuses early does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// With the folder `bin` before everything else in `PATH`.
    #[cfg(unix)]
    pub(crate) fn run_with_path(&self, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Ended {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_privy"))
            .args(arguments)
            .current_dir(self.path("."))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("PRIVY_CONFIG_DIR", self.path(".configuration"))
            .env("EDITOR", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that refuses early does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the binary and lets go of it.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.spawn_in(".", arguments)
    }

    fn spawn_in(&self, folder: &str, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_privy"))
            .args(arguments)
            .current_dir(self.path(folder))
            .env_clear()
            .env("PRIVY_CONFIG_DIR", self.path(".configuration"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Seals a value for `payments/db/password`.
    pub(crate) fn sealed(&self, value: impl AsRef<[u8]>) -> Vec<u8> {
        self.run(
            &[
                "seal",
                "--key",
                "payments.card.json",
                "--for",
                "payments/db/password",
            ],
            value,
        )
        .succeeded()
        .stdout
    }

    /// Opens with the key `payments`.
    pub(crate) fn open(&self, place: &str, envelope: impl AsRef<[u8]>) -> Ended {
        self.run(&["open", "--key", "payments.pem", "--for", place], envelope)
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().unwrap() != ".configuration" {
                collect(&path, files);
            }
        } else {
            files.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// Failed with this code, said these words, and left standard output empty.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(
            self.stderr.contains(words),
            "{words:?} is not in:\n{}",
            self.stderr
        );
        let error = self.stderr.lines().find(|line| !line.starts_with("note: "));
        assert!(
            error.is_some_and(|line| line.starts_with("error: ")),
            "{}",
            self.stderr
        );
        assert_eq!(
            self.stdout, b"",
            "nothing goes to standard output when a command fails"
        );
        assert!(
            !self.stderr.contains(CANARY),
            "the value leaked:\n{}",
            self.stderr
        );
        self
    }

    #[track_caller]
    pub(crate) fn hints(self, words: &str) -> Self {
        let hint = self.stderr.lines().last().unwrap();
        assert!(
            hint.starts_with("hint: ") && hint.contains(words),
            "{words:?} is not hinted in:\n{}",
            self.stderr
        );
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}
