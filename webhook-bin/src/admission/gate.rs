//! Who submits: the rules of the configuration, and the right to `unseal`.

use kms_backends::Category;
use tokio::time::Instant;

use super::Reviewer;
use super::request::Request;
use crate::access_review::Access;
use crate::decide::{Code, Refusal};
use crate::refusal::cut;
use crate::rulebook::Asker;
use crate::unseal::gate::Gate;
use crate::unseal::{BoxFuture, OpenRefusal};

/// The gate of one review.
pub(super) struct Submission<'r> {
    reviewer: &'r Reviewer,
    request: &'r Request<'r>,
}

impl<'r> Submission<'r> {
    /// `None` where nothing is asked of anybody.
    pub(super) fn of(reviewer: &'r Reviewer, request: &'r Request<'r>) -> Option<Self> {
        let asks = reviewer.access.is_some() || reviewer.rulebook.asks_who();
        asks.then_some(Self { reviewer, request })
    }

    async fn ask(&self, deadline: Instant) -> Result<(), OpenRefusal> {
        let Some(access) = &self.reviewer.access else {
            return Ok(());
        };
        let (user, namespace) = (&self.request.user, self.request.namespace.as_str());
        match access.may_unseal(user.question(namespace), deadline).await {
            Access::Allowed => Ok(()),
            Access::Denied => Err(Refusal::new(
                Code::NotPermitted,
                format!(
                    "user {:?} has not the right to `unseal` secrets of API group privyseal.dev in namespace {:?}",
                    cut(user.name()),
                    cut(namespace)
                ),
                "ask the administrator for a Role with the verb `unseal`, or have a deployer submit it that has one",
            )
            .into()),
            Access::Unknown => {
                let mut refused = OpenRefusal::from(Refusal::new(
                    Code::Unavailable,
                    "the API server did not say in time whether the user may `unseal`; nothing was changed",
                    "apply again in a moment",
                ));
                refused.category = Some(Category::Unavailable);
                Err(refused)
            }
        }
    }
}

impl Gate for Submission<'_> {
    fn may_submit(&self, key: &str) -> Result<(), Refusal> {
        let asker = Asker {
            name: self.request.user.name(),
            groups: self.request.user.groups(),
        };
        let namespace = self.request.namespace.as_str();
        self.reviewer.rulebook.check(&asker, namespace, key)
    }

    fn may_unseal(&self, deadline: Instant) -> BoxFuture<'_, Result<(), OpenRefusal>> {
        Box::pin(self.ask(deadline))
    }
}
