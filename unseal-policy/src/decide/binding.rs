//! What an envelope's binding is compared with at this place, in this cluster, at this time and for this caller, and what
//! a mismatch means. The comparison itself is [`GrantContext::check`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jwe_envelope::{Binding, BindingMismatch, GrantContext, OutOfTime};

use super::{Change, Expired, Objection, OpeningContext, Policy, Site};
use crate::refusal::Refusal;

/// By how much clocks may differ when a value is introduced.
const SKEW: Duration = Duration::from_mins(1);

/// Where, when and by whom a value at `site` would be opened.
pub(super) fn grant_context<'a>(site: &Site<'a>, policy: &'a Policy, now: u64) -> GrantContext<'a> {
    let (place, now) = (site.place(), system_time(now));
    let context = match site.caller {
        OpeningContext::RunTime { service_account } => {
            GrantContext::service_account(place, service_account, now)
        }
        OpeningContext::Admission(admission) => {
            let out_of_time = match admission.change {
                // Opened to be compared with what is stored; see `Objection::UnlessStored`.
                Change::Changed | Change::Replaced => OutOfTime::Tolerate,
                _ if policy.expired == Expired::Warn => OutOfTime::TolerateExpired,
                _ => OutOfTime::Refuse,
            };
            GrantContext::webhook(place, now)
                .skew(SKEW)
                .out_of_time(out_of_time)
        }
    };
    context.cluster(policy.cluster.as_deref())
}

/// Seconds since 1970 (UTC) as a time. One beyond what the system can express is as late as any that people write.
pub fn system_time(seconds: u64) -> SystemTime {
    const END_OF_9999: u64 = 253_402_300_799;
    let after = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    after(seconds)
        .or_else(|| after(END_OF_9999))
        .unwrap_or(UNIX_EPOCH)
}

/// Place, cluster and service account must fit; time must where a value is introduced, unless policy says otherwise.
pub(super) fn check_binding(
    binding: &Binding,
    context: &GrantContext<'_>,
    site: &Site<'_>,
    policy: &Policy,
) -> Result<Option<Objection>, Refusal> {
    let tolerated = context
        .check(binding)
        .map_err(|mismatch| refusal_of(&mismatch, binding.service_account(), site))?;
    Ok(tolerated.map(|mismatch| {
        let expired = matches!(mismatch, BindingMismatch::Expired { .. });
        let refusal = refusal_of(&mismatch, binding.service_account(), site);
        if expired && policy.expired == Expired::Warn {
            Objection::Warned(refusal)
        } else {
            Objection::UnlessStored(refusal)
        }
    }))
}

/// The refusal for a mismatch of an envelope that is bound to this service account, or to none.
pub(super) fn refusal_of(
    mismatch: &BindingMismatch,
    bound: Option<&str>,
    site: &Site<'_>,
) -> Refusal {
    match (mismatch, site.caller) {
        (BindingMismatch::AdmissionOnly { .. }, _) => Refusal::admission_only(),
        (BindingMismatch::RunTimeOnly { .. }, _) => {
            Refusal::run_time_only(bound.unwrap_or_default())
        }
        (BindingMismatch::ServiceAccount { .. }, OpeningContext::RunTime { service_account }) => {
            Refusal::wrong_service_account(bound.unwrap_or_default(), service_account)
        }
        (BindingMismatch::Cluster { .. } | BindingMismatch::ClusterUnknown { .. }, _) => {
            Refusal::wrong_cluster(mismatch)
        }
        (BindingMismatch::NotYetValid { .. }, _) => Refusal::not_yet_valid(mismatch),
        (BindingMismatch::Expired { .. }, _) => Refusal::expired(mismatch),
        // Namespace, name and key.
        _ => Refusal::wrong_place(mismatch),
    }
}
