//! Stops asking a key service that does not answer, and finds out when it does again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use crate::breaker_state::BreakerState;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::observer::Observer;
use crate::sync::lock;

/// When to stop asking, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// How many unavailable answers in a row open it.
    pub failures: u32,
    /// How long it stays open before one call is let through. Bounds the time to recover.
    pub open_for: Duration,
}

impl BreakerOptions {
    /// How many unavailable answers in a row open it.
    #[must_use]
    pub const fn failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// How long it stays open before one call is let through.
    #[must_use]
    pub const fn open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures: 10,
            open_for: Duration::from_secs(2),
        }
    }
}

/// Fails fast while the key service is down.
///
/// Any answer other than [`Category::Unavailable`] is a sign of life, a refusal too. What never reached the service
/// (our own quota) does not count. While it is open, callers are told when the next try is due.
#[derive(Debug)]
pub struct Breaker {
    inner: Arc<dyn KeyUnwrap>,
    options: BreakerOptions,
    name: String,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    HalfOpen,
    Open { until: Instant },
}

impl State {
    fn public(self) -> BreakerState {
        match self {
            Self::Closed { .. } => BreakerState::Closed,
            Self::HalfOpen => BreakerState::HalfOpen,
            Self::Open { .. } => BreakerState::Open,
        }
    }
}

/// While another call finds out whether the service is back.
const PROBE_UNDER_WAY: Duration = Duration::from_millis(200);

impl Breaker {
    /// Guards `inner`; reports changes of state as those of the key entry `name`.
    pub fn new(
        inner: Arc<dyn KeyUnwrap>,
        options: BreakerOptions,
        name: impl Into<String>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            inner,
            options,
            name: name.into(),
            observer,
            state: Mutex::new(State::Closed { failures: 0 }),
        }
    }

    /// What it lets through now.
    pub fn state(&self) -> BreakerState {
        lock(&self.state).public()
    }

    /// Permission to call, or how long calls are paused.
    fn enter(&self) -> Result<Permit<'_>, Duration> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let probe = match *state {
            State::Closed { .. } => false,
            State::HalfOpen => return Err(PROBE_UNDER_WAY.min(self.options.open_for)),
            State::Open { until } if now < until => return Err(until - now),
            State::Open { .. } => {
                self.change(&mut state, State::HalfOpen);
                true
            }
        };
        Ok(Permit {
            breaker: self,
            probe,
        })
    }

    fn answered(&self) {
        let mut state = lock(&self.state);
        self.change(&mut state, State::Closed { failures: 0 });
    }

    fn failed(&self, probe: bool) {
        let until = Instant::now() + self.options.open_for;
        let mut state = lock(&self.state);
        match *state {
            State::Closed { failures } if failures + 1 < self.options.failures => {
                *state = State::Closed {
                    failures: failures + 1,
                };
            }
            State::Closed { .. } => self.change(&mut state, State::Open { until }),
            State::HalfOpen if probe => self.change(&mut state, State::Open { until }),
            // A call from before it opened.
            State::HalfOpen | State::Open { .. } => {}
        }
    }

    /// Reported under the lock, so that changes are told in their order.
    fn change(&self, state: &mut State, to: State) {
        let changed = state.public() != to.public();
        *state = to;
        if changed {
            self.observer.breaker(&self.name, to.public());
        }
    }
}

#[async_trait]
impl KeyUnwrap for Breaker {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let mut call = self.enter().map_err(|wait| {
            UnwrapError::not_sent("the key service keeps failing; calls are paused for a moment")
                .with_retry_after(wait)
        })?;
        let answer = self.inner.unwrap_key(request, deadline).await;
        match &answer {
            Err(error) if error.category() == Category::Unavailable => {
                if error.was_sent() {
                    self.failed(std::mem::take(&mut call.probe));
                }
            }
            _ => {
                call.probe = false;
                self.answered();
            }
        }
        answer
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        self.inner.public_key()
    }
}

/// A call that was let through. A probe that found nothing out makes room for another one.
struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe {
            let mut state = lock(&self.breaker.state);
            if matches!(*state, State::HalfOpen) {
                let until = Instant::now();
                self.breaker.change(&mut state, State::Open { until });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_unwrap::KeyUnwrapExt as _;
    use crate::testing::{RecordingObserver, Reply, ScriptedBackend, a_request};

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(reply: Reply) -> (Arc<Breaker>, Arc<ScriptedBackend>, Arc<RecordingObserver>) {
        let fake = Arc::new(ScriptedBackend::always(reply));
        let observer = Arc::new(RecordingObserver::default());
        let options = BreakerOptions {
            failures: 3,
            open_for: 2 * SECOND,
        };
        let breaker = Breaker::new(fake.clone(), options, "payments", observer.clone());
        (Arc::new(breaker), fake, observer)
    }

    async fn call(breaker: &Breaker) -> Result<SecretBytes, UnwrapError> {
        breaker.unwrap_within(&a_request(), 30 * SECOND).await
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_consecutive_failures_and_then_asks_nobody() {
        let (breaker, fake, observer) = breaker(Reply::UNAVAILABLE);
        for _ in 0..3 {
            assert_eq!(breaker.state(), BreakerState::Closed);
            call(&breaker).await.unwrap_err();
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        let error = call(&breaker).await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable);
        assert!(!error.was_sent());
        assert_eq!(error.retry_after(), Some(2 * SECOND));
        assert_eq!(fake.calls(), 3);
        assert_eq!(observer.breaker_states(), [BreakerState::Open]);
    }

    #[tokio::test(start_paused = true)]
    async fn any_answer_resets_the_count() {
        let (breaker, fake, _) = breaker(Reply::UNAVAILABLE);
        for _ in 0..10 {
            call(&breaker).await.unwrap_err();
            call(&breaker).await.unwrap_err();
            fake.set(Reply::Fail(Category::Denied));
            call(&breaker).await.unwrap_err();
            fake.set(Reply::UNAVAILABLE);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(fake.calls(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_closes_it_again() {
        let (breaker, fake, observer) = breaker(Reply::UNAVAILABLE);
        for _ in 0..3 {
            call(&breaker).await.unwrap_err();
        }
        fake.set(Reply::Right.after(SECOND));
        tokio::time::sleep(2 * SECOND).await;
        let probe = tokio::spawn({
            let breaker = breaker.clone();
            async move { call(&breaker).await }
        });
        tokio::time::sleep(SECOND / 10).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(!call(&breaker).await.unwrap_err().was_sent());
        assert_eq!(fake.calls(), 4, "a second probe went out");
        probe.await.unwrap().unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed);
        call(&breaker).await.unwrap();
        let states = [
            BreakerState::Open,
            BreakerState::HalfOpen,
            BreakerState::Closed,
        ];
        assert_eq!(observer.breaker_states(), states);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_again() {
        let (breaker, fake, _) = breaker(Reply::UNAVAILABLE);
        for _ in 0..3 {
            call(&breaker).await.unwrap_err();
        }
        tokio::time::sleep(2 * SECOND).await;
        assert!(call(&breaker).await.unwrap_err().was_sent());
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!call(&breaker).await.unwrap_err().was_sent());
        assert_eq!(fake.calls(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_makes_room_for_another() {
        let (breaker, fake, _) = breaker(Reply::UNAVAILABLE);
        for _ in 0..3 {
            call(&breaker).await.unwrap_err();
        }
        fake.set(Reply::Hang);
        tokio::time::sleep(2 * SECOND).await;
        tokio::time::timeout(SECOND, call(&breaker))
            .await
            .unwrap_err();
        fake.set(Reply::Right);
        call(&breaker).await.unwrap();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_reached_the_service_does_not_count() {
        let (inner, _, _) = breaker(Reply::UNAVAILABLE);
        for _ in 0..3 {
            call(&inner).await.unwrap_err();
        }
        let observer = Arc::new(RecordingObserver::default());
        let outer = Breaker::new(inner, BreakerOptions::default(), "outer", observer);
        for _ in 0..50 {
            assert!(!call(&outer).await.unwrap_err().was_sent());
        }
        assert_eq!(outer.state(), BreakerState::Closed);
    }
}
