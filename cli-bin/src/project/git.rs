//! What Git knows of a repository, by the `git` program.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::anyhow;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::text::printable;

/// One file that differs.
#[derive(Debug)]
pub struct Changed {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// What it was; nothing where it is no regular file.
    pub before: Option<Blob>,
    /// What it is.
    pub after: Option<Blob>,
}

/// Where a content is.
#[derive(Debug)]
pub enum Blob {
    /// In the repository, by its hash.
    Stored(String),
    /// In the working tree.
    Here,
}

/// What `git diff --raw -z` prints: `:100644 100644 hash hash M\0path\0`.
///
/// # Errors
/// Exit 2 for anything else.
pub fn parse(raw: &[u8]) -> Result<Vec<Changed>, Failure> {
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
pub fn names(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// The hash of a commit; nothing for a word that names none.
///
/// # Errors
/// Exit 2 where there is no `git`.
pub fn resolve(name: &str) -> Result<Option<String>, Failure> {
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

/// The contents of blobs, in order; `None` for one that is larger than its limit, by its position.
///
/// # Errors
/// Exit 2 when `git` does not hand them out.
pub fn contents(
    hashes: &[&str],
    limit: impl Fn(usize) -> usize,
) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, Failure> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let mut child = git(&["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(missing)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(missing(std::io::ErrorKind::BrokenPipe.into()));
    };
    let mut stdout = BufReader::new(stdout);
    let asked = hashes.join("\n") + "\n";
    let found = std::thread::scope(|scope| {
        // In a thread of its own: git answers while it is being asked.
        scope.spawn(move || {
            let _ = stdin.write_all(asked.as_bytes());
        });
        hashes
            .iter()
            .enumerate()
            .map(|(index, _)| one_blob(&mut stdout, limit(index)))
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

fn one_blob(
    stdout: &mut impl std::io::BufRead,
    limit: usize,
) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
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
    if length > limit {
        std::io::copy(&mut stdout.take(length as u64 + 1), &mut std::io::sink())?;
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    stdout.read_exact(&mut bytes)?;
    stdout.read_exact(&mut [0])?;
    Ok(Some(bytes))
}

/// The hash of a tree without files: what there is before the first commit.
///
/// # Errors
/// As [`output`].
pub fn empty_tree() -> Result<String, Failure> {
    line(&["hash-object", "-t", "tree", "--stdin"])
}

/// The root of the repository that the current folder is in.
///
/// # Errors
/// As [`output`].
pub fn root() -> Result<PathBuf, Failure> {
    line(&["rev-parse", "--show-toplevel"]).map(PathBuf::from)
}

/// The commit at which the histories of two commits parted; nothing where they have none in common.
pub fn merge_base(one: &str, other: &str) -> Option<String> {
    line(&["merge-base", one, other]).ok()
}

/// The one line that `git` prints.
///
/// # Errors
/// As [`output`].
pub fn line(arguments: &[&str]) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&output(arguments, &[])?)
        .trim_end_matches('\n')
        .to_owned())
}

/// What `git` prints, for these paths, or for the whole repository.
///
/// # Errors
/// Exit 2 with the words of `git`.
pub fn output(arguments: &[&str], paths: &[PathBuf]) -> Result<Vec<u8>, Failure> {
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
    Err(Failure::usage(anyhow!("git failed: {words}")).hint(
        "run it in a Git repository; two files or folders are compared with privy diff OLD NEW",
    ))
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
        .hint("install git, or name the files themselves")
}
