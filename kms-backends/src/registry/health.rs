//! What the key services last said, per key entry.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::time::Instant;

use crate::error::Category;
use crate::sync::lock;

/// How the key service of an entry last answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// It refuses us the key.
    Denied,
    /// It answers that the key, its version or the request is wrong or unknown.
    Misconfigured,
    /// It unwraps.
    Reachable,
    /// Slow, throttled or unreachable.
    Unavailable,
    /// Not asked yet.
    #[default]
    Untried,
}

impl Health {
    /// A stable word for `/readyz?verbose` and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Reachable => "reachable",
            Self::Unavailable => "unavailable",
            Self::Untried => "untried",
        }
    }

    /// What an outcome says of the service. A rejected wrapped key is the envelope's fault: it answered.
    fn of(outcome: Result<(), Category>) -> Self {
        match outcome {
            Ok(()) | Err(Category::Rejected) => Self::Reachable,
            Err(Category::Denied) => Self::Denied,
            Err(Category::Misconfigured | Category::UnknownKey) => Self::Misconfigured,
            Err(Category::Unavailable) => Self::Unavailable,
        }
    }
}

/// The state of one key entry, for `/readyz?verbose`.
#[derive(Clone, Debug)]
pub struct EntryStatus {
    /// The entry's name.
    pub name: String,
    /// How its key service last answered.
    pub health: Health,
    /// Since when it answers so.
    pub since: Instant,
}

/// The moving part of a key entry.
#[derive(Debug)]
pub(crate) struct EntryState {
    /// Goes up with every denial; what was asked for under an older number is never cached.
    generation: AtomicU64,
    /// The entry is in no registry any more; nothing of it is cached from then on.
    retired: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    health: Health,
    since: Instant,
}

impl Default for EntryState {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            seen: Mutex::new(Seen {
                health: Health::default(),
                since: Instant::now(),
            }),
        }
    }
}

impl EntryState {
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(crate) fn record(&self, outcome: Result<(), Category>) {
        let health = Health::of(outcome);
        let mut seen = lock(&self.seen);
        if seen.health != health {
            seen.health = health;
            seen.since = Instant::now();
        }
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        lock(&self.seen).health == Health::Unavailable
    }

    pub(crate) fn status(&self, name: &str) -> EntryStatus {
        let seen = lock(&self.seen);
        EntryStatus {
            name: name.to_owned(),
            health: seen.health,
            since: seen.since,
        }
    }
}
