//! Roles and bindings that `render` prints: are they there, and unchanged?
use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::compare::differences;
use super::super::finding::CheckResult;
use super::super::rbac::{ObjectKind, Rbac};
use super::registered::{Callers, Registered};

const READER: &str = include_str!("../../../../../deploy/manifests/21-aggregated-identity.yaml");
const ACCESS_REVIEWS: &str =
    include_str!("../../../../../deploy/manifests/22-subject-access-review.yaml");
const EXAMPLE: &str = include_str!("../../../../../deploy/manifests/80-example-rights.yaml");
const CHECK: &str = "rendered rights";
/// What a role or a binding says besides its metadata.
const MEMBERS: [&str; 4] = ["rules", "aggregationRule", "roleRef", "subjects"];

/// Compares every member of the webhook's own roles and bindings, and of the roles called `privy-unseal`. Who is bound to
/// those is the administrator's choice; the check "unseal right" lists them.
pub(super) fn check(registered: &Registered, rbac: &Rbac) -> anyhow::Result<CheckResult> {
    let mut wrong = Vec::new();
    if let Some(namespace) = registered.pods_namespace() {
        let reader = documents(READER, Some(namespace))?;
        let reviews = documents(ACCESS_REVIEWS, Some(namespace))?;
        // Access reviews are an option of the configuration: both objects or neither.
        let any_review = reviews.iter().any(|object| found(rbac, object).is_some());
        for (objects, needed) in [
            (&reader, registered.callers == Callers::Aggregated),
            (&reviews, any_review),
        ] {
            for expected in objects {
                match found(rbac, expected) {
                    Some(live) => wrong.extend(changes(expected, live, &MEMBERS)),
                    None if needed => wrong.push(format!("{} is missing", label(expected))),
                    None => {}
                }
            }
        }
    }
    for expected in documents(EXAMPLE, None)? {
        // Without `subjects`.
        let members = &MEMBERS[..3];
        let kind = ObjectKind::of(&expected);
        for live in rbac.named(kind, &expected["metadata"]["name"]) {
            wrong.extend(changes(&expected, live, members));
        }
    }
    Ok(if wrong.is_empty() {
        CheckResult::ok(CHECK, "roles and bindings say what this version renders")
    } else {
        CheckResult::problem(
            CHECK,
            "roles or bindings were changed, or are another version's",
            "apply them again, with the flags of the installation: privy render --only webhook --ca FILE | kubectl apply -f -",
        )
        .details(wrong)
    })
}

/// The objects of a manifest of this version, for pods in this namespace.
fn documents(manifest: &str, namespace: Option<&str>) -> anyhow::Result<Vec<Value>> {
    manifest
        .split("\n---\n")
        .map(|text| {
            let mut object: Value =
                serde_saphyr::from_str(text).context("a manifest of this version is damaged")?;
            if let (Some(namespace), Some(subjects)) =
                (namespace, object["subjects"].as_array_mut())
            {
                for subject in subjects {
                    subject["namespace"] = json!(namespace);
                }
            }
            Ok(object)
        })
        .collect()
}

fn found<'r>(rbac: &'r Rbac, expected: &'r Value) -> Option<&'r Value> {
    let metadata = &expected["metadata"];
    rbac.named(ObjectKind::of(expected), &metadata["name"])
        .find(|live| live["metadata"]["namespace"] == metadata["namespace"])
}

fn changes(expected: &Value, live: &Value, members: &[&str]) -> Vec<String> {
    let path = label(&json!({ "kind": expected["kind"], "metadata": live["metadata"] }));
    let told = |object: &Value| -> Value {
        members
            .iter()
            .map(|member| ((*member).to_owned(), object[*member].clone()))
            .collect()
    };
    differences(&path, &told(expected), &told(live))
}

/// `RoleBinding kube-system/privy-webhook`.
fn label(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    match metadata["namespace"].as_str() {
        Some(namespace) => format!(
            "{} {namespace}/{}",
            text(&object["kind"]),
            text(&metadata["name"])
        ),
        None => format!("{} {}", text(&object["kind"]), text(&metadata["name"])),
    }
}
