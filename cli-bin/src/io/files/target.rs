//! Which file is written when a path is named: what is behind a symbolic link, if it may be followed.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::text::Shown as _;

/// What happens to a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Follow,
    /// Followed within the Git work tree that the link is in, or, without one, within its folder.
    Inside,
    Refuse,
}

/// The path to rename to: the file itself where `path` is a symbolic link that may be followed, so that the link stays
/// one. Renaming follows no link and opens nothing, whatever is put there in the meantime.
pub(super) fn resolve(path: &Path, link: Link) -> anyhow::Result<PathBuf> {
    let mut target = path.to_owned();
    let mut metadata = fs::symlink_metadata(path);
    if metadata.as_ref().is_ok_and(fs::Metadata::is_symlink) {
        if link == Link::Refuse {
            anyhow::bail!(
                "it is a symbolic link, and results are not written through links; remove it, or name the file itself"
            );
        }
        target = fs::canonicalize(path).context("the symbolic link leads nowhere")?;
        if link == Link::Inside && !target.starts_with(tree_of(path)?) {
            return Err(LeavesTree { target }.into());
        }
        metadata = fs::symlink_metadata(&target);
    }
    match metadata {
        Ok(metadata) if metadata.is_dir() => anyhow::bail!("it is a folder"),
        Ok(metadata) if !metadata.is_file() => anyhow::bail!(
            "it is a pipe, a device or a socket, and only regular files are replaced; use standard output for those"
        ),
        Ok(_) => Ok(target),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(target),
        Err(error) => Err(error.into()),
    }
}

/// A link that leads out of its repository.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is a symbolic link to `{}`, which is outside of the link's repository",
    target.shown()
)]
pub(super) struct LeavesTree {
    pub(super) target: PathBuf,
}

/// The root of the Git work tree in which the path is, or the path's folder.
fn tree_of(path: &Path) -> anyhow::Result<PathBuf> {
    let folder = fs::canonicalize(super::access::parent(path))?;
    let root = folder
        .ancestors()
        .find(|folder| fs::symlink_metadata(folder.join(".git")).is_ok());
    Ok(root.unwrap_or(&folder).to_owned())
}
