//! What a file contained when it was read: how a command notices that someone else wrote it in the meantime.
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use crate::io::read_bounded;

/// A hash under a key of this process: no one can make two files that it takes for one.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Stands for the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    length: usize,
    hash: u64,
}

impl Content {
    /// Of what was read.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len(),
            hash: HASHER.hash_one(bytes),
        }
    }

    /// Whether the file contains this now. A file that is gone does not.
    pub(super) fn is_in(self, path: &Path) -> io::Result<bool> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() != self.length as u64 {
            return Ok(false);
        }
        let now = read_bounded(&mut file, self.length)?;
        Ok(now.is_some_and(|now| Self::of(&now) == self))
    }
}

/// What must be at a path for a manifest to be written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No file.
    Nothing,
    /// A file that contains what was read from it.
    Content(Content),
}

/// Someone else wrote the file after it was read; it is as they left it.
#[derive(Debug, thiserror::Error)]
#[error("it was changed by someone else in the meantime, and is as they left it")]
pub(super) struct ChangedMeanwhile;
