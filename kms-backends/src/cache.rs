//! Content keys that a tag has verified, for a bounded time.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How content keys are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Whether content keys are kept at all. Equal requests at the same moment share one call either way.
    pub enabled: bool,
    /// How many content keys are kept at most. The one that was unwrapped longest ago makes room.
    pub capacity: NonZeroUsize,
    /// How long a content key serves, from its unwrap; using it does not prolong that.
    pub lifetime: Duration,
    /// How long it serves, from its unwrap, while its key service is unavailable.
    pub outage_lifetime: Duration,
}

impl CacheOptions {
    /// Keeps nothing.
    pub fn off() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            capacity: NonZeroUsize::new(10_000).expect("not zero"),
            lifetime: Duration::from_secs(10 * 60),
            outage_lifetime: Duration::from_secs(60 * 60),
        }
    }
}
