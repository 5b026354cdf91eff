//! Files of the temporary folder.
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// Writes a file that everyone may read.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    make_parent(path)?;
    fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}

/// Writes a file that only its owner may read, from its first byte on.
pub(super) fn write_private(path: &Path, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
    make_parent(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes.as_ref()))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// Reads a text file.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Whether only the owner may read the file. Where files have no mode, nothing is known against it.
pub(super) fn is_private(path: &Path) -> anyhow::Result<bool> {
    let metadata =
        fs::metadata(path).with_context(|| format!("failed to look at {}", path.display()))?;
    #[cfg(unix)]
    let private = {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        // Neither the group's three bits nor everyone's.
        mode.trailing_zeros() >= 6
    };
    #[cfg(not(unix))]
    let private = metadata.is_file();
    Ok(private)
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))
}
