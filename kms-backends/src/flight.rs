//! One call of a key service, shared by everybody who asks the same at the same time.
//!
//! A call is a task of its own. Whoever started it may go away without stranding the others, and their deadlines
//! carry it on where the first one's has passed. Everybody checks its own tag with the shared content key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jwe_envelope::{ContentKey, InputsDigest, Opening, Rejected, SecretBytes};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cache::Cache;
use crate::error::{Category, UnwrapError};
use crate::key_entry::Holder;
use crate::key_unwrap::OwnedRequest;
use crate::sync::lock;

/// The calls that are under way.
#[derive(Debug)]
pub(crate) struct Flights {
    cache: Arc<Cache>,
    under_way: Mutex<HashMap<InputsDigest, Arc<Flight>>>,
}

/// How a request is served when no cached key was at hand.
pub(crate) enum Boarding {
    /// A key came into the cache in this very moment.
    Cached(Arc<ContentKey>),
    /// A seat on a call that somebody else started.
    Joined(Seat),
    /// A seat on a call of our own.
    Started(Seat),
}

/// More would mean that nobody bounds the requests; each takes about a kilobyte.
const MOST_UNDER_WAY: usize = 4096;

/// A finished call that nobody waited for any more is kept this long for whoever asks again: the API server
/// repeats a review that took too long, and the key service's answer need not be paid twice.
const LINGER: Duration = Duration::from_secs(30);

/// Who came later by less than this gains nothing from another call.
const WORTH_ANOTHER_CALL: Duration = Duration::from_millis(100);

impl Flights {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            under_way: Mutex::default(),
        }
    }

    /// A seat on the call for these inputs; starts it when there is none.
    pub(crate) fn board(
        self: &Arc<Self>,
        holder: &Arc<Holder>,
        opening: &Opening<'_>,
        inputs: &InputsDigest,
        deadline: Instant,
    ) -> Result<Boarding, UnwrapError> {
        let generation = holder.state.generation();
        let mut under_way = lock(&self.under_way);
        // What was asked before a denial is not shared after it.
        if let Some(flight) = under_way.get(inputs).filter(|f| f.generation == generation) {
            flight.extend(deadline);
            return Ok(Boarding::Joined(self.seat(flight, *inputs)));
        }
        // A flight leaves the map after its key is cached: found in neither, it is in neither.
        if let Some(key) = self.cache.fresh(inputs) {
            return Ok(Boarding::Cached(key));
        }
        if under_way.len() >= MOST_UNDER_WAY {
            return Err(
                UnwrapError::not_sent("too many unwraps are under way at this moment")
                    .with_retry_after(Duration::from_secs(1)),
            );
        }
        let request = OwnedRequest::try_from(&opening.request())?;
        let flight = Arc::new(Flight::new(generation, deadline));
        under_way.insert(*inputs, Arc::clone(&flight));
        let seat = self.seat(&flight, *inputs);
        // A runtime that is ending drops the task within `spawn`, and the landing takes this lock.
        drop(under_way);
        let landing = Landing {
            flights: Arc::clone(self),
            holder: Arc::clone(holder),
            inputs: *inputs,
            flight,
            landed: false,
        };
        tokio::spawn(fly(landing, request));
        Ok(Boarding::Started(seat))
    }

    /// With the map locked, so that a landing flight sees everybody who is on it.
    fn seat(self: &Arc<Self>, flight: &Arc<Flight>, inputs: InputsDigest) -> Seat {
        flight.waiters.fetch_add(1, Ordering::Relaxed);
        Seat {
            flights: Arc::clone(self),
            flight: Arc::clone(flight),
            inputs,
        }
    }

    fn remove(&self, inputs: &InputsDigest, flight: &Arc<Flight>) {
        remove(&mut lock(&self.under_way), inputs, flight);
    }
}

fn remove(
    under_way: &mut HashMap<InputsDigest, Arc<Flight>>,
    inputs: &InputsDigest,
    flight: &Arc<Flight>,
) {
    // A newer flight for the same inputs stays.
    if under_way
        .get(inputs)
        .is_some_and(|found| Arc::ptr_eq(found, flight))
    {
        under_way.remove(inputs);
    }
}

#[derive(Debug)]
struct Flight {
    /// The holder's generation when it was asked.
    generation: u64,
    /// The latest deadline of all who wait.
    deadline: Mutex<Instant>,
    /// Changed with the map locked.
    waiters: AtomicUsize,
    answer: OnceLock<Answer>,
    answered: Notify,
    key: OnceLock<Arc<ContentKey>>,
    cached: AtomicBool,
}

#[derive(Debug)]
enum Answer {
    Failed(UnwrapError),
    Unwrapped {
        /// Taken by the first who turns it into a content key.
        secret: Mutex<Option<SecretBytes>>,
        at: Instant,
    },
    Rejected,
}

impl Flight {
    fn new(generation: u64, deadline: Instant) -> Self {
        Self {
            generation,
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

/// A claim to the answer of a call.
pub(crate) struct Seat {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    inputs: InputsDigest,
}

impl Seat {
    /// The content key, by `limit`. It is only known to be the right one when a tag says so; a rejected wrapped
    /// key yields a random one.
    pub(crate) async fn content_key(
        &self,
        opening: &Opening<'_>,
        limit: Instant,
    ) -> Result<Arc<ContentKey>, UnwrapError> {
        // Made before the first look: it hears of whatever lands from here on.
        let answered = self.flight.answered.notified();
        if self.flight.answer.get().is_none() {
            timeout_at(limit, answered).await.map_err(|_| {
                UnwrapError::new(
                    Category::Unavailable,
                    "the key service did not answer in time",
                )
            })?;
        }
        let answer = self
            .flight
            .answer
            .get()
            .expect("set before it is announced");
        let answer = match answer {
            Answer::Failed(error) => return Err(error.clone()),
            Answer::Rejected => Err(Rejected),
            Answer::Unwrapped { secret, .. } => Ok(secret),
        };
        // Everybody has the same unwrap inputs, so one derivation is everybody's.
        let key = self.flight.key.get_or_init(|| {
            let answer = answer.and_then(|secret| lock(secret).take().ok_or(Rejected));
            Arc::new(opening.content_key(answer))
        });
        Ok(Arc::clone(key))
    }

    /// A tag accepted the content key: caches it, once. Only then is the call over, and only for the one who cached
    /// the key: whoever comes finds it either here or there.
    pub(crate) fn verified(&self, holder: &Arc<Holder>, key: &Arc<ContentKey>) {
        let Some(Answer::Unwrapped { at, .. }) = self.flight.answer.get() else {
            return;
        };
        if !self.flight.cached.swap(true, Ordering::AcqRel) {
            self.flights.cache.insert(
                holder,
                self.flight.generation,
                self.inputs,
                Arc::clone(key),
                *at,
            );
            self.settle();
        }
    }

    /// A tag has spoken, for the key or against it: nobody joins this call any more.
    pub(crate) fn settle(&self) {
        self.flights.remove(&self.inputs, &self.flight);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut under_way = lock(&self.flights.under_way);
        let before = self.flight.waiters.fetch_sub(1, Ordering::Relaxed);
        if before == 1 && self.flight.answer.get().is_some() {
            remove(&mut under_way, &self.inputs, &self.flight);
        }
    }
}

/// Calls the key service on behalf of all who wait.
async fn fly(mut landing: Landing, request: OwnedRequest) {
    let answer = call(&landing, &request).await;
    let lingers = landing.land(answer);
    if lingers {
        sleep(LINGER).await;
        landing.flights.remove(&landing.inputs, &landing.flight);
    }
}

async fn call(landing: &Landing, request: &OwnedRequest) -> Result<SecretBytes, UnwrapError> {
    loop {
        let deadline = landing.flight.deadline();
        let error = match landing.holder.unwrap(request, deadline).await {
            Err(error) if error.category() == Category::Unavailable => error,
            answer => return answer,
        };
        // The failure may be owed to the deadline of one who started earlier.
        let wait = if error.was_sent() {
            error.retry_after().unwrap_or_default()
        } else {
            Duration::ZERO
        };
        let latest = landing.flight.deadline();
        let left = latest.saturating_duration_since(Instant::now());
        if latest < deadline + WORTH_ANOTHER_CALL || left <= wait {
            return Err(error);
        }
        sleep(wait).await;
    }
}

/// Brings a call to its end whatever happens: a panic of a backend, the end of the runtime.
struct Landing {
    flights: Arc<Flights>,
    holder: Arc<Holder>,
    inputs: InputsDigest,
    flight: Arc<Flight>,
    landed: bool,
}

impl Landing {
    /// Announces the answer. `true`: nobody waits for it now, but somebody may soon.
    fn land(&mut self, answer: Result<SecretBytes, UnwrapError>) -> bool {
        self.landed = true;
        let outcome = answer.as_ref().map(|_| ()).map_err(UnwrapError::category);
        self.holder.state.record(outcome);
        match outcome {
            Err(Category::Denied) => self.flights.cache.forget(&self.holder),
            // The same wrapped key was good once; whatever happened to the key, it is not now.
            Err(Category::Rejected) => self.flights.cache.remove(&self.inputs),
            _ => {}
        }
        let answer = match answer {
            Ok(secret) => Answer::Unwrapped {
                secret: Mutex::new(Some(secret)),
                at: Instant::now(),
            },
            Err(error) if error.category() == Category::Rejected => Answer::Rejected,
            Err(error) => Answer::Failed(error),
        };
        let good = matches!(answer, Answer::Unwrapped { .. });
        let abandoned = {
            let mut under_way = lock(&self.flights.under_way);
            // Only set here, once: `landed` guards it.
            let _ = self.flight.answer.set(answer);
            if !good {
                // Those who wait share a failure; who comes later asks anew.
                remove(&mut under_way, &self.inputs, &self.flight);
            }
            self.flight.abandoned()
        };
        self.flight.answered.notify_waiters();
        good && abandoned
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            self.land(Err(UnwrapError::new(
                Category::Unavailable,
                "the call of the key service was cut short by a fault of ours",
            )));
        }
    }
}
