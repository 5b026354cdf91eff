//! Files: read whole and bounded; written only as a whole, and only when everything else went well.

mod access;
mod attributes;
mod content;
mod lock;
mod replace;
mod target;

use std::fs::File;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

pub use self::access::{Audience, Existing};
use self::access::{hint_at_folder, parent};
pub use self::content::{Content, Expected};
use self::replace::put;
pub use self::replace::{Replaced, Replacement, replace_all, write_manifest};
use self::target::Link;
use crate::failure::Failure;
use crate::io::{Io, read_bounded};
use crate::text::{Shown as _, shell_path};

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
            path.shown()
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
        anyhow::Error::new(error).context(format!("cannot read `{}`", path.shown())),
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
        let word = shell_path(path);
        let path = path.shown();
        io.say(format_args!(
            "warning: others may read the private key `{path}`; close it with: chmod 600 {word}"
        ));
    }
}

/// Windows has other ways to say who may read.
#[cfg(not(unix))]
pub fn warn_if_shared(_: &Path, _: &mut Io<'_>) {}

/// Writes one file of the user's whole, or not at all. A symbolic link stays one: the file that it leads to is replaced.
///
/// # Errors
/// Exit 2; the file, if there was one, is as before.
pub fn write(
    path: &Path,
    bytes: &[u8],
    audience: Audience,
    existing: Existing,
) -> Result<(), Failure> {
    put(path, bytes, audience, existing, Link::Follow)
}

/// Writes the result of a command into a file, whole or not at all. Nothing but a regular file is replaced, and no link
/// is followed: someone else may have put it there to learn the result, or to have a file of the user's overwritten.
///
/// # Errors
/// Exit 2; what was there, if anything, is as before.
pub fn create(
    path: &Path,
    bytes: &[u8],
    audience: Audience,
    existing: Existing,
) -> Result<(), Failure> {
    put(path, bytes, audience, existing, Link::Refuse)
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
    let missing = anyhow::anyhow!("the folder `{}` does not exist", folder.shown());
    let failure = Failure::usage(missing.context(format!("cannot write `{}`", path.shown())));
    Err(hint_at_folder(failure, path))
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn manifests_are_written_through_no_link_that_leaves_its_repository() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["repository/.git", "repository/prod", "plain", "elsewhere"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("elsewhere/db.yaml"), b"theirs").unwrap();
        fs::write(at("repository/base.yaml"), b"old").unwrap();
        symlink("../../elsewhere/db.yaml", at("repository/prod/out.yaml")).unwrap();
        symlink("../elsewhere", at("repository/folder")).unwrap();
        symlink("folder/db.yaml", at("repository/chain.yaml")).unwrap();
        symlink("../elsewhere/db.yaml", at("plain/out.yaml")).unwrap();
        symlink("../base.yaml", at("repository/prod/in.yaml")).unwrap();
        let theirs = Content::of(b"theirs");
        let replacement = |path| Replacement {
            path,
            before: theirs,
            after: b"new".to_vec(),
        };
        for link in [
            "repository/prod/out.yaml",
            "repository/chain.yaml",
            "plain/out.yaml",
        ] {
            let failures = [
                write_manifest(&at(link), b"new", Expected::Content(theirs)).unwrap_err(),
                replace_all(&[replacement(at(link))], &mut |_| {}).unwrap_err(),
            ];
            for failure in failures {
                let text = failure.message();
                assert!(text.contains("outside of the link's repository"), "{text}");
            }
        }
        assert_eq!(fs::read(at("elsewhere/db.yaml")).unwrap(), b"theirs");
        let old = Expected::Content(Content::of(b"old"));
        let written = write_manifest(&at("repository/prod/in.yaml"), b"new", old).unwrap();
        assert_eq!(written, Replaced::Done);
        assert_eq!(fs::read(at("repository/base.yaml")).unwrap(), b"new");
        // The user's own list of keys may be a link to anywhere.
        write(
            &at("plain/out.yaml"),
            b"mine",
            Audience::Owner,
            Existing::Replace,
        )
        .unwrap();
        assert_eq!(fs::read(at("elsewhere/db.yaml")).unwrap(), b"mine");
    }

    #[cfg(unix)]
    #[test]
    fn results_go_through_no_link_and_into_nothing_but_files() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("victim"), b"theirs").unwrap();
        symlink("victim", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink(folder.path(), at("to-a-folder")).unwrap();
        symlink("/dev/null", at("to-a-device")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for audience in [Audience::Owner, Audience::Usual] {
            for existing in [Existing::Keep, Existing::Replace] {
                for name in [
                    "link",
                    "dangling",
                    "to-a-folder",
                    "to-a-device",
                    "pipe",
                    "socket",
                ] {
                    create(&at(name), b"secret", audience, existing).unwrap_err();
                }
                create(Path::new("/dev/null"), b"secret", audience, existing).unwrap_err();
                for name in ["to-a-device", "pipe", "socket"] {
                    write(&at(name), b"secret", audience, existing).unwrap_err();
                }
            }
        }
        assert_eq!(fs::read(at("victim")).unwrap(), b"theirs");
        assert!(!at("nowhere").exists());
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            7,
            "nothing else is there"
        );
    }

    #[cfg(unix)]
    #[test]
    fn another_name_of_a_replaced_file_keeps_what_it_had_and_its_mode_is_not_inherited() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (shared, out) = (folder.path().join("shared"), folder.path().join("out"));
        fs::write(&shared, b"theirs").unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o666)).unwrap();
        fs::hard_link(&shared, &out).unwrap();
        create(&out, b"secret", Audience::Owner, Existing::Replace).unwrap();
        assert_eq!(fs::read(&shared).unwrap(), b"theirs");
        assert_eq!(fs::read(&out).unwrap(), b"secret");
        assert_eq!(
            fs::metadata(&out).unwrap().permissions().mode() & 0o777,
            0o600
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
}
