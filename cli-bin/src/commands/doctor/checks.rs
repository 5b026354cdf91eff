//! The checks, in the order in which they are printed.

mod clock;
mod files;
mod impersonation;
mod registered;
mod rights;
mod stored;
mod versions;
mod way;

use std::time::Instant;

use super::args::Args;
use super::cluster::{Cluster, Said};
use super::finding::Finding;
use crate::report::Failure;

/// Makes all of them.
pub(super) fn all(args: &Args, cluster: &Cluster, now: u64) -> Result<Vec<Finding>, Failure> {
    let begun = Instant::now();
    let card = way::card(args)?;
    let card = card.as_ref();
    let present = || now + begun.elapsed().as_secs();
    let mut found = vec![version(cluster)];
    let usage = |error: anyhow::Error| Failure::usage(error);
    found.push(rights::held(args, cluster).map_err(usage)?);
    found.push(registered::backstop(cluster).map_err(usage)?);
    let (registration, callers) = registered::registration(cluster).map_err(usage)?;
    found.push(registration);
    found.push(registered::api_service(cluster, callers).map_err(usage)?);
    found.push(way::reaches(args, cluster, callers).map_err(usage)?);
    found.push(clock::compared(args, cluster, now, begun).map_err(usage)?);
    found.push(way::opens(args, cluster, card, present())?);
    found.push(versions::of_card(args, cluster, card, present())?);
    found.push(stored::unopened(cluster).map_err(usage)?);
    found.push(impersonation::who(cluster).map_err(usage)?);
    found.push(files::audit_policy(args)?);
    found.push(files::encryption(args)?);
    Ok(found)
}

fn version(cluster: &Cluster) -> Finding {
    let (name, major, minor) = &cluster.version;
    if (*major, *minor) >= (1, 30) {
        Finding::ok(
            "kubernetes",
            format!("{name}: matchConditions and policies are there"),
        )
    } else {
        Finding::problem(
            "kubernetes",
            format!(
                "{name} is older than 1.30: it may drop `matchConditions`, and then values are opened for everybody"
            ),
            "upgrade the cluster before you register the webhook",
        )
    }
}

/// What cannot be known because kubectl refused to say.
fn unreadable(check: &'static str, what: &str, said: &Said) -> Finding {
    Finding::unknown(
        check,
        format!("{what} cannot be read: {}", said.error()),
        "run it again with the rights of a cluster administrator",
    )
}
