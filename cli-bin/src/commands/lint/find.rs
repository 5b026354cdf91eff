//! Which files are checked: folders searched, lists of names read.
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;

use super::private_key;
use crate::cli::lint::LintArgs;
use crate::failure::Failure;
use crate::io::{Io, files, read_bounded};
use crate::project::contents::Contents;
use crate::project::git;
use crate::project::walk::{self, Visitor, is_manifest_or_envelope as is_manifest};
use crate::text::Shown as _;
use crate::text::printable;

/// The name of standard input among paths.
pub const STDIN: &str = "-";

const LIST_LIMIT: usize = 16 * 1024 * 1024;

/// What is to be checked.
#[derive(Debug, Default)]
pub struct Found {
    /// Manifests: absolute path to the name that people know.
    pub files: BTreeMap<PathBuf, String>,
    /// Other files of Git work trees, which may hold a private key.
    pub others: BTreeMap<PathBuf, String>,
    /// Kustomizations, wherever they are in the repositories.
    pub kustomizations: BTreeSet<PathBuf>,
    /// Folders that could not be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// Folders that were left out of the search, as people know them.
    pub left_out: BTreeSet<String>,
    /// Standard input is to be checked.
    pub stdin: bool,
    /// What was asked for, absolute.
    pub asked: HashSet<PathBuf>,
    /// Folders that were searched, and whether for manifests too.
    searched: HashMap<PathBuf, bool>,
}

/// Finds the files that the arguments name.
///
/// # Errors
/// Exit 2 when one does not exist.
pub fn find(args: &LintArgs, contents: &Contents, io: &mut Io<'_>) -> Result<Found, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot tell the current folder"))
    })?;
    let mut paths = args.paths.clone();
    if args.staged {
        // Nothing is asked for but what is staged.
        paths = contents.paths().map(Path::to_owned).collect();
        paths.sort();
    } else if let Some(commit) = &args.since {
        paths = changed_since(commit, &args.paths)?;
    } else if let Some(list) = &args.files_from {
        paths.extend(listed(list, io)?);
    } else if paths.is_empty() {
        paths.push(PathBuf::from("."));
    }
    let mut found = Found::default();
    let mut roots = BTreeSet::new();
    for path in &paths {
        if path.as_os_str() == STDIN {
            found.stdin = true;
            continue;
        }
        let absolute = normal(&here.join(path));
        found.asked.insert(absolute.clone());
        let folder = if contents.is_staged(&absolute) {
            found.take(&absolute, &here);
            absolute.parent().unwrap_or(&here).to_owned()
        } else if args.since.is_some() {
            if absolute.is_file() {
                found.take(&absolute, &here);
            }
            absolute.parent().unwrap_or(&here).to_owned()
        } else if absolute.is_dir() {
            found.search(&absolute, &here, true)?;
            absolute.clone()
        } else if absolute.exists() {
            found
                .files
                .insert(absolute.clone(), shown(&absolute, &here));
            absolute.parent().unwrap_or(&here).to_owned()
        } else {
            return Err(
                Failure::usage(anyhow!("there is no file or folder `{}`", path.shown()))
                    .hint(missing_hint(path, args)),
            );
        };
        roots.insert(root_of(&folder));
    }
    // A file's place may depend on a kustomization anywhere in its repository.
    for root in roots {
        found.search(&root, &here, false)?;
    }
    found.files.retain(|path, _| !is_kustomization(path));
    let mut work_trees = HashMap::new();
    found.others.retain(|path, _| {
        let folder = path.parent().unwrap_or(path);
        *work_trees
            .entry(folder.to_owned())
            .or_insert_with(|| walk::work_tree_of(folder).is_some())
    });
    Ok(found)
}

/// Files that differ from a commit, those that Git does not know yet among them.
fn changed_since(commit: &str, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let hash = git::resolve(commit)?.ok_or_else(|| {
        Failure::usage(anyhow!(
            "{:?} is no commit of this repository",
            printable(commit, 100)
        ))
        .hint("give it as `git log` names it; a shallow clone may lack it: git fetch --unshallow")
    })?;
    let base = git::merge_base(&hash, "HEAD").unwrap_or(hash);
    let root = git::root()?;
    let changed = [
        "diff",
        "--name-only",
        "-z",
        "--no-renames",
        "--no-ext-diff",
        "--no-relative",
        "--diff-filter=d",
        &base,
    ];
    let new = [
        "ls-files",
        "-z",
        "--others",
        "--exclude-standard",
        "--full-name",
    ];
    let mut names = git::names(&git::output(&changed, paths)?);
    names.extend(git::names(&git::output(&new, paths)?));
    Ok(names.into_iter().map(|name| root.join(name)).collect())
}

fn missing_hint(path: &Path, args: &LintArgs) -> &'static str {
    let quoted = path.to_str().is_some_and(|path| path.starts_with('"'));
    if quoted && args.files_from.is_some() {
        return "Git quotes such names; list them with -z, as in: git ls-files -z | privy lint --files-from -";
    }
    "check the spelling of the path, and the folder that you are in"
}

fn listed(list: &Path, io: &mut Io<'_>) -> Result<Vec<PathBuf>, Failure> {
    let bytes = if list.as_os_str() == STDIN {
        let read = read_bounded(io.stdin, LIST_LIMIT).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
        })?;
        let list = read.ok_or_else(|| {
            Failure::usage(anyhow!(
                "the list of files on standard input is longer than {LIST_LIMIT} bytes"
            ))
        })?;
        list.to_vec()
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
    /// Whether a path was asked for, or is below one that was.
    pub fn is_asked(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.asked.contains(above))
    }

    /// Takes up one file of a list that Git made.
    fn take(&mut self, path: &Path, here: &Path) {
        if is_kustomization(path) {
            self.kustomizations.insert(path.to_owned());
        } else if is_manifest(path) {
            self.files.insert(path.to_owned(), shown(path, here));
        } else {
            self.others.insert(path.to_owned(), shown(path, here));
        }
    }

    fn search(&mut self, folder: &Path, here: &Path, manifests: bool) -> Result<(), Failure> {
        let mut search = Search {
            found: self,
            here,
            manifests,
        };
        walk::walk(folder, &mut search)
    }
}

/// A search for manifests, or only for kustomizations.
struct Search<'f> {
    found: &'f mut Found,
    here: &'f Path,
    manifests: bool,
}

impl Visitor for Search<'_> {
    fn enter(&mut self, folder: &Path) -> bool {
        // Arguments and repositories may be within one another.
        match self.found.searched.get(folder) {
            Some(known) if *known || !self.manifests => false,
            _ => {
                self.found
                    .searched
                    .insert(folder.to_owned(), self.manifests);
                true
            }
        }
    }

    fn file(&mut self, entry: &std::fs::DirEntry) {
        let path = entry.path();
        if is_kustomization(&path) {
            self.found.kustomizations.insert(path);
        } else if self.manifests && is_manifest(&path) {
            let name = shown(&path, self.here);
            self.found.files.insert(path, name);
        } else if self.manifests
            && entry
                .metadata()
                .is_ok_and(|file| private_key::may_hold(file.len()))
        {
            let name = shown(&path, self.here);
            self.found.others.insert(path, name);
        }
    }

    /// A link with the name of a manifest to a file without is found nowhere else.
    fn link(&mut self, path: &Path) {
        if !self.manifests || !is_manifest(path) {
            return;
        }
        let target = std::fs::canonicalize(path).unwrap_or_default();
        if target.is_file() && !is_manifest(&target) && !is_kustomization(&target) {
            let name = shown(path, self.here);
            self.found.files.insert(path.to_owned(), name);
        }
    }

    fn left_out(&mut self, folder: &Path) {
        if self.manifests {
            self.found.left_out.insert(shown(folder, self.here));
        }
    }

    fn unreadable(&mut self, folder: &Path, reason: anyhow::Error) -> Result<(), Failure> {
        if self.manifests {
            let folder = shown(folder, self.here);
            self.found.unreadable.push((folder, reason.to_string()));
        }
        Ok(())
    }
}

/// The names that Kustomize looks for.
pub fn is_kustomization(path: &Path) -> bool {
    matches!(
        path.file_name().and_then(|name| name.to_str()),
        Some("kustomization.yaml" | "kustomization.yml" | "Kustomization")
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

/// The path without `.` and `..`, by its letters only.
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

/// A path as people know it: from the current folder, with `/`.
pub fn shown(path: &Path, here: &Path) -> String {
    super::setup::relative(here, path)
        .filter(|relative| !relative.is_empty())
        .unwrap_or_else(|| path.display().to_string())
}
