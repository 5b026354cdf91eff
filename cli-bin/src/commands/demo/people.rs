//! The players. Each has a working folder and a configuration of its own, and runs the real `privy`.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;

use super::transcript::Transcript;

/// Someone who types commands.
pub(super) struct Person {
    privy: PathBuf,
    home: PathBuf,
    folder: PathBuf,
}

impl Person {
    /// A person whose commands run in `folder` and whose own configuration is kept under `home`.
    pub(super) fn new(privy: &Path, home: &Path, folder: &Path) -> anyhow::Result<Self> {
        for folder in [home, folder] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
        }
        Ok(Self {
            privy: privy.to_owned(),
            home: home.to_owned(),
            folder: folder.to_owned(),
        })
    }

    /// Shows `privy` with these words and runs exactly them. `stdin` is a file of the working folder.
    pub(super) fn privy(
        &self,
        transcript: &mut Transcript<'_>,
        words: &[&str],
        stdin: Option<&str>,
    ) -> anyhow::Result<Output> {
        let mut shown = String::from("privy");
        for word in words {
            shown.push(' ');
            if word.contains(' ') {
                shown.push('"');
                shown.push_str(word);
                shown.push('"');
            } else {
                shown.push_str(word);
            }
        }
        if let Some(file) = stdin {
            shown.push_str(" < ");
            shown.push_str(file);
        }
        transcript.command(&shown)?;
        self.run(words, stdin)
    }

    /// As [`privy`](Self::privy), and the command must succeed.
    pub(super) fn privy_done(
        &self,
        transcript: &mut Transcript<'_>,
        words: &[&str],
        stdin: Option<&str>,
    ) -> anyhow::Result<String> {
        let output = self.privy(transcript, words, stdin)?;
        anyhow::ensure!(
            output.status.success(),
            "privy {} ended with {}: {}",
            words.join(" "),
            output.status,
            said(&output)
        );
        String::from_utf8(output.stdout).context("privy wrote something that is no text")
    }

    fn run(&self, words: &[&str], stdin: Option<&str>) -> anyhow::Result<Output> {
        let stdin = match stdin {
            None => Stdio::null(),
            Some(name) => File::open(self.folder.join(name))
                .with_context(|| format!("failed to open {name}"))?
                .into(),
        };
        Command::new(&self.privy)
            .args(words)
            .current_dir(&self.folder)
            // Nothing of the real user's configuration takes part, and nothing is added to it.
            .env("HOME", &self.home)
            .env("USERPROFILE", &self.home)
            .env("PRIVY_CONFIG_DIR", self.home.join("config"))
            .env("NO_COLOR", "1")
            .stdin(stdin)
            .output()
            .with_context(|| format!("failed to run {}", self.privy.display()))
    }
}

/// What a command said to its user.
pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
