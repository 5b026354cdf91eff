//! The one place where plaintext is in a file: a folder of the user's own, wiped however the edit ends.
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::io::{Io, files};
use crate::text::Shown as _;

/// A private folder with the file that is edited. Wiped when dropped, and on the signals that end a process.
pub(super) struct EditorSession {
    folder: TempDir,
    file: PathBuf,
    #[cfg(unix)]
    watch: Option<watch::Watch>,
}

impl EditorSession {
    /// For a file that is called as `original` is, so that the editor knows its kind.
    ///
    /// # Errors
    /// Exit 2 when no private folder can be made.
    pub(super) fn new(original: &Path, io: &mut Io<'_>) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("privy-edit-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let (base, in_memory) = base_folder(io);
        // An absolute path is never taken for a flag, whatever the file is called.
        let base = std::path::absolute(&base)
            .with_context(|| format!("cannot find the folder `{}`", base.shown()))
            .map_err(Failure::usage)?;
        let folder = builder
            .tempdir_in(&base)
            .with_context(|| format!("cannot make a private folder in `{}`", base.shown()))
            .map_err(Failure::usage)?;
        if !in_memory {
            io.say(format_args!(
                "note: no folder in memory was found, so the text that you edit is on disk while you do, below `{}`; \
                 it is overwritten afterwards, but file systems and disks may keep copies",
                base.shown()
            ));
        }
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

    /// Opens the editor and waits for it. Says whether it ended sooner than anyone can edit, as a program does that
    /// hands the file to a window of its own.
    ///
    /// # Errors
    /// Exit 2 when it cannot be started; exit 1 when it says that it failed.
    pub(super) fn edit(&self, io: &mut Io<'_>) -> Result<bool, Failure> {
        const AT_ONCE: Duration = Duration::from_secs(2);
        let editor = editor(io)?;
        let flags = side_files::prevented_by(&editor, io);
        if flags.is_none() {
            io.say(format_args!(
                "note: `{}` is not an editor that privy knows: see that it keeps no backup, swap or undo files elsewhere",
                editor.shown()
            ));
        }
        let begin = Instant::now();
        let status = start(&editor, flags.unwrap_or_default(), &self.file)
            .with_context(|| format!("cannot start the editor {}", editor.shown()))
            .map_err(|error| {
                Failure::usage(error).hint("name your editor: EDITOR=nano privy edit FILE")
            })?;
        if status.success() {
            return Ok(flags.is_none() && begin.elapsed() < AT_ONCE);
        }
        Err(Failure::refused(anyhow!(
            "the editor {} ended with an error ({status}); nothing was written",
            editor.shown()
        ))
        .hint("does the editor start by itself? VISUAL or EDITOR names it"))
    }

    /// What is in the file now.
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

impl Drop for EditorSession {
    fn drop(&mut self) {
        wipe(self.folder.path());
        #[cfg(unix)]
        drop(self.watch.take());
    }
}

/// Overwrites every file below the folder, then removes it. What cannot be overwritten is removed anyway.
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

/// Where the private folder is made, and whether that is in memory: the user's own runtime folder or the shared memory,
/// whichever is; on disk otherwise.
fn base_folder(io: &Io<'_>) -> (PathBuf, bool) {
    let runtime = (io.environment)("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute() && folder.is_dir());
    let shared = PathBuf::from("/dev/shm");
    if let Some(folder) = [runtime.as_ref(), Some(&shared)]
        .into_iter()
        .flatten()
        .find(|folder| is_in_memory(folder) && is_writable(folder))
    {
        return (folder.clone(), true);
    }
    (runtime.unwrap_or_else(std::env::temp_dir), false)
}

#[cfg(target_os = "linux")]
fn is_in_memory(folder: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    #[allow(
        clippy::useless_conversion,
        reason = "the type differs between processors"
    )]
    rustix::fs::statfs(folder).is_ok_and(|found| [TMPFS, RAMFS].contains(&i64::from(found.f_type)))
}

/// Other systems have no such folder that one could rely on.
#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(_: &Path) -> bool {
    true
}

/// The user's editor, or the system's on a terminal: without one it would wait for input that never comes.
fn editor(io: &Io<'_>) -> Result<OsString, Failure> {
    let named = ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(io.environment)
        .find(|editor| !editor.is_empty());
    if let Some(named) = named {
        return Ok(named);
    }
    if !(io.terminal.stdin && io.terminal.stdout) {
        return Err(Failure::usage(anyhow!(
            "there is no terminal to edit on, and neither VISUAL nor EDITOR names an editor"
        ))
        .hint("to change one value without an editor, use `privy set FILE FIELD`, which reads it from standard input"));
    }
    Ok(OsString::from(if cfg!(windows) { "notepad" } else { "vi" }))
}

/// As git does it: the variable is a command with arguments.
#[cfg(unix)]
fn start(editor: &OsString, flags: &[&str], file: &Path) -> std::io::Result<ExitStatus> {
    let mut command = editor.clone();
    command.push(" \"$@\"");
    Command::new("sh")
        .arg("-c")
        .arg(command)
        .arg(editor)
        .args(flags)
        .arg(file)
        .status()
}

#[cfg(not(unix))]
fn start(editor: &OsString, flags: &[&str], file: &Path) -> std::io::Result<ExitStatus> {
    let text = editor.to_string_lossy();
    let mut words = text.split_whitespace();
    Command::new(words.next().unwrap_or_default())
        .args(words)
        .args(flags)
        .arg(file)
        .status()
}

/// Signals that end a process end the plaintext first.
#[cfg(unix)]
mod watch {
    use crate::commands::edit::session::wipe;
    use std::path::Path;
    use std::thread::JoinHandle;

    use signal_hook::iterator::Handle;

    use crate::io::signals::{catch_terminating, end_by};

    pub(super) struct Watch {
        handle: Handle,
        thread: Option<JoinHandle<()>>,
    }

    impl Watch {
        pub(super) fn over(folder: &Path) -> std::io::Result<Self> {
            let mut signals = catch_terminating()?;
            let handle = signals.handle();
            let folder = folder.to_owned();
            let thread = std::thread::spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    wipe(&folder);
                    end_by(signal);
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

/// What editors leave behind elsewhere, and the flags that keep them from it.
mod side_files {
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    use crate::io::Io;

    /// No swap file, no history of registers; the rest once the user's own settings are read.
    const VIM: &[&str] = &[
        "-n",
        "-i",
        "NONE",
        "--cmd",
        "set nomodeline",
        "-c",
        "set nobackup nowritebackup noundofile noswapfile",
    ];
    const EMACS: &[&str] = &[
        "--eval",
        "(setq make-backup-files nil auto-save-default nil create-lockfiles nil auto-save-list-file-prefix nil)",
    ];
    /// Not the user's settings, which may ask for backups.
    const NANO: &[&str] = &["--ignorercfiles"];
    const MICRO: &[&str] = &[
        "-backup",
        "false",
        "-permbackup",
        "false",
        "-savecursor",
        "false",
        "-saveundo",
        "false",
    ];

    /// The flags for an editor; `None` when it is not known.
    pub(super) fn prevented_by(editor: &OsStr, io: &Io<'_>) -> Option<&'static [&'static str]> {
        let text = editor.to_string_lossy();
        let program = text.split_whitespace().next().unwrap_or_default();
        let name = Path::new(program).file_stem()?.to_str()?.to_owned();
        if name == "vi" || name == "editor" {
            // Mostly another name of an editor.
            let behind = find(program, io)?;
            return for_name(behind.file_stem()?.to_str()?);
        }
        for_name(&name)
    }

    fn for_name(name: &str) -> Option<&'static [&'static str]> {
        match name {
            // Debian's `vim.basic`, `vim.tiny` and so on come without what is behind the dot.
            "vim" | "nvim" | "gvim" | "mvim" => Some(VIM),
            "emacs" => Some(EMACS),
            "nano" => Some(NANO),
            "micro" => Some(MICRO),
            // They keep nothing.
            "ed" | "hx" | "helix" | "kak" | "notepad" => Some(&[]),
            _ => None,
        }
    }

    /// The file that a program's name leads to.
    fn find(program: &str, io: &Io<'_>) -> Option<std::path::PathBuf> {
        if program.contains('/') {
            return std::fs::canonicalize(program).ok();
        }
        let path: OsString = (io.environment)("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
            .and_then(|file| std::fs::canonicalize(file).ok())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn known_editors_are_told_to_keep_nothing() {
            let nowhere = |_: &str| None;
            let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), Vec::new(), Vec::new());
            let io = Io {
                stdin: &mut stdin,
                stdout: &mut stdout,
                stderr: &mut stderr,
                terminal: crate::io::Terminals::default(),
                hidden: &mut |_| Err(std::io::ErrorKind::Unsupported.into()),
                discard_typed: &mut || (),
                environment: &nowhere,
                now: 0,
            };
            for (editor, known) in [
                ("vim", true),
                ("/usr/bin/nvim -u NONE", true),
                ("vim.basic", true),
                ("emacs -nw", true),
                ("nano", true),
                ("emacsclient", false),
                ("code --wait", false),
                ("vi", false),
                ("", false),
            ] {
                let flags = prevented_by(OsStr::new(editor), &io);
                assert_eq!(flags.is_some(), known, "{editor}");
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
        // Another name of the same file shows the outcome of its content.
        let witness = folder.path().join("witness");
        fs::hard_link(&swap, &witness).unwrap();
        wipe(&inner);
        assert!(!inner.exists());
        assert_eq!(fs::read(&witness).unwrap(), [0; 7]);
    }
}
