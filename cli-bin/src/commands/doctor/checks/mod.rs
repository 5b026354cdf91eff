//! The checks, in the order in which they are printed.

mod clock;
mod dry_run;
mod files;
mod impersonation;
mod own_rights;
mod policies;
mod registered;
mod rendered_rights;
mod stored;
mod unsealers;
mod versions;

use std::time::Instant;

use super::cluster::Cluster;
use super::finding::{CheckResult, unreadable};
use super::rbac::Rbac;
use crate::cli::doctor::DoctorArgs;
use crate::failure::Failure;
use stored::StoredSecrets;
use unsealers::RightsQuestion;

/// Makes all of them.
pub(super) fn all(
    args: &DoctorArgs,
    cluster: &Cluster,
    now: u64,
) -> Result<Vec<CheckResult>, Failure> {
    let begun = Instant::now();
    let card = dry_run::card(args)?;
    let card = card.as_ref();
    let current = || now + begun.elapsed().as_secs();
    let mut found = vec![version(cluster)];
    let usage = |error: anyhow::Error| Failure::usage(error);
    found.push(own_rights::check_rights(args, cluster).map_err(usage)?);
    found.push(policies::check_backstop(cluster).map_err(usage)?);
    let (legacy_tokens, tokens_are_guarded) =
        policies::check_legacy_tokens(args, cluster).map_err(usage)?;
    found.push(legacy_tokens);
    let (registration, mut registered) = registered::check_registration(cluster).map_err(usage)?;
    found.push(registration);
    found.push(registered::check_neighbours(args, cluster).map_err(usage)?);
    found.push(registered::check_api_service(cluster, &mut registered).map_err(usage)?);
    found.push(dry_run::check_path(args, cluster, registered.callers).map_err(usage)?);
    found.push(clock::check_clock(args, cluster, now, begun).map_err(usage)?);
    found.push(dry_run::check_opening(args, cluster, card, current())?);
    found.push(versions::check_versions(args, cluster, card, current())?);
    let stored = StoredSecrets::read(cluster).map_err(usage)?;
    found.push(match &stored {
        Ok(stored) => stored.check_sealed(),
        Err(output) => unreadable("stored sealed", "Secrets", output),
    });
    match Rbac::read(cluster).map_err(usage)? {
        Ok(rbac) => {
            let question = RightsQuestion {
                rbac: &rbac,
                stored: stored.as_ref().ok(),
                tokens_are_guarded,
            };
            found.push(question.directly());
            found.push(question.indirectly(args));
            found.push(impersonation::check_impersonators(args, &rbac));
            found.push(registered::check_webhook_rights(&registered, &rbac));
            found.push(rendered_rights::check(&registered, &rbac).map_err(usage)?);
        }
        Err(lacking) => {
            for check in [
                "unseal right",
                "unseal otherwise",
                "impersonation",
                "webhook rights",
                "rendered rights",
            ] {
                found.push(unreadable(check, lacking.what, &lacking.output));
            }
        }
    }
    found.push(files::audit_policy(args)?);
    found.push(files::encryption(args)?);
    Ok(found)
}

fn version(cluster: &Cluster) -> CheckResult {
    let (name, major, minor) = &cluster.version;
    if (*major, *minor) >= (1, 30) {
        CheckResult::ok(
            "kubernetes",
            format!("{name}: matchConditions and policies are there"),
        )
    } else {
        CheckResult::problem(
            "kubernetes",
            format!(
                "{name} is older than 1.30: it may drop `matchConditions`, and then values are opened for everyone"
            ),
            "upgrade the cluster before you register the webhook",
        )
    }
}
