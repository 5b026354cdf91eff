//! For whom a call is made, so that one namespace does not wait for another's backlog.

use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Tenant;
}

/// The namespace that an unwrap is for. Whatever is scarce (processor time for local keys, the quota of a key service,
/// room for calls and for cached content keys) is shared out between tenants first.
///
/// It travels beside a call, not in it: no key service sees it, and nothing is allowed or refused because of it. Calls
/// outside of any [`scope`](Self::scope) are those of one nameless tenant.
///
/// ```
/// use kms_backends::Tenant;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let tenant = Tenant::new("payments");
/// assert_eq!(tenant.clone().scope(async { Tenant::current() }).await, tenant);
/// assert_eq!(Tenant::current(), Tenant::default());
/// # });
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The tenant of a namespace.
    pub fn new(namespace: &str) -> Self {
        Self(namespace.into())
    }

    /// For whom the current task works.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `work` for this tenant. Tasks that it spawns are not included.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::new("")
    }
}
