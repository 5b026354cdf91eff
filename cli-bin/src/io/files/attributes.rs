//! Owner, group, permissions and access control lists of a file that is replaced.
use std::fs::File;
use std::io;

/// Gives a new file what the one that it replaces has.
///
/// # Errors
/// When the system does not allow it: then the new file would be another person's, or open to others.
#[cfg(unix)]
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{Gid, Uid, fchown};

    let (wanted, made) = (from.metadata()?, to.metadata()?);
    let owner = (wanted.uid() != made.uid()).then(|| Uid::from_raw(wanted.uid()));
    let group = (wanted.gid() != made.gid()).then(|| Gid::from_raw(wanted.gid()));
    if owner.is_some() || group.is_some() {
        fchown(to, owner, group)?;
    }
    // Before the mode: where there is a list, the bits of the group are its mask.
    lists::remove_inherited(from, to)?;
    to.set_permissions(wanted.permissions())?;
    lists::copy(from, to)
}

/// Windows gives a new file what its folder says.
///
/// # Errors
/// When permissions cannot be set.
#[cfg(not(unix))]
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    to.set_permissions(from.metadata()?.permissions())
}

/// Extended attributes, which hold the access control lists.
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod lists {
    use std::fs::File;
    use std::io;

    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
    use rustix::io::Errno;

    /// The largest list of names, and the largest value, that Linux has.
    const MOST: usize = 64 * 1024;

    /// The list that a new file gets where its folder has one for new files.
    const INHERITED: &str = "system.posix_acl_access";

    /// Labels of the system's own policy: the system sets them, and only it may.
    const OF_THE_SYSTEM: [&str; 2] = ["security.", "trusted."];

    pub(super) fn remove_inherited(from: &File, to: &File) -> io::Result<()> {
        let has = |file| Ok::<_, io::Error>(names(file)?.iter().any(|name| name == INHERITED));
        if has(to)? && !has(from)? {
            fremovexattr(to, INHERITED)?;
        }
        Ok(())
    }

    pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
        let mut value = vec![0; MOST];
        for name in names(from)? {
            if OF_THE_SYSTEM.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let length = fgetxattr(from, name.as_str(), &mut value[..])?;
            fsetxattr(to, name.as_str(), &value[..length], XattrFlags::empty())?;
        }
        Ok(())
    }

    /// None where the file system has no such attributes.
    fn names(file: &File) -> io::Result<Vec<String>> {
        let mut list = vec![0; MOST];
        let length = match flistxattr(file, &mut list[..]) {
            Ok(length) => length,
            Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        list.truncate(length);
        let names = list
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        Ok(names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
mod lists {
    use std::fs::File;
    use std::io;

    pub(super) fn remove_inherited(_: &File, _: &File) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn copy(_: &File, _: &File) -> io::Result<()> {
        Ok(())
    }
}
