//! Whether what is in force is still what the API server says, for metrics and `/readyz?verbose`.

use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

/// How well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// It is watched, and what was said last is in force.
    Current,
    /// The API server does not answer, or ended the watch with an error: a change would go unnoticed.
    Lost,
    /// What it says cannot be relied on: what it said before is in force.
    Unusable,
}

impl WatchState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Current, Self::Lost, Self::Unusable];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Lost => "lost",
            Self::Unusable => "unusable",
        }
    }
}

/// What is known of the ConfigMap at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchHealth {
    /// How well.
    pub state: WatchState,
    /// When the API server last said how it proves itself, or that nothing has changed.
    pub heard: SystemTime,
}

/// Where the follower leaves it for anyone who asks.
#[derive(Debug)]
pub(super) struct Followed(RwLock<WatchHealth>);

impl Followed {
    /// It has been read this moment.
    pub(super) fn begin() -> Self {
        Self(RwLock::new(WatchHealth {
            state: WatchState::Current,
            heard: SystemTime::now(),
        }))
    }

    pub(super) fn watch_health(&self) -> WatchHealth {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API server said something about the content.
    pub(super) fn heard(&self, usable: bool) {
        self.set(|watch_health| {
            watch_health.heard = SystemTime::now();
            watch_health.state = if usable {
                WatchState::Current
            } else {
                WatchState::Unusable
            };
        });
    }

    /// The API server said that all is as it was: nothing that was unusable has become better by that.
    pub(super) fn unchanged(&self) {
        self.set(|watch_health| {
            watch_health.heard = SystemTime::now();
            if watch_health.state == WatchState::Lost {
                watch_health.state = WatchState::Current;
            }
        });
    }

    /// The watch is gone. What cannot be relied on stays the louder fault.
    pub(super) fn lost(&self) {
        self.set(|watch_health| {
            if watch_health.state == WatchState::Current {
                watch_health.state = WatchState::Lost;
            }
        });
    }

    fn set(&self, change: impl FnOnce(&mut WatchHealth)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_good_content_ends_a_fault_of_the_content() {
        let followed = Followed::begin();
        let state = || followed.watch_health().state;
        assert_eq!(state(), WatchState::Current);
        followed.lost();
        assert_eq!(state(), WatchState::Lost);
        followed.unchanged();
        assert_eq!(state(), WatchState::Current);
        followed.heard(false);
        for again in [Followed::lost, Followed::unchanged] {
            again(&followed);
            assert_eq!(state(), WatchState::Unusable);
        }
        followed.heard(true);
        assert_eq!(state(), WatchState::Current);
    }

    #[test]
    fn silence_does_not_pass_for_news() {
        let followed = Followed::begin();
        let begun = followed.watch_health().heard;
        followed.lost();
        assert_eq!(followed.watch_health().heard, begun);
        followed.unchanged();
        assert!(followed.watch_health().heard >= begun);
    }
}
