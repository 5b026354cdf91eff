//! What is left of a deadline for a call.

use std::time::Duration;

/// How much of the time that is `left` a wait must leave: no token and no attempt is spent on a call that cannot be
/// answered in time.
pub(super) fn reserve_for_call(left: Duration) -> Duration {
    (left / 4).min(Duration::from_millis(250))
}
