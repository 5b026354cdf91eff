//! Whether the user who submits a Secret may have its values opened: asked when something is about to be.

use tokio::time::Instant;

use unseal_policy::format::{BoxFuture, OpenRefusal};

/// Answers for one review. Who may submit values of a key is asked before, without any I/O, by
/// [`SubmitterCheck`](unseal_policy::decide::SubmitterCheck).
pub(crate) trait UnsealRight: Sync {
    /// Whether this user may have anything opened in this namespace. Asked once, after everything else that needs
    /// no key.
    fn may_unseal(&self, deadline: Instant) -> BoxFuture<'_, Result<(), OpenRefusal>>;
}
