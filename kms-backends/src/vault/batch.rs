//! Batches decryptions with one Transit key into as few calls as possible.
//!
//! Up to [`AT_ONCE`] calls go out as they come. What comes while so many are under way waits for the first of them to
//! end, and what waits together goes together: one call of Vault decrypts many. Tenants take turns in what waits, and what
//! failed in a batch is asked again in a call for each, between the batches.

use std::sync::{Arc, Mutex};

use jwe_envelope::SecretBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::server::Vault;
use crate::bounded_queue::BoundedFairQueue;
use crate::error::{Category, UnwrapError};
use crate::service::remote::answer_by;
use crate::sync::lock;
use crate::tenant::Tenant;

/// Calls under way at one time, for one key.
const AT_ONCE: usize = 8;
/// Ciphertexts in one call.
const TOGETHER: usize = 64;
/// Ciphertexts that may wait, of which a single tenant gets half at most.
const QUEUE: usize = 4096;

/// Batches requests for one key.
#[derive(Debug)]
pub(super) struct DecryptBatcher {
    mount: String,
    name: String,
    /// The key, for messages.
    what: String,
    queue: Mutex<BatchQueue>,
}

#[derive(Debug)]
struct BatchQueue {
    waiting: BoundedFairQueue<Waiting>,
    /// What failed in a batch.
    again: BoundedFairQueue<Waiting>,
    under_way: usize,
}

#[derive(Debug)]
struct Waiting {
    tenant: Tenant,
    /// `vault:v3:` and base64.
    ciphertext: String,
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<SecretBytes, UnwrapError>;

impl DecryptBatcher {
    pub(super) fn new(mount: &str, name: &str, what: String) -> Arc<Self> {
        Arc::new(Self {
            mount: mount.to_owned(),
            name: name.to_owned(),
            what,
            queue: Mutex::new(BatchQueue {
                waiting: BoundedFairQueue::new(QUEUE),
                again: BoundedFairQueue::new(QUEUE),
                under_way: 0,
            }),
        })
    }

    /// The plaintext of `ciphertext`, by `deadline`.
    pub(super) async fn decrypt(
        self: &Arc<Self>,
        vault: &Arc<Vault>,
        ciphertext: String,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let (answer, answered) = oneshot::channel();
        let worker = self.push(ciphertext, deadline, answer)?;
        if let Some(worker) = worker {
            // A task of its own: the caller may give up without stranding others.
            tokio::spawn(worker.serve(Arc::clone(vault)));
        }
        let answered = async { answered.await.unwrap_or_else(|_| Err(self.dropped())) };
        answer_by(deadline, &self.what, answered).await
    }

    /// Queues a ciphertext for the current tenant, with a worker where one more may start.
    fn push(
        self: &Arc<Self>,
        ciphertext: String,
        deadline: Instant,
        answer: oneshot::Sender<Answer>,
    ) -> Result<Option<BatchWorker>, UnwrapError> {
        let tenant = Tenant::current();
        let waiting = Waiting {
            tenant: tenant.clone(),
            ciphertext,
            deadline,
            answer,
        };
        let mut queue = lock(&self.queue);
        if !queue.waiting.push(tenant, waiting) {
            return Err(UnwrapError::not_sent(format!(
                "too many calls are waiting for {}",
                self.what
            )));
        }
        if queue.under_way == AT_ONCE {
            return Ok(None);
        }
        queue.under_way += 1;
        Ok(Some(BatchWorker {
            batcher: Arc::clone(self),
            counted: true,
            asked_again: false,
        }))
    }

    async fn call(&self, vault: &Arc<Vault>, batch: Vec<Waiting>) {
        if let [_] = &batch[..] {
            for waiting in batch {
                self.call_for_one(vault, waiting).await;
            }
            return;
        }
        let deadline = batch.iter().map(|waiting| waiting.deadline).max();
        let deadline = deadline.unwrap_or_else(Instant::now);
        let ciphertexts: Vec<&str> = batch.iter().map(|w| w.ciphertext.as_str()).collect();
        let together = vault.decrypt_many(&self.mount, &self.name, &ciphertexts);
        match answer_by(deadline, &self.what, together).await {
            Err(error) => send_all(batch, &error),
            Ok(plaintexts) => self.send_each(batch, plaintexts),
        }
    }

    fn send_each(&self, batch: Vec<Waiting>, plaintexts: Vec<Option<SecretBytes>>) {
        let mut queue = lock(&self.queue);
        for (waiting, plaintext) in batch.into_iter().zip(plaintexts) {
            match plaintext {
                Some(plaintext) => drop(waiting.answer.send(Ok(plaintext))),
                // In a batch Vault reports a failure as text without a status; a single call has a status.
                // Without a place for it, its caller learns that Vault was not asked.
                None => drop(queue.again.push(waiting.tenant.clone(), waiting)),
            }
        }
    }

    async fn call_for_one(&self, vault: &Arc<Vault>, waiting: Waiting) {
        let alone = vault.decrypt_one(&self.mount, &self.name, &waiting.ciphertext);
        let answer = answer_by(waiting.deadline, &self.what, alone).await;
        // The caller may have given up.
        drop(waiting.answer.send(answer));
    }

    /// The worker ended before it asked, as when the runtime ends.
    fn dropped(&self) -> UnwrapError {
        let message = format!("Vault was not asked for {}", self.what);
        UnwrapError::new(Category::Unavailable, message)
    }
}

fn send_all(batch: Vec<Waiting>, error: &UnwrapError) {
    for waiting in batch {
        drop(waiting.answer.send(Err(error.clone())));
    }
}

/// One of the calls under way; frees its slot when it ends.
struct BatchWorker {
    batcher: Arc<DecryptBatcher>,
    /// Among those under way. Still so when it is dropped before its end, as when the runtime ends.
    counted: bool,
    /// The last call was for one that had failed in a batch.
    asked_again: bool,
}

impl BatchWorker {
    async fn serve(mut self, vault: Arc<Vault>) {
        while let Some(batch) = self.next() {
            self.batcher.call(&vault, batch).await;
        }
    }

    /// What to ask next: a batch and one of those that failed in a batch by turns, so that neither delays the other.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = lock(&self.batcher.queue);
        for asks_again in [!self.asked_again, self.asked_again] {
            let next = if asks_again {
                queue.take_again()
            } else {
                queue.take_together()
            };
            if !next.is_empty() {
                self.asked_again = asks_again;
                return Some(next);
            }
        }
        // Under the same lock: what is queued from here on starts another worker.
        queue.under_way -= 1;
        self.counted = false;
        None
    }
}

impl BatchQueue {
    fn take_together(&mut self) -> Vec<Waiting> {
        take(TOGETHER, || self.waiting.pop())
    }

    fn take_again(&mut self) -> Vec<Waiting> {
        take(1, || self.again.pop())
    }
}

/// As many as are there, without those whose callers have given up.
fn take(most: usize, pop: impl FnMut() -> Option<Waiting>) -> Vec<Waiting> {
    std::iter::from_fn(pop)
        .filter(|waiting| !waiting.answer.is_closed())
        .take(most)
        .collect()
}

impl Drop for BatchWorker {
    fn drop(&mut self) {
        if self.counted {
            lock(&self.batcher.queue).under_way -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Asked = oneshot::Receiver<Answer>;

    fn batcher() -> Arc<DecryptBatcher> {
        DecryptBatcher::new("transit", "key", "the key".to_owned())
    }

    fn push(batcher: &Arc<DecryptBatcher>) -> Result<(Option<BatchWorker>, Asked), UnwrapError> {
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_mins(1);
        let worker = batcher.push("vault:v1:AA".to_owned(), deadline, answer)?;
        Ok((worker, answered))
    }

    fn under_way(batcher: &DecryptBatcher) -> usize {
        lock(&batcher.queue).under_way
    }

    fn tenants(batch: &[Waiting]) -> (usize, usize) {
        let of = |tenant| {
            batch
                .iter()
                .filter(|waiting| waiting.tenant == tenant)
                .count()
        };
        (of(Tenant::new("greedy")), of(Tenant::new("modest")))
    }

    #[tokio::test]
    async fn one_tenants_backlog_neither_fills_the_queue_nor_delays_another() {
        let batcher = batcher();
        let greedy = async {
            (0..2 * QUEUE)
                .map_while(|_| push(&batcher).ok())
                .collect::<Vec<_>>()
        };
        let mut greedy = Tenant::new("greedy").scope(greedy).await;
        assert_eq!(greedy.len(), QUEUE / 2);
        let modest = Tenant::new("modest").scope(async { push(&batcher) }).await;
        let _modest = modest.expect("a place for another tenant");
        let worker = greedy[0]
            .0
            .as_mut()
            .expect("the first call starts a worker");
        let batch = worker.next().expect("a batch");
        assert_eq!(tenants(&batch), (TOGETHER - 1, 1));
    }

    #[tokio::test]
    async fn what_failed_in_a_batch_delays_no_later_batch() {
        let batcher = batcher();
        let greedy = async {
            (0..TOGETHER)
                .map_while(|_| push(&batcher).ok())
                .collect::<Vec<_>>()
        };
        let mut greedy = Tenant::new("greedy").scope(greedy).await;
        let worker = greedy[0]
            .0
            .as_mut()
            .expect("the first call starts a worker");
        let batch = worker.next().expect("a batch");
        let answers = batch.iter().map(|_| None).collect();
        batcher.send_each(batch, answers);
        let modest = Tenant::new("modest").scope(async { push(&batcher) }).await;
        let _modest = modest.expect("a place");
        let order: Vec<_> = std::iter::from_fn(|| worker.next()).take(3).collect();
        let order: Vec<_> = order.iter().map(|batch| tenants(batch)).collect();
        assert_eq!(order, [(1, 0), (0, 1), (1, 0)]);
    }

    #[tokio::test]
    async fn a_worker_that_finds_nothing_has_left_before_anyone_else_looks() {
        let batcher = batcher();
        let mut asked: Vec<_> = (0..AT_ONCE).map_while(|_| push(&batcher).ok()).collect();
        assert_eq!(under_way(&batcher), AT_ONCE);
        for (worker, _) in &mut asked {
            let worker = worker.as_mut().expect("one for each of the first");
            while worker.next().is_some() {}
        }
        // No worker was dropped yet, and what comes now still gets one.
        assert_eq!(under_way(&batcher), 0);
        let (worker, _answered) = push(&batcher).expect("a place");
        assert!(worker.is_some());
        drop(asked);
        assert_eq!(under_way(&batcher), 1);
        drop(worker);
        assert_eq!(under_way(&batcher), 0);
    }
}
