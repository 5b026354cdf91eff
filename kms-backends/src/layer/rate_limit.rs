//! Keeps calls under a key service's quota.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::time_left::reserve_for_call;
use crate::error::UnwrapError;
use crate::key_unwrap::KeyUnwrap;
use crate::sync::lock;
use crate::tenant::Tenant;

/// How many calls a key service allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    calls: NonZeroU32,
    per: Duration,
}

impl Quota {
    /// `calls` in every second.
    pub const fn per_second(calls: NonZeroU32) -> Self {
        Self {
            calls,
            per: Duration::from_secs(1),
        }
    }

    /// `calls` in every minute.
    pub const fn per_minute(calls: NonZeroU32) -> Self {
        Self {
            calls,
            per: Duration::from_mins(1),
        }
    }

    /// Time between two calls, rounded up.
    fn interval(self) -> Duration {
        let nanos = self.per.as_nanos().div_ceil(u128::from(self.calls.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// One quota, for all backends that share it.
///
/// Tenants take turns, and the calls of each leave in the order in which they came, evenly spaced; what is ahead of that rhythm, after a pause or
/// a late timer, is at most a twentieth of the quota, so no period of the quota's length sees more than 105 % of it.
/// (Key services count per second or minute; a bucket that starts full would let twice the quota through.)
#[derive(Debug)]
pub struct TokenBucket {
    interval: Duration,
    /// How far ahead of the rhythm a call may leave.
    ahead: Duration,
    /// Held by the one whose turn it is; fair, and free again when that one gives up. Only the first of each lane waits
    /// for it, so that it passes from tenant to tenant.
    turn: tokio::sync::Mutex<()>,
    /// Those who wait, by tenant.
    lanes: Mutex<HashMap<Tenant, Lane>>,
    /// When the next call leaves if calls keep the rhythm.
    next: Mutex<Instant>,
}

/// Where the calls of one tenant wait for the first of them to have its turn.
#[derive(Clone, Debug, Default)]
struct Lane {
    first: Arc<tokio::sync::Mutex<()>>,
    waiting: u32,
}

impl TokenBucket {
    /// A bucket for `quota`.
    pub fn new(quota: Quota) -> Self {
        let interval = quota.interval();
        Self {
            interval,
            ahead: interval * (quota.calls.get() / 20),
            turn: tokio::sync::Mutex::new(()),
            lanes: Mutex::default(),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for leave to call. When that would come too late for a call before `deadline`, says at once how long
    /// it would take.
    async fn take(&self, deadline: Instant) -> Result<(), Duration> {
        let (place, before_us) = TenantSlot::queue_up(&self.lanes);
        let now = Instant::now();
        let latest = deadline - reserve_for_call(deadline.saturating_duration_since(now));
        let earliest = self.earliest() + self.interval.saturating_mul(before_us);
        if earliest > latest {
            return Err(earliest - now);
        }
        let turn = async { (place.first.lock().await, self.turn.lock().await) };
        let Ok(_turn) = timeout_at(latest, turn).await else {
            return Err(self.interval);
        };
        let earliest = self.earliest();
        if earliest > latest {
            return Err(earliest.saturating_duration_since(Instant::now()));
        }
        sleep_until(earliest).await;
        let mut next = lock(&self.next);
        *next = (*next).max(Instant::now()) + self.interval;
        Ok(())
    }

    fn earliest(&self) -> Instant {
        let next = *lock(&self.next);
        let now = Instant::now();
        // Not `next - ahead`: an `Instant` may not reach back before the machine's start.
        if next.saturating_duration_since(now) <= self.ahead {
            now
        } else {
            next - self.ahead
        }
    }
}

/// A place in the lane of the current tenant, given back when dropped.
struct TenantSlot<'a> {
    lanes: &'a Mutex<HashMap<Tenant, Lane>>,
    tenant: Tenant,
    first: Arc<tokio::sync::Mutex<()>>,
}

impl<'a> TenantSlot<'a> {
    /// Also says how many calls have their turn before this one: those of its own lane, and of each other lane as many
    /// as there are rounds.
    fn queue_up(lanes: &'a Mutex<HashMap<Tenant, Lane>>) -> (Self, u32) {
        let tenant = Tenant::current();
        let mut all = lock(lanes);
        let lane = all.entry(tenant.clone()).or_default();
        lane.waiting += 1;
        let (rounds, first) = (lane.waiting, Arc::clone(&lane.first));
        let before_us = all
            .iter()
            .map(|(other, lane)| {
                if *other == tenant {
                    rounds - 1
                } else {
                    lane.waiting.min(rounds)
                }
            })
            .fold(0, u32::saturating_add);
        drop(all);
        let place = Self {
            lanes,
            tenant,
            first,
        };
        (place, before_us)
    }
}

impl Drop for TenantSlot<'_> {
    fn drop(&mut self) {
        let mut all = lock(self.lanes);
        if let Some(lane) = all.get_mut(&self.tenant) {
            lane.waiting -= 1;
            if lane.waiting == 0 {
                all.remove(&self.tenant);
            }
        }
    }
}

/// Lets calls through at the rate of a [`TokenBucket`], in order.
///
/// A call that would have to wait past its deadline is refused at once, as unavailable, with the time after which
/// to come back.
#[derive(Debug)]
pub struct RateLimit {
    inner: Arc<dyn KeyUnwrap>,
    bucket: Arc<TokenBucket>,
}

impl RateLimit {
    /// Calls of `inner` take their leave from `bucket`.
    pub fn new(inner: Arc<dyn KeyUnwrap>, bucket: Arc<TokenBucket>) -> Self {
        Self { inner, bucket }
    }
}

#[async_trait]
impl KeyUnwrap for RateLimit {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        self.bucket.take(deadline).await.map_err(|wait| {
            UnwrapError::not_sent("the quota of the key service is used up for now")
                .with_retry_after(wait)
        })?;
        self.inner.unwrap_key(request, deadline).await
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        self.inner.public_key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Category;
    use crate::key_unwrap::KeyUnwrapExt as _;
    use crate::testing::{ScriptedBackend, a_request};

    const SECOND: Duration = Duration::from_secs(1);

    fn limited(per_second: u32) -> (Arc<RateLimit>, Arc<ScriptedBackend>) {
        let fake = Arc::new(ScriptedBackend::new());
        let quota = Quota::per_second(NonZeroU32::new(per_second).unwrap());
        let bucket = Arc::new(TokenBucket::new(quota));
        (Arc::new(RateLimit::new(fake.clone(), bucket)), fake)
    }

    async fn call_all(layer: &Arc<RateLimit>, count: usize, limit: Duration) -> usize {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..count {
            let layer = Arc::clone(layer);
            calls.spawn(async move { layer.unwrap_within(&a_request(), limit).await });
        }
        let answers = calls.join_all().await;
        answers.iter().filter(|answer| answer.is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_105_percent() {
        for quota in [1, 7, 25, 100] {
            let (layer, fake) = limited(quota);
            let count = quota as usize * 6;
            let done = call_all(&layer, count, Duration::from_mins(1)).await;
            assert_eq!(done, count);
            // Idle, then again: the pause must not have filled a bucket.
            tokio::time::sleep(Duration::from_secs(30)).await;
            call_all(&layer, count, Duration::from_mins(1)).await;
            assert!(
                fake.busiest(SECOND) * 100 <= quota as usize * 105,
                "{quota}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn uses_the_quota_up() {
        let (layer, _) = limited(25);
        let start = Instant::now();
        assert_eq!(call_all(&layer, 500, Duration::from_mins(1)).await, 500);
        let took = start.elapsed();
        assert!(took <= Duration::from_millis(20_500), "{took:?}");
        assert!(took >= Duration::from_millis(19_800), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_come_too_late_is_refused_at_once_with_a_hint() {
        let (layer, fake) = limited(10);
        let busy = tokio::spawn({
            let layer = Arc::clone(&layer);
            async move { call_all(&layer, 30, Duration::from_mins(1)).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let start = Instant::now();
        let error = layer.unwrap_within(&a_request(), SECOND).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(error.category(), Category::Unavailable);
        assert!(!error.was_sent());
        let hint = error.retry_after().unwrap();
        assert!(hint > SECOND && hint <= Duration::from_secs(3), "{hint:?}");
        assert_eq!(busy.await.unwrap(), 30);
        assert_eq!(fake.calls(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn no_token_is_spent_on_a_call_without_time_to_answer() {
        let (layer, fake) = limited(1);
        layer.unwrap_within(&a_request(), SECOND).await.unwrap();
        let error = layer.unwrap_within(&a_request(), SECOND).await.unwrap_err();
        assert!(!error.was_sent());
        assert!(error.retry_after().is_some());
        assert_eq!(fake.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_its_place_to_the_next() {
        let (layer, fake) = limited(1);
        layer.unwrap_within(&a_request(), SECOND).await.unwrap();
        let impatient: Vec<_> = (0..5)
            .map(|_| {
                let layer = Arc::clone(&layer);
                tokio::spawn(async move {
                    let limit = Duration::from_mins(1);
                    layer.unwrap_within(&a_request(), limit).await.is_ok()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(10)).await;
        impatient.iter().for_each(tokio::task::JoinHandle::abort);
        let start = Instant::now();
        let limit = Duration::from_mins(1);
        layer.unwrap_within(&a_request(), limit).await.unwrap();
        assert!(start.elapsed() <= SECOND);
        assert_eq!(fake.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_tenants_backlog_does_not_delay_another() {
        let (layer, _) = limited(10);
        let limit = Duration::from_mins(1);
        let greedy = tokio::spawn({
            let layer = Arc::clone(&layer);
            async move {
                let calls = (0..300).map(|_| {
                    let layer = Arc::clone(&layer);
                    let call = async move { layer.unwrap_within(&a_request(), limit).await };
                    tokio::spawn(Tenant::new("greedy").scope(call))
                });
                let calls: Vec<_> = calls.collect();
                let mut done = 0;
                for call in calls {
                    done += usize::from(call.await.unwrap().is_ok());
                }
                done
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Its deadline is far before the end of the others' backlog, so it is not even refused at once.
        for _ in 0..3 {
            let start = Instant::now();
            let request = a_request();
            let call = layer.unwrap_within(&request, SECOND);
            Tenant::new("modest").scope(call).await.unwrap();
            assert!(start.elapsed() <= Duration::from_millis(300));
        }
        assert_eq!(greedy.await.unwrap(), 300);
        assert!(lock(&layer.bucket.lanes).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_share_a_bucket_share_the_quota() {
        let fake = Arc::new(ScriptedBackend::new());
        let quota = Quota::per_minute(NonZeroU32::new(60).unwrap());
        let bucket = Arc::new(TokenBucket::new(quota));
        let start = Instant::now();
        for _ in 0..5 {
            for _key in ["a", "b"] {
                let layer = RateLimit::new(fake.clone(), Arc::clone(&bucket));
                let limit = Duration::from_mins(1);
                layer.unwrap_within(&a_request(), limit).await.unwrap();
            }
        }
        // Sixty a minute, three of them (5 %) ahead of the rhythm.
        assert!(start.elapsed() >= Duration::from_secs(6));
    }
}
