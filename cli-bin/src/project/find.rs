//! Which `.privy.yaml` governs a file.
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Failure;
use crate::text::Shown as _;

/// The file's name, at the root of a repository.
pub const FILE_NAME: &str = ".privy.yaml";

/// Where a `.privy.yaml` was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectPlace {
    /// The `.privy.yaml`.
    pub file: PathBuf,
    /// The folder that it was looked for, as it is really called.
    pub folder: PathBuf,
}

/// Finds the `.privy.yaml` that governs files of `folder`, looking upwards to the root of the repository or of
/// the file system.
///
/// # Errors
/// Exit 2 when the folder cannot be read.
pub fn find(folder: &Path) -> Result<Option<ProjectPlace>, Failure> {
    let start = std::fs::canonicalize(folder)
        .with_context(|| format!("cannot read the folder `{}`", folder.shown()))
        .map_err(Failure::usage)?;
    Ok(find_above(start))
}

/// As [`find`], for a folder as it is really called.
pub fn find_above(folder: PathBuf) -> Option<ProjectPlace> {
    for above in folder.ancestors() {
        let file = above.join(FILE_NAME);
        if file.is_file() {
            return Some(ProjectPlace { file, folder });
        }
        if above.join(".git").exists() {
            break;
        }
    }
    None
}
