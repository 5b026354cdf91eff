//! Reads a private key file that nobody else can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jwe_envelope::KeyError;
use zeroize::Zeroizing;

/// A PKCS#8 RSA-4096 key takes 3.3 KB as PEM, a JWK 3.2 KB.
const LARGEST: u64 = 64 * 1024;

/// Why a private key file cannot be used. Each says what to do; none holds a byte of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalFileError {
    /// It holds no usable private key.
    #[error("private key file {path:?} holds no usable private key")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        #[source]
        source: KeyError,
    },
    /// A folder, a pipe, a device.
    #[error("private key file {path:?} is not a regular file")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Others may read or change it.
    #[error(
        "private key file {path:?} can be used by others (mode {mode:04o}); close it with `chmod 600 {}`",
        quoted(path)
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is somebody else's.
    #[error(
        "private key file {path:?} belongs to user {owner}, who could replace it; \
         take it over with `chown {user} {}`",
        quoted(path)
    )]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Larger than any key.
    #[error("private key file {path:?} is larger than {LARGEST} bytes; is it a key?")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Missing, or not ours to read.
    #[error("private key file {path:?} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

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
    judge_access(path, metadata.mode() & 0o7777, metadata.uid(), user)
}

/// Nobody but `user` and root may use the file, with one exception: a file of root's that our group may read.
/// So does Kubernetes mount a Secret for a process that is not root (`fsGroup`, mode 0440), and it knows no tighter way.
#[cfg(unix)]
fn judge_access(path: &Path, mode: u32, owner: u32, user: u32) -> Result<(), LocalFileError> {
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
    // Root reads what it likes anyway; its files (mounted volumes) are fine for everybody.
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

/// As a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

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
        let judge = |mode, owner, user| judge_access(Path::new("key.pem"), mode, owner, user);
        assert!(judge(0o440, 0, 1000).is_ok());
        assert!(judge(0o640, 0, 1000).is_ok());
        for (mode, owner, user) in [
            (0o444, 0, 1000),
            (0o460, 0, 1000),
            (0o450, 0, 1000),
            (0o440, 1000, 1000),
            (0o440, 0, 0),
        ] {
            let refused = judge(mode, owner, user);
            assert!(
                matches!(refused, Err(LocalFileError::OpenToOthers { .. })),
                "{mode:o} of {owner} for {user}: {refused:?}"
            );
        }
    }

    #[test]
    fn refuses_a_file_of_somebody_else() {
        let refused = judge_access(Path::new("key.pem"), 0o600, 1001, 1000);
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

    #[test]
    fn commands_in_messages_survive_odd_names() {
        assert_eq!(quoted(Path::new("/a/b.pem")), "/a/b.pem");
        assert_eq!(quoted(Path::new("my key.pem")), "'my key.pem'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
        assert_eq!(quoted(Path::new("-rf")), "'-rf'");
    }
}
