//! An unknown `kid` in a review may belong to a new key version: list the versions early, but rarely.
//!
//! Anyone who may submit a Secret can name any `kid`. So a review only sets a mark here and continues; it does not wait, and
//! no call is made on its path. The watcher looks at the mark when the last listing is old enough. Each listing that finds
//! nothing new doubles that age.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::registry::namespaces::NamespaceSet;
use crate::sync::lock;

/// Minimum interval before an unscheduled listing.
pub(crate) const EARLIEST: Duration = Duration::from_secs(30);
/// Maximum interval before an unscheduled listing; most configurations schedule them more often anyway.
const LATEST: Duration = Duration::from_hours(1);

/// What reviews and the watcher share.
#[derive(Debug)]
pub(crate) struct UnlistedKeys {
    /// Of every key whose versions are listed.
    namespaces: Vec<NamespaceSet>,
    mark: AtomicBool,
    marked: Notify,
    pace: Mutex<Pace>,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    began: Option<Instant>,
    between: Duration,
}

/// One round of listing, from its beginning to its end.
pub(crate) struct Round {
    wanted: bool,
}

impl UnlistedKeys {
    pub(crate) fn new(namespaces: Vec<NamespaceSet>) -> Self {
        Self {
            namespaces,
            mark: AtomicBool::new(false),
            marked: Notify::new(),
            pace: Mutex::new(Pace {
                began: None,
                between: EARLIEST,
            }),
        }
    }

    /// Whether a version that is not listed yet could have a `kid` that an envelope in `namespace` names.
    pub(crate) fn may_be_unlisted(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|set| set.contains(namespace))
    }

    /// Takes note that an envelope in `namespace` names a `kid` that is not served, where a version that is not listed yet
    /// could have it.
    pub(crate) fn note(&self, namespace: &str) {
        if self.may_be_unlisted(namespace) {
            self.mark.store(true, Ordering::Release);
            self.marked.notify_one();
        }
    }

    /// Waits for `pause`, or until something was noted and the last round began long enough ago.
    pub(crate) async fn pause(&self, pause: Duration) {
        let Pace { began, between } = *lock(&self.pace);
        let early = async {
            tokio::time::sleep_until(began.unwrap_or_else(Instant::now) + between).await;
            while !self.mark.load(Ordering::Acquire) {
                self.marked.notified().await;
            }
        };
        // Late is as good as early here.
        let _ = tokio::time::timeout(pause, early).await;
    }

    pub(crate) fn round(&self) -> Round {
        lock(&self.pace).began = Some(Instant::now());
        Round {
            wanted: self.mark.swap(false, Ordering::AcqRel),
        }
    }

    /// `found`: whether the round brought a version that was not there before; `None` when not every key was answered for.
    pub(crate) fn end(&self, round: &Round, found: Option<bool>) {
        let mut pace = lock(&self.pace);
        match (round.wanted, found) {
            (true, Some(false)) => pace.between = (pace.between * 2).min(LATEST),
            (_, Some(_)) => pace.between = EARLIEST,
            // An outage says nothing; what was wanted still is.
            (wanted, None) => {
                self.mark.fetch_or(wanted, Ordering::AcqRel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(5);

    fn unlisted() -> UnlistedKeys {
        UnlistedKeys::new(vec![NamespaceSet::parse(["payments"]).unwrap()])
    }

    fn round(unlisted: &UnlistedKeys, found: Option<bool>) {
        let round = unlisted.round();
        unlisted.end(&round, found);
    }

    async fn waited(unlisted: &UnlistedKeys) -> u64 {
        let began = Instant::now();
        unlisted.pause(PERIOD).await;
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_comes_early_once_something_is_missed_and_never_within_thirty_seconds() {
        let unlisted = unlisted();
        round(&unlisted, Some(true));
        assert_eq!(waited(&unlisted).await, 300);
        round(&unlisted, Some(false));
        assert!(unlisted.may_be_unlisted("payments"));
        unlisted.note("payments");
        assert_eq!(waited(&unlisted).await, 30);
        // The mark is gone with the round that it caused.
        round(&unlisted, Some(true));
        assert_eq!(waited(&unlisted).await, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missed_while_nobody_may_ask_is_not_forgotten() {
        let unlisted = unlisted();
        round(&unlisted, Some(true));
        let later = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            unlisted.note("payments");
        };
        assert_eq!(tokio::join!(waited(&unlisted), later).0, 100);
        // Within an outage, too.
        round(&unlisted, None);
        assert_eq!(waited(&unlisted).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_often_in_vain_the_rarer() {
        let unlisted = unlisted();
        let mut waits = Vec::new();
        for _ in 0..6 {
            round(&unlisted, Some(false));
            unlisted.note("payments");
            waits.push(waited(&unlisted).await);
        }
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        // A version that was there after all makes it quick again, and so does a quiet round.
        round(&unlisted, Some(true));
        unlisted.note("payments");
        assert_eq!(waited(&unlisted).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_may_use_no_listed_key_causes_nothing() {
        let unlisted = unlisted();
        round(&unlisted, Some(true));
        assert!(!unlisted.may_be_unlisted("elsewhere"));
        unlisted.note("elsewhere");
        assert_eq!(waited(&unlisted).await, 300);
    }
}
