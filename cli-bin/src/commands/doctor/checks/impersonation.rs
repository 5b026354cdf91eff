//! Who may act as the API server itself: with aggregated callers, anyone who may impersonate `system:apiserver` in
//! `system:masters` has values opened for any namespace.
use std::collections::BTreeSet;

use super::super::finding::CheckResult;
use super::super::rbac::{Ask, Named, Rbac, RbacGrant};
use super::unsealers::impersonates;
use crate::cli::doctor::DoctorArgs;
use crate::cli::subject::RightHolder;

pub(super) fn check_impersonators(args: &DoctorArgs, rbac: &Rbac) -> CheckResult {
    const CHECK: &str = "impersonation";
    let granted = |wanted: &dyn Fn(&RbacGrant) -> bool| -> BTreeSet<&RightHolder> {
        rbac.grants
            .iter()
            .filter(|grant| wanted(grant))
            .map(|grant| &grant.subject)
            .collect()
    };
    // Each half may come from another role.
    let users = granted(&|grant| impersonates(grant, "users", "system:apiserver"));
    let groups = granted(&|grant| impersonates(grant, "groups", "system:masters"));
    let further = |resource: &str| {
        granted(&|grant| {
            grant.namespace.is_none()
                && grant.allows(&Ask {
                    verbs: &["impersonate"],
                    group: "authentication.k8s.io",
                    resource,
                    named: Named::Any,
                })
        })
    };
    let uids = further("uids");
    let both: Vec<&RightHolder> = users.intersection(&groups).copied().collect();
    // Members of system:masters are root without a role.
    let masters = RightHolder::Group("system:masters".to_owned());
    let (accepted, others): (Vec<&RightHolder>, Vec<&RightHolder>) = both
        .into_iter()
        .filter(|subject| **subject != masters)
        .partition(|subject| args.accept_impersonator.contains(subject));
    if others.is_empty() {
        return CheckResult::ok(
            CHECK,
            if accepted.is_empty() {
                "only system:masters may act as the API server"
            } else {
                "only system:masters and those who are accepted may act as the API server"
            },
        );
    }
    let details = others
        .iter()
        .map(|subject| {
            let uid = if uids.contains(*subject) {
                ", also with its uid"
            } else {
                ""
            };
            format!("{subject}{uid}")
        })
        .collect();
    CheckResult::problem(
        CHECK,
        format!(
            "{} may act as the API server, and so have any value opened",
            others.len()
        ),
        "treat them as root; take `impersonate` away from those who are not, name the others with --accept-impersonator KIND:NAME, and watch the audit log for it",
    )
    .details(details)
}
