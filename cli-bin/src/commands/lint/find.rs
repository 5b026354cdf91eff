//! Which files are checked: folders searched, lists of names read.
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;

use super::args::LintArgs;
use crate::io::Io;
use crate::io::files;
use crate::report::Failure;

/// The name of standard input among paths.
pub const STDIN: &str = "-";

/// Folders deeper than this are a mistake, or a trap.
const DEEPEST: usize = 64;

const LIST_LIMIT: usize = 16 * 1024 * 1024;

/// What is to be checked.
#[derive(Debug, Default)]
pub struct Found {
    /// Manifests: absolute path to the name that people know.
    pub files: BTreeMap<PathBuf, String>,
    /// Kustomizations, wherever they are in the repositories.
    pub kustomizations: BTreeSet<PathBuf>,
    /// Folders that could not be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// Standard input is to be checked.
    pub stdin: bool,
    /// What was asked for, absolute.
    pub asked: Vec<PathBuf>,
}

/// Finds the files that the arguments name.
///
/// # Errors
/// Exit 2 when one does not exist.
pub fn find(args: &LintArgs, io: &mut Io<'_>) -> Result<Found, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot tell the present folder"))
    })?;
    let mut paths = args.paths.clone();
    if let Some(list) = &args.files_from {
        paths.extend(listed(list, io)?);
    } else if paths.is_empty() {
        paths.push(PathBuf::from("."));
    }
    let mut found = Found::default();
    let mut roots = BTreeSet::new();
    let mut searched = BTreeSet::new();
    for path in &paths {
        if path.as_os_str() == STDIN {
            found.stdin = true;
            continue;
        }
        let absolute = normal(&here.join(path));
        found.asked.push(absolute.clone());
        let folder = if absolute.is_dir() {
            found.search(&absolute, &here, 0, true);
            searched.insert(absolute.clone());
            absolute.clone()
        } else if absolute.exists() {
            found
                .files
                .insert(absolute.clone(), shown(&absolute, &here));
            absolute.parent().unwrap_or(&here).to_owned()
        } else {
            return Err(
                Failure::usage(anyhow!("there is no file or folder `{}`", path.display()))
                    .hint("check the spelling of the path, and the folder that you are in"),
            );
        };
        roots.insert(root_of(&folder));
    }
    // A file's place may depend on a kustomization anywhere in its repository.
    for root in roots {
        if !searched.contains(&root) {
            found.search(&root, &here, 0, false);
        }
    }
    found.files.retain(|path, _| !is_kustomization(path));
    Ok(found)
}

fn listed(list: &Path, io: &mut Io<'_>) -> Result<Vec<PathBuf>, Failure> {
    let bytes = if list.as_os_str() == STDIN {
        let mut bytes = Vec::new();
        io.stdin
            .take(LIST_LIMIT as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| {
                Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
            })?;
        bytes
    } else {
        files::read(list, LIST_LIMIT)?.to_vec()
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(anyhow!("the list of files is not UTF-8 text")))?;
    let separator = if text.contains('\0') { '\0' } else { '\n' };
    Ok(text
        .split(separator)
        .map(|name| name.trim_end_matches('\r'))
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .collect())
}

impl Found {
    fn search(&mut self, folder: &Path, here: &Path, depth: usize, manifests: bool) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) if depth < DEEPEST => entries,
            Ok(_) => return self.skip(folder, here, "it is too deep in other folders", manifests),
            Err(error) => return self.skip(folder, here, &error.to_string(), manifests),
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let path = folder.join(&name);
            // Symbolic links are not followed: what they lead to is found where it is, or is not ours.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                let named = matches!(
                    name.to_str(),
                    Some(".git" | ".hg" | ".svn" | ".jj" | "node_modules" | ".terraform")
                );
                if !named && !is_cache(&path, &name) {
                    self.search(&path, here, depth + 1, manifests);
                }
            } else if kind.is_file() {
                if is_kustomization(&path) {
                    self.kustomizations.insert(path);
                } else if manifests && is_manifest(&path) {
                    let name = shown(&path, here);
                    self.files.insert(path, name);
                }
            }
        }
    }

    fn skip(&mut self, folder: &Path, here: &Path, reason: &str, report: bool) {
        if report {
            self.unreadable
                .push((shown(folder, here), reason.to_owned()));
        }
    }
}

/// What tools build is marked, such as Cargo's `target`; a folder that merely has such a name is searched.
fn is_cache(path: &Path, name: &std::ffi::OsStr) -> bool {
    matches!(name.to_str(), Some("target" | ".cache" | ".venv" | "build"))
        && (path.join("CACHEDIR.TAG").is_file() || path.join("pyvenv.cfg").is_file())
}

/// The names that Kustomize looks for.
pub fn is_kustomization(path: &Path) -> bool {
    matches!(
        path.file_name().and_then(|name| name.to_str()),
        Some("kustomization.yaml" | "kustomization.yml" | "Kustomization")
    )
}

fn is_manifest(path: &Path) -> bool {
    matches!(
        path.extension().and_then(|end| end.to_str()),
        Some("yaml" | "yml" | "json" | "jwe")
    )
}

/// The repository that a folder belongs to, or the folder itself.
fn root_of(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .find(|above| above.join(".git").exists() || above.join(crate::project::FILE_NAME).exists())
        .unwrap_or(folder)
        .to_owned()
}

/// The path without `.` and `..`, by its letters alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// A path as people know it: from the present folder, with `/`.
pub fn shown(path: &Path, here: &Path) -> String {
    super::setup::relative(here, path)
        .filter(|relative| !relative.is_empty())
        .unwrap_or_else(|| path.display().to_string())
}
