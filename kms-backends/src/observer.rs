//! Events for metrics, reported as they happen.

use std::fmt::Debug;
use std::time::Duration;

use crate::breaker_state::BreakerState;
use crate::error::Category;

/// Receives what happens around keys. `key` is always the configured name of a key entry, never text
/// from an envelope, so it is safe as a metric label.
///
/// Every method is called on the path of a review: count and return, do not block.
pub trait Observer: Debug + Send + Sync + 'static {
    /// One call of the key service ended. Reported by [`Observe`](crate::layer::Observe).
    fn unwrapped(&self, key: &str, outcome: Result<(), Category>, took: Duration) {
        let _ = (key, outcome, took);
    }

    /// Something happened to the cache of content keys. Reported by the registry.
    fn cache(&self, key: &str, event: CacheEvent) {
        let _ = (key, event);
    }

    /// How many content keys are cached now, over all key entries. Reported by the registry on change.
    fn cached_keys(&self, count: usize) {
        let _ = count;
    }

    /// The breaker in front of a key service changed its state.
    fn breaker(&self, key: &str, state: BreakerState) {
        let _ = (key, state);
    }
}

/// What happened to the cache of content keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheEvent {
    /// Dropped before its time: room was needed, or the key service denied its key.
    Evicted,
    /// Its lifetime ended and it was wiped.
    Expired,
    /// Answered from the cache.
    Hit,
    /// Waited for a call that was already under way.
    Joined,
    /// The key service had to be asked.
    Miss,
    /// Answered from an expired entry, because the key service is not available.
    Stale,
}

impl CacheEvent {
    /// A stable word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Expired => "expired",
            Self::Hit => "hit",
            Self::Joined => "joined",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
