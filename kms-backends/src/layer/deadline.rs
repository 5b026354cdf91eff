//! Bounds one attempt.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::{Instant, timeout_at};

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;

/// Gives each attempt a time of its own within the caller's deadline.
#[derive(Debug)]
pub struct Deadline {
    inner: Arc<dyn KeyUnwrap>,
    limit: Duration,
}

impl Deadline {
    /// Attempts with `inner` take `limit` at most.
    pub fn new(inner: Arc<dyn KeyUnwrap>, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

#[async_trait]
impl KeyUnwrap for Deadline {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(UnwrapError::not_sent(
                "no time was left to ask the key service",
            ));
        }
        let limit = left.min(self.limit);
        let attempt = now + limit;
        timeout_at(attempt, self.inner.unwrap_key(request, attempt))
            .await
            .unwrap_or_else(|_| {
                Err(UnwrapError::new(
                    Category::Unavailable,
                    format!("the key service did not answer within {limit:.1?}"),
                ))
            })
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        self.inner.public_key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Reply, ScriptedBackend, a_request};

    #[tokio::test(start_paused = true)]
    async fn cuts_a_hanging_attempt_short() {
        let fake = Arc::new(ScriptedBackend::always(Reply::Hang));
        let layer = Deadline::new(fake.clone(), Duration::from_secs(2));
        let start = Instant::now();
        let error = layer
            .unwrap_key(&a_request(), start + Duration::from_secs(10))
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Unavailable);
        assert!(error.was_sent());
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        assert_eq!(
            error.to_string(),
            "the key service did not answer within 2.0s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn never_passes_the_callers_deadline() {
        let fake = Arc::new(ScriptedBackend::always(Reply::Hang));
        let layer = Deadline::new(fake.clone(), Duration::from_secs(2));
        let start = Instant::now();
        let deadline = start + Duration::from_millis(300);
        layer.unwrap_key(&a_request(), deadline).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_millis(300));
        assert_eq!(fake.requests()[0].deadline, deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_the_backend_its_attempts_own_deadline() {
        let fake = Arc::new(ScriptedBackend::new());
        let layer = Deadline::new(fake.clone(), Duration::from_secs(2));
        let start = Instant::now();
        let deadline = start + Duration::from_secs(10);
        layer.unwrap_key(&a_request(), deadline).await.unwrap();
        assert_eq!(fake.requests()[0].deadline, start + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn asks_nobody_when_the_time_is_over() {
        let fake = Arc::new(ScriptedBackend::new());
        let layer = Deadline::new(fake.clone(), Duration::from_secs(2));
        let error = layer
            .unwrap_key(&a_request(), Instant::now())
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Unavailable);
        assert!(!error.was_sent());
        assert_eq!(fake.calls(), 0);
    }
}
