//! Layers around a backend, in their order.

use std::sync::Arc;
use std::time::Duration;

use crate::key_unwrap::KeyUnwrap;
use crate::observer::{Observer, Unobserved};

use super::breaker::{Breaker, BreakerOptions};
use super::deadline::Deadline;
use super::observe::Observe;
use super::rate_limit::{RateLimit, TokenBucket};
use super::retry::{Retry, RetryOptions};

/// Puts layers around a backend in their one sensible order.
///
/// ```
/// # use std::{num::NonZeroU32, sync::Arc, time::Duration};
/// # use kms_backends::{KeyUnwrap, Unobserved};
/// use kms_backends::layer::{BreakerOptions, Layered, Quota, RetryOptions, TokenBucket};
///
/// # fn wrap(backend: Arc<dyn KeyUnwrap>) -> Arc<dyn KeyUnwrap> {
/// let quota = Arc::new(TokenBucket::new(Quota::per_second(NonZeroU32::new(25).unwrap())));
/// Layered::new(backend)
///     .named("payments")
///     .observer(Arc::new(Unobserved))
///     .attempt_timeout(Duration::from_secs(2))
///     .rate_limit(quota)
///     .breaker(BreakerOptions::default())
///     .retry(RetryOptions::default())
///     .build()
/// # }
/// ```
#[derive(Debug)]
pub struct Layered {
    backend: Arc<dyn KeyUnwrap>,
    name: String,
    observer: Arc<dyn Observer>,
    attempt_timeout: Option<Duration>,
    rate_limit: Option<Arc<TokenBucket>>,
    breaker: Option<BreakerOptions>,
    retry: Option<RetryOptions>,
}

impl Layered {
    /// Around `backend`, with no layer but observation.
    pub fn new(backend: Arc<dyn KeyUnwrap>) -> Self {
        Self {
            backend,
            name: String::new(),
            observer: Arc::new(Unobserved),
            attempt_timeout: None,
            rate_limit: None,
            breaker: None,
            retry: None,
        }
    }

    /// Around a key service on a network: two seconds an attempt, breaker and retries with their defaults.
    pub fn remote(backend: Arc<dyn KeyUnwrap>) -> Self {
        Self::new(backend)
            .attempt_timeout(Duration::from_secs(2))
            .breaker(BreakerOptions::default())
            .retry(RetryOptions::default())
    }

    /// The key entry's name, for the observer and for messages.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Who is told about calls and about the breaker.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// The quota that this backend shares with anyone who has the same bucket.
    #[must_use]
    pub fn rate_limit(mut self, bucket: Arc<TokenBucket>) -> Self {
        self.rate_limit = Some(bucket);
        self
    }

    /// Stops asking a service that keeps failing.
    #[must_use]
    pub fn breaker(mut self, options: BreakerOptions) -> Self {
        self.breaker = Some(options);
        self
    }

    /// Asks again while the service is unavailable.
    #[must_use]
    pub fn retry(mut self, options: RetryOptions) -> Self {
        self.retry = Some(options);
        self
    }

    /// The backend in its layers.
    #[must_use]
    pub fn build(self) -> Arc<dyn KeyUnwrap> {
        let mut layered = self.backend;
        if let Some(limit) = self.attempt_timeout {
            layered = Arc::new(Deadline::new(layered, limit));
        }
        layered = Arc::new(Observe::new(
            layered,
            self.name.clone(),
            Arc::clone(&self.observer),
        ));
        if let Some(bucket) = self.rate_limit {
            layered = Arc::new(RateLimit::new(layered, bucket));
        }
        if let Some(options) = self.breaker {
            layered = Arc::new(Breaker::new(layered, options, self.name, self.observer));
        }
        if let Some(options) = self.retry {
            layered = Arc::new(Retry::new(layered, options));
        }
        layered
    }
}
