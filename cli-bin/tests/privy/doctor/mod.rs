//! `privy doctor` against a kubectl that answers from files: each fault is found and its next step named.
mod cluster;
mod dry_run;
mod files;
mod rights;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Bench, Ended};

/// Answers `get --raw PATH` from `api/PATH`, dry runs from `reaches`, `opens` (`opens-2` the second time) and `clock`,
/// the search for candidates from `rows`, and questions for rights with no where `lacking` names them.
const KUBECTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
case "$1 $2" in
    "get --raw") file=api/$(printf %s "$3" | tr / _) ;;
    "get secrets") file=rows ;;
    "auth can-i")
        if grep -qx "$3 $4 $5" lacking; then echo 'no - no RBAC policy matched'; exit 1; fi
        if [ -f mute ]; then echo 'the server is away' >&2; exit 1; fi
        echo yes; exit 0 ;;
    "create --raw")
        cat >review
        allowed=true
        if grep -q '"unseal"' review && grep -qx 'unseal secrets in privyseal.dev' lacking; then allowed=false; fi
        if [ "$3" = /apis/authorization.k8s.io/v1/selfsubjectaccessreviews ]; then
            printf '{"status":{"allowed":%s}}' $allowed; exit 0
        fi
        if [ -f unseal-in ]; then
            allowed=false
            while read -r who namespace; do
                if grep -q "\"$who\"" review && grep -q "\"namespace\":\"$namespace\"" review; then allowed=true; fi
            done <unseal-in
            printf '{"status":{"allowed":%s}}' $allowed; exit 0
        fi
        echo 'Error from server (Forbidden): no' >&2; exit 1 ;;
    "create "*)
        cat >sent.new
        if grep -q '"ConfigMap"' sent.new; then
            file=clock
            if [ ! -f clock ] && [ ! -f clock.err ]; then
                printf '{"metadata":{"creationTimestamp":"%s"}}' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"; exit 0
            fi
        elif grep -q JbjAuZGFtYWdlZC sent.new; then file=reaches
        else
            mv sent.new sent
            file=opens
            echo x >>tries
            number=$(grep -c x tries)
            if [ -f "opens-$number" ] || [ -f "opens-$number.err" ]; then file=opens-$number; fi
        fi ;;
    *) echo "unexpected: $*" >&2; exit 1 ;;
esac
if [ -f "$file" ]; then cat "$file"; exit 0; fi
if [ -f "$file.err" ]; then cat "$file.err" >&2; exit 1; fi
echo 'Error from server (NotFound): not found' >&2
exit 1
"#;

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

struct Cluster(Bench);

impl Cluster {
    /// Everything as it should be.
    fn healthy() -> Self {
        let bench = Bench::new();
        bench.write("kubectl", KUBECTL);
        std::fs::set_permissions(
            bench.path("kubectl"),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        let cluster = Self(bench);
        cluster.api(
            "/version",
            &json!({ "gitVersion": "v1.36.2", "major": "1", "minor": "36" }),
        );
        let policy = manifest("10-backstop.yaml", 0);
        cluster.api(
            &format!("{ADMISSION}/validatingadmissionpolicies/no-sealed-values.privyseal.dev"),
            &policy,
        );
        cluster.api(
            &format!("{ADMISSION}/validatingadmissionpolicies/no-legacy-tokens.privyseal.dev"),
            &manifest("15-legacy-tokens.yaml", 0),
        );
        cluster.bindings(&binding("10-backstop.yaml"));
        cluster.registration(&registration());
        cluster.api(
            &format!("{ADMISSION}/validatingwebhookconfigurations"),
            &json!({ "items": [] }),
        );
        cluster.api_service(&manifest("60-apiservice.yaml", 0));
        cluster.rbac(&json!([]), &json!([]));
        cluster.0.write("reaches.err", refused("damaged"));
        cluster.0.write(
            "opens",
            json!({ "data": { "value": "cHJpdnkgZG9jdG9y" } }).to_string(),
        );
        cluster.0.write("rows", "");
        cluster.0.write("lacking", "");
        cluster
    }

    /// The backstop's binding, beside that of the other policy.
    fn bindings(&self, backstop: &Value) {
        let items = json!({ "items": [binding("15-legacy-tokens.yaml"), backstop] });
        self.api(
            &format!("{ADMISSION}/validatingadmissionpolicybindings"),
            &items,
        );
    }

    fn registration(&self, registration: &Value) {
        self.api(
            &format!("{ADMISSION}/mutatingwebhookconfigurations"),
            &json!({ "items": [registration] }),
        );
    }

    fn api_service(&self, service: &Value) {
        let mut service = service.clone();
        if service["status"].is_null() {
            service["status"] =
                json!({ "conditions": [{ "type": "Available", "status": "True" }] });
        }
        self.api(
            "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev",
            &service,
        );
    }

    /// Roles and bindings; those with a namespace in their metadata are of the namespaced kinds.
    fn rbac(&self, roles: &Value, bindings: &Value) {
        let mut bindings = bindings.clone();
        let reader = manifest("21-aggregated-identity.yaml", 0);
        let all = bindings.as_array_mut().unwrap();
        if all
            .iter()
            .all(|binding| binding["metadata"] != reader["metadata"])
        {
            all.push(reader);
        }
        self.rbac_alone(roles, &bindings);
    }

    /// The same, without the binding that the webhook needs.
    fn rbac_alone(&self, roles: &Value, bindings: &Value) {
        for (list, wide, narrow) in [
            (roles, "clusterroles", "roles"),
            (bindings, "clusterrolebindings", "rolebindings"),
        ] {
            let (narrow_items, wide_items): (Vec<Value>, Vec<Value>) = list
                .as_array()
                .unwrap()
                .iter()
                .cloned()
                .partition(|item| item["metadata"]["namespace"].is_string());
            self.api(&format!("{RBAC}/{wide}"), &json!({ "items": wide_items }));
            self.api(
                &format!("{RBAC}/{narrow}"),
                &json!({ "items": narrow_items }),
            );
        }
    }

    /// The lines of one check.
    fn details(&self, name: &str, further: &[&str]) -> Vec<String> {
        let (_, text) = self.check(name, further);
        let found: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(found["details"].clone()).unwrap()
    }

    fn api(&self, path: &str, value: &Value) {
        self.0.write(
            &format!("api/{}", path.replace('/', "_")),
            value.to_string(),
        );
    }

    fn doctor(&self, further: &[&str]) -> Ended {
        self.0.write("tries", "");
        let kubectl = self.0.path("kubectl").display().to_string();
        self.0.run(
            &[
                &["doctor", "--output", "json", "--kubectl", &kubectl],
                further,
            ]
            .concat(),
            "",
        )
    }

    /// The state and the text of one check.
    fn check(&self, name: &str, further: &[&str]) -> (String, String) {
        let (state, text, _) = self.checked(name, further);
        (state, text)
    }

    /// The same, with the exit code.
    fn checked(&self, name: &str, further: &[&str]) -> (String, String, i32) {
        let ended = self.doctor(further);
        let report = ended.json();
        let found = report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["check"] == name)
            .unwrap();
        (
            found["state"].as_str().unwrap().to_owned(),
            found.to_string(),
            ended.code,
        )
    }

    fn finds(&self, name: &str, further: &[&str], words: &str) {
        let (state, text, code) = self.checked(name, further);
        assert_eq!(state, "problem", "{text}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("\"nextStep\":null"), "{text}");
        assert_eq!(code, 1);
    }
}

fn manifest(name: &str, document: usize) -> Value {
    let path = format!("{}/../deploy/manifests/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(text.split("\n---\n").nth(document).unwrap()).unwrap()
}

/// What the API server returns of a binding: with its defaults.
fn binding(name: &str) -> Value {
    let mut binding = manifest(name, 1);
    binding["spec"]["matchResources"] =
        json!({ "namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent" });
    binding
}

/// The registration with aggregated callers, with what the API server fills in.
fn registration() -> Value {
    let mut registration = manifest("70-webhook.yaml", 0);
    let webhook = &mut registration["webhooks"][0];
    webhook["clientConfig"] = json!({ "service": { "namespace": "default", "name": "kubernetes", "port": 443,
        "path": "/apis/admission.privyseal.dev/v1/secretreviews" } });
    webhook["objectSelector"] = json!({});
    registration
}

/// As kubectl prints the webhook's refusal.
fn refused(code: &str) -> String {
    format!(
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"unseal.privyseal.dev\" denied the request: field `data/value` [{code}]: some words; some step"
    )
}

#[test]
fn a_healthy_cluster_has_no_problem() {
    let cluster = Cluster::healthy();
    cluster.0.write("audit.yaml", "rules:\n- {level: Metadata, resources: [{group: '', resources: [secrets]}]}\n- {level: RequestResponse}\n");
    cluster.0.write("encryption.yaml", "resources:\n- resources: [secrets]\n  providers: [{kms: {apiVersion: v2}}, {identity: {}}]\n");
    let ended = cluster.doctor(&[
        "--card",
        "payments.card.json",
        "--audit-policy",
        "audit.yaml",
        "--encryption-config",
        "encryption.yaml",
    ]);
    let report = ended.json();
    crate::outputs::fits("doctor", &report);
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["state"], "ok", "{check}");
    }
    assert_eq!(ended.code, 0);
}

#[test]
fn a_check_that_lacks_its_flag_is_skipped_and_changes_no_exit_code() {
    let cluster = Cluster::healthy();
    crate::outputs::fits("doctor", &cluster.doctor(&[]).json());
    for check in [
        "opening",
        "key versions",
        "audit policy",
        "encryption at rest",
    ] {
        let (state, text) = cluster.check(check, &[]);
        assert_eq!(state, "skipped", "{text}");
        assert!(text.contains("--"), "{text}");
    }
    assert_eq!(cluster.doctor(&[]).code, 0);
}

#[test]
fn what_cannot_be_known_has_an_exit_code_of_its_own() {
    let cluster = Cluster::healthy();
    std::fs::remove_file(cluster.0.path("rows")).unwrap();
    cluster.0.write("rows.err", FORBIDDEN);
    assert_eq!(cluster.doctor(&[]).code, 4);
    // A problem weighs more.
    cluster.0.write("reaches", "{}");
    assert_eq!(cluster.doctor(&[]).code, 1);
}

/// As kubectl puts it when a right is missing.
const FORBIDDEN: &str = "Error from server (Forbidden): it is forbidden: User \"dev\" cannot list resource \"x\" in API group \"\" at the cluster scope";

#[test]
fn a_cluster_that_does_not_answer_is_wrong_usage() {
    let cluster = Cluster::healthy();
    std::fs::remove_file(cluster.0.path("api/_version")).unwrap();
    let ended = cluster.doctor(&[]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("kubectl version"), "{}", ended.stderr);
    let ended = cluster
        .0
        .run(&["doctor", "--kubectl", "./no-such-kubectl"], "");
    assert_eq!(ended.code, 2);
}
