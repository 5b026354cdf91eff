//! Asks again while the key service is unavailable.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::{Instant, sleep};

use super::time_left::reserve_for_call;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;

/// How often and how soon to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryOptions {
    /// How many times the service is asked in all.
    pub attempts: u32,
    /// Upper bound of the first wait; the bound doubles with each attempt.
    pub base: Duration,
    /// The bound grows no further than this.
    pub cap: Duration,
}

impl RetryOptions {
    /// How many times the service is asked in all.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Upper bound of the first wait.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// What the bound grows to at most.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }
}

impl Default for RetryOptions {
    /// Eight attempts: with three of ten calls failing, one in fifteen thousand unwraps is lost, for
    /// 1.43 calls each. An outage is the breaker's business.
    fn default() -> Self {
        Self {
            attempts: 8,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(1),
        }
    }
}

/// Asks again while the answer is [`Category::Unavailable`], and only then.
///
/// Waits are random between zero and their bound ("full jitter"), so that replicas that failed together do not come
/// back together; a hint of the service is waited out first. No wait passes the deadline: the last
/// error is returned as soon as the next attempt would come too late.
#[derive(Debug)]
pub struct Retry {
    inner: Arc<dyn KeyUnwrap>,
    options: RetryOptions,
}

/// Between answers that cost nothing (an open breaker), so that they are not asked for in a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

impl Retry {
    /// Retries calls of `inner`.
    pub fn new(inner: Arc<dyn KeyUnwrap>, options: RetryOptions) -> Self {
        Self { inner, options }
    }

    fn wait(&self, round: u32, hint: Option<Duration>) -> Duration {
        let doubled = self.options.base.saturating_mul(1 << round.min(20));
        let jitter = random_below(doubled.min(self.options.cap));
        jitter
            .saturating_add(hint.unwrap_or_default())
            .max(SHORTEST_WAIT)
    }
}

#[async_trait]
impl KeyUnwrap for Retry {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let mut asked = 0;
        for round in 0.. {
            let error = match self.inner.unwrap_key(request, deadline).await {
                Err(error) if error.category() == Category::Unavailable => error,
                answer => return answer,
            };
            // An answer from within this process (breaker, quota) uses up only time.
            asked += u32::from(error.was_sent());
            let wait = self.wait(round, error.retry_after());
            let left = deadline.saturating_duration_since(Instant::now());
            if asked >= self.options.attempts || wait.saturating_add(reserve_for_call(left)) >= left
            {
                return Err(error);
            }
            sleep(wait).await;
        }
        unreachable!("the loop ends with an answer, the last attempt or the deadline")
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        self.inner.public_key()
    }
}

fn random_below(bound: Duration) -> Duration {
    let mut bytes = [0; 8];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return bound;
    }
    let nanos = (bound.as_nanos() * u128::from(u64::from_ne_bytes(bytes))) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_unwrap::KeyUnwrapExt as _;
    use crate::testing::{Reply, ScriptedBackend, a_request};

    const MINUTE: Duration = Duration::from_mins(1);

    fn retry(replies: impl IntoIterator<Item = Reply>) -> (Retry, Arc<ScriptedBackend>) {
        let fake = Arc::new(ScriptedBackend::new().then(replies));
        (Retry::new(fake.clone(), RetryOptions::default()), fake)
    }

    #[tokio::test(start_paused = true)]
    async fn asks_again_until_it_is_answered() {
        let (layer, fake) = retry([Reply::UNAVAILABLE, Reply::UNAVAILABLE]);
        layer.unwrap_within(&a_request(), MINUTE).await.unwrap();
        assert_eq!(fake.calls(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn every_other_category_is_final() {
        for category in Category::ALL {
            if category == Category::Unavailable {
                continue;
            }
            let (layer, fake) = retry([Reply::Fail(category)]);
            let error = layer.unwrap_within(&a_request(), MINUTE).await.unwrap_err();
            assert_eq!(error.category(), category);
            assert_eq!(fake.calls(), 1, "{category}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded() {
        let fake = Arc::new(ScriptedBackend::always(Reply::UNAVAILABLE));
        let layer = Retry::new(fake.clone(), RetryOptions::default());
        let error = layer.unwrap_within(&a_request(), MINUTE).await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable);
        assert_eq!(fake.calls(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_stay_under_their_doubling_bound() {
        let options = RetryOptions::default();
        for _ in 0..50 {
            let fake = Arc::new(ScriptedBackend::always(Reply::UNAVAILABLE));
            let layer = Retry::new(fake.clone(), options);
            layer.unwrap_within(&a_request(), MINUTE).await.unwrap_err();
            let asked: Vec<_> = fake.requests().iter().map(|r| r.at).collect();
            for (round, pair) in asked.windows(2).enumerate() {
                let bound = (options.base * (1 << round)).min(options.cap);
                // Timers are exact to the millisecond.
                assert!(pair[1] - pair[0] <= bound.max(SHORTEST_WAIT) + Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn jitter_covers_its_whole_range() {
        let bound = Duration::from_secs(1);
        let draws: Vec<_> = (0..1000).map(|_| random_below(bound)).collect();
        assert!(draws.iter().all(|d| *d < bound));
        assert!(draws.iter().any(|d| *d < bound / 10));
        assert!(draws.iter().any(|d| *d > bound / 10 * 9));
    }

    #[tokio::test(start_paused = true)]
    async fn honours_the_services_hint() {
        let hint = Duration::from_secs(4);
        let (layer, fake) = retry([Reply::throttled(hint)]);
        layer.unwrap_within(&a_request(), MINUTE).await.unwrap();
        let asked = fake.requests();
        assert!(asked[1].at - asked[0].at >= hint);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_past_the_deadline_ends_it_at_once() {
        let hint = Duration::from_secs(90);
        let (layer, fake) = retry([Reply::throttled(hint)]);
        let start = Instant::now();
        let error = layer.unwrap_within(&a_request(), MINUTE).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(hint));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(fake.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn never_waits_past_the_deadline() {
        let fake = Arc::new(ScriptedBackend::always(
            Reply::UNAVAILABLE.after(Duration::from_millis(300)),
        ));
        let layer = Retry::new(fake.clone(), RetryOptions::default());
        let start = Instant::now();
        layer
            .unwrap_within(&a_request(), Duration::from_secs(1))
            .await
            .unwrap_err();
        assert!(start.elapsed() <= Duration::from_millis(1300));
        assert!(fake.calls() >= 2);
    }
}
