//! Requests for one Transit key, in as few calls as there is need for.
//!
//! Up to [`AT_ONCE`] calls go out as they come. What comes while so many are under way waits for the first of them to
//! end, and what waits together goes together: one call of Vault decrypts many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jwe_envelope::SecretBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::transit::Vault;
use crate::error::{Category, UnwrapError};
use crate::remote::answer_by;
use crate::sync::lock;

/// Calls under way at one time, for one key.
const AT_ONCE: usize = 8;
/// Ciphertexts in one call.
const TOGETHER: usize = 64;

/// Where requests for one key queue up.
#[derive(Debug)]
pub(super) struct Desk {
    mount: String,
    name: String,
    /// For people.
    what: String,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    under_way: usize,
}

#[derive(Debug)]
struct Waiting {
    /// `vault:v3:` and base64.
    ciphertext: String,
    deadline: Instant,
    answer: oneshot::Sender<Result<SecretBytes, UnwrapError>>,
}

impl Desk {
    pub(super) fn new(mount: &str, name: &str, what: String) -> Arc<Self> {
        Arc::new(Self {
            mount: mount.to_owned(),
            name: name.to_owned(),
            what,
            queue: Mutex::default(),
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
        let may_start = {
            let mut queue = lock(&self.queue);
            queue.waiting.push_back(Waiting {
                ciphertext,
                deadline,
                answer,
            });
            let may_start = queue.under_way < AT_ONCE;
            queue.under_way += usize::from(may_start);
            may_start
        };
        if may_start {
            // A task of its own: whoever asked may go away without stranding who comes along.
            let clerk = Clerk(Arc::clone(self));
            tokio::spawn(clerk.serve(Arc::clone(vault)));
        }
        let answered = async { answered.await.unwrap_or_else(|_| Err(self.dropped())) };
        answer_by(deadline, &self.what, answered).await
    }

    fn take(&self) -> Vec<Waiting> {
        let mut queue = lock(&self.queue);
        let mut taken = Vec::new();
        while taken.len() < TOGETHER {
            match queue.waiting.pop_front() {
                None => break,
                // Gave up meanwhile.
                Some(waiting) if waiting.answer.is_closed() => {}
                Some(waiting) => taken.push(waiting),
            }
        }
        taken
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
            Ok(plaintexts) => {
                for (waiting, plaintext) in batch.into_iter().zip(plaintexts) {
                    match plaintext {
                        Some(plaintext) => drop(waiting.answer.send(Ok(plaintext))),
                        // Within a batch Vault has words for a failure and no status. Alone it has one.
                        None => self.call_for_one(vault, waiting).await,
                    }
                }
            }
        }
    }

    async fn call_for_one(&self, vault: &Arc<Vault>, waiting: Waiting) {
        let alone = vault.decrypt_one(&self.mount, &self.name, &waiting.ciphertext);
        let answer = answer_by(waiting.deadline, &self.what, alone).await;
        // Nobody may be waiting any more.
        drop(waiting.answer.send(answer));
    }

    /// Whoever was to ask went away, as when the runtime ends.
    fn dropped(&self) -> UnwrapError {
        let message = format!("vault was not asked for {}", self.what);
        UnwrapError::new(Category::Unavailable, message)
    }
}

fn send_all(batch: Vec<Waiting>, error: &UnwrapError) {
    for waiting in batch {
        drop(waiting.answer.send(Err(error.clone())));
    }
}

/// One of the calls under way; gives its place back when it is dropped.
struct Clerk(Arc<Desk>);

impl Clerk {
    async fn serve(self, vault: Arc<Vault>) {
        loop {
            let batch = self.0.take();
            if batch.is_empty() {
                return;
            }
            self.0.call(&vault, batch).await;
        }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        lock(&self.0.queue).under_way -= 1;
    }
}
