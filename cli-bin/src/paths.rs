//! Files, folders and patterns of the command line, as files.
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::glob;
use crate::report::Failure;

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

/// The files that the arguments stand for, each once, in the order of the arguments and then by name.
///
/// In a folder these are `*.yaml`, `*.yml` and `*.json`, at any depth; names that begin with a dot and symbolic links
/// are passed over. A pattern of `*`, `?` and `**` is understood where the shell left it as it is.
///
/// # Errors
/// Exit 2 when a folder cannot be read, and for a pattern that fits nothing.
pub fn expand(arguments: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            walk(argument, 0, &mut |path| {
                if is_manifest(path) {
                    inputs.push(found(path));
                }
            })?;
        } else if is_pattern(argument) && argument.symlink_metadata().is_err() {
            let before = inputs.len();
            expand_pattern(argument, &mut inputs)?;
            if inputs.len() == before {
                return Err(Failure::usage(anyhow!(
                    "no file fits the pattern `{}`",
                    argument.display()
                ))
                .hint("check the pattern, and the folder that you are in; `**` crosses folders"));
            }
        } else {
            inputs.push(Input {
                path: argument.clone(),
                named: true,
            });
        }
    }
    let mut seen = HashSet::new();
    // A file that cannot be looked up is reported by whoever reads it.
    inputs.retain(|input| {
        seen.insert(fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone()))
    });
    Ok(inputs)
}

fn found(path: &Path) -> Input {
    Input {
        path: path.to_owned(),
        named: false,
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|end| matches!(end, "yaml" | "yml" | "json"))
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?']))
}

fn expand_pattern(pattern: &Path, inputs: &mut Vec<Input>) -> Result<(), Failure> {
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
    walk(root, 0, &mut |path| {
        let path = path.strip_prefix(".").unwrap_or(path);
        if glob::matches(&wanted, &written(path)) {
            inputs.push(found(path));
        }
    })
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

fn walk(folder: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) -> Result<(), Failure> {
    let unreadable = || format!("cannot read the folder `{}`", folder.display());
    if depth > DEEPEST {
        return Err(Failure::usage(
            anyhow!("more than {DEEPEST} folders stand in each other").context(unreadable()),
        ));
    }
    let entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(unreadable)
        .map_err(Failure::usage)?;
    let mut entries: Vec<_> = entries
        .into_iter()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry
            .file_type()
            .with_context(unreadable)
            .map_err(Failure::usage)?;
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, visit)?;
        } else if kind.is_file() {
            visit(&entry.path());
        }
    }
    Ok(())
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
            .into_iter()
            .map(|input| written(input.path.strip_prefix(folder).unwrap()))
            .collect()
    }

    #[test]
    fn folders_are_walked_in_order() {
        let folder = tree();
        let all = ["a/deep/er/db.yaml", "a/x.json", "a/z.yml", "b.yaml"];
        assert_eq!(names(folder.path(), &["."]), all);
        assert_eq!(names(folder.path(), &["a"]), &all[..3]);
    }

    #[test]
    fn every_file_comes_once() {
        let folder = tree();
        assert_eq!(
            names(folder.path(), &["b.yaml", "a/../b.yaml", "a", "a/z.yml"]),
            ["b.yaml", "a/deep/er/db.yaml", "a/x.json", "a/z.yml"]
        );
        let named = expand(&[folder.path().join("b.yaml")]).unwrap();
        assert!(named[0].named);
    }

    #[test]
    fn patterns_are_understood_where_the_shell_left_them() {
        let folder = tree();
        assert_eq!(
            names(folder.path(), &["**/*.yaml"]),
            ["a/deep/er/db.yaml", "b.yaml"]
        );
        assert_eq!(
            names(folder.path(), &["a/*"]),
            ["a/notes.txt", "a/x.json", "a/z.yml"]
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
            ["a/deep/er/db.yaml", "a/x.json", "a/z.yml"]
        );
        assert_eq!(names(folder.path(), &["a/link.yaml"]), ["a/link.yaml"]);
    }
}
