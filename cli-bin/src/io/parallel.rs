//! One piece of work for many items, on all cores, and word of how far it has come.
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::io::Io;

/// How often people are told.
const TICK: Duration = Duration::from_millis(100);

/// As many workers as there are cores for us, unless `wanted` says otherwise.
pub fn workers(wanted: Option<NonZeroUsize>) -> usize {
    wanted
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
}

/// Does the work for every item and returns the results in the order of the items. `tick` hears in this thread, again
/// and again, how many are done.
pub fn map<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    tick: &mut dyn FnMut(usize),
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let workers = workers.min(items.len());
    if workers <= 1 {
        let one = |(done, item)| {
            let result = work(item);
            tick(done + 1);
            result
        };
        return items.iter().enumerate().map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..workers {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut done = 0;
        loop {
            match receiver.recv_timeout(TICK) {
                Ok((index, result)) => {
                    results[index] = Some(result);
                    done += 1;
                }
                Err(RecvTimeoutError::Timeout) => {}
                // A worker that panicked ends the scope with its panic.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            tick(done);
        }
    });
    results.into_iter().flatten().collect()
}

/// A line on the terminal that says how far long work has come: after a second, and gone when the work is done.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    last: Option<Instant>,
    total: usize,
}

impl Progress {
    /// What takes less than this is not worth a word.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// For work on so many files.
    pub fn new(total: usize) -> Self {
        Self {
            begun: Instant::now(),
            last: None,
            total,
        }
    }

    /// Says how far the work is, if someone looks and it is time.
    pub fn tick(&mut self, verb: &str, done: usize, io: &mut Io<'_>) {
        self.tick_at(Instant::now(), verb, done, io);
    }

    fn tick_at(&mut self, now: Instant, verb: &str, done: usize, io: &mut Io<'_>) {
        let due = now.duration_since(self.begun) >= Self::PATIENCE
            && self
                .last
                .is_none_or(|last| now.duration_since(last) >= TICK);
        if !io.terminal.stderr || !due {
            return;
        }
        self.last = Some(now);
        let left = self
            .left(now, done)
            .map_or_else(String::new, |left| format!(", {left}"));
        let _ = write!(
            io.stderr,
            "\r{verb} {done} of {} files{left}\x1b[K",
            self.total
        );
        let _ = io.stderr.flush();
    }

    /// How much longer it takes at this speed, where that is worth knowing.
    fn left(&self, now: Instant, done: usize) -> Option<String> {
        let spent = now.duration_since(self.begun).as_secs_f64();
        let rest = self.total.checked_sub(done).filter(|_| done > 0)?;
        #[allow(clippy::cast_precision_loss, reason = "an estimate for people")]
        let left = Duration::try_from_secs_f64(spent * rest as f64 / done as f64).ok()?;
        match left.as_secs() {
            0..10 => None,
            seconds @ 10..120 => Some(format!("about {seconds} s left")),
            seconds => Some(format!("about {} min left", seconds.div_ceil(60))),
        }
    }

    /// Takes the line away.
    pub fn finish(self, io: &mut Io<'_>) {
        if self.last.is_some() {
            let _ = write!(io.stderr, "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Terminals;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for workers in [1, 2, 7, 2000] {
            let mut most = 0;
            let doubled = map(&items, workers, &mut |done| most = most.max(done), |n| {
                2 * n
            });
            assert_eq!(doubled, (0..2000).step_by(2).collect::<Vec<_>>());
            assert_eq!(most, 1000);
        }
        assert_eq!(map(&[0_usize; 0], 4, &mut |_| {}, |n| *n), [0; 0]);
    }

    fn said(terminal: bool, seconds: &[u64]) -> String {
        let (mut stdin, mut stdout, mut stderr) = (std::io::empty(), Vec::new(), Vec::new());
        let mut io = Io {
            stdin: &mut stdin,
            stdout: &mut stdout,
            stderr: &mut stderr,
            terminal: Terminals {
                stderr: terminal,
                ..Terminals::default()
            },
            hidden: &mut |_| Err(std::io::ErrorKind::Unsupported.into()),
            discard_typed: &mut || (),
            environment: &|_| None,
            now: 0,
        };
        let mut progress = Progress::new(9);
        for (done, second) in seconds.iter().enumerate() {
            let now = progress.begun + Duration::from_secs(*second);
            progress.tick_at(now, "sealing", done, &mut io);
        }
        progress.finish(&mut io);
        String::from_utf8(stderr).unwrap()
    }

    #[test]
    fn progress_is_for_long_work_at_a_terminal() {
        assert_eq!(said(true, &[0, 0]), "", "short work");
        assert_eq!(said(false, &[0, 5]), "", "nobody looks");
        assert_eq!(
            said(true, &[0, 5, 5]),
            "\rsealing 1 of 9 files, about 40 s left\x1b[K\r\x1b[K",
            "once in a while, and gone in the end"
        );
    }
}
