//! Two commits, or a commit and the working tree, by the `git` program.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::anyhow;
use zeroize::Zeroizing;

use super::sides::{Sides, is_manifest};
use crate::failure::Failure;
use crate::io::files;
use crate::text::printable;

/// Whether a word is the name of a commit here.
///
/// # Errors
/// Exit 2 where there is no `git`, or no repository.
pub fn is_commit(word: &str) -> Result<bool, Failure> {
    Ok(resolve(word)?.is_some())
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
    line(&["merge-base", &first, &second]).map_err(|_| {
        Failure::usage(anyhow!(
            "{:?} and {:?} have no common history here",
            printable(one, 100),
            printable(other, 100)
        ))
        .hint("in a shallow clone, fetch more of it: git fetch --unshallow; or compare with `A B`")
    })
}

fn commit(name: &str) -> Result<String, Failure> {
    resolve(name)?.ok_or_else(|| {
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
    let root = PathBuf::from(line(&["rev-parse", "--show-toplevel"])?);
    let (before, before_name) = match from {
        Some(from) => (commit(from)?, printable(from, 100)),
        None => match resolve("HEAD")? {
            Some(head) => (head, "HEAD".to_owned()),
            // Before the first commit everything is new.
            None => (
                line(&["hash-object", "-t", "tree", "--stdin"])?,
                "no commit yet".to_owned(),
            ),
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
    ];
    if *to == After::Index {
        arguments.push("--cached");
    }
    arguments.push(&before);
    arguments.extend(after.as_deref());
    let raw = output(&arguments, paths)?;
    let mut changed = parse(&raw)?;
    if *to == After::WorkingTree {
        let others = output(
            &[
                "ls-files",
                "-z",
                "--others",
                "--exclude-standard",
                "--full-name",
            ],
            paths,
        )?;
        changed.extend(names(&others).into_iter().map(|path| Changed {
            path,
            before: None,
            after: Some(Blob::Here),
        }));
    }
    changed.retain(|changed| is_manifest(Path::new(&changed.path)));
    fill(&changed, &root, (before_name, to.name()))
}

/// One file that differs.
struct Changed {
    path: String,
    before: Option<Blob>,
    after: Option<Blob>,
}

enum Blob {
    /// In the repository, by its hash.
    Stored(String),
    /// In the working tree.
    Here,
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
    let mut blobs = contents(&stored)?.into_iter();
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

/// `:100644 100644 hash hash M\0path\0`.
fn parse(raw: &[u8]) -> Result<Vec<Changed>, Failure> {
    let strange = || Failure::usage(anyhow!("`git diff` answered in a form that is not known"));
    let mut parts = names(raw).into_iter();
    let mut changed = Vec::new();
    while let Some(head) = parts.next() {
        let path = parts.next().ok_or_else(strange)?;
        let words: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let [mode_before, mode_after, before, after, _] = words[..] else {
            return Err(strange());
        };
        let blob = |mode: &str, hash: &str| match mode {
            // Regular files only: no symbolic links, no submodules.
            "100644" | "100755" if hash.bytes().all(|byte| byte == b'0') => Some(Blob::Here),
            "100644" | "100755" => Some(Blob::Stored(hash.to_owned())),
            _ => None,
        };
        changed.push(Changed {
            path,
            before: blob(mode_before, before),
            after: blob(mode_after, after),
        });
    }
    Ok(changed)
}

/// What is between NUL bytes; a name that is no UTF-8 is of no manifest of ours.
fn names(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn resolve(name: &str) -> Result<Option<String>, Failure> {
    if name.is_empty() || name.starts_with('-') || name.contains(['\n', '\0']) {
        return Ok(None);
    }
    let commit = format!("{name}^{{commit}}");
    let output = git(&[
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &commit,
    ])
    .stderr(Stdio::null())
    .output()
    .map_err(missing)?;
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output
        .status
        .success()
        .then_some(hash)
        .filter(|hash| !hash.is_empty()))
}

/// The contents of blobs, in order; `None` for one that is larger than any manifest.
fn contents(hashes: &[&str]) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, Failure> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let mut child = git(&["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(missing)?;
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let asked = hashes.join("\n") + "\n";
    let found = std::thread::scope(|scope| {
        // In a thread of its own: git answers while it is being asked.
        scope.spawn(move || {
            let _ = stdin.write_all(asked.as_bytes());
        });
        hashes
            .iter()
            .map(|_| one_blob(&mut stdout))
            .collect::<std::io::Result<Vec<_>>>()
    });
    let _ = child.kill();
    let _ = child.wait();
    found.map_err(|error| {
        Failure::usage(
            anyhow::Error::new(error).context("`git cat-file` did not hand out the files"),
        )
    })
}

fn one_blob(stdout: &mut impl std::io::BufRead) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut head = String::new();
    stdout.take(512).read_line(&mut head)?;
    let strange = || std::io::Error::new(std::io::ErrorKind::InvalidData, "an unknown answer");
    let mut words = head.split_whitespace();
    if words.nth(1) != Some("blob") {
        return Err(strange());
    }
    let length: usize = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(strange)?;
    if length > files::MANIFEST_LIMIT {
        std::io::copy(&mut stdout.take(length as u64 + 1), &mut std::io::sink())?;
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    stdout.read_exact(&mut bytes)?;
    stdout.read_exact(&mut [0])?;
    Ok(Some(bytes))
}

fn line(arguments: &[&str]) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&output(arguments, &[])?)
        .trim_end_matches('\n')
        .to_owned())
}

fn output(arguments: &[&str], paths: &[PathBuf]) -> Result<Vec<u8>, Failure> {
    let mut command = git(arguments);
    match arguments.first() {
        Some(&("hash-object" | "merge-base" | "rev-parse")) => {}
        // The whole repository, whichever folder of it we are in.
        _ if paths.is_empty() => {
            command.args(["--", ":/"]);
        }
        _ => {
            // A path is a path, also one that begins as a flag or as one of git's patterns, `:(exclude)`.
            command
                .env("GIT_LITERAL_PATHSPECS", "1")
                .arg("--")
                .args(paths);
        }
    }
    let output = command.output().map_err(missing)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = printable(words.lines().next().unwrap_or("it said nothing"), 300);
    Err(Failure::usage(anyhow!("git failed: {words}"))
        .hint("run it in a Git repository, or compare two files or folders: privy diff OLD NEW"))
}

/// Without what a repository's own configuration could have git run.
fn git(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.quotepath=false",
            "--no-optional-locks",
        ])
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn missing(error: std::io::Error) -> Failure {
    Failure::usage(anyhow::Error::new(error).context("the program `git` cannot be run"))
        .hint("install git, or compare two files or folders: privy diff OLD NEW")
}
