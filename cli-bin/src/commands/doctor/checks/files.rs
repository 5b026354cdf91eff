//! Files of the API server that no API shows.
use std::path::Path;

use serde_json::Value;

use super::super::finding::CheckResult;
use crate::cli::doctor::DoctorArgs;
use crate::failure::Failure;
use crate::io::files;
use crate::text::Shown as _;

const LIMIT: usize = 1024 * 1024;

fn yaml(path: &Path) -> Result<Value, Failure> {
    let bytes = files::read(path, LIMIT)?;
    let named = |error: anyhow::Error| {
        Failure::usage(error.context(format!("`{}` cannot be read as YAML", path.shown())))
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| named(error.into()))?;
    serde_saphyr::from_str(text).map_err(|error| named(error.into()))
}

/// At `Request` and above, the audit log holds our patch: the plaintext.
pub(super) fn audit_policy(args: &DoctorArgs) -> Result<CheckResult, Failure> {
    const CHECK: &str = "audit policy";
    let Some(path) = &args.audit_policy else {
        return Ok(CheckResult::skipped(
            CHECK,
            "whether the API server's audit log holds opened values cannot be seen from here",
            "name the file of --audit-policy-file: --audit-policy FILE",
        ));
    };
    let policy = yaml(path)?;
    let empty = Vec::new();
    for (index, rule) in policy["rules"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .enumerate()
    {
        if !covers_secrets(rule) {
            continue;
        }
        let level = rule["level"].as_str().unwrap_or_default();
        if matches!(level, "Request" | "RequestResponse") {
            return Ok(CheckResult::problem(
                CHECK,
                format!(
                    "rule {} logs writes of Secrets at level {level}: with them, every value that is opened",
                    index + 1
                ),
                "put a rule before it: { level: Metadata, resources: [{ group: \"\", resources: [secrets] }] }; and treat the log that exists as a secret",
            ));
        }
        // The first rule that matches decides; one that matches every write of a Secret ends the search.
        let narrow = ["users", "userGroups", "namespaces", "verbs"]
            .iter()
            .any(|&member| rule[member].as_array().is_some_and(|list| !list.is_empty()));
        let named = rule["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|group| {
                group["resourceNames"]
                    .as_array()
                    .is_some_and(|names| !names.is_empty())
            });
        if !narrow && !named {
            break;
        }
    }
    Ok(CheckResult::ok(
        CHECK,
        "writes of Secrets are logged without their content",
    ))
}

fn covers_secrets(rule: &Value) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    // A rule for other URLs than resources does not mention Secrets.
    if !list(&rule["nonResourceURLs"]).is_empty() {
        return false;
    }
    let writes = list(&rule["verbs"]);
    if !writes.is_empty()
        && !writes.iter().any(|verb| {
            ["create", "update", "patch", "*"]
                .iter()
                .any(|write| verb == write)
        })
    {
        return false;
    }
    let resources = list(&rule["resources"]);
    resources.is_empty()
        || resources.iter().any(|group| {
            let names = list(&group["resources"]);
            group["group"].as_str().unwrap_or_default().is_empty()
                && (names.is_empty() || names.iter().any(|name| name == "secrets" || name == "*"))
        })
}

/// Stored Secrets are plain in etcd unless the API server encrypts them.
pub(super) fn encryption(args: &DoctorArgs) -> Result<CheckResult, Failure> {
    const CHECK: &str = "encryption at rest";
    let Some(path) = &args.encryption_config else {
        return Ok(CheckResult::skipped(
            CHECK,
            "whether Secrets are encrypted in etcd cannot be seen from here",
            "name the file of --encryption-provider-config: --encryption-config FILE; on a managed cluster, ask its provider",
        ));
    };
    let configuration = yaml(path)?;
    let step = "put a provider of type `kms` (apiVersion v2) first for `secrets`, then rewrite them: kubectl get secrets -A -o json | kubectl replace -f -";
    let empty = Vec::new();
    let entry = configuration["resources"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .find(|entry| {
            entry["resources"].as_array().is_some_and(|names| {
                names
                    .iter()
                    .any(|name| matches!(name.as_str(), Some("secrets" | "*." | "*.*")))
            })
        });
    let first = entry
        .and_then(|entry| entry["providers"].as_array())
        .and_then(|providers| providers.first())
        .and_then(Value::as_object)
        .and_then(|provider| provider.keys().next());
    Ok(match first.map(String::as_str) {
        Some("identity") | None => {
            CheckResult::problem(CHECK, "Secrets are written to etcd as they are", step)
        }
        Some("kms") => CheckResult::ok(CHECK, "Secrets are encrypted with a key service"),
        Some(other) => CheckResult::ok(
            CHECK,
            format!("Secrets are encrypted ({other}); the key lies in a file beside etcd"),
        ),
    })
}
