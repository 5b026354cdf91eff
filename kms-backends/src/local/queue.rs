//! Operations with a private key, one after the other from one queue in which tenants take turns.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jwe_envelope::{LocalKey, LocalUnwrapError, SecretBytes};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::fair_queue::FairQueue;
use crate::key_unwrap::OwnedRequest;
use crate::tenant::Tenant;

type Answer = Result<SecretBytes, LocalUnwrapError>;

/// Answers that are handed over together while more requests wait. Each handing over wakes a thread whose code and data
/// the operation has displaced from the processor's caches: on a core that does both, that is what costs. An answer
/// waits for seven operations at most, and for none when its request was the last of the queue.
const TOGETHER: usize = 8;

/// As many threads of tokio's blocking pool as there are cores at most, each from operation to operation until
/// nothing is left.
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    key: LocalKey,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: FairQueue<Job>,
    threads: usize,
}

struct Job {
    request: OwnedRequest,
    reply: oneshot::Sender<Answer>,
}

impl Queue {
    pub(super) fn new(key: LocalKey) -> Self {
        Self(Arc::new(Shared {
            key,
            most: std::thread::available_parallelism().map_or(1, usize::from),
            state: Mutex::default(),
        }))
    }

    pub(super) fn key(&self) -> &LocalKey {
        &self.0.key
    }

    /// Queues an operation for the current tenant. When the receiver is gone by its turn, it is not begun. Must be called within a tokio runtime.
    pub(super) fn submit(&self, request: OwnedRequest) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.0.lock();
        state.jobs.push(Tenant::current(), Job { request, reply });
        if state.threads < self.0.most {
            state.threads += 1;
            let thread = Thread {
                shared: Arc::clone(&self.0),
                counted: true,
            };
            drop(state);
            spawn_blocking(move || thread.work());
        }
        answer
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Thread {
    shared: Arc<Shared>,
    /// Among the running ones. Still so at its end when an operation panicked, or the runtime ended before its turn.
    counted: bool,
}

impl Thread {
    fn work(mut self) {
        let mut done = Vec::with_capacity(TOGETHER);
        while let Some(job) = self.next() {
            if !job.reply.is_closed() {
                let answer = self.shared.key.unwrap(&job.request.as_request());
                done.push((job.reply, answer));
            }
            if done.len() == TOGETHER {
                hand_over(&mut done);
            }
        }
        hand_over(&mut done);
    }

    fn next(&mut self) -> Option<Job> {
        let mut state = self.shared.lock();
        let job = state.jobs.pop();
        if job.is_none() {
            // In the same breath: what is queued from here on starts another thread.
            state.threads -= 1;
            self.counted = false;
        }
        job
    }
}

fn hand_over(done: &mut Vec<(oneshot::Sender<Answer>, Answer)>) {
    for (reply, answer) in done.drain(..) {
        // A receiver that went meanwhile drops the answer, which is wiped.
        let _ = reply.send(answer);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.counted {
            self.shared.lock().threads -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jwe_envelope::{KeyKind, OaepHash, UnwrapRequest};

    fn queue() -> Queue {
        Queue::new(LocalKey::generate(KeyKind::Rsa(2048)).expect("a new key"))
    }

    fn request() -> OwnedRequest {
        let ciphertext = [0x42; 256];
        let request = UnwrapRequest::Decrypt {
            padding: OaepHash::Sha256,
            ciphertext: &ciphertext,
        };
        OwnedRequest::try_from(&request).expect("a request that we know")
    }

    #[tokio::test]
    async fn never_more_threads_than_cores_and_every_answer_arrives() {
        let queue = queue();
        let answers: Vec<_> = (0..64).map(|_| queue.submit(request())).collect();
        assert!(queue.0.lock().threads <= queue.0.most);
        for answer in answers {
            let answer = answer.await.expect("an answer");
            assert!(matches!(answer, Err(LocalUnwrapError::Rejected)));
        }
        // The threads ended with the work, and later work has threads again.
        let answer = queue.submit(request()).await;
        assert!(answer.is_ok());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_passed_over() {
        let queue = queue();
        for _ in 0..16 {
            drop(queue.submit(request()));
        }
        assert!(queue.submit(request()).await.is_ok());
        assert!(queue.0.lock().jobs.is_empty());
    }

    #[tokio::test]
    async fn one_tenants_backlog_does_not_delay_another() {
        let mut queue = queue();
        // No thread takes anything before all of it is queued.
        Arc::get_mut(&mut queue.0).expect("no thread yet").most = 0;
        let greedy = async { (0..200).for_each(|_| drop(queue.submit(request()))) };
        Tenant::new("greedy").scope(greedy).await;
        let mut answer = None;
        let modest = async { answer = Some(queue.submit(request())) };
        Tenant::new("modest").scope(modest).await;
        let mut thread = Thread {
            shared: Arc::clone(&queue.0),
            counted: false,
        };
        assert!(thread.next().expect("a job").reply.is_closed());
        let second = thread.next().expect("a job");
        assert!(!second.reply.is_closed(), "the modest tenant's turn");
    }

    #[test]
    fn a_runtime_that_ends_leaves_a_queue_that_works() {
        let queue = queue();
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            runtime.block_on(async { drop(queue.submit(request())) });
            runtime.shutdown_background();
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        assert!(
            runtime
                .block_on(async { queue.submit(request()).await })
                .is_ok()
        );
    }
}
