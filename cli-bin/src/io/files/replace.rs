//! Replacing files: each whole or not at all, and never over what someone else wrote in the meantime.
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempPath;

use super::access::{self, Audience, Existing};
use super::content::{ChangedMeanwhile, Content, Expected};
use super::lock::FolderLock;
use super::{attributes, target};
use crate::failure::Failure;
use crate::io::parallel;
use crate::text::{Shown as _, shell_path};

/// A file that gets a new content.
#[derive(Debug)]
pub struct Replacement {
    /// Where it is.
    pub path: PathBuf,
    /// What was read from it.
    pub before: Content,
    /// What it is to contain.
    pub after: Vec<u8>,
}

/// What came of a manifest that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// It contains what was to be written.
    Done,
    /// Someone else wrote it after it was read, and it is as they left it.
    ChangedMeanwhile,
}

/// Writes a manifest whole, or not at all, and only over what is `expected`. A symbolic link stays one, and the file
/// that it leads to is replaced, unless that lies outside the link's repository: anyone who commits a link must not
/// choose which of the user's files is written.
///
/// # Errors
/// Exit 2; the file, if there was one, is as before.
pub fn write_manifest(path: &Path, bytes: &[u8], expected: Expected) -> Result<Replaced, Failure> {
    let rule = match expected {
        Expected::Nothing => Rule::New,
        Expected::Content(before) => Rule::Same(before),
    };
    let staged = stage(path, bytes, Audience::Usual, rule, target::Link::Inside)?;
    match staged.put_in_place() {
        Ok(folder) => {
            sync_folder(&folder);
            Ok(Replaced::Done)
        }
        Err(error) if error.is::<ChangedMeanwhile>() => Ok(Replaced::ChangedMeanwhile),
        Err(error) => Err(cannot_write(path, error)),
    }
}

pub(super) fn put(
    path: &Path,
    bytes: &[u8],
    audience: Audience,
    existing: Existing,
    link: target::Link,
) -> Result<(), Failure> {
    let rule = match existing {
        Existing::Keep => Rule::New,
        Existing::Replace => Rule::Any,
    };
    let staged = stage(path, bytes, audience, rule, link)?;
    let folder = staged.put_in_place().map_err(|error| {
        let exists = error.is::<ChangedMeanwhile>();
        if exists {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            cannot_write(path, error.into())
                .hint("nothing was changed; choose another name, or --force to replace the file")
        } else {
            cannot_write(path, error)
        }
    })?;
    sync_folder(&folder);
    Ok(())
}

/// Replaces several files: all are written beside their targets first, then each is renamed in place. `tick` hears how
/// many are written.
///
/// # Errors
/// Exit 2. When a file could not be written, none is replaced. When one could not be renamed after others were, the
/// error says which files are new and which are as before; no file is ever half of each. Exit 1, and none is replaced,
/// when someone else wrote one after it was read.
pub fn replace_all(files: &[Replacement], tick: &mut dyn FnMut(usize)) -> Result<(), Failure> {
    // Waiting for the disk is most of the time, and a disk serves many who wait together almost as quickly as one.
    const WRITERS: usize = 16;
    let staged = parallel::map(files, WRITERS, tick, |file| {
        stage(
            &file.path,
            &file.after,
            Audience::Usual,
            Rule::Same(file.before),
            target::Link::Inside,
        )
    });
    let staged = staged.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (staged, file) in staged.iter().zip(files) {
        staged
            .check_unchanged()
            .map_err(|error| not_replaced(&file.path, error))?;
    }
    let mut folders = BTreeSet::new();
    for (index, (staged, file)) in staged.into_iter().zip(files).enumerate() {
        match staged.put_in_place() {
            Ok(folder) => folders.insert(folder),
            Err(error) => return Err(half_done(not_replaced(&file.path, error), files, index)),
        };
    }
    for folder in &folders {
        sync_folder(folder);
    }
    Ok(())
}

fn not_replaced(path: &Path, error: anyhow::Error) -> Failure {
    if error.is::<ChangedMeanwhile>() {
        let error = error.context(format!("`{}` was not written", path.shown()));
        return Failure::refused(error)
            .hint("no file was changed; run the same command again: it reads what is there now");
    }
    cannot_write(path, error).hint("no file was changed")
}

fn cannot_write(path: &Path, error: anyhow::Error) -> Failure {
    Failure::usage(error.context(format!("cannot write `{}`", path.shown())))
}

/// After everything could be written, renaming fails when someone changes the folders at the same moment.
fn half_done(failure: Failure, files: &[Replacement], done: usize) -> Failure {
    const MOST_NAMES: usize = 20;
    if done == 0 {
        return failure;
    }
    let names = |files: &[Replacement]| {
        let mut names: Vec<_> = files
            .iter()
            .take(MOST_NAMES)
            .map(|file| file.path.shown())
            .collect();
        if files.len() > MOST_NAMES {
            names.push(format!("and {} more", files.len() - MOST_NAMES));
        }
        names.join(", ")
    };
    let (new, old) = files.split_at(done);
    failure
        .context(format!(
            "{done} of {} files are written, the others are as before\n  \
             written:     {}\n  not written: {}",
            files.len(),
            names(new),
            names(old)
        ))
        .hint("run the same command again: what is sealed stays as it is")
}

/// What may be at the target when the file is put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    New,
    Same(Content),
}

/// A complete file beside its target; removed when dropped before it is put in place.
struct Staged {
    temporary: TempPath,
    target: PathBuf,
    rule: Rule,
    /// Owner, group or access control list of the target cannot be given to another file.
    keep_inode: bool,
}

fn stage(
    path: &Path,
    bytes: &[u8],
    audience: Audience,
    rule: Rule,
    link: target::Link,
) -> Result<Staged, Failure> {
    let failed = || format!("cannot write `{}`", path.shown());
    let write = || -> anyhow::Result<Staged> {
        let target = target::resolve(path, link)?;
        let folder = access::parent(&target);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".privy-").suffix(".tmp");
        access::set_new_mode(&mut builder, audience);
        let mut file = builder
            .tempfile_in(folder)
            .map_err(|error| cannot_make(folder, &error))?;
        let mut keep_inode = false;
        if audience == Audience::Usual
            && rule != Rule::New
            && let Ok(old) = File::open(&target)
        {
            // Results go into files of the user's own, anyone who made the one that is there.
            keep_inode = match link {
                target::Link::Refuse => {
                    file.as_file()
                        .set_permissions(old.metadata()?.permissions())?;
                    false
                }
                target::Link::Follow | target::Link::Inside => {
                    attributes::copy(&old, file.as_file()).is_err()
                }
            };
            if keep_inode {
                // Only we read it then.
                access::close_to_others(file.as_file())?;
            }
        }
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(Staged {
            temporary: file.into_temp_path(),
            target,
            rule,
            keep_inode,
        })
    };
    write()
        .with_context(failed)
        .map_err(|error| match error.downcast_ref::<target::LeavesTree>() {
            Some(target::LeavesTree { target }) => {
                let word = shell_path(target);
                Failure::usage(error).hint(format!(
                    "if you mean that file, name it instead of the link: {word}"
                ))
            }
            None => access::hint_at_folder(Failure::usage(error), path),
        })
}

impl Staged {
    fn check_unchanged(&self) -> anyhow::Result<()> {
        match self.rule {
            Rule::Same(before) if !before.is_in(&self.target)? => Err(ChangedMeanwhile.into()),
            Rule::Any | Rule::New | Rule::Same(_) => Ok(()),
        }
    }

    /// Puts the file in its place and names the folder, which is to be synced.
    fn put_in_place(self) -> anyhow::Result<PathBuf> {
        let folder = access::parent(&self.target).to_owned();
        let _lock = FolderLock::take(&folder)?;
        self.check_unchanged()?;
        let Self {
            temporary,
            target,
            rule,
            keep_inode,
        } = self;
        if keep_inode {
            overwrite(&target, &temporary)?;
            return Ok(folder);
        }
        if rule == Rule::New {
            return match temporary.persist_noclobber(&target) {
                Ok(()) => Ok(folder),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(ChangedMeanwhile.into())
                }
                Err(error) => Err(error.error.into()),
            };
        }
        match temporary.persist(&target) {
            Ok(()) => Ok(folder),
            // A single file that is mounted: nothing can be renamed to it.
            Err(error) if error.error.kind() == io::ErrorKind::ResourceBusy => {
                overwrite(&target, &error.path)?;
                Ok(folder)
            }
            Err(error) => Err(error.error.into()),
        }
    }
}

/// Gives an existing file the content of another, for files that cannot be replaced. When that fails halfway, the file
/// gets what it had.
fn overwrite(target: &Path, source: &Path) -> anyhow::Result<()> {
    let after = fs::read(source)?;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    follow_no_link(&mut options);
    let mut file = options
        .open(target)
        .context("it cannot be replaced without losing its owner or access control list, and cannot be written")?;
    if !file.metadata()?.is_file() || has_other_names(&file)? {
        anyhow::bail!(
            "it has several names (hard links), and cannot be replaced without losing its owner"
        );
    }
    let before = fs::read(target)?;
    let Err(error) = fill(&mut file, &after) else {
        return Ok(());
    };
    fill(&mut file, &before).with_context(|| {
        let kept = format!(
            "writing failed halfway ({error}), and `{}` is damaged",
            target.shown()
        );
        kept
    })?;
    Err(error.into())
}

fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

#[cfg(unix)]
fn follow_no_link(options: &mut fs::OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
}

#[cfg(not(unix))]
fn follow_no_link(_: &mut fs::OpenOptions) {}

#[cfg(unix)]
fn has_other_names(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.nlink() > 1)
}

#[cfg(not(unix))]
fn has_other_names(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// The name of the temporary file would only distract from what is wrong with the folder.
fn cannot_make(folder: &Path, error: &io::Error) -> anyhow::Error {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        return anyhow::anyhow!("the folder `{}` does not exist", folder.shown());
    }
    anyhow::Error::new(io::Error::from(kind)).context(format!(
        "no file can be made in the folder `{}`",
        folder.shown()
    ))
}

/// Makes the rename itself durable, where folders can be synced.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replacement(path: PathBuf, before: &[u8]) -> Replacement {
        Replacement {
            path,
            before: Content::of(before),
            after: b"new".to_vec(),
        }
    }

    #[test]
    fn one_bad_file_leaves_all_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.yaml");
        fs::write(&good, b"old").unwrap();
        let bad = folder.path().join("missing").join("bad.yaml");
        let files = [replacement(good.clone(), b"old"), replacement(bad, b"old")];
        replace_all(&files, &mut |_| {}).unwrap_err();
        assert_eq!(fs::read(&good).unwrap(), b"old");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn what_someone_else_wrote_in_the_meantime_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.yaml", "b.yaml"] {
            fs::write(at(name), b"old").unwrap();
        }
        let files = [
            replacement(at("a.yaml"), b"old"),
            replacement(at("b.yaml"), b"olD"),
        ];
        let failure = replace_all(&files, &mut |_| {}).unwrap_err();
        assert!(failure.message().contains("changed by someone else"));
        assert_eq!(fs::read(at("a.yaml")).unwrap(), b"old", "all or none");
        let stale = Expected::Content(Content::of(b"older"));
        for (expected, outcome) in [
            (stale, Replaced::ChangedMeanwhile),
            (Expected::Nothing, Replaced::ChangedMeanwhile),
            (Expected::Content(Content::of(b"old")), Replaced::Done),
        ] {
            assert_eq!(
                write_manifest(&at("a.yaml"), b"new", expected).unwrap(),
                outcome
            );
        }
        assert_eq!(fs::read(at("a.yaml")).unwrap(), b"new");
    }

    #[test]
    fn what_is_written_and_what_is_not_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = ["a", "b", "c"]
            .map(|name| replacement(folder.path().join(name), b""))
            .into();
        let failure = half_done(Failure::usage(anyhow::anyhow!("cannot write")), &files, 1);
        let text = failure.message();
        let (written, not) = text.split_once("not written: ").unwrap();
        assert!(written.contains("1 of 3 files") && written.contains("written:     "));
        assert!(written.contains("/a") && !written.contains("/b"), "{text}");
        assert!(not.contains("/b, ") && not.contains("/c"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_written_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (target, source) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        fs::write(&target, b"old, and longer").unwrap();
        fs::write(&source, b"new").unwrap();
        overwrite(&target, &source).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        fs::hard_link(&target, folder.path().join("c.yaml")).unwrap();
        overwrite(&target, &source).unwrap_err();
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    #[test]
    fn owner_extended_attributes_and_mode_of_a_manifest_survive() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

        use rustix::fs::{XattrFlags, getxattr, setxattr};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Access control lists are such attributes, and need tools and file systems that not every machine has.
        let supported = setxattr(&path, "user.privy", b"kept", XattrFlags::empty()).is_ok();
        // Only root may give a file away.
        let _ = chown(&path, Some(65534), Some(65534));
        let owner = |path| {
            fs::metadata(path)
                .map(|file| (file.uid(), file.gid()))
                .unwrap()
        };
        let before = owner(&path);
        let expected = Expected::Content(Content::of(b"old"));
        assert_eq!(
            write_manifest(&path, b"new", expected).unwrap(),
            Replaced::Done
        );
        assert_eq!(owner(&path), before);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        if supported {
            let mut value = [0; 16];
            let length = getxattr(&path, "user.privy", &mut value[..]).unwrap();
            assert_eq!(&value[..length], b"kept");
        }
    }
}
