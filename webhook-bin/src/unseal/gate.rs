//! Whether whoever submits a Secret may have its values opened: asked when something is about to be.

use tokio::time::Instant;

use super::{BoxFuture, OpenRefusal};
use crate::decide::Refusal;

/// Answers for one review.
pub(crate) trait Gate: Sync {
    /// Whether this user may submit a value of this key. No I/O.
    fn may_submit(&self, key: &str) -> Result<(), Refusal>;

    /// Whether this user may have anything opened in this namespace. Asked once, after everything else that needs
    /// no key.
    fn may_unseal(&self, deadline: Instant) -> BoxFuture<'_, Result<(), OpenRefusal>>;
}
