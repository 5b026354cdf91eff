//! Whether what is in force is still what the API server says, for metrics and `/readyz?verbose`.

use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

/// How well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is watched, and what was said last is in force.
    Current,
    /// The API server does not answer, or ended the watch with an error: a change would go unnoticed.
    Lost,
    /// What it says cannot be relied on: what it said before is in force.
    Unusable,
}

impl State {
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
pub struct Standing {
    /// How well.
    pub state: State,
    /// When the API server last said how it proves itself, or that nothing has changed.
    pub heard: SystemTime,
}

/// Where the follower leaves it for anyone who asks.
#[derive(Debug)]
pub(super) struct Followed(RwLock<Standing>);

impl Followed {
    /// It has been read this moment.
    pub(super) fn begin() -> Self {
        Self(RwLock::new(Standing {
            state: State::Current,
            heard: SystemTime::now(),
        }))
    }

    pub(super) fn standing(&self) -> Standing {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API server said something about the content.
    pub(super) fn heard(&self, usable: bool) {
        self.set(|standing| {
            standing.heard = SystemTime::now();
            standing.state = if usable {
                State::Current
            } else {
                State::Unusable
            };
        });
    }

    /// The API server said that all is as it was: nothing that was unusable has become better by that.
    pub(super) fn unchanged(&self) {
        self.set(|standing| {
            standing.heard = SystemTime::now();
            if standing.state == State::Lost {
                standing.state = State::Current;
            }
        });
    }

    /// The watch is gone. What cannot be relied on stays the louder fault.
    pub(super) fn lost(&self) {
        self.set(|standing| {
            if standing.state == State::Current {
                standing.state = State::Lost;
            }
        });
    }

    fn set(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_good_content_ends_a_fault_of_the_content() {
        let followed = Followed::begin();
        let state = || followed.standing().state;
        assert_eq!(state(), State::Current);
        followed.lost();
        assert_eq!(state(), State::Lost);
        followed.unchanged();
        assert_eq!(state(), State::Current);
        followed.heard(false);
        for again in [Followed::lost, Followed::unchanged] {
            again(&followed);
            assert_eq!(state(), State::Unusable);
        }
        followed.heard(true);
        assert_eq!(state(), State::Current);
    }

    #[test]
    fn silence_does_not_pass_for_news() {
        let followed = Followed::begin();
        let begun = followed.standing().heard;
        followed.lost();
        assert_eq!(followed.standing().heard, begun);
        followed.unchanged();
        assert!(followed.standing().heard >= begun);
    }
}
