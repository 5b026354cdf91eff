//! Two commits, or a commit and the working tree, by the `git` program.
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::sides::{Sides, is_manifest};
use crate::failure::Failure;
use crate::io::files;
use crate::project::git::{self, Blob, Changed};
use crate::text::printable;

/// Whether a word is the name of a commit here.
///
/// # Errors
/// Exit 2 where there is no `git`, or no repository.
pub fn is_commit(word: &str) -> Result<bool, Failure> {
    Ok(git::resolve(word)?.is_some())
}

/// What a commit is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// Another commit.
    Commit(String),
    /// What is staged.
    Index,
    /// The files as they are.
    WorkingTree,
}

impl After {
    fn name(&self) -> String {
        match self {
            Self::Commit(name) => printable(name, 100),
            Self::Index => "what is staged".to_owned(),
            Self::WorkingTree => "the working tree".to_owned(),
        }
    }
}

/// The commit at which the histories of two commits parted.
///
/// # Errors
/// Exit 2 when a name is no commit, and when the two have no common history.
pub fn merge_base(one: &str, other: &str) -> Result<String, Failure> {
    let (first, second) = (commit(one)?, commit(other)?);
    git::merge_base(&first, &second).ok_or_else(|| {
        Failure::usage(anyhow!(
            "{:?} and {:?} have no common history here",
            printable(one, 100),
            printable(other, 100)
        ))
        .hint("in a shallow clone, fetch more of it: git fetch --unshallow; or compare with `A B`")
    })
}

fn commit(name: &str) -> Result<String, Failure> {
    git::resolve(name)?.ok_or_else(|| {
        Failure::usage(anyhow!(
            "{:?} is neither a commit nor a file",
            printable(name, 100)
        ))
        .hint("give commits as `git log` names them; put files and folders after `--`")
    })
}

/// Reads what differs between `from`, the last commit if nothing else is named, and `to`.
///
/// # Errors
/// Exit 2 when a name is no commit, or `git` fails.
pub fn read(from: Option<&str>, to: &After, paths: &[PathBuf]) -> Result<Sides, Failure> {
    let root = git::root()?;
    let (before, before_name) = match from {
        Some(from) => (commit(from)?, printable(from, 100)),
        None => match git::resolve("HEAD")? {
            Some(head) => (head, "HEAD".to_owned()),
            // Before the first commit everything is new.
            None => (git::empty_tree()?, "no commit yet".to_owned()),
        },
    };
    let after = match to {
        After::Commit(name) => Some(commit(name)?),
        After::Index | After::WorkingTree => None,
    };
    let mut arguments = vec![
        "diff",
        "--raw",
        "-z",
        "--no-renames",
        "--no-abbrev",
        "--no-ext-diff",
        "--no-relative",
    ];
    if *to == After::Index {
        arguments.push("--cached");
    }
    arguments.push(&before);
    arguments.extend(after.as_deref());
    let raw = git::output(&arguments, paths)?;
    let mut changed = git::parse(&raw)?;
    if *to == After::WorkingTree {
        let others = git::output(
            &[
                "ls-files",
                "-z",
                "--others",
                "--exclude-standard",
                "--full-name",
            ],
            paths,
        )?;
        changed.extend(git::names(&others).into_iter().map(|path| Changed {
            path,
            before: None,
            after: Some(Blob::Here),
        }));
    }
    changed.retain(|changed| is_manifest(Path::new(&changed.path)));
    fill(&changed, &root, (before_name, to.name()))
}

fn fill(
    changed: &[Changed],
    root: &Path,
    (before_name, after_name): (String, String),
) -> Result<Sides, Failure> {
    let stored: Vec<&str> = changed
        .iter()
        .flat_map(|changed| [&changed.before, &changed.after])
        .filter_map(|blob| match blob {
            Some(Blob::Stored(hash)) => Some(hash.as_str()),
            _ => None,
        })
        .collect();
    let mut blobs = git::contents(&stored, |_| files::MANIFEST_LIMIT)?.into_iter();
    let mut sides = Sides {
        before_name,
        after_name,
        ..Sides::default()
    };
    for changed in changed {
        for (blob, before) in [(&changed.before, true), (&changed.after, false)] {
            let bytes = match blob {
                None => continue,
                Some(Blob::Stored(_)) => blobs.next().flatten(),
                // Where a folder is in place of the file, there is nothing to compare.
                Some(Blob::Here) => {
                    files::read(&root.join(&changed.path), files::MANIFEST_LIMIT).ok()
                }
            };
            match bytes {
                Some(bytes) => sides.add(&changed.path, &bytes, before),
                None => sides.skip(
                    &changed.path,
                    "it is no file that can be read, or larger than any manifest",
                ),
            }
        }
    }
    Ok(sides)
}
