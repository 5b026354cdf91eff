//! How long a caller may still be told to come back.
//!
//! The API server sleeps on `Retry-After` and sends the same review again, with the same `?timeout=`, although
//! less of it is left each time. Remembering the first try of a review keeps our last answer a denial with
//! reasons rather than its own time-out without any.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Reviews remembered; the oldest is forgotten first.
const MOST: usize = 1024;

/// What another try needs beside the wait: a connection, a call of the key service, our answer.
const ANOTHER_TRY: Duration = Duration::from_secs(1);

/// Deadlines of reviews that were told to come back.
#[derive(Debug, Default)]
pub(super) struct FirstTries(Mutex<VecDeque<(String, Instant)>>);

impl FirstTries {
    /// Whole seconds after which the caller should come back; `None` when too little time is left for that.
    pub(super) fn retry_after(
        &self,
        uid: &str,
        deadline: Instant,
        wanted: Option<Duration>,
    ) -> Option<u32> {
        let deadline = self.first_deadline(uid, deadline);
        let wanted = wanted.unwrap_or_default();
        let seconds = wanted
            .as_secs()
            .saturating_add(u64::from(wanted.subsec_nanos() > 0))
            .max(1);
        let left = deadline.saturating_duration_since(Instant::now());
        let needed = Duration::from_secs(seconds).saturating_add(ANOTHER_TRY);
        (left >= needed)
            .then(|| u32::try_from(seconds).ok())
            .flatten()
    }

    fn first_deadline(&self, uid: &str, deadline: Instant) -> Instant {
        let now = Instant::now();
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|(_, until)| *until > now);
        if let Some((_, first)) = tries.iter().find(|(known, _)| known == uid) {
            return deadline.min(*first);
        }
        if tries.len() == MOST {
            tries.pop_front();
        }
        tries.push_back((uid.to_owned(), deadline));
        deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_whole_seconds_and_fits_into_what_is_left() {
        let tries = FirstTries::default();
        let in_seconds =
            |seconds: u64| Instant::now() + Duration::from_millis(seconds * 1000 + 500);
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(tries.retry_after("a", in_seconds(9), None), Some(1));
        assert_eq!(tries.retry_after("b", in_seconds(9), millis(1200)), Some(2));
        assert_eq!(tries.retry_after("c", in_seconds(9), millis(3000)), Some(3));
        assert_eq!(tries.retry_after("d", in_seconds(3), millis(3000)), None);
        assert_eq!(tries.retry_after("e", in_seconds(1), None), None);
        assert_eq!(
            tries.retry_after("f", in_seconds(9), Some(Duration::MAX)),
            None
        );
    }

    #[test]
    fn the_first_try_sets_the_deadline() {
        let tries = FirstTries::default();
        let now = Instant::now();
        let first = now + Duration::from_millis(2500);
        assert_eq!(tries.retry_after("a", first, None), Some(1));
        assert_eq!(
            tries.first_deadline("a", now + Duration::from_mins(1)),
            first
        );
        assert!(tries.first_deadline("b", now + Duration::from_mins(1)) > first);
    }

    #[test]
    fn forgets_the_oldest() {
        let tries = FirstTries::default();
        let deadline = Instant::now() + Duration::from_mins(1);
        for uid in 0..=MOST {
            tries.first_deadline(&uid.to_string(), deadline);
        }
        let later = deadline + Duration::from_secs(1);
        assert_eq!(tries.first_deadline("0", later), later);
        assert_eq!(tries.first_deadline("900", later), deadline);
    }
}
