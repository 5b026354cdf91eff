//! Files: read whole and bounded; written only as a whole, and only when everything else went well.
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempPath;
use zeroize::Zeroizing;

use crate::io::read_bounded;
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

/// Replaces several files: all are written beside their targets first, then each is renamed in place.
///
/// # Errors
/// Exit 2. When a file could not be written, none is replaced.
pub fn replace_all(files: &[(PathBuf, Vec<u8>)]) -> Result<(), Failure> {
    // Waiting for the disk is most of the time; it waits for several files at once.
    const WRITERS: usize = 8;
    let share = files.len().div_ceil(WRITERS).max(1);
    let staged = std::thread::scope(|scope| {
        let writers: Vec<_> = files
            .chunks(share)
            .map(|files| {
                scope.spawn(move || {
                    let stage = |(path, bytes): &(PathBuf, Vec<u8>)| {
                        stage(path, bytes, Audience::Usual, Existing::Replace)
                    };
                    files.iter().map(stage).collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        // Every writer is awaited, so that no staged file outlives a failure.
        let results: Vec<_> = writers
            .into_iter()
            .map(|writer| {
                writer
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        results.into_iter().collect::<Result<Vec<_>, _>>()
    })?;
    let folders = staged
        .into_iter()
        .flatten()
        .map(rename)
        .collect::<Result<BTreeSet<_>, _>>()?;
    for folder in &folders {
        sync_folder(folder);
    }
    Ok(())
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
        replace_all(&files).unwrap_err();
        assert_eq!(fs::read(&good).unwrap(), b"old");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }
}
