//! Layers around a key service, each itself a [`KeyUnwrap`](crate::KeyUnwrap).
//!
//! | layer | does |
//! |---|---|
//! | [`Retry`] | asks again while the answer is *unavailable*, with full jitter, honouring the service's own hint |
//! | [`Breaker`] | stops asking a service that keeps failing, and lets one call through to see whether it is back |
//! | [`RateLimit`] | keeps the calls of all keys that share a quota under it |
//! | [`Observe`] | counts and times the calls that reach the service |
//! | [`Deadline`] | bounds one attempt, so that a hanging one leaves time for another |
//!
//! [`Layered`] puts them together in that order, outermost first, whatever order they are named in. So every
//! attempt takes its own token, passes the breaker and is measured by itself; what an open breaker or an exhausted
//! quota answers never reached the service and is not held against it. All time is tokio's.

mod breaker;
mod deadline;
mod layered;
mod observe;
mod rate_limit;
mod retry;
mod time_left;

pub use crate::breaker_state::BreakerState;
pub use breaker::{Breaker, BreakerOptions};
pub use deadline::Deadline;
pub use layered::Layered;
pub use observe::Observe;
pub use rate_limit::{Quota, RateLimit, TokenBucket};
pub use retry::{Retry, RetryOptions};
