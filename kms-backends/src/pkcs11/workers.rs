//! Threads that call into a module, each with one session.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use jwe_envelope::{RecipientKey, SecretBytes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::options::settings;
use super::token::{OpenSession, Pkcs11Token};
use crate::bounded_queue::BoundedFairQueue;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::OwnedRequest;
use crate::service::connect_error::ConnectError;
use crate::sync::lock;
use crate::tenant::Tenant;

/// The most calls that may wait, of which a single tenant gets half at most: more would be too late when their turn comes.
const QUEUE: usize = 512;

/// The threads of one key. They end when it is dropped, each after the call that it is in.
#[derive(Debug)]
pub(super) struct Workers {
    jobs: Arc<JobQueue>,
    reference: String,
}

type Answer = Result<SecretBytes, UnwrapError>;

#[derive(Debug)]
struct Job {
    request: OwnedRequest,
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
}

/// The calls that wait for a thread. Tenants take turns.
#[derive(Debug)]
struct JobQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    jobs: BoundedFairQueue<Job>,
    threads: usize,
    closed: bool,
}

/// Why a call was not queued.
#[derive(Debug, PartialEq, Eq)]
enum NotQueued {
    Full,
    NoThread,
}

impl Workers {
    pub(super) fn start(
        token: &Arc<Pkcs11Token>,
        recipient: &RecipientKey,
        count: usize,
    ) -> Result<Self, ConnectError> {
        // Dropped on an error, it ends the threads that were started.
        let workers = Self {
            jobs: JobQueue::new(),
            reference: token.reference.clone(),
        };
        for number in 0..count.max(1) {
            let (token, recipient) = (Arc::clone(token), recipient.clone());
            let running = Running::new(&workers.jobs);
            thread::Builder::new()
                .name(format!("pkcs11-{number}"))
                .spawn(move || work(&token, &recipient, &running))
                .map_err(|error| settings(format!("a thread could not be started: {error}")))?;
        }
        Ok(workers)
    }

    pub(super) async fn ask(
        &self,
        request: OwnedRequest,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let queued = self.jobs.push(request, deadline);
        let answered = queued.map_err(|error| match error {
            NotQueued::Full => UnwrapError::not_sent(format!(
                "too many calls are waiting for the token of {}",
                self.reference
            )),
            NotQueued::NoThread => self.gone(),
        })?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// A thread ended within a call, or passed over one that was late.
    fn gone(&self) -> UnwrapError {
        let message = format!("the token of {} was not asked in time", self.reference);
        UnwrapError::new(Category::Unavailable, message)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.jobs.state).closed = true;
        self.jobs.changed.notify_all();
    }
}

impl JobQueue {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                jobs: BoundedFairQueue::new(QUEUE),
                threads: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        })
    }

    /// Queues a call for the current tenant.
    fn push(
        &self,
        request: OwnedRequest,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Answer>, NotQueued> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            request,
            deadline,
            answer,
        };
        let mut state = lock(&self.state);
        if state.threads == 0 {
            return Err(NotQueued::NoThread);
        }
        if !state.jobs.push(Tenant::current(), job) {
            return Err(NotQueued::Full);
        }
        drop(state);
        self.changed.notify_one();
        Ok(answered)
    }

    /// Waits for the next call; `None` when the key is gone.
    fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop() {
                return Some(job);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A thread of the queue, until it ends or panics.
struct Running(Arc<JobQueue>);

impl Running {
    fn new(jobs: &Arc<JobQueue>) -> Self {
        lock(&jobs.state).threads += 1;
        Self(Arc::clone(jobs))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.threads -= 1;
        if state.threads == 0 {
            // The callers learn now that no thread is left to answer.
            state.jobs = BoundedFairQueue::new(QUEUE);
        }
    }
}

fn work(token: &Pkcs11Token, recipient: &RecipientKey, running: &Running) {
    let mut opened: Option<OpenSession> = None;
    while let Some(job) = running.0.next() {
        // The caller has given up; the time of a token is scarce.
        if job.answer.is_closed() || Instant::now() >= job.deadline {
            continue;
        }
        let answer = answer(token, recipient, &mut opened, &job.request);
        // The state of a session after an error is unknown, and a new one costs little.
        if matches!(&answer, Err(error) if error.category() != Category::Rejected) {
            opened = None;
        }
        let _ = job.answer.send(answer);
    }
}

fn answer(
    token: &Pkcs11Token,
    recipient: &RecipientKey,
    opened: &mut Option<OpenSession>,
    request: &OwnedRequest,
) -> Result<SecretBytes, UnwrapError> {
    let ready = match opened {
        Some(ready) => ready,
        None => opened.insert(token.open(recipient)?),
    };
    token.answer(ready, &request.as_request())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jwe_envelope::{OaepHash, UnwrapRequest};

    use super::*;

    fn push(jobs: &JobQueue) -> Result<oneshot::Receiver<Answer>, NotQueued> {
        let request = UnwrapRequest::Decrypt {
            padding: OaepHash::Sha256,
            ciphertext: &[0x42; 256],
        };
        let request = OwnedRequest::try_from(&request).expect("a request that we know");
        jobs.push(request, Instant::now() + Duration::from_mins(1))
    }

    /// What the greedy tenant could queue, and the one call of the modest tenant.
    async fn flooded(jobs: &JobQueue) -> (usize, oneshot::Receiver<Answer>) {
        let greedy = async { (0..2 * QUEUE).filter(|_| push(jobs).is_ok()).count() };
        let queued = Tenant::new("greedy").scope(greedy).await;
        let modest = Tenant::new("modest").scope(async { push(jobs) }).await;
        (queued, modest.expect("a place for another tenant"))
    }

    #[tokio::test]
    async fn one_tenants_backlog_neither_fills_the_queue_nor_delays_another() {
        let jobs = JobQueue::new();
        let _running = Running::new(&jobs);
        let (queued, _modest) = flooded(&jobs).await;
        assert_eq!(queued, QUEUE / 2);
        assert!(jobs.next().expect("a call").answer.is_closed());
        let second = jobs.next().expect("a call");
        assert!(!second.answer.is_closed(), "the modest tenant's turn");
    }

    #[tokio::test]
    async fn whoever_waits_for_threads_that_ended_is_told() {
        let jobs = JobQueue::new();
        let running = Running::new(&jobs);
        let (_, modest) = flooded(&jobs).await;
        drop(running);
        assert!(modest.await.is_err());
        assert_eq!(push(&jobs).err(), Some(NotQueued::NoThread));
    }

    #[tokio::test]
    async fn the_threads_end_with_their_key() {
        let jobs = JobQueue::new();
        let running = Running::new(&jobs);
        let thread = thread::spawn(move || while running.0.next().is_some() {});
        drop(Workers {
            jobs: Arc::clone(&jobs),
            reference: "pkcs11:token=t;object=k".to_owned(),
        });
        thread.join().expect("a thread that ends");
        assert_eq!(lock(&jobs.state).threads, 0);
    }
}
