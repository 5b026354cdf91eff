//! The audit log: one line per review, written by one thread, in the order in which reviews ended.
//!
//! A review only appends its line to a buffer. The thread takes what has gathered every twenty
//! milliseconds and writes it in one go, so a busy server makes some fifty writes per second
//! instead of tens of thousands. When the destination cannot keep up, reviews wait for room instead of
//! losing lines; when it stays stuck, they run into their deadline and are refused.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use crate::audit::AuditRecord;

/// Lines that wait to be written, in bytes.
const ROOM: usize = 4 << 20;
/// How long the thread lets lines gather: each writing costs two switches of threads, which on one core is felt.
const GATHER: Duration = Duration::from_millis(20);
/// How long it waits before it tries a failed write again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a failed write is tried again once the process is ending.
const LAST_TRIES: u32 = 4;

/// Where reviews leave their lines.
#[derive(Debug)]
pub struct AuditLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
    room: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// The thread rests until it is woken.
    resting: bool,
    /// Reviews wait for room.
    starved: bool,
    ending: bool,
    failed_writes: u64,
}

impl AuditLog {
    /// Starts the thread that writes to `destination`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(destination: impl Write + Send + 'static) -> io::Result<Self> {
        Self::with_capacity(destination, ROOM)
    }

    fn with_capacity(
        destination: impl Write + Send + 'static,
        capacity: usize,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            room: Notify::new(),
            capacity,
        });
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.write_all(destination)
            })?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Leaves the record's line, waiting for room if need be.
    pub async fn append(&self, record: &AuditRecord) {
        loop {
            // Made before the attempt, so that room given back in between is not missed.
            let room = self.shared.room.notified();
            if self.try_append(record) {
                return;
            }
            room.await;
        }
    }

    /// Leaves the record's line if there is room now: for a review that ended without waiting for anything.
    pub fn offer(&self, record: &AuditRecord) {
        self.try_append(record);
    }

    fn try_append(&self, record: &AuditRecord) -> bool {
        let mut state = self.shared.lock();
        if state.lines.len() >= self.shared.capacity {
            state.starved = true;
            return false;
        }
        record.write_json(&mut state.lines);
        if std::mem::take(&mut state.resting) {
            drop(state);
            self.shared.filled.notify_one();
        }
        true
    }

    /// Writes that failed so far. Each was tried again.
    pub fn failed_writes(&self) -> u64 {
        self.shared.lock().failed_writes
    }

    /// Writes what has gathered and ends the thread. Blocks for at most a few seconds.
    pub fn finish(&self) {
        self.shared.lock().ending = true;
        self.shared.filled.notify_one();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // The thread has no panic of its own; a destination's panic has been reported by then.
            let _ = writer.join();
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut destination: impl Write) {
        let mut batch = Vec::new();
        loop {
            let ending = {
                let mut state = self.lock();
                while state.lines.is_empty() && !state.ending {
                    state.resting = true;
                    state = self
                        .filled
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                state.resting = false;
                state.ending
            };
            if !ending {
                std::thread::sleep(GATHER);
            }
            {
                let mut state = self.lock();
                std::mem::swap(&mut batch, &mut state.lines);
                if std::mem::take(&mut state.starved) {
                    self.room.notify_waiters();
                }
            }
            if batch.is_empty() && ending {
                return;
            }
            if !self.write_batch(&batch, &mut destination) {
                return;
            }
            batch.clear();
        }
    }

    /// Writes the whole batch, trying again from where it failed; `false` when the process ended first.
    fn write_batch(&self, mut batch: &[u8], destination: &mut impl Write) -> bool {
        let mut last_tries = 0;
        while !batch.is_empty() {
            match destination.write(batch) {
                Ok(written) if written > 0 => batch = &batch[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    let error = failed
                        .err()
                        .unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                    let ending = {
                        let mut state = self.lock();
                        state.failed_writes += 1;
                        state.ending
                    };
                    tracing::error!(%error, "the audit log cannot be written; trying again");
                    last_tries += u32::from(ending);
                    if last_tries > LAST_TRIES {
                        return false;
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        }
        if let Err(error) = destination.flush() {
            tracing::error!(%error, "the audit log cannot be flushed");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Instant, SystemTime};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn record(uid: &str) -> AuditRecord {
        let mut record = AuditRecord::new(SystemTime::UNIX_EPOCH);
        record.uid = uid.to_owned();
        record
    }

    fn uids(text: &[u8]) -> Vec<String> {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                line["uid"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// Hands on what is written, and does as the script says for each write.
    struct Scripted {
        written: Written,
        script: mpsc::Receiver<io::Result<usize>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // A script that has ended takes everything.
            let most = self.script.recv().unwrap_or(Ok(usize::MAX))?;
            let len = most.min(bytes.len());
            self.written
                .lock()
                .unwrap()
                .extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Written = Arc<Mutex<Vec<u8>>>;
    type Script = mpsc::Sender<io::Result<usize>>;

    fn scripted() -> (Scripted, Script, Written) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (send, script) = mpsc::channel();
        let destination = Scripted {
            written: Arc::clone(&written),
            script,
        };
        (destination, send, written)
    }

    #[tokio::test]
    async fn keeps_the_order_and_writes_everything_before_the_end() {
        let (destination, script, written) = scripted();
        drop(script);
        let log = AuditLog::start(destination).unwrap();
        let expected: Vec<String> = (0..2_000).map(|number: u32| number.to_string()).collect();
        for uid in &expected {
            log.append(&record(uid)).await;
        }
        log.finish();
        assert_eq!(uids(&written.lock().unwrap()), expected);
    }

    #[tokio::test]
    async fn goes_on_where_a_write_fell_short_or_failed() {
        let (destination, script, written) = scripted();
        let log = AuditLog::start(destination).unwrap();
        log.append(&record("a")).await;
        log.append(&record("b")).await;
        script.send(Ok(10)).unwrap();
        script.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
        script.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        drop(script);
        log.finish();
        assert_eq!(uids(&written.lock().unwrap()), ["a", "b"]);
        assert_eq!(log.failed_writes(), 1);
    }

    #[tokio::test]
    async fn makes_reviews_wait_rather_than_lose_a_line() {
        let (destination, script, written) = scripted();
        let log = Arc::new(AuditLog::with_capacity(destination, 200).unwrap());
        // The first batch is stuck in its write; these fill the room behind it.
        log.append(&record("stuck")).await;
        let begun = Instant::now();
        while !log.shared.lock().lines.is_empty() {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for uid in ["1", "2", "3"] {
            if !log.try_append(&record(uid)) {
                break;
            }
        }
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.append(&record("late")).await }
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!waiting.is_finished());
        drop(script);
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap()
            .unwrap();
        log.finish();
        let uids = uids(&written.lock().unwrap());
        assert_eq!(
            (
                uids.first().unwrap().as_str(),
                uids.last().unwrap().as_str()
            ),
            ("stuck", "late")
        );
    }

    #[test]
    fn ends_although_its_destination_is_gone() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = AuditLog::start(Gone).unwrap();
        assert!(log.try_append(&record("lost with the process")));
        log.finish();
        assert!(log.failed_writes() > 1);
    }
}
