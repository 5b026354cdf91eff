//! Reads a private key file that no one else can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use super::error::{LARGEST, LocalFileError};
use zeroize::Zeroizing;

/// The content of the file at `path`, wiped when dropped.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, LocalFileError> {
    let unreadable = |source| LocalFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = open(path).map_err(unreadable)?;
    // Everything is asked of the open file, so that it cannot be swapped between check and use.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(LocalFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    check_access(path, &metadata)?;

    // Never grows past its first allocation: growing would leave a copy behind unwiped.
    let limit = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(LocalFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Without it, opening a pipe would wait for a writer. Regular files ignore it.
    let nonblock = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblock.bits().cast_signed())
        .open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn check_access(path: &Path, metadata: &std::fs::Metadata) -> Result<(), LocalFileError> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    check_permissions(path, metadata.mode() & 0o7777, metadata.uid(), user)
}

/// Only `user` and root may use the file, with one exception: a file of root that our group may read. Kubernetes mounts
/// a Secret like that for a process that is not root (`fsGroup`, mode 0440), and has no stricter way.
#[cfg(unix)]
fn check_permissions(path: &Path, mode: u32, owner: u32, user: u32) -> Result<(), LocalFileError> {
    const GROUP_AND_OTHERS: u32 = 0o077;
    const GROUP_READS: u32 = 0o040;
    const ROOT: u32 = 0;

    let mounted = owner == ROOT && user != ROOT;
    let allowed = if mounted { GROUP_READS } else { 0 };
    if mode & GROUP_AND_OTHERS & !allowed != 0 {
        return Err(LocalFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    // Root reads what it likes anyway; its files (mounted volumes) are fine for everyone.
    if owner != user && owner != ROOT {
        return Err(LocalFileError::OtherOwner {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "checks nothing on this platform")]
fn check_access(_: &Path, _: &std::fs::Metadata) -> Result<(), LocalFileError> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use std::path::PathBuf;

    use super::*;

    fn write(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn reads_a_closed_file() {
        for mode in [0o600, 0o400] {
            let (_folder, path) = write(b"content", mode);
            assert_eq!(read(&path).unwrap().as_slice(), b"content");
        }
    }

    #[test]
    fn refuses_a_file_that_others_can_use_and_says_how_to_close_it() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o610, 0o777] {
            let (_folder, path) = write(b"content", mode);
            let error = read(&path).unwrap_err();
            assert!(
                matches!(error, LocalFileError::OpenToOthers { .. }),
                "{error}"
            );
            let message = error.to_string();
            let command = format!("`chmod 600 {}`", path.display());
            assert!(message.contains(&command), "{message}");
            assert!(message.contains(&format!("{mode:04o}")), "{message}");
        }
    }

    #[test]
    fn a_mounted_secret_may_be_read_by_our_group_alone() {
        let check = |mode, owner, user| check_permissions(Path::new("key.pem"), mode, owner, user);
        assert!(check(0o440, 0, 1000).is_ok());
        assert!(check(0o640, 0, 1000).is_ok());
        for (mode, owner, user) in [
            (0o444, 0, 1000),
            (0o460, 0, 1000),
            (0o450, 0, 1000),
            (0o440, 1000, 1000),
            (0o440, 0, 0),
        ] {
            let refused = check(mode, owner, user);
            assert!(
                matches!(refused, Err(LocalFileError::OpenToOthers { .. })),
                "{mode:o} of {owner} for {user}: {refused:?}"
            );
        }
    }

    #[test]
    fn refuses_a_file_of_somebody_else() {
        let refused = check_permissions(Path::new("key.pem"), 0o600, 1001, 1000);
        let Err(LocalFileError::OtherOwner { owner, user, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((owner, user), (1001, 1000));
    }

    #[test]
    fn refuses_what_is_too_large() {
        let (_folder, path) = write(&vec![b'a'; 64 * 1024 + 1], 0o600);
        assert!(matches!(read(&path), Err(LocalFileError::TooLarge { .. })));
        let (_folder, path) = write(&vec![b'a'; 64 * 1024], 0o600);
        assert_eq!(read(&path).unwrap().len(), 64 * 1024);
    }

    #[test]
    fn refuses_what_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(matches!(error, LocalFileError::NotAFile { .. }), "{error}");
        let error = read(&folder.path().join("absent")).unwrap_err();
        assert!(
            matches!(error, LocalFileError::Unreadable { .. }),
            "{error}"
        );
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        assert!(matches!(read(&path), Err(LocalFileError::NotAFile { .. })));
    }
}
