//! The one place where plaintext stands in a file: a folder of the user's own, wiped however the edit ends.
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, anyhow};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::io::{Io, files};
use crate::report::Failure;

/// A private folder with the file that is edited. Wiped when dropped, and on the signals that end a process.
pub(super) struct Workshop {
    folder: TempDir,
    file: PathBuf,
    #[cfg(unix)]
    watch: Option<watch::Watch>,
}

impl Workshop {
    /// For a file that is called as `original` is, so that the editor knows its kind.
    ///
    /// # Errors
    /// Exit 2 when no private folder can be made.
    pub(super) fn new(original: &Path, io: &Io<'_>) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("privy-edit-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let base = runtime_folder(io).unwrap_or_else(std::env::temp_dir);
        let folder = builder
            .tempdir_in(&base)
            .with_context(|| format!("cannot make a private folder in `{}`", base.display()))
            .map_err(Failure::usage)?;
        let name = original
            .file_name()
            .map_or_else(|| OsString::from("secret.yaml"), OsString::from);
        Ok(Self {
            file: folder.path().join(name),
            #[cfg(unix)]
            watch: Some(watch::Watch::over(folder.path()).map_err(Failure::usage)?),
            folder,
        })
    }

    /// Puts the text into the file, which only the user can read.
    ///
    /// # Errors
    /// Exit 2 when it cannot be written.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        options
            .open(&self.file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .context("cannot write the file to edit")
            .map_err(Failure::usage)
    }

    /// Opens the editor and waits for it.
    ///
    /// # Errors
    /// Exit 2 when it cannot be started; exit 1 when it says that it failed.
    pub(super) fn edit(&self, io: &Io<'_>) -> Result<(), Failure> {
        let editor = editor(io);
        let status = start(&editor, &self.file)
            .with_context(|| format!("cannot start the editor {}", editor.display()))
            .map_err(|error| {
                Failure::usage(error).hint("name your editor: EDITOR=nano privy edit FILE")
            })?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::refused(anyhow!(
            "the editor {} ended with an error ({status}); nothing was written",
            editor.display()
        ))
        .hint("does the editor start by itself? VISUAL or EDITOR names it"))
    }

    /// What stands in the file now.
    ///
    /// # Errors
    /// Exit 1 when it is no text or larger than any manifest.
    pub(super) fn read(&self) -> Result<Zeroizing<String>, Failure> {
        let bytes = files::read(&self.file, files::MANIFEST_LIMIT)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Failure::refused(anyhow!("the edited file is not UTF-8 text")))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        wipe(self.folder.path());
        #[cfg(unix)]
        drop(self.watch.take());
    }
}

/// Overwrites every file below the folder, then removes it. What cannot be overwritten is removed all the same.
fn wipe(folder: &Path) {
    overwrite(folder);
    let _ = fs::remove_dir_all(folder);
}

fn overwrite(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => overwrite(&entry.path()),
            Ok(kind) if kind.is_file() => {
                let _ = zero(&entry.path());
            }
            _ => {}
        }
    }
}

fn zero(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; 4096];
    while left > 0 {
        let now = usize::try_from(left).map_or(zeros.len(), |left| left.min(zeros.len()));
        file.write_all(&zeros[..now])?;
        left -= now as u64;
    }
    File::sync_data(&file)
}

/// In memory, and the user's alone, where the system has such a folder.
fn runtime_folder(io: &Io<'_>) -> Option<PathBuf> {
    (io.environment)("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute() && folder.is_dir())
}

fn editor(io: &Io<'_>) -> OsString {
    ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(io.environment)
        .find(|editor| !editor.is_empty())
        .unwrap_or_else(|| OsString::from(if cfg!(windows) { "notepad" } else { "vi" }))
}

/// As git does it: the variable is a command with arguments.
#[cfg(unix)]
fn start(editor: &OsString, file: &Path) -> std::io::Result<ExitStatus> {
    let mut command = editor.clone();
    command.push(" \"$@\"");
    Command::new("sh")
        .arg("-c")
        .arg(command)
        .arg(editor)
        .arg(file)
        .status()
}

#[cfg(not(unix))]
fn start(editor: &OsString, file: &Path) -> std::io::Result<ExitStatus> {
    let text = editor.to_string_lossy();
    let mut words = text.split_whitespace();
    Command::new(words.next().unwrap_or_default())
        .args(words)
        .arg(file)
        .status()
}

/// Signals that end a process end the plaintext first.
#[cfg(unix)]
mod watch {
    use std::path::Path;
    use std::thread::JoinHandle;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::{Handle, Signals};
    use signal_hook::low_level::emulate_default_handler;

    pub(super) struct Watch {
        handle: Handle,
        thread: Option<JoinHandle<()>>,
    }

    impl Watch {
        pub(super) fn over(folder: &Path) -> std::io::Result<Self> {
            let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
            let handle = signals.handle();
            let folder = folder.to_owned();
            let thread = std::thread::spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    super::wipe(&folder);
                    // Ends the process as the signal would have.
                    let _ = emulate_default_handler(signal);
                }
            });
            Ok(Self {
                handle,
                thread: Some(thread),
            })
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            self.handle.close();
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_stood_there() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("work");
        fs::create_dir_all(inner.join("swap")).unwrap();
        let (file, swap) = (inner.join("db.yaml"), inner.join("swap/db.swp"));
        fs::write(&file, vec![b'x'; 10_000]).unwrap();
        fs::write(&swap, "hunter2").unwrap();
        // Another name of the same file shows what became of its content.
        let witness = folder.path().join("witness");
        fs::hard_link(&swap, &witness).unwrap();
        wipe(&inner);
        assert!(!inner.exists());
        assert_eq!(fs::read(&witness).unwrap(), [0; 7]);
    }
}
