//! The audit log's file, which is opened again when its owner has moved it away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file that lines are appended to.
#[derive(Debug)]
pub(crate) struct AuditFile {
    path: PathBuf,
    file: File,
    requested: Arc<AtomicBool>,
}

/// Asks an [`AuditFile`] to open its path again.
#[derive(Clone, Debug)]
pub(crate) struct Reopen(Arc<AtomicBool>);

impl Reopen {
    /// The next line goes to the file that is then at the path.
    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl AuditFile {
    /// Opens `path` to append, and creates it if need be.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: append_to(path)?,
            requested: Arc::default(),
        })
    }

    /// How to have it opened again.
    pub(crate) fn reopen(&self) -> Reopen {
        Reopen(Arc::clone(&self.requested))
    }
}

impl Write for AuditFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.requested.swap(false, Ordering::Relaxed) {
            match append_to(&self.path) {
                Ok(file) => self.file = file,
                // No line is lost: the file that is open still takes it.
                Err(error) => {
                    tracing::error!(%error, path = %self.path.display(), "the audit log cannot be opened again");
                }
            }
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
