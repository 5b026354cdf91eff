//! From an unknown `kid` in a review to an early listing of versions, and how rarely.
//!
//! Whoever may submit a Secret can name any `kid`. So a review only leaves a mark here and goes on; nobody waits, and no call
//! is made in its path. The keyring looks at the mark when the last listing is old enough, and the more often that was in
//! vain, the older it has to be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::namespaces::NamespaceSet;
use crate::sync::lock;

/// Between the beginnings of two rounds of listing, the second of which nobody planned.
pub(crate) const EARLIEST: Duration = Duration::from_secs(30);
/// More rarely than this early rounds never are; most configurations plan them more often anyway.
const LATEST: Duration = Duration::from_hours(1);

/// What reviews and the keyring share.
#[derive(Debug)]
pub(crate) struct Missed {
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

impl Missed {
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

    /// Takes note that an envelope in `namespace` names a `kid` that is not served. Says whether a version that is not listed
    /// yet could have it.
    pub(crate) fn note(&self, namespace: &str) -> bool {
        let possible = self.namespaces.iter().any(|set| set.contains(namespace));
        if possible {
            self.mark.store(true, Ordering::Release);
            self.marked.notify_one();
        }
        possible
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

    fn missed() -> Missed {
        Missed::new(vec![NamespaceSet::parse(["payments"]).unwrap()])
    }

    fn round(missed: &Missed, found: Option<bool>) {
        let round = missed.round();
        missed.end(&round, found);
    }

    async fn waited(missed: &Missed) -> u64 {
        let began = Instant::now();
        missed.pause(PERIOD).await;
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_comes_early_once_something_is_missed_and_never_within_thirty_seconds() {
        let missed = missed();
        round(&missed, Some(true));
        assert_eq!(waited(&missed).await, 300);
        round(&missed, Some(false));
        assert!(missed.note("payments"));
        assert_eq!(waited(&missed).await, 30);
        // The mark is gone with the round that it caused.
        round(&missed, Some(true));
        assert_eq!(waited(&missed).await, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missed_while_nobody_may_ask_is_not_forgotten() {
        let missed = missed();
        round(&missed, Some(true));
        let later = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            missed.note("payments")
        };
        assert_eq!(tokio::join!(waited(&missed), later), (100, true));
        // Within an outage, too.
        round(&missed, None);
        assert_eq!(waited(&missed).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_often_in_vain_the_rarer() {
        let missed = missed();
        let mut waits = Vec::new();
        for _ in 0..6 {
            round(&missed, Some(false));
            missed.note("payments");
            waits.push(waited(&missed).await);
        }
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        // A version that was there after all makes it quick again, and so does a quiet round.
        round(&missed, Some(true));
        missed.note("payments");
        assert_eq!(waited(&missed).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_may_use_no_listed_key_causes_nothing() {
        let missed = missed();
        round(&missed, Some(true));
        assert!(!missed.note("elsewhere"));
        assert_eq!(waited(&missed).await, 300);
    }
}
