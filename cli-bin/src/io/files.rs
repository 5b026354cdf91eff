//! Files: read whole and bounded; written only as a whole, and only when everything else went well.
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempPath;
use zeroize::Zeroizing;

use crate::io::{Io, read_bounded};
use crate::parallel;
use crate::report::Failure;
use crate::text::shell_word;

/// Manifests of more than 16 MiB are no manifests.
pub const MANIFEST_LIMIT: usize = 16 * 1024 * 1024;

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// Exit 2 when it cannot be read or is larger.
pub fn read(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_or(path, limit, || {
        Failure::usage(anyhow::anyhow!(
            "`{}` is larger than {limit} bytes",
            path.display()
        ))
    })
}

/// As [`read`], with another answer to a file that is larger.
///
/// # Errors
/// Exit 2 when it cannot be read; as `too_large` says when it is larger.
pub fn read_or(
    path: &Path,
    limit: usize,
    too_large: impl FnOnce() -> Failure,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let open = || -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a folder",
            ));
        }
        read_bounded(&mut file, limit)
    };
    match open() {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(too_large()),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let failure = Failure::usage(
        anyhow::Error::new(error).context(format!("cannot read `{}`", path.display())),
    );
    if missing {
        return failure.hint("check the spelling of the path, and the folder that you are in");
    }
    failure
}

/// The webhook refuses a private key file that others may read. A person who uses one is told.
#[cfg(unix)]
pub fn warn_if_shared(path: &Path, io: &mut Io<'_>) {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0)
    {
        let path = path.display().to_string();
        let word = shell_word(&path);
        io.say(format_args!(
            "warning: others may read the private key `{path}`; close it with: chmod 600 {word}"
        ));
    }
}

/// Windows has other ways to say who may read.
#[cfg(not(unix))]
pub fn warn_if_shared(_: &Path, _: &mut Io<'_>) {}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// As the user's umask says.
    Usual,
    /// The user alone (0600).
    Owner,
}

/// Whether an existing file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Keep,
    /// Replace in one step; readers see the old file or the new one.
    Replace,
}

/// Writes one file whole, or not at all.
///
/// # Errors
/// Exit 2; the file, if there was one, is as before.
pub fn write(
    path: &Path,
    bytes: &[u8],
    audience: Audience,
    existing: Existing,
) -> Result<(), Failure> {
    let folder = rename(stage(path, bytes, audience, existing)?)?;
    sync_folder(&folder);
    Ok(())
}

/// Replaces several files: all are written beside their targets first, then each is renamed in place. `tick` hears how
/// many are written.
///
/// # Errors
/// Exit 2. When a file could not be written, none is replaced. When one could not be renamed after others were, the
/// error says which files are new and which are as before; no file is ever half of each.
pub fn replace_all(
    files: &[(PathBuf, Vec<u8>)],
    tick: &mut dyn FnMut(usize),
) -> Result<(), Failure> {
    // Waiting for the disk is most of the time, and a disk serves many who wait together almost as quickly as one.
    const WRITERS: usize = 16;
    let staged = parallel::map(files, WRITERS, tick, |(path, bytes)| {
        stage(path, bytes, Audience::Usual, Existing::Replace)
    });
    let staged = staged.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut folders = BTreeSet::new();
    for (index, staged) in staged.into_iter().enumerate() {
        match rename(staged) {
            Ok(folder) => folders.insert(folder),
            Err(failure) => return Err(half_done(failure, files, index)),
        };
    }
    for folder in &folders {
        sync_folder(folder);
    }
    Ok(())
}

/// After everything could be written, renaming fails when somebody changes the folders at the same moment.
fn half_done(failure: Failure, files: &[(PathBuf, Vec<u8>)], done: usize) -> Failure {
    const MOST_NAMES: usize = 20;
    if done == 0 {
        return failure.hint("no file was changed");
    }
    let names = |files: &[(PathBuf, Vec<u8>)]| {
        let mut names: Vec<_> = files
            .iter()
            .take(MOST_NAMES)
            .map(|(path, _)| path.display().to_string())
            .collect();
        if files.len() > MOST_NAMES {
            names.push(format!("and {} more", files.len() - MOST_NAMES));
        }
        names.join(", ")
    };
    let (new, old) = files.split_at(done);
    failure
        .context(format!(
            "{done} of {} files are written, the others are as before\n  \
             written:     {}\n  not written: {}",
            files.len(),
            names(new),
            names(old)
        ))
        .hint("run the same command again: what is sealed stays as it is")
}

/// A complete file beside its target; removed when dropped before [`rename`].
struct Staged {
    temporary: TempPath,
    target: PathBuf,
    existing: Existing,
}

fn stage(
    path: &Path,
    bytes: &[u8],
    audience: Audience,
    existing: Existing,
) -> Result<Staged, Failure> {
    let failed = || format!("cannot write `{}`", path.display());
    let write = || -> anyhow::Result<Staged> {
        let target = resolve(path)?;
        let folder = parent(&target);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".privy-").suffix(".tmp");
        set_new_mode(&mut builder, audience);
        let mut file = builder
            .tempfile_in(folder)
            .map_err(|error| cannot_make(folder, &error))?;
        if audience == Audience::Usual
            && existing == Existing::Replace
            && let Ok(metadata) = fs::metadata(&target)
        {
            file.as_file().set_permissions(metadata.permissions())?;
        }
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(Staged {
            temporary: file.into_temp_path(),
            target,
            existing,
        })
    };
    write()
        .with_context(failed)
        .map_err(|error| hint_at_folder(Failure::usage(error), path))
}

/// A missing folder has an obvious next step.
fn hint_at_folder(failure: Failure, path: &Path) -> Failure {
    let folder = parent(path);
    if folder.exists() {
        return failure;
    }
    let word = shell_word(&folder.display().to_string());
    failure.hint(format!("make the folder first: mkdir -p {word}"))
}

/// Refuses a path whose folder is missing, before work is done for it.
///
/// # Errors
/// Exit 2.
pub fn require_folder(path: &Path) -> Result<(), Failure> {
    let folder = parent(path);
    if folder.is_dir() {
        return Ok(());
    }
    let missing = anyhow::anyhow!("the folder `{}` does not exist", folder.display());
    let failure = Failure::usage(missing.context(format!("cannot write `{}`", path.display())));
    Err(hint_at_folder(failure, path))
}

/// Puts the file in its place and names the folder, which is to be synced.
fn rename(staged: Staged) -> Result<PathBuf, Failure> {
    let Staged {
        temporary,
        target,
        existing,
    } = staged;
    let renamed = match existing {
        Existing::Replace => temporary.persist(&target),
        Existing::Keep => temporary.persist_noclobber(&target),
    };
    if let Err(error) = renamed {
        let exists = error.error.kind() == io::ErrorKind::AlreadyExists;
        let failure = Failure::usage(
            anyhow::Error::new(error.error).context(format!("cannot write `{}`", target.display())),
        );
        return Err(if exists {
            failure.hint("nothing was changed; choose another name, or --force to replace the file")
        } else {
            failure
        });
    }
    Ok(parent(&target).to_owned())
}

/// The name of the temporary file would only distract from what is wrong with the folder.
fn cannot_make(folder: &Path, error: &io::Error) -> anyhow::Error {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        return anyhow::anyhow!("the folder `{}` does not exist", folder.display());
    }
    anyhow::Error::new(io::Error::from(kind)).context(format!(
        "no file can be made in the folder `{}`",
        folder.display()
    ))
}

/// The file itself where `path` is a symbolic link, so that the link stays one.
fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            fs::canonicalize(path).context("the symbolic link leads nowhere")
        }
        Ok(metadata) if metadata.is_dir() => anyhow::bail!("it is a folder"),
        _ => Ok(path.to_owned()),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn set_new_mode(builder: &mut tempfile::Builder<'_, '_>, audience: Audience) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match audience {
        Audience::Usual => 0o666,
        Audience::Owner => 0o600,
    };
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn set_new_mode(_: &mut tempfile::Builder<'_, '_>, _: Audience) {}

/// Makes the rename itself durable, where folders can be synced.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_exists_unless_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"old", Audience::Owner, Existing::Keep).unwrap();
        write(&path, b"new", Audience::Owner, Existing::Keep).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, b"new", Audience::Owner, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[cfg(unix)]
    #[test]
    fn keeps_mode_and_link() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a.yaml", &link).unwrap();
        write(&link, b"new", Audience::Usual, Existing::Replace).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"key", Audience::Owner, Existing::Keep).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn one_bad_file_leaves_all_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.yaml");
        fs::write(&good, b"old").unwrap();
        let bad = folder.path().join("missing").join("bad.yaml");
        let files = [(good.clone(), b"new".to_vec()), (bad, b"new".to_vec())];
        replace_all(&files, &mut |_| {}).unwrap_err();
        assert_eq!(fs::read(&good).unwrap(), b"old");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn what_is_written_and_what_is_not_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = ["a", "b", "c"]
            .map(|name| (folder.path().join(name), name.as_bytes().to_vec()))
            .into();
        let failure = half_done(Failure::usage(anyhow::anyhow!("cannot write")), &files, 1);
        let text = failure.message();
        let (written, not) = text.split_once("not written: ").unwrap();
        assert!(written.contains("1 of 3 files") && written.contains("written:     "));
        assert!(written.contains("/a") && !written.contains("/b"), "{text}");
        assert!(not.contains("/b, ") && not.contains("/c"), "{text}");
    }
}
