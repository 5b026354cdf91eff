//! The API server's clock beside this machine's. Values with a time limit are sealed by the one and judged by the
//! other's neighbour.
use std::time::Instant;

use serde_json::json;

use super::super::cluster::Cluster;
use super::super::finding::{CheckResult, unreadable};
use crate::cli::doctor::DoctorArgs;
use crate::time;

/// Half of the leeway that the webhook gives to time limits.
const TOLERANCE: u64 = 30;

/// `now` is this machine's time at `begun`.
pub(super) fn check_clock(
    args: &DoctorArgs,
    cluster: &Cluster,
    now: u64,
    begun: Instant,
) -> anyhow::Result<CheckResult> {
    const CHECK: &str = "clock";
    // No webhook of ours is asked about ConfigMaps.
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "namespace": args.test_namespace, "name": "privy-doctor" },
    });
    let before = now + begun.elapsed().as_secs();
    let stored = match cluster.create_dry(&object)? {
        Ok(stored) => stored,
        Err(output) => return Ok(unreadable(CHECK, "the API server's clock", &output)),
    };
    let after = now + begun.elapsed().as_secs() + 1;
    let stamp = stored["metadata"]["creationTimestamp"].as_str();
    let Some(theirs) = stamp.and_then(|stamp| time::parse(stamp, now).ok()) else {
        return Ok(CheckResult::unknown(
            CHECK,
            "the API server did not say when it would have created a ConfigMap",
            "compare the clocks by hand: `date -u` here and on the control plane",
        ));
    };
    // Between the two, no difference can be measured.
    let apart = before
        .saturating_sub(theirs)
        .max(theirs.saturating_sub(after));
    Ok(if apart <= TOLERANCE {
        CheckResult::ok(CHECK, "the API server's clock and this machine's agree")
    } else {
        let direction = if theirs < before {
            "behind"
        } else {
            "ahead of"
        };
        CheckResult::problem(
            CHECK,
            format!(
                "the API server's clock is {apart} s {direction} this machine's: values with a time limit may be accepted or rejected at the wrong time"
            ),
            "have both keep time by NTP",
        )
    })
}
