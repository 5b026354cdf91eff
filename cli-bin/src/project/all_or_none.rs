//! Work on many files whose results are written into all of them or none.
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::anyhow;

use super::walk::{self, Input};
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Content, Replacement};
use crate::io::parallel::{self, Progress};

/// Files that are in memory with all that was found in them.
const BATCH: usize = 512;

/// Refusals that are reported in full.
const MOST_REPORTS: usize = 20;

/// What is to be done with which files.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// Files, folders and patterns.
    pub files: &'a [PathBuf],
    /// How many cores, if someone says.
    pub jobs: Option<NonZeroUsize>,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// What will have been done, for a refusal.
    pub done: &'a str,
}

/// What came of a file, and its new text if that is different.
pub type Fate<O> = (O, Option<Change>);

/// What a file contained, and what it is to contain.
#[allow(missing_debug_implementations, reason = "may hold a whole manifest")]
pub struct Change {
    /// To notice that someone else wrote it.
    pub before: Content,
    /// The new text.
    pub after: Vec<u8>,
}

/// Where the work is, for people who wait.
#[allow(missing_debug_implementations, reason = "a moment of a command")]
pub struct Tick<'p> {
    progress: &'p mut Progress,
    done: usize,
    workers: usize,
}

impl Tick<'_> {
    /// Does the work for every item on all cores.
    pub fn map<T: Sync, R: Send>(
        &mut self,
        verb: &str,
        items: &[T],
        io: &mut Io<'_>,
        work: impl Fn(&T) -> R + Sync,
    ) -> Vec<R> {
        self.run(verb, items, io, 0, work)
    }

    /// The same, and every item that is done counts.
    pub fn map_counted<T: Sync, R: Send>(
        &mut self,
        verb: &str,
        items: &[T],
        io: &mut Io<'_>,
        work: impl Fn(&T) -> R + Sync,
    ) -> Vec<R> {
        self.run(verb, items, io, 1, work)
    }

    fn run<T: Sync, R: Send>(
        &mut self,
        verb: &str,
        items: &[T],
        io: &mut Io<'_>,
        each_counts: usize,
        work: impl Fn(&T) -> R + Sync,
    ) -> Vec<R> {
        let (progress, base) = (&mut *self.progress, self.done);
        let tick = &mut |done| progress.tick(verb, base + done * each_counts, io);
        parallel::map(items, self.workers, tick, work)
    }
}

/// What came of all files.
#[derive(Debug)]
pub struct Written<O> {
    /// By file.
    pub outcomes: Vec<(Input, O)>,
    /// Folders that were not searched, for programs.
    pub not_searched: Option<serde_json::Value>,
}

/// Works on the files of the arguments in memory, batch by batch; writes all that changed, or nothing when one is
/// refused.
///
/// # Errors
/// As the work, and exit 2 when a file cannot be written.
pub fn in_place<O>(
    todo: &Work<'_>,
    io: &mut Io<'_>,
    mut work: impl FnMut(
        &[Input],
        &mut Tick<'_>,
        &mut Io<'_>,
    ) -> Result<Vec<Result<Fate<O>, Failure>>, Failure>,
) -> Result<Written<O>, Failure> {
    let expanded = walk::expand(todo.files)?;
    let inputs = &expanded.inputs;
    let mut progress = Progress::new(inputs.len());
    let mut outcomes = Vec::with_capacity(inputs.len());
    let (mut changed, mut failures) = (Vec::new(), Vec::new());
    for batch in inputs.chunks(BATCH) {
        let mut tick = Tick {
            progress: &mut progress,
            done: outcomes.len() + failures.len(),
            workers: parallel::workers(todo.jobs),
        };
        for (input, result) in batch.iter().zip(work(batch, &mut tick, io)?) {
            match result {
                Ok((outcome, change)) => {
                    changed.extend(change.map(|change| Replacement {
                        path: input.path.clone(),
                        before: change.before,
                        after: change.after,
                    }));
                    outcomes.push((input.clone(), outcome));
                }
                Err(failure) => failures.push(failure),
            }
        }
    }
    let written = if !failures.is_empty() {
        Err(all_refused(todo.done, failures, inputs.len(), io))
    } else if todo.dry_run {
        Ok(())
    } else {
        files::replace_all(&changed, &mut |done| progress.tick("writing", done, io))
    };
    progress.finish(io);
    written?;
    expanded.say_left_out(io);
    Ok(Written {
        outcomes,
        not_searched: expanded.left_out_json(),
    })
}

/// Reports every refusal; the last word is that nothing was changed.
fn all_refused(done: &str, mut failures: Vec<Failure>, files: usize, io: &mut Io<'_>) -> Failure {
    if failures.len() == 1
        && let Some(failure) = failures.pop()
    {
        return failure;
    }
    for failure in failures.iter().take(MOST_REPORTS) {
        failure.write_to(io.stderr);
    }
    let count = failures.len();
    let left = count.saturating_sub(MOST_REPORTS);
    let error = anyhow!("{count} of {files} files cannot be {done}, and none was changed");
    let worst = failures.iter().any(|failure| failure.exit() == Exit::Usage);
    let failure = if worst {
        Failure::usage(error)
    } else {
        Failure::refused(error)
    };
    failure.hint(if left == 0 {
        "fix them, and run the same command again".to_owned()
    } else {
        format!("fix them, and run the same command again, which will name the other {left}, too")
    })
}
