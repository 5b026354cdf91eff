//! Threads that call into a module, each with one session.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use jwe_envelope::{RecipientKey, SecretBytes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::settings;
use super::token::{Opened, Token};
use crate::connect::ConnectError;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::OwnedRequest;
use crate::sync::lock;

/// More calls than this wait for nobody: the oldest would be late by then.
const QUEUE: usize = 256;

/// The threads of one key. They end when it is dropped, each after the call that it is in.
#[derive(Debug)]
pub(super) struct Workers {
    jobs: SyncSender<Job>,
    reference: String,
}

struct Job {
    request: OwnedRequest,
    deadline: Instant,
    answer: oneshot::Sender<Result<SecretBytes, UnwrapError>>,
}

impl Workers {
    pub(super) fn start(
        token: &Arc<Token>,
        recipient: &RecipientKey,
        count: usize,
    ) -> Result<Self, ConnectError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..count.max(1) {
            let (token, recipient, queue) =
                (Arc::clone(token), recipient.clone(), Arc::clone(&queue));
            thread::Builder::new()
                .name(format!("pkcs11-{number}"))
                .spawn(move || work(&token, &recipient, &queue))
                .map_err(|error| settings(format!("a thread cannot be started: {error}")))?;
        }
        Ok(Self {
            jobs,
            reference: token.reference.clone(),
        })
    }

    pub(super) async fn ask(
        &self,
        request: OwnedRequest,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            request,
            deadline,
            answer,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => UnwrapError::not_sent(format!(
                "too many calls wait for the token of {}",
                self.reference
            )),
            TrySendError::Disconnected(_) => self.gone(),
        })?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// A thread ended within a call, or passed over one that was late.
    fn gone(&self) -> UnwrapError {
        let message = format!("the token of {} was not asked in time", self.reference);
        UnwrapError::new(Category::Unavailable, message)
    }
}

fn work(token: &Token, recipient: &RecipientKey, queue: &Mutex<Receiver<Job>>) {
    let mut opened: Option<Opened> = None;
    loop {
        // Ends with the last sender.
        let Ok(job) = lock(queue).recv() else { return };
        // Nobody waits for it any more; a token's time is dear.
        if job.answer.is_closed() || Instant::now() >= job.deadline {
            continue;
        }
        let answer = answer(token, recipient, &mut opened, &job.request);
        // What a session is good for after trouble nobody knows, and a new one costs little.
        if matches!(&answer, Err(error) if error.category() != Category::Rejected) {
            opened = None;
        }
        let _ = job.answer.send(answer);
    }
}

fn answer(
    token: &Token,
    recipient: &RecipientKey,
    opened: &mut Option<Opened>,
    request: &OwnedRequest,
) -> Result<SecretBytes, UnwrapError> {
    let ready = match opened {
        Some(ready) => ready,
        None => opened.insert(token.open(recipient)?),
    };
    token.answer(ready, &request.as_request())
}
