//! One call of a key service, shared by all requests that ask the same at the same time.
//!
//! A call is a task of its own. The request that started it may give up without stranding the others, and their deadlines
//! extend it. Each request checks its own tag with the shared content key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jwe_envelope::{ContentKey, InputsDigest, Opening, Rejected, SecretBytes};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Category, UnwrapError};
use crate::fair_share::{FairShare, TenantSlot};
use crate::key_unwrap::OwnedRequest;
use crate::registry::cache::Cache;
use crate::registry::entry::EntryShared;
use crate::sync::lock;
use crate::tenant::Tenant;

/// The calls that are under way.
#[derive(Debug)]
pub(crate) struct SharedCalls {
    cache: Arc<Cache>,
    under_way: Mutex<HashMap<InputsDigest, Arc<SharedCall>>>,
    /// The calls that run or linger.
    places: Arc<FairShare>,
}

/// How a request is served when no cached key was at hand.
pub(crate) enum Joined {
    /// A key entered the cache at this moment.
    Cached(Arc<ContentKey>),
    /// A ticket for a call that another request started.
    Shared(CallTicket),
    /// A ticket for a call of our own.
    Started(CallTicket),
}

/// The most calls under way; each takes about a kilobyte.
const MOST_UNDER_WAY: usize = 4096;

/// Calls of one tenant whose answers others wait for as well. A call of a longer backlog has its turn late, and another
/// tenant asks again in its own name rather than wait for it.
const SHORT_BACKLOG: usize = 32;

/// How long the answer of an abandoned call is kept for the next request: the API server repeats a review that took too
/// long, and the key service need not be asked twice.
const LINGER: Duration = Duration::from_secs(30);

/// A deadline that is later by less than this is not worth another call.
const WORTH_ANOTHER_CALL: Duration = Duration::from_millis(100);

impl SharedCalls {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            under_way: Mutex::default(),
            places: FairShare::new(MOST_UNDER_WAY),
        }
    }

    /// A ticket for the call for these inputs; starts it when there is none.
    pub(crate) fn join(
        self: &Arc<Self>,
        entry: &Arc<EntryShared>,
        opening: &Opening<'_>,
        inputs: &InputsDigest,
        deadline: Instant,
    ) -> Result<Joined, UnwrapError> {
        let generation = entry.state.generation();
        let tenant = Tenant::current();
        let is_prompt = |call: &&Arc<SharedCall>| {
            call.tenant == tenant || self.places.taken_by(&call.tenant) <= SHORT_BACKLOG
        };
        let mut under_way = lock(&self.under_way);
        // What was asked before a denial is not shared after it.
        if let Some(call) = under_way
            .get(inputs)
            .filter(|call| call.generation == generation)
            .filter(is_prompt)
        {
            call.extend(deadline);
            return Ok(Joined::Shared(self.ticket(call, *inputs)));
        }
        // A call leaves the map after its key is cached: found in neither, it is in neither.
        if let Some(key) = self.cache.fresh(inputs) {
            return Ok(Joined::Cached(key));
        }
        let place = self.places.take(&tenant).ok_or_else(|| {
            UnwrapError::not_sent("too many unwraps are under way at this moment")
                .with_retry_after(Duration::from_secs(1))
        })?;
        let request = OwnedRequest::try_from(&opening.request())?;
        let call = Arc::new(SharedCall::new(generation, deadline, tenant.clone()));
        under_way.insert(*inputs, Arc::clone(&call));
        let ticket = self.ticket(&call, *inputs);
        // A runtime that is ending drops the task within `spawn`, and the completion takes this lock.
        drop(under_way);
        let completion = Completion {
            calls: Arc::clone(self),
            entry: Arc::clone(entry),
            inputs: *inputs,
            call,
            done: false,
        };
        tokio::spawn(tenant.scope(run(completion, request, place)));
        Ok(Joined::Started(ticket))
    }

    /// With the map locked, so that a completing call counts every waiter.
    fn ticket(self: &Arc<Self>, call: &Arc<SharedCall>, inputs: InputsDigest) -> CallTicket {
        call.waiters.fetch_add(1, Ordering::Relaxed);
        CallTicket {
            calls: Arc::clone(self),
            call: Arc::clone(call),
            inputs,
        }
    }

    fn remove(&self, inputs: &InputsDigest, call: &Arc<SharedCall>) {
        remove(&mut lock(&self.under_way), inputs, call);
    }
}

fn remove(
    under_way: &mut HashMap<InputsDigest, Arc<SharedCall>>,
    inputs: &InputsDigest,
    call: &Arc<SharedCall>,
) {
    // A newer call for the same inputs stays.
    if under_way
        .get(inputs)
        .is_some_and(|found| Arc::ptr_eq(found, call))
    {
        under_way.remove(inputs);
    }
}

#[derive(Debug)]
struct SharedCall {
    /// The entry's generation when it was asked.
    generation: u64,
    /// In whose turn it is made.
    tenant: Tenant,
    /// The latest deadline of all who wait.
    deadline: Mutex<Instant>,
    /// Changed with the map locked.
    waiters: AtomicUsize,
    answer: OnceLock<CallAnswer>,
    answered: Notify,
    key: OnceLock<Arc<ContentKey>>,
    cached: AtomicBool,
}

#[derive(Debug)]
enum CallAnswer {
    Failed(UnwrapError),
    Unwrapped {
        /// Taken by the first who turns it into a content key.
        secret: Mutex<Option<SecretBytes>>,
        at: Instant,
    },
    Rejected,
}

impl SharedCall {
    fn new(generation: u64, deadline: Instant, tenant: Tenant) -> Self {
        Self {
            generation,
            tenant,
            deadline: Mutex::new(deadline),
            waiters: AtomicUsize::new(0),
            answer: OnceLock::new(),
            answered: Notify::new(),
            key: OnceLock::new(),
            cached: AtomicBool::new(false),
        }
    }

    fn extend(&self, deadline: Instant) {
        let mut latest = lock(&self.deadline);
        *latest = (*latest).max(deadline);
    }

    fn deadline(&self) -> Instant {
        *lock(&self.deadline)
    }

    fn abandoned(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) == 0
    }
}

/// The right to the answer of a call.
pub(crate) struct CallTicket {
    calls: Arc<SharedCalls>,
    call: Arc<SharedCall>,
    inputs: InputsDigest,
}

impl CallTicket {
    /// The content key, by `limit`. It is only known to be the right one when a tag says so; a rejected wrapped
    /// key yields a random one.
    pub(crate) async fn content_key(
        &self,
        opening: &Opening<'_>,
        limit: Instant,
    ) -> Result<Arc<ContentKey>, UnwrapError> {
        // Created before the first look, so that no answer is missed.
        let answered = self.call.answered.notified();
        if self.call.answer.get().is_none() {
            timeout_at(limit, answered).await.map_err(|_| {
                UnwrapError::new(
                    Category::Unavailable,
                    "the key service did not answer in time",
                )
            })?;
        }
        let answer = self.call.answer.get().expect("set before it is announced");
        let answer = match answer {
            CallAnswer::Failed(error) => return Err(error.clone()),
            CallAnswer::Rejected => Err(Rejected),
            CallAnswer::Unwrapped { secret, .. } => Ok(secret),
        };
        // All waiters have the same unwrap inputs, so one derivation serves all.
        let key = self.call.key.get_or_init(|| {
            let answer = answer.and_then(|secret| lock(secret).take().ok_or(Rejected));
            Arc::new(opening.content_key(answer))
        });
        Ok(Arc::clone(key))
    }

    /// A tag accepted the content key: caches it, once. Only then does the call end, and only by the one who cached
    /// the key: a later request finds it either here or there.
    pub(crate) fn verified(&self, entry: &Arc<EntryShared>, key: &Arc<ContentKey>) {
        let Some(CallAnswer::Unwrapped { at, .. }) = self.call.answer.get() else {
            return;
        };
        if !self.call.cached.swap(true, Ordering::AcqRel) {
            self.calls.cache.insert(
                entry,
                (self.call.generation, &self.call.tenant),
                self.inputs,
                Arc::clone(key),
                *at,
            );
            self.settle();
        }
    }

    /// A tag was checked, with either result: no one joins this call any more.
    pub(crate) fn settle(&self) {
        self.calls.remove(&self.inputs, &self.call);
    }
}

impl Drop for CallTicket {
    fn drop(&mut self) {
        let mut under_way = lock(&self.calls.under_way);
        let before = self.call.waiters.fetch_sub(1, Ordering::Relaxed);
        if before == 1 && self.call.answer.get().is_some() {
            remove(&mut under_way, &self.inputs, &self.call);
        }
    }
}

/// Calls the key service for all waiters.
async fn run(mut completion: Completion, request: OwnedRequest, _place: TenantSlot) {
    let answer = ask(&completion, &request).await;
    let lingers = completion.complete(answer);
    if lingers {
        sleep(LINGER).await;
        completion
            .calls
            .remove(&completion.inputs, &completion.call);
    }
}

async fn ask(completion: &Completion, request: &OwnedRequest) -> Result<SecretBytes, UnwrapError> {
    loop {
        let deadline = completion.call.deadline();
        let error = match completion.entry.unwrap(request, deadline).await {
            Err(error) if error.category() == Category::Unavailable => error,
            answer => return answer,
        };
        // The failure may be due to the earlier deadline of another request.
        let wait = if error.was_sent() {
            error.retry_after().unwrap_or_default()
        } else {
            Duration::ZERO
        };
        let latest = completion.call.deadline();
        let left = latest.saturating_duration_since(Instant::now());
        if latest < deadline + WORTH_ANOTHER_CALL || left <= wait {
            return Err(error);
        }
        sleep(wait).await;
    }
}

/// Brings a call to its end whatever happens: a panic of a backend, the end of the runtime.
struct Completion {
    calls: Arc<SharedCalls>,
    entry: Arc<EntryShared>,
    inputs: InputsDigest,
    call: Arc<SharedCall>,
    done: bool,
}

impl Completion {
    /// Announces the answer. `true`: no one waits for it now, but someone may soon.
    fn complete(&mut self, answer: Result<SecretBytes, UnwrapError>) -> bool {
        self.done = true;
        let outcome = answer.as_ref().map(|_| ()).map_err(UnwrapError::category);
        self.entry.state.record(outcome);
        match outcome {
            Err(Category::Denied) => self.calls.cache.forget(&self.entry),
            // The same wrapped key was good once; whatever happened to the key, it is not now.
            Err(Category::Rejected) => self.calls.cache.remove(&self.inputs),
            _ => {}
        }
        let answer = match answer {
            Ok(secret) => CallAnswer::Unwrapped {
                secret: Mutex::new(Some(secret)),
                at: Instant::now(),
            },
            Err(error) if error.category() == Category::Rejected => CallAnswer::Rejected,
            Err(error) => CallAnswer::Failed(error),
        };
        // A rejected wrapped key is kept like a good one. Were it forgotten at once, anyone who hangs up and asks again
        // would learn from the second answer's speed, or from the metrics, whether its padding was right.
        let is_final = !matches!(answer, CallAnswer::Failed(_));
        let abandoned = {
            let mut under_way = lock(&self.calls.under_way);
            // Only set here, once: `done` guards it.
            let _ = self.call.answer.set(answer);
            if !is_final {
                // All waiters share a failure; a later request asks again.
                remove(&mut under_way, &self.inputs, &self.call);
            }
            self.call.abandoned()
        };
        self.call.answered.notify_waiters();
        is_final && abandoned
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.done {
            self.complete(Err(UnwrapError::new(
                Category::Unavailable,
                "the call of the key service was interrupted by an internal error",
            )));
        }
    }
}
