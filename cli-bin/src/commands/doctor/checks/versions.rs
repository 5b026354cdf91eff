//! The versions of a key that its card names: is it time to rotate, and are the older ones still opened?
use jwe_envelope::{CardKey, KeyCard};
use unseal_policy::decide::Code;

use super::super::cluster::Cluster;
use super::super::finding::CheckResult;
use super::dry_run::{Tried, code_in, try_key};
use crate::cli::doctor::DoctorArgs;

use crate::failure::Failure;
use crate::time;

/// Who is told this long before can rotate in peace.
const SOON: u64 = 14 * 24 * 60 * 60;

pub(super) fn check_versions(
    args: &DoctorArgs,
    cluster: &Cluster,
    card: Option<&KeyCard>,
    now: u64,
) -> Result<CheckResult, Failure> {
    const CHECK: &str = "key versions";
    let Some((card, active)) = card.and_then(|card| Some((card, card.active()?))) else {
        return Ok(CheckResult::skipped(
            CHECK,
            "whether a key is due for rotation, and whether its older versions are still opened, was not tried",
            "name a key card: --card FILE --test-namespace NAMESPACE",
        ));
    };
    if let Some(finding) = due(CHECK, active, now) {
        return Ok(finding);
    }
    let older = &card.keys()[1..];
    let mut lines = Vec::new();
    let mut closed = 0;
    for key in older {
        let kid = key.recipient.kid();
        lines.push(match try_key(args, cluster, key, now)? {
            Tried::Opened => format!("{kid}: still opened"),
            Tried::Refused(output) if code_in(&output) == Some(Code::UnknownKey) => {
                closed += 1;
                format!("{kid}: not opened any more, the webhook does not serve it")
            }
            Tried::Refused(output) => {
                closed += 1;
                format!("{kid}: not opened: {}", output.error())
            }
            Tried::Sealed => {
                closed += 1;
                format!("{kid}: came back sealed")
            }
        });
    }
    let finding = match (older.len(), closed) {
        (0, _) => CheckResult::ok(CHECK, "the card names one version, and it is not due"),
        (count, 0) => CheckResult::ok(
            CHECK,
            format!("what was sealed for the {count} older versions of the card is still opened"),
        ),
        (count, closed) => CheckResult::unknown(
            CHECK,
            format!(
                "{closed} of the {count} older versions of the card are not opened; whether a manifest still hangs on one cannot be seen from here"
            ),
            "`privy lint --key CARD PATH` finds such manifests: have their values sealed again before they must be rebuilt from Git",
        ),
    };
    Ok(finding.details(lines))
}

/// Whether the key is to be followed by another one.
fn due(check: &'static str, active: &CardKey, now: u64) -> Option<CheckResult> {
    let not_after = active.not_after?;
    let moment = time::format(not_after);
    let message = if now >= not_after {
        format!("the active key's time ended at {moment}: nothing new is sealed for it")
    } else if not_after - now < SOON {
        format!("the active key's time ends soon, at {moment}")
    } else {
        return None;
    };
    Some(CheckResult::problem(
        check,
        message,
        "rotate: a new version in the key service and in the webhook's configuration, then on the card in front of this one",
    ))
}
