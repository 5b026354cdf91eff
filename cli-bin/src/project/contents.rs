//! What is in the files of a repository: as they are, or as they are staged for the next commit.
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::io::files;
use crate::project::git::{self, Blob};
use crate::project::walk;

/// The most of a staged file that is no manifest: more than any key file has.
const OTHERS: usize = 64 * 1024;

/// Where the bytes of files come from. What is not staged comes from the disk.
#[derive(Debug, Default)]
pub struct Contents {
    staged: HashMap<PathBuf, Option<Zeroizing<Vec<u8>>>>,
}

impl Contents {
    /// What is staged of these paths, or of the whole repository, and differs from the last commit.
    ///
    /// # Errors
    /// Exit 2 where there is no `git`, or no repository.
    pub fn staged(paths: &[PathBuf]) -> Result<Self, Failure> {
        let root = git::root()?;
        let before = match git::resolve("HEAD")? {
            Some(head) => head,
            None => git::empty_tree()?,
        };
        let arguments = [
            "diff",
            "--raw",
            "-z",
            "--no-renames",
            "--no-abbrev",
            "--no-ext-diff",
            "--no-relative",
            "--cached",
            &before,
        ];
        let changed = git::parse(&git::output(&arguments, paths)?)?;
        let files: Vec<(&str, &str)> = changed
            .iter()
            .filter_map(|changed| match &changed.after {
                Some(Blob::Stored(hash)) => Some((changed.path.as_str(), hash.as_str())),
                _ => None,
            })
            .collect();
        let hashes: Vec<&str> = files.iter().map(|(_, hash)| *hash).collect();
        let limit = |index: usize| match files.get(index) {
            Some((path, _)) if walk::is_manifest_or_envelope(Path::new(path)) => {
                files::MANIFEST_LIMIT
            }
            _ => OTHERS,
        };
        let contents = git::contents(&hashes, limit)?;
        let staged = files.iter().zip(contents);
        Ok(Self {
            staged: staged
                .map(|((path, _), bytes)| (root.join(path), bytes))
                .collect(),
        })
    }

    /// The files that are staged.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.staged.keys().map(PathBuf::as_path)
    }

    /// Whether this file is staged.
    pub fn is_staged(&self, path: &Path) -> bool {
        self.staged.contains_key(path)
    }

    /// As [`files::read`].
    ///
    /// # Errors
    /// As [`files::read`].
    pub fn read(&self, path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
        match self.staged.get(path) {
            Some(Some(bytes)) if bytes.len() <= limit => Ok(bytes.clone()),
            Some(_) => Err(Failure::usage(anyhow!(
                "what is staged of it is larger than {limit} bytes"
            ))),
            None => files::read(path, limit),
        }
    }
}
