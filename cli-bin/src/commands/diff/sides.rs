//! Both sides of a comparison, and how they come from files and folders.
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::snapshot::{Item, items};
use crate::commands::lint::find::{is_kustomization, normal};
use crate::failure::Failure;
use crate::io::files;
use crate::project::walk::{self, Visitor};
use crate::text::printable;

/// What is compared.
#[derive(Debug, Default)]
pub struct Sides {
    /// What people call the first.
    pub before_name: String,
    /// And the second.
    pub after_name: String,
    /// The values of the first.
    pub before: Vec<Item>,
    /// And of the second.
    pub after: Vec<Item>,
    /// Files that were not compared, and why.
    pub skipped: Vec<(String, String)>,
    pub(super) noted: HashSet<(String, String)>,
}

impl Sides {
    /// Adds a file's values to one side.
    pub fn add(&mut self, path: &str, bytes: &[u8], before: bool) {
        match items(&printable(path, 400), bytes) {
            Ok(found) if before => self.before.extend(found),
            Ok(found) => self.after.extend(found),
            Err(reason) => self.skip(path, &reason),
        }
    }

    /// Notes a file that is not compared.
    pub fn skip(&mut self, path: &str, reason: &str) {
        let entry = (printable(path, 400), printable(reason, 400));
        if self.noted.insert(entry.clone()) {
            self.skipped.push(entry);
        }
    }
}

/// Two files, or two folders. Files of the same name within the folders belong together.
///
/// # Errors
/// Exit 2 when a file cannot be read.
pub fn from_paths(before: &Path, after: &Path) -> Result<Sides, Failure> {
    let mut sides = Sides {
        before_name: printable(&before.display().to_string(), 200),
        after_name: printable(&after.display().to_string(), 200),
        ..Sides::default()
    };
    let folders = before.is_dir() && after.is_dir();
    for (path, is_before) in [(before, true), (after, false)] {
        for file in manifests(path) {
            let name = if folders {
                file.strip_prefix(path).unwrap_or(&file)
            } else {
                // Two files are one file at two times, whatever they are called.
                after
            };
            let bytes = files::read(&file, files::MANIFEST_LIMIT)?;
            sides.add(&name.display().to_string(), &bytes, is_before);
        }
    }
    Ok(sides)
}

/// The manifests of a folder, or the file itself.
pub fn manifests(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let mut found = Manifests(Vec::new());
    // What cannot be read is passed over.
    let _ = walk::walk(path, &mut found);
    found.0.sort();
    found.0
}

struct Manifests(Vec<PathBuf>);

impl Visitor for Manifests {
    fn file(&mut self, entry: &std::fs::DirEntry) {
        let path = entry.path();
        if is_manifest(&path) {
            self.0.push(normal(&path));
        }
    }

    fn left_out(&mut self, _: &Path) {}

    fn unreadable(&mut self, _: &Path, _: anyhow::Error) -> Result<(), Failure> {
        Ok(())
    }
}

/// Whether a file's name is one of a manifest or an envelope.
pub fn is_manifest(path: &Path) -> bool {
    walk::is_manifest_or_envelope(path) && !is_kustomization(path)
}
