//! Fakes for tests of code that uses this crate (feature `testing`; never in a shipped build).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{OaepHash, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::layer::BreakerState;
use crate::observer::{CacheEvent, Observer};
use crate::sync::lock;

/// What a [`ScriptedBackend`] answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Waits, then answers.
    After(Duration, Box<Reply>),
    /// This error.
    Error(UnwrapError),
    /// An error of this category.
    Fail(Category),
    /// Nothing, ever.
    Hang,
    /// Panics.
    Panic,
    /// What the real key gives; fixed bytes when there is none.
    Right,
    /// As long as the right one, and another.
    WrongKey,
    /// This many bytes.
    WrongLength(usize),
}

impl Reply {
    /// The commonest trouble.
    pub const UNAVAILABLE: Self = Self::Fail(Category::Unavailable);

    /// This reply, `wait` later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }

    /// "Too many requests; come back after `wait`."
    pub fn throttled(wait: Duration) -> Self {
        let error = UnwrapError::new(Category::Unavailable, "the fake key service throttles");
        Self::Error(error.with_retry_after(wait))
    }
}

/// One request that a [`ScriptedBackend`] received.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// `agree` or `decrypt`.
    pub kind: &'static str,
    /// Every byte that it carried: the wrapped key, or the sender's public key.
    pub bytes: Vec<u8>,
    /// When it came.
    pub at: Instant,
    /// By when it wanted its answer.
    pub deadline: Instant,
}

type Script = Box<dyn FnMut(usize) -> Reply + Send>;

/// A scripted key service that records its requests.
pub struct ScriptedBackend {
    key: Option<Arc<dyn KeyUnwrap>>,
    queue: Mutex<VecDeque<Reply>>,
    script: Mutex<Script>,
    requests: Mutex<Vec<Recorded>>,
}

impl ScriptedBackend {
    /// Has no key; the right answer is 32 fixed bytes.
    pub fn new() -> Self {
        Self::scripted(|_| Reply::Right)
    }

    /// Has the key of `key`, which gives the right answers.
    pub fn with_key(key: Arc<dyn KeyUnwrap>) -> Self {
        Self {
            key: Some(key),
            ..Self::new()
        }
    }

    /// Has no key and always answers `reply`.
    pub fn always(reply: Reply) -> Self {
        Self::scripted(move |_| reply.clone())
    }

    /// Has no key; call number *n*, from zero, is answered by `script`.
    pub fn scripted(script: impl FnMut(usize) -> Reply + Send + 'static) -> Self {
        Self {
            key: None,
            queue: Mutex::default(),
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
        }
    }

    /// First answers these, one each.
    #[must_use]
    pub fn then(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        lock(&self.queue).extend(replies);
        self
    }

    /// From now on always answers `reply`.
    pub fn set(&self, reply: Reply) {
        self.set_script(move |_| reply.clone());
    }

    /// From now on call number *n* (counted from the first one ever) is answered by `script`.
    pub fn set_script(&self, script: impl FnMut(usize) -> Reply + Send + 'static) {
        lock(&self.queue).clear();
        *lock(&self.script) = Box::new(script);
    }

    /// How many requests came.
    pub fn calls(&self) -> usize {
        lock(&self.requests).len()
    }

    /// The requests, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.requests).clone()
    }

    /// The largest number of requests in any period of this length.
    pub fn busiest(&self, period: Duration) -> usize {
        let times: Vec<_> = lock(&self.requests).iter().map(|r| r.at).collect();
        let mut first = 0;
        let mut most = 0;
        for (last, at) in times.iter().enumerate() {
            while *at - times[first] >= period {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }

    fn next_reply(&self, call: usize) -> Reply {
        let queued = lock(&self.queue).pop_front();
        queued.unwrap_or_else(|| lock(&self.script)(call))
    }

    async fn right(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<Vec<u8>, UnwrapError> {
        match &self.key {
            None => Ok(vec![0x5a; 32]),
            Some(key) => Ok(key.unwrap_key(request, deadline).await?.expose().to_vec()),
        }
    }
}

impl Default for ScriptedBackend {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl KeyUnwrap for ScriptedBackend {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let call = {
            let mut requests = lock(&self.requests);
            requests.push(record(request, deadline));
            requests.len() - 1
        };
        let mut reply = self.next_reply(call);
        while let Reply::After(wait, next) = reply {
            tokio::time::sleep(wait).await;
            reply = *next;
        }
        match reply {
            Reply::After(..) => unreachable!("unfolded above"),
            Reply::Error(error) => Err(error),
            Reply::Fail(category) => Err(UnwrapError::new(
                category,
                format!("the fake key service answers {category}"),
            )),
            Reply::Hang => std::future::pending().await,
            Reply::Panic => panic!("the fake key service panics, as it was told to"),
            Reply::Right => Ok(SecretBytes::new(self.right(request, deadline).await?)),
            Reply::WrongKey => {
                let mut bytes = self.right(request, deadline).await?;
                for byte in &mut bytes {
                    *byte ^= 0xff;
                }
                Ok(SecretBytes::new(bytes))
            }
            Reply::WrongLength(len) => Ok(SecretBytes::new(vec![0x5a; len])),
        }
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        self.key.as_ref().and_then(|key| key.public_key())
    }
}

impl fmt::Debug for ScriptedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBackend")
            .field("key", &self.key)
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

fn record(request: &UnwrapRequest<'_>, deadline: Instant) -> Recorded {
    let (kind, bytes) = match request {
        UnwrapRequest::Agree { ephemeral } => ("agree", ephemeral.as_bytes()),
        UnwrapRequest::Decrypt { ciphertext, .. } => ("decrypt", *ciphertext),
        _ => ("unknown", &[][..]),
    };
    Recorded {
        kind,
        bytes: bytes.to_vec(),
        at: Instant::now(),
        deadline,
    }
}

/// A request for tests in which what it says does not matter.
pub fn a_request() -> UnwrapRequest<'static> {
    UnwrapRequest::Decrypt {
        padding: OaepHash::Sha256,
        ciphertext: &[0x42; 256],
    }
}

/// One call as an observer sees it: key, outcome, duration.
pub type ObservedCall = (String, Result<(), Category>, Duration);

/// Records every event.
#[derive(Debug, Default)]
pub struct RecordingObserver {
    unwraps: Mutex<Vec<ObservedCall>>,
    cache: Mutex<Vec<(String, CacheEvent)>>,
    breaker: Mutex<Vec<BreakerState>>,
    cached_keys: Mutex<Vec<usize>>,
}

impl RecordingObserver {
    /// The calls, in order.
    pub fn unwraps(&self) -> Vec<ObservedCall> {
        lock(&self.unwraps).clone()
    }

    /// What happened to the cache, in order.
    pub fn cache_events(&self) -> Vec<(String, CacheEvent)> {
        lock(&self.cache).clone()
    }

    /// How often this happened to the cache.
    pub fn count(&self, event: CacheEvent) -> usize {
        lock(&self.cache)
            .iter()
            .filter(|(_, e)| *e == event)
            .count()
    }

    /// The states a breaker went through.
    pub fn breaker_states(&self) -> Vec<BreakerState> {
        lock(&self.breaker).clone()
    }

    /// The latest number of cached keys.
    pub fn cached_keys(&self) -> Option<usize> {
        lock(&self.cached_keys).last().copied()
    }
}

impl Observer for RecordingObserver {
    fn unwrapped(&self, key: &str, outcome: Result<(), Category>, took: Duration) {
        lock(&self.unwraps).push((key.to_owned(), outcome, took));
    }

    fn cache(&self, key: &str, event: CacheEvent) {
        lock(&self.cache).push((key.to_owned(), event));
    }

    fn cached_keys(&self, count: usize) {
        lock(&self.cached_keys).push(count);
    }

    fn breaker(&self, _: &str, state: BreakerState) {
        lock(&self.breaker).push(state);
    }
}
