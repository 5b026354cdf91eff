//! Who may have values opened in fact, and whether `doctor` sees what was changed, on the real API server.
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::leaving::{doctor, doctor_as, state};
use crate::lab::{Lab, eventually};
use crate::sealing::{assert_value, secret};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const WEBHOOKS: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/privy-webhook";
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";

/// The lines of one check.
fn details(report: &Value, name: &str) -> String {
    report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|check| check["check"] == name)
        .map_or(String::new(), |check| check["details"].to_string())
}

fn patch(lab: &Lab, path: &str, patch: &Value) -> Result<()> {
    lab.api("admin")?
        .send("PATCH", path, "application/json-patch+json", Some(patch))?
        .accepted()
        .map(drop)
}

/// With the policy that `render` prints, a Secret is filled with a service account's token only for those who may create
/// tokens of it; labels of stored ones and Secrets of other types do not notice.
pub fn a_token_secret_needs_the_right_to_create_tokens(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("legacy")?;
    let admin = lab.api("admin")?;
    for account in ["deployer", "other"] {
        admin
            .post(
                &format!("/api/v1/namespaces/{ns}/serviceaccounts"),
                &json!({ "metadata": { "name": account } }),
            )?
            .accepted()?;
    }
    let token = |name: &str, account: &str| {
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": { "namespace": ns, "name": name, "annotations": { "kubernetes.io/service-account.name": account } } })
    };
    let creator = lab.api("creator")?;
    let policy = lab.tools.privy(&["render", "--only", "legacy-tokens"])?;
    // Another check may have applied everything that is rendered.
    lab.kubectl("admin")
        .ok(&["delete", "--ignore-not-found", "-f", "-"], &policy)?;
    eventually(
        "without the policy, the right to create Secrets is enough",
        Duration::from_mins(1),
        || {
            creator
                .create_dry(&token("before", "deployer"))?
                .accepted()
                .map(drop)
        },
    )?;
    creator.create(&token("before", "deployer"))?.accepted()?;
    lab.kubectl("admin").apply_text(&policy, &[])?;
    let result = (|| -> Result<()> {
        eventually("the policy is in force", Duration::from_mins(1), || {
            creator
                .create_dry(&token("after", "deployer"))?
                .refused("may not create tokens of it")
                .map(drop)
        })?;
        let report = doctor(lab, &[])?;
        ensure!(state(&report, "legacy tokens") == "ok", "{report}");
        // What is there keeps its labels, but not another account.
        creator
            .patch(
                &ns,
                "before",
                &json!({ "metadata": { "labels": { "a": "b" } } }),
            )?
            .accepted()?;
        let other = json!({ "metadata": { "annotations": { "kubernetes.io/service-account.name": "other" } } });
        creator
            .patch(&ns, "before", &other)?
            .refused("may not create tokens of it")?;
        creator
            .create(&secret(&ns, "plain", &[("a", "b")]))?
            .accepted()?;
        // Those who may create tokens of this account lose nothing.
        let role = json!({ "metadata": { "name": "tokens" }, "rules": [{ "apiGroups": [""], "resources": ["serviceaccounts/token"],
            "resourceNames": ["other"], "verbs": ["create"] }] });
        admin
            .post(&format!("{RBAC}/namespaces/{ns}/roles"), &role)?
            .accepted()?;
        let binding = json!({ "metadata": { "name": "tokens" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tokens" },
            "subjects": [{ "kind": "User", "name": "creator", "apiGroup": "rbac.authorization.k8s.io" }] });
        admin
            .post(&format!("{RBAC}/namespaces/{ns}/rolebindings"), &binding)?
            .accepted()?;
        eventually("the right is known", Duration::from_secs(30), || {
            creator
                .create_dry(&token("after", "other"))?
                .accepted()
                .map(drop)
        })?;
        creator
            .create_dry(&token("after", "deployer"))?
            .refused("may not create tokens of it")?;
        admin.create(&token("after", "deployer"))?.accepted()?;
        Ok(())
    })();
    lab.kubectl("admin").ok(&["delete", "-f", "-"], &policy)?;
    result
}

/// Each change of registration, policy and APIService that an attacker would like, as the API server stores it.
pub fn doctor_finds_each_change_of_what_render_prints(lab: &Lab) -> Result<()> {
    let registration = lab.rendered(&["--only", "registration"])?;
    let backstop = lab.rendered(&["--only", "backstop"])?;
    let changed =
        |path: &str, change: &Value, check: &str, words: &str, manifests: &str| -> Result<()> {
            let before = doctor(lab, &[])?;
            ensure!(state(&before, check) == "ok", "before {words}: {before}");
            patch(lab, path, change)?;
            let report = doctor(lab, &[])?;
            let result = (|| {
                ensure!(state(&report, check) == "problem", "{words}: {report}");
                ensure!(details(&report, check).contains(words), "{words}: {report}");
                Ok(())
            })();
            lab.kubectl("admin")
                .ok(&["replace", "-f", "-"], manifests)
                .map(drop)
                .and(result)
        };
    let replace =
        |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
    for (path, value, words) in [
        (
            "/webhooks/0/rules/0/operations",
            json!(["CREATE"]),
            "rules[0].operations",
        ),
        (
            "/webhooks/0/objectSelector",
            json!({ "matchLabels": { "a": "b" } }),
            "objectSelector",
        ),
        (
            "/webhooks/0/namespaceSelector",
            json!({ "matchLabels": { "sealed": "yes" } }),
            "namespaceSelector",
        ),
        ("/webhooks/0/matchPolicy", json!("Exact"), "matchPolicy"),
        ("/webhooks/0/timeoutSeconds", json!(1), "timeoutSeconds"),
        (
            "/webhooks/0/failurePolicy",
            json!("Ignore"),
            "failurePolicy",
        ),
        ("/webhooks/0/matchConditions", json!([]), "matchConditions"),
    ] {
        changed(
            WEBHOOKS,
            &replace(path, value),
            "registration",
            words,
            &registration,
        )?;
    }
    let policy = format!("{POLICIES}/no-sealed-values.privyseal.dev");
    for (path, value, words) in [
        (
            "/spec/matchConstraints/resourceRules/0/operations",
            json!(["CREATE"]),
            "resourceRules[0].operations",
        ),
        (
            "/spec/matchConstraints/objectSelector",
            json!({ "matchLabels": { "a": "b" } }),
            "objectSelector",
        ),
        (
            "/spec/matchConstraints/matchPolicy",
            json!("Exact"),
            "matchPolicy",
        ),
        ("/spec/failurePolicy", json!("Ignore"), "failurePolicy"),
    ] {
        changed(&policy, &replace(path, value), "backstop", words, &backstop)?;
    }
    lab.wait_until_called()?;
    lab.wait_for_backstop()
}

/// What the built-in roles give: `edit` in the deployer's namespace is as good as `unseal`, and doctor says so.
pub fn those_who_can_become_the_deployer_are_listed_and_can(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("rights")?;
    let own = lab.namespace("rights-deploy")?;
    let admin = lab.api("admin")?;
    admin
        .post(
            &format!("/api/v1/namespaces/{own}/serviceaccounts"),
            &json!({ "metadata": { "name": "sealer" } }),
        )?
        .accepted()?;
    let rights = lab.tools.privy(&[
        "render",
        "--only",
        "rights",
        "--unseal",
        &format!("{ns}={own}/sealer"),
    ])?;
    lab.kubectl("admin").apply_text(&rights, &[])?;
    let subject = format!("serviceAccount:{own}/sealer");
    let report = doctor(lab, &[])?;
    ensure!(
        details(&report, "unseal right").contains(&format!("{ns}: {subject}")),
        "{report}"
    );
    ensure!(
        !details(&report, "unseal otherwise").contains("user:bob"),
        "{report}"
    );
    // Aggregated roles are filled by a controller; this is what fills `edit`.
    lab.bind(&own, "bob", "system:aggregate-to-edit")?;
    let report = doctor(lab, &[])?;
    let found = details(&report, "unseal otherwise");
    let line = format!("{ns}: user:bob as {subject}, by impersonation, a token of it");
    ensure!(
        found.contains(&line) && found.contains("pods that run as it"),
        "{report}"
    );
    // And it is true.
    let bob = lab.api("bob")?;
    let token = eventually("bob makes a token", Duration::from_secs(30), || {
        let request =
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        bob.post(
            &format!("/api/v1/namespaces/{own}/serviceaccounts/sealer/token"),
            &request,
        )?
        .accepted()
    })?;
    ensure!(token["status"]["token"].is_string(), "there is no token");
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
        "resourceAttributes": { "group": "privyseal.dev", "resource": "secrets", "verb": "unseal", "namespace": ns } } });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let itself = bob.post(path, &review)?;
    ensure!(itself.body["status"]["allowed"] == false, "{}", itself.body);
    let account = bob.acting_as(&format!("system:serviceaccount:{own}:sealer"), &[]);
    let may = account.post(path, &review)?.accepted()?;
    ensure!(may["status"]["allowed"] == true, "{may}");
    // Someone with the right and no other role is not told that it is missing; bob is.
    let there = ["--test-namespace", ns.as_str()];
    let report = doctor_as(lab, "deployer", &there)?;
    ensure!(state(&report, "network path") == "ok", "{report}");
    lab.bind(&ns, "bob", "e2e-secrets")?;
    let report = doctor_as(lab, "bob", &there)?;
    ensure!(state(&report, "network path") == "unknown", "{report}");
    // A group that everyone is in.
    let binding = json!({ "metadata": { "name": "oops" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e-unseal" },
        "subjects": [{ "kind": "Group", "name": "system:authenticated", "apiGroup": "rbac.authorization.k8s.io" }] });
    admin
        .post(&format!("{RBAC}/namespaces/{ns}/rolebindings"), &binding)?
        .accepted()?;
    let report = doctor(lab, &[])?;
    let result = (|| {
        ensure!(state(&report, "unseal right") == "problem", "{report}");
        ensure!(
            details(&report, "unseal right")
                .contains(&format!("[\"{ns}: group:system:authenticated")),
            "{report}"
        );
        Ok(())
    })();
    admin
        .send(
            "DELETE",
            &format!("{RBAC}/namespaces/{ns}/rolebindings/oops"),
            "",
            None,
        )?
        .accepted()?;
    result
}

/// The commands of the guide, as they are there: the namespace stays with what may be the only copy of a key, and so
/// does the backstop.
pub fn the_documented_way_out_deletes_no_key(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("way-out")?;
    let api = lab.api("deployer")?;
    let sealed = lab.key.seal(&format!("{ns}/db/password"), b"tiger");
    let manifest = secret(&ns, "db", &[("password", &sealed)]);
    lab.kubectl("deployer")
        .apply_text(&manifest.to_string(), &[])?;
    let admin = lab.kubectl("admin");
    let key = secret(
        "privy-seal",
        "privy-webhook-keys",
        &[("payments.pem", "only copy")],
    );
    admin.apply_text(&key.to_string(), &[])?;
    let guide = include_str!("../../../../docs/operators.md");
    let commands = guide
        .split("### Take it away")
        .nth(1)
        .and_then(|section| section.split("```").nth(1))
        .context("the guide has no such commands")?;
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("kubectl "))
        .collect();
    ensure!(commands.len() > 3, "{commands:?}");
    let run = || -> Result<()> {
        for command in &commands {
            let words: Vec<&str> = command.split(' ').collect();
            admin.ok(&words, "")?;
        }
        let probe = secret(
            "default",
            "probe",
            &[("field", &lab.key.seal("default/probe/field", b"x"))],
        );
        eventually("the registration is gone", Duration::from_mins(1), || {
            lab.api("admin")?
                .create_dry(&probe)?
                .refused("was not called for it")
                .map(drop)
        })?;
        let kept = lab
            .api("admin")?
            .secret("privy-seal", "privy-webhook-keys")?;
        assert_value(&kept, "payments.pem", "only copy")?;
        let namespace = lab
            .api("admin")?
            .get("/api/v1/namespaces/privy-seal")?
            .accepted()?;
        ensure!(
            namespace["metadata"]["deletionTimestamp"].is_null(),
            "{namespace}"
        );
        assert_value(&api.secret(&ns, "db")?, "password", "tiger")
    };
    let result = run();
    lab.install()?;
    lab.api("admin")?
        .delete("privy-seal", "privy-webhook-keys")?
        .accepted()?;
    result
}
