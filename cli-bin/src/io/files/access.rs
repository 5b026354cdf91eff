//! Who may read a file that is written, and what a write may replace.
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::failure::Failure;
use crate::text::shell_path;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// As the user's umask says.
    Usual,
    /// Only the user (0600).
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

/// A missing folder has an obvious next step.
pub(super) fn hint_at_folder(failure: Failure, path: &Path) -> Failure {
    let folder = parent(path);
    if folder.exists() {
        return failure;
    }
    let word = shell_path(folder);
    failure.hint(format!("make the folder first: mkdir -p {word}"))
}

pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
pub(super) fn set_new_mode(builder: &mut tempfile::Builder<'_, '_>, audience: Audience) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match audience {
        Audience::Usual => 0o666,
        Audience::Owner => 0o600,
    };
    builder.permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
pub(super) fn set_new_mode(_: &mut tempfile::Builder<'_, '_>, _: Audience) {}

/// Closes a file to everyone but its owner.
#[cfg(unix)]
pub(super) fn close_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Windows gives a new file what its folder says.
#[cfg(not(unix))]
pub(super) fn close_to_others(file: &File) -> io::Result<()> {
    file.set_permissions(file.metadata()?.permissions())
}
