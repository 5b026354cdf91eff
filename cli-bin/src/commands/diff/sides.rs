//! Both sides of a comparison, and how they come from files and folders.
use std::path::{Path, PathBuf};

use super::snapshot::{Item, items};
use crate::commands::lint::find::{is_kustomization, normal};
use crate::io::files;
use crate::report::Failure;
use crate::text::printable;

/// Folders deeper than this are a mistake, or a trap.
const DEEPEST: usize = 64;

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
        if !self.skipped.contains(&entry) {
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
    let mut found = Vec::new();
    search(path, &mut found, 0);
    found.sort();
    found
}

fn search(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type() {
            Ok(kind)
                if kind.is_dir() && depth < DEEPEST && name != ".git" && name != "node_modules" =>
            {
                search(&path, found, depth + 1);
            }
            Ok(kind) if kind.is_file() && is_manifest(&path) => found.push(normal(&path)),
            _ => {}
        }
    }
}

/// Whether a file's name is one of a manifest or an envelope.
pub fn is_manifest(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    matches!(end, Some("yaml" | "yml" | "json" | "jwe")) && !is_kustomization(path)
}
