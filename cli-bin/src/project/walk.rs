//! Files, folders and patterns of the command line, as files.
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;

use crate::failure::Failure;
use crate::io::Io;
use crate::project::find::FILE_NAME;
use crate::project::glob;
use crate::text::{Shown as _, printable};

/// Folders within folders; who nests deeper than this has made a loop.
const DEEPEST: usize = 64;

/// A file to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was named itself, and not found in a folder or by a pattern.
    pub named: bool,
}

impl Input {
    /// One that was named itself.
    pub fn named(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            named: true,
        }
    }
}

/// What arguments stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The files.
    pub inputs: Vec<Input>,
    /// Folders that were not searched, and may hold a Secret.
    pub left_out: Vec<PathBuf>,
    /// Folders that could not be read.
    pub unreadable: Vec<PathBuf>,
}

impl Expanded {
    /// Says which folders were not searched.
    pub fn say_left_out(&self, io: &mut Io<'_>) {
        let names: Vec<_> = self.left_out.iter().map(|folder| written(folder)).collect();
        if let Some(words) = left_out_words(names.iter().map(String::as_str)) {
            io.say(format_args!("note: not searched: {words}"));
        }
        for folder in &self.unreadable {
            io.say(format_args!(
                "note: not searched, because it cannot be read: `{}`",
                folder.shown()
            ));
        }
    }

    /// The same for programs: `None` when every folder was searched.
    pub fn left_out_json(&self) -> Option<serde_json::Value> {
        let folders = self.left_out.iter().chain(&self.unreadable);
        let names: Vec<_> = folders.map(|folder| written(folder)).collect();
        (!names.is_empty()).then(|| serde_json::json!(names))
    }
}

/// The files that the arguments stand for, each once, in the order of the arguments and then by name.
///
/// In a folder these are `*.yaml`, `*.yml` and `*.json`, at any depth; symbolic links and the folders of
/// [`is_left_out`] are passed over. A pattern of `*`, `?` and `**` is understood where the shell left it as it is.
///
/// # Errors
/// Exit 2 when a folder cannot be read, and for a pattern that fits nothing.
pub fn expand(arguments: &[PathBuf]) -> Result<Expanded, Failure> {
    let mut expanded = Expanded::default();
    for argument in arguments {
        if argument.is_dir() {
            collect(argument, &is_manifest, &mut expanded)?;
        } else if is_pattern(argument) && argument.symlink_metadata().is_err() {
            let before = expanded.inputs.len();
            expand_pattern(argument, &mut expanded)?;
            if expanded.inputs.len() == before {
                return Err(Failure::usage(anyhow!(
                    "no file fits the pattern `{}`",
                    argument.shown()
                ))
                .hint("check the pattern, and the folder that you are in; `**` crosses folders"));
            }
        } else {
            expanded.inputs.push(Input::named(argument));
        }
    }
    let mut seen = HashSet::new();
    // A file that cannot be looked up is reported by anyone who reads it.
    expanded.inputs.retain(|input| {
        seen.insert(fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone()))
    });
    let mut seen = HashSet::new();
    expanded
        .left_out
        .retain(|folder| seen.insert(folder.clone()));
    Ok(expanded)
}

fn collect(
    folder: &Path,
    fits: &dyn Fn(&Path) -> bool,
    expanded: &mut Expanded,
) -> Result<(), Failure> {
    let Expanded {
        inputs,
        left_out,
        unreadable,
    } = expanded;
    walk(
        folder,
        &mut Collect {
            root: folder,
            fits,
            inputs,
            left_out,
            unreadable,
        },
    )
}

fn found(path: &Path) -> Input {
    Input {
        path: path.to_owned(),
        named: false,
    }
}

/// The Git work tree that a folder belongs to.
pub fn work_tree_of(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let root = folder
        .ancestors()
        .find(|above| above.join(".git").symlink_metadata().is_ok())?;
    Some(root.to_owned())
}

/// Whether the name is that of a manifest.
pub fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|end| {
        let ends = ["yaml", "yml", "json"];
        ends.iter().any(|one| end.eq_ignore_ascii_case(one))
    })
}

/// Whether the name is that of a manifest, or of an envelope in a file of its own.
pub fn is_manifest_or_envelope(path: &Path) -> bool {
    let is_envelope = |end: &OsStr| end.eq_ignore_ascii_case("jwe");
    is_manifest(path) || path.extension().is_some_and(is_envelope)
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?']))
}

fn expand_pattern(pattern: &Path, expanded: &mut Expanded) -> Result<(), Failure> {
    // The folders before the first wildcard are names; what is below them is held against the pattern.
    let fixed: PathBuf = pattern
        .components()
        .take_while(|part| !is_pattern(Path::new(part)))
        .collect();
    let root = if fixed.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &fixed
    };
    if !root.is_dir() {
        return Ok(());
    }
    let wanted = written(pattern);
    let fits = |path: &Path| glob::matches(&wanted, &written(path));
    collect(root, &fits, expanded)
}

/// With `/`, and without `.`, on every system.
fn written(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| match part {
            Component::RootDir => String::new().into(),
            part => part.as_os_str().to_string_lossy(),
        })
        .collect();
    parts.join("/")
}

/// Someone who is led through folders.
pub trait Visitor {
    /// Whether a folder is to be searched.
    fn enter(&mut self, _folder: &Path) -> bool {
        true
    }

    /// A regular file.
    fn file(&mut self, entry: &fs::DirEntry);

    /// A symbolic link. What it leads to is found where it is, or is not ours.
    fn link(&mut self, _path: &Path) {}

    /// A folder that is left out: see [`is_left_out`].
    fn left_out(&mut self, folder: &Path);

    /// A folder that cannot be searched.
    ///
    /// # Errors
    /// What ends the walk, if it is to end.
    fn unreadable(&mut self, folder: &Path, reason: anyhow::Error) -> Result<(), Failure>;
}

/// Leads through a folder and all that it contains, in the order of names. Links are not followed.
///
/// Every command that searches folders does it here, so that what one of them reports is not passed over by another.
///
/// # Errors
/// As the visitor has it for a folder that cannot be read.
pub fn walk(folder: &Path, visitor: &mut dyn Visitor) -> Result<(), Failure> {
    walk_at(folder, 0, visitor)
}

fn walk_at(folder: &Path, depth: usize, visitor: &mut dyn Visitor) -> Result<(), Failure> {
    if !visitor.enter(folder) {
        return Ok(());
    }
    if depth > DEEPEST {
        let reason = anyhow!("folders are nested more than {DEEPEST} levels deep");
        return visitor.unreadable(folder, reason);
    }
    let mut entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => return visitor.unreadable(folder, error.into()),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            match is_left_out(&entry.path()) {
                LeftOut::No => walk_at(&entry.path(), depth + 1, visitor)?,
                LeftOut::WithWord => visitor.left_out(&entry.path()),
                LeftOut::InSilence => {}
            }
        } else if kind.is_symlink() {
            visitor.link(&entry.path());
        } else if kind.is_file() {
            visitor.file(&entry);
        }
    }
    Ok(())
}

/// Whether a folder is left out of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It is searched.
    No,
    /// Its files are other people's, or made by a tool: this is said, for they may hold a Secret anyway.
    WithWord,
    /// It belongs to version control.
    InSilence,
}

/// Whether a folder is left out: version control's own, packages of others, and what tools build and mark as such, like
/// Cargo's `target`. One that has only the name is searched.
pub fn is_left_out(folder: &Path) -> LeftOut {
    match folder.file_name().and_then(OsStr::to_str) {
        Some(".git" | ".hg" | ".svn" | ".jj") => LeftOut::InSilence,
        Some("node_modules" | ".terraform") => LeftOut::WithWord,
        Some("target" | ".cache" | ".venv" | "build")
            if folder.join("CACHEDIR.TAG").is_file() || folder.join("pyvenv.cfg").is_file() =>
        {
            LeftOut::WithWord
        }
        _ => LeftOut::No,
    }
}

/// Which folders were left out, in one line.
pub fn left_out_words<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    const MOST: usize = 10;
    let names: Vec<_> = names.into_iter().collect();
    let shown: Vec<_> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{}`", printable(name, 100)))
        .collect();
    let more = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| {
        format!(
            "folders of packages and build output: {}{more}",
            shown.join(", ")
        )
    })
}

/// Collects the files that fit.
struct Collect<'c> {
    root: &'c Path,
    fits: &'c dyn Fn(&Path) -> bool,
    inputs: &'c mut Vec<Input>,
    left_out: &'c mut Vec<PathBuf>,
    unreadable: &'c mut Vec<PathBuf>,
}

impl Visitor for Collect<'_> {
    fn file(&mut self, entry: &fs::DirEntry) {
        let path = entry.path();
        let path = path.strip_prefix(".").unwrap_or(&path);
        // A `.privy.yaml` is no manifest: with a Secret in it, it is not valid.
        if path.file_name() != Some(OsStr::new(FILE_NAME)) && (self.fits)(path) {
            self.inputs.push(found(path));
        }
    }

    fn left_out(&mut self, folder: &Path) {
        let folder = folder.strip_prefix(".").unwrap_or(folder);
        self.left_out.push(folder.to_owned());
    }

    /// One that was named must be readable; one within it is passed over, with a word.
    fn unreadable(&mut self, folder: &Path, reason: anyhow::Error) -> Result<(), Failure> {
        if folder != self.root {
            self.unreadable
                .push(folder.strip_prefix(".").unwrap_or(folder).to_owned());
            return Ok(());
        }
        let context = format!("cannot read the folder `{}`", folder.shown());
        Err(Failure::usage(reason.context(context))
            .hint("check who may read it, or name the files themselves"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "b.yaml",
            "a/z.yml",
            "a/x.json",
            "a/notes.txt",
            "a/deep/er/db.yaml",
            ".git/c.yaml",
            "a/.hidden.yaml",
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(folder: &Path, arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<_> = arguments.iter().map(|name| folder.join(name)).collect();
        expand(&arguments)
            .unwrap()
            .inputs
            .into_iter()
            .map(|input| written(input.path.strip_prefix(folder).unwrap()))
            .collect()
    }

    #[test]
    fn folders_are_walked_in_order() {
        let folder = tree();
        let all = [
            "a/.hidden.yaml",
            "a/deep/er/db.yaml",
            "a/x.json",
            "a/z.yml",
            "b.yaml",
        ];
        assert_eq!(names(folder.path(), &["."]), all);
        assert_eq!(names(folder.path(), &["a"]), &all[..4]);
    }

    #[test]
    fn every_file_comes_once() {
        let folder = tree();
        assert_eq!(
            names(folder.path(), &["b.yaml", "a/../b.yaml", "a", "a/z.yml"]),
            [
                "b.yaml",
                "a/.hidden.yaml",
                "a/deep/er/db.yaml",
                "a/x.json",
                "a/z.yml"
            ]
        );
        let named = expand(&[folder.path().join("b.yaml")]).unwrap();
        assert!(named.inputs[0].named);
    }

    #[test]
    fn patterns_are_understood_where_the_shell_left_them() {
        let folder = tree();
        assert_eq!(
            names(folder.path(), &["**/*.yaml"]),
            ["a/.hidden.yaml", "a/deep/er/db.yaml", "b.yaml"]
        );
        assert_eq!(
            names(folder.path(), &["a/*"]),
            ["a/.hidden.yaml", "a/notes.txt", "a/x.json", "a/z.yml"]
        );
        assert_eq!(names(folder.path(), &["?.yaml"]), ["b.yaml"]);
        assert!(expand(&[folder.path().join("*.toml")]).is_err());
        assert!(expand(&[folder.path().join("missing/*.yaml")]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_when_named_and_not_when_found() {
        let folder = tree();
        std::os::unix::fs::symlink("..", folder.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink("../b.yaml", folder.path().join("a/link.yaml")).unwrap();
        assert_eq!(
            names(folder.path(), &["a"]),
            ["a/.hidden.yaml", "a/deep/er/db.yaml", "a/x.json", "a/z.yml"]
        );
        assert_eq!(names(folder.path(), &["a/link.yaml"]), ["a/link.yaml"]);
    }
}
