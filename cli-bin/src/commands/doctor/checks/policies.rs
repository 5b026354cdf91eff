//! The policies that `render` prints: are they there, bound everywhere, and unchanged?
use anyhow::Context as _;
use serde_json::Value;

use super::super::cluster::Cluster;
use super::super::compare::differences;
use super::super::finding::{CheckResult, CheckState, unreadable};
use crate::cli::doctor::DoctorArgs;

/// A policy with its binding, as this version renders them.
struct Policy {
    check: &'static str,
    manifest: &'static str,
    /// What the cluster lacks without it.
    missing: &'static str,
    in_force: &'static str,
    apply: &'static str,
}

const BACKSTOP: Policy = Policy {
    check: "backstop",
    manifest: include_str!("../../../../../deploy/manifests/10-backstop.yaml"),
    missing: "there is none: when the webhook is away, a sync writes ciphertext over live values",
    in_force: "sealed values that were not opened are refused in every namespace",
    apply: "privy render --only backstop | kubectl apply -f -",
};
const LEGACY_TOKENS: Policy = Policy {
    check: "legacy tokens",
    manifest: include_str!("../../../../../deploy/manifests/15-legacy-tokens.yaml"),
    missing: "their policy is missing: anyone who may create Secrets in the namespace of a deployer gets its token",
    in_force: "no one gets a service account's token through a Secret without the right to create its tokens",
    apply: "privy render --only legacy-tokens | kubectl apply -f -",
};

pub(super) fn check_backstop(cluster: &Cluster) -> anyhow::Result<CheckResult> {
    check(cluster, &BACKSTOP)
}

/// The finding, and whether the policy is in force.
pub(super) fn check_legacy_tokens(
    args: &DoctorArgs,
    cluster: &Cluster,
) -> anyhow::Result<(CheckResult, bool)> {
    let finding = check(cluster, &LEGACY_TOKENS)?;
    let in_force = finding.state == CheckState::Ok;
    if finding.state == CheckState::Problem && args.accept_legacy_tokens {
        let message = "their policy is not in force, which is accepted";
        return Ok((CheckResult::ok(LEGACY_TOKENS.check, message), false));
    }
    Ok((finding, in_force))
}

fn check(cluster: &Cluster, policy: &Policy) -> anyhow::Result<CheckResult> {
    let check = policy.check;
    let mut documents = policy.manifest.split("\n---\n").map(|text| {
        serde_saphyr::from_str::<Value>(text).context("a manifest of this version is damaged")
    });
    let mut document = || {
        documents
            .next()
            .context("a manifest of this version is missing")?
    };
    let (expected, binding) = (document()?, document()?);
    let name = expected["metadata"]["name"].as_str().unwrap_or_default();
    let base = "/apis/admissionregistration.k8s.io/v1";
    let live = match cluster.get(&format!("{base}/validatingadmissionpolicies/{name}"))? {
        Ok(live) => live,
        Err(output) if output.is_missing() => {
            return Ok(CheckResult::problem(check, policy.missing, policy.apply));
        }
        Err(output) => return Ok(unreadable(check, "the policy", &output)),
    };
    let bindings = match cluster.list(&format!("{base}/validatingadmissionpolicybindings"))? {
        Ok(bindings) => bindings,
        Err(output) => return Ok(unreadable(check, "the policy's binding", &output)),
    };
    let changed = differences("spec", &expected["spec"], &live["spec"]);
    if !changed.is_empty() {
        return Ok(CheckResult::problem(
            check,
            "the policy was changed, or is another version's",
            policy.apply,
        )
        .details(changed));
    }
    let mut closest: Option<Vec<String>> = None;
    for live in &bindings {
        if live["spec"]["policyName"] != name {
            continue;
        }
        let changed = differences("spec", &binding["spec"], &live["spec"]);
        if closest
            .as_ref()
            .is_none_or(|found| changed.len() < found.len())
        {
            closest = Some(changed);
        }
    }
    Ok(match closest {
        Some(changed) if changed.is_empty() => CheckResult::ok(check, policy.in_force),
        changed => CheckResult::problem(
            check,
            "the policy is not bound with `Deny` for all namespaces",
            policy.apply,
        )
        .details(changed.unwrap_or_default()),
    })
}
