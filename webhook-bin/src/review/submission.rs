//! Who submits: the rules of the configuration, and the right to `unseal`.

use std::fmt;

use kms_backends::Category;
use tokio::time::Instant;

use super::request::Request;
use crate::kube::access_review::{MayUnseal, Permission};
use crate::unseal::right::UnsealRight;
use unseal_policy::decide::{Code, Refusal, SubmitterCheck};
use unseal_policy::format::{BoxFuture, OpenRefusal};
use unseal_policy::refusal::cut;
use unseal_policy::rulebook::{Asker, Rulebook};

/// The gate of one review.
pub(super) struct Submission<'r> {
    /// Asks for the right, where it is asked for.
    access: Option<&'r dyn MayUnseal>,
    rulebook: &'r Rulebook,
    request: &'r Request<'r>,
}

impl<'r> Submission<'r> {
    /// `None` where nothing is asked of anyone.
    pub(super) fn new(
        access: Option<&'r dyn MayUnseal>,
        rulebook: &'r Rulebook,
        request: &'r Request<'r>,
    ) -> Option<Self> {
        (access.is_some() || rulebook.asks_who()).then_some(Self {
            access,
            rulebook,
            request,
        })
    }

    async fn ask(&self, deadline: Instant) -> Result<(), OpenRefusal> {
        let Some(access) = self.access else {
            return Ok(());
        };
        let (user, namespace) = (&self.request.user, self.request.namespace.as_str());
        match access.may_unseal(user.question(namespace), deadline).await {
            Permission::Allowed => Ok(()),
            Permission::Denied => Err(Refusal::new(
                Code::NotPermitted,
                format!(
                    "the value is sealed, and user {:?} may not have values opened in namespace {:?}",
                    cut(user.name()),
                    cut(namespace)
                ),
                "ask the administrator for the verb `unseal` on `secrets` of API group `privyseal.dev`, or have a deployer apply it that has this right",
            )
            .into()),
            Permission::Unknown => {
                let mut refused = OpenRefusal::from(Refusal::new(
                    Code::Unavailable,
                    "the API server did not say in time whether the user may have values opened (verb `unseal`)",
                    "apply again in a moment",
                ));
                refused.category = Some(Category::Unavailable);
                Err(refused)
            }
        }
    }
}

impl fmt::Debug for Submission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").finish_non_exhaustive()
    }
}

impl SubmitterCheck for Submission<'_> {
    fn check(&self, key: &str) -> Result<(), Refusal> {
        let asker = Asker {
            name: self.request.user.name(),
            groups: self.request.user.groups(),
        };
        let namespace = self.request.namespace.as_str();
        self.rulebook.check(&asker, namespace, key)
    }
}

impl UnsealRight for Submission<'_> {
    fn may_unseal(&self, deadline: Instant) -> BoxFuture<'_, Result<(), OpenRefusal>> {
        Box::pin(self.ask(deadline))
    }
}
