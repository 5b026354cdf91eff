//! `privy doctor` against a kubectl that answers from files: each fault is found and its next step named.
mod cluster;
mod files;
mod rights;
mod way;

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
        let mut binding = manifest("10-backstop.yaml", 1);
        binding["spec"]["matchResources"] =
            json!({ "namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent" });
        cluster.api(
            &format!("{ADMISSION}/validatingadmissionpolicybindings"),
            &json!({ "items": [binding] }),
        );
        let mut registration = manifest("70-webhook.yaml", 0);
        registration["webhooks"][0]["clientConfig"] =
            json!({ "service": { "namespace": "default", "name": "kubernetes" } });
        cluster.api(
            &format!("{ADMISSION}/mutatingwebhookconfigurations"),
            &json!({ "items": [registration] }),
        );
        cluster.api(
            "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev",
            &json!({ "status": { "conditions": [{ "type": "Available", "status": "True" }] } }),
        );
        cluster.api(&format!("{RBAC}/clusterroles"), &json!({ "items": [] }));
        cluster.api(
            &format!("{RBAC}/clusterrolebindings"),
            &json!({ "items": [] }),
        );
        cluster.0.write("reaches.err", "admission webhook \"unseal.privyseal.dev\" denied the request: field `data/value`: damaged envelope");
        cluster.0.write(
            "opens",
            json!({ "data": { "value": "cHJpdnkgZG9jdG9y" } }).to_string(),
        );
        cluster.0.write("rows", "");
        cluster.0.write("lacking", "");
        cluster
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
        let report = self.doctor(further).json();
        let found = report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["check"] == name)
            .unwrap()
            .clone();
        (
            found["state"].as_str().unwrap().to_owned(),
            found.to_string(),
        )
    }

    fn finds(&self, name: &str, further: &[&str], words: &str) {
        let (state, text) = self.check(name, further);
        assert_eq!(state, "problem", "{text}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("\"nextStep\":null"), "{text}");
        assert_eq!(self.doctor(further).code, 1);
    }
}

fn manifest(name: &str, document: usize) -> Value {
    let path = format!("{}/../deploy/manifests/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(text.split("\n---\n").nth(document).unwrap()).unwrap()
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
fn what_cannot_be_known_is_said_and_is_no_problem() {
    let cluster = Cluster::healthy();
    crate::outputs::fits("doctor", &cluster.doctor(&[]).json());
    for check in [
        "opening",
        "key versions",
        "audit policy",
        "encryption at rest",
    ] {
        let (state, text) = cluster.check(check, &[]);
        assert_eq!(state, "unknown", "{text}");
        assert!(text.contains("--"), "{text}");
    }
    assert_eq!(cluster.doctor(&[]).code, 0);
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
