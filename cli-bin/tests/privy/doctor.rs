//! `privy doctor` against a kubectl that answers from files: each fault is found and its next step named.
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
fn each_right_that_is_missing_is_named_with_what_goes_unseen() {
    let cluster = Cluster::healthy();
    assert_eq!(cluster.check("rights", &[]).0, "ok");
    for (lacking, words) in [
        (
            "get validatingadmissionpolicies.admissionregistration.k8s.io --all-namespaces",
            "the backstop",
        ),
        (
            "list validatingadmissionpolicybindings.admissionregistration.k8s.io --all-namespaces",
            "in force",
        ),
        (
            "list mutatingwebhookconfigurations.admissionregistration.k8s.io --all-namespaces",
            "the registration",
        ),
        (
            "get apiservices.apiregistration.k8s.io --all-namespaces",
            "aggregation layer",
        ),
        ("list secrets --all-namespaces", "stored sealed"),
        (
            "list clusterroles.rbac.authorization.k8s.io --all-namespaces",
            "act as the API server",
        ),
        (
            "list clusterrolebindings.rbac.authorization.k8s.io --all-namespaces",
            "act as the API server",
        ),
        ("create secrets --namespace=default", "key services"),
        ("create configmaps --namespace=default", "clock"),
    ] {
        cluster.0.write("lacking", format!("{lacking}\n"));
        let (state, text) = cluster.check("rights", &[]);
        assert_eq!(state, "unknown", "{lacking}: {text}");
        let (right, _) = lacking.rsplit_once(' ').unwrap();
        assert!(text.contains(right) && text.contains(words), "{text}");
        assert!(text.contains("cluster administrator"), "{text}");
        assert_eq!(cluster.doctor(&[]).code, 0, "not known is no problem");
    }
    cluster.0.write("mute", "");
    let (state, text) = cluster.check("rights", &[]);
    assert_eq!(state, "unknown");
    assert!(
        text.contains("the server is away") || text.contains("configmaps"),
        "{text}"
    );
}

#[test]
fn what_may_not_be_read_is_unknown_and_never_well() {
    let api = |path: &str| format!("api/{}", path.replace('/', "_"));
    for (path, check) in [
        (
            format!("{ADMISSION}/validatingadmissionpolicies/no-sealed-values.privyseal.dev"),
            "backstop",
        ),
        (
            format!("{ADMISSION}/validatingadmissionpolicybindings"),
            "backstop",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "registration",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "aggregation",
        ),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev".to_owned(),
            "aggregation",
        ),
        (format!("{RBAC}/clusterroles"), "impersonation"),
        (format!("{RBAC}/clusterrolebindings"), "impersonation"),
    ] {
        let cluster = Cluster::healthy();
        std::fs::remove_file(cluster.0.path(&api(&path))).unwrap();
        cluster.0.write(&format!("{}.err", api(&path)), FORBIDDEN);
        let (state, text) = cluster.check(check, &[]);
        assert_eq!(state, "unknown", "{path}: {text}");
        assert!(text.contains("cluster administrator"), "{text}");
    }
    let cluster = Cluster::healthy();
    std::fs::remove_file(cluster.0.path("rows")).unwrap();
    cluster.0.write("rows.err", FORBIDDEN);
    assert_eq!(cluster.check("stored sealed", &[]).0, "unknown");
    cluster.0.write("clock.err", FORBIDDEN);
    assert_eq!(cluster.check("clock", &[]).0, "unknown");
    // Nor is a dry run that the API server itself refuses a fault of the webhook.
    let forbidden = FORBIDDEN.replace("list resource \"x\"", "create resource \"secrets\"");
    std::fs::remove_file(cluster.0.path("opens")).unwrap();
    for file in ["reaches.err", "opens.err"] {
        let before = cluster.0.path(file).exists().then(|| cluster.0.read(file));
        cluster.0.write(file, &forbidden);
        for (check, own) in [("network path", "reaches.err"), ("opening", "opens.err")] {
            if own == file {
                let (state, text) = cluster.check(check, &["--card", "payments.card.json"]);
                assert_eq!(state, "unknown", "{text}");
                assert!(
                    text.contains("you may not create Secrets in namespace default"),
                    "{text}"
                );
            }
        }
        if let Some(before) = before {
            cluster.0.write(file, before);
        }
    }
    // Without a look at the registration, the way is tried all the same.
    let path = api(&format!("{ADMISSION}/mutatingwebhookconfigurations"));
    std::fs::remove_file(cluster.0.path(&path)).unwrap();
    cluster.0.write(&format!("{path}.err"), FORBIDDEN);
    assert_eq!(cluster.check("network path", &[]).0, "ok");
}

#[test]
fn how_the_webhook_is_called_is_said() {
    let cluster = Cluster::healthy();
    let path = format!("{ADMISSION}/mutatingwebhookconfigurations");
    for (client, words) in [
        (
            json!({ "service": { "namespace": "default", "name": "kubernetes" } }),
            "through the aggregation layer",
        ),
        (
            json!({ "service": { "namespace": "privy-seal", "name": "privy-webhook" } }),
            "must ask for the API server's client certificate",
        ),
        (
            json!({ "url": "https://127.0.0.1:10250/mutate" }),
            "on the API server's own host",
        ),
        (
            json!({ "url": "https://farm.example.org/mutate" }),
            "must ask for the API server's client certificate",
        ),
    ] {
        let mut registration = manifest("70-webhook.yaml", 0);
        registration["webhooks"][0]["clientConfig"] = client;
        cluster.api(&path, &json!({ "items": [registration] }));
        let (state, text) = cluster.check("registration", &[]);
        assert_eq!(state, "ok");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_clock_that_is_wrong_is_found() {
    let cluster = Cluster::healthy();
    assert_eq!(cluster.check("clock", &[]).0, "ok");
    for (stamp, words) in [
        ("2021-01-31T12:00:00Z", "behind this machine's"),
        ("2121-01-31T12:00:00Z", "ahead of this machine's"),
    ] {
        cluster.0.write(
            "clock",
            json!({ "metadata": { "creationTimestamp": stamp } }).to_string(),
        );
        cluster.finds("clock", &[], words);
    }
    cluster.0.write("clock", "{}");
    assert_eq!(cluster.check("clock", &[]).0, "unknown");
}

#[test]
fn a_key_that_is_due_and_older_versions_are_found() {
    let cluster = Cluster::healthy();
    let card = &["--card", "payments.card.json"][..];
    let older = &["--card", "rotated.card.json"][..];
    let read = |name: &str| -> Value { serde_json::from_slice(&cluster.0.read(name)).unwrap() };
    let (state, text) = cluster.check("key versions", card);
    assert_eq!(state, "ok");
    assert!(text.contains("one version"), "{text}");

    // Rotated twice: what was sealed for an older version hangs on the webhook's configuration.
    let mut rotated = read("payments.card.json");
    let mut kids = Vec::new();
    for name in ["second", "third"] {
        cluster.0.generate(name);
        let mut key = read(&format!("{name}.card.json"))["keys"][0].take();
        key["privy"]["status"] = "retired".into();
        kids.push(key["kid"].as_str().unwrap().to_owned());
        rotated["keys"].as_array_mut().unwrap().push(key);
    }
    cluster.0.write("rotated.card.json", rotated.to_string());
    let (state, text) = cluster.check("key versions", older);
    assert_eq!(state, "ok", "{text}");
    assert!(
        kids.iter()
            .all(|kid| text.contains(&format!("{kid}: still opened"))),
        "{text}"
    );
    cluster
        .0
        .write("opens-3.err", "sealed for a key that is not served here");
    let (state, text) = cluster.check("key versions", older);
    assert_eq!(state, "unknown", "{text}");
    assert!(
        text.contains(&format!("{}: still opened", kids[0])),
        "{text}"
    );
    assert!(
        text.contains(&format!("{}: not opened any more", kids[1])),
        "{text}"
    );
    assert!(text.contains("privy lint"), "{text}");
    assert_eq!(cluster.check("opening", older).0, "ok");

    for (not_after, words) in [
        ("2021-01-31T12:00:00Z", "time ended at 2021-01-31"),
        ("in three days", "ends soon"),
    ] {
        let mut due = read("payments.card.json");
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        due["keys"][0]["privy"]["notAfter"] = match not_after {
            "in three days" => cli_bin::time::format(now + 3 * 86_400).into(),
            moment => moment.into(),
        };
        cluster.0.write("due.card.json", due.to_string());
        cluster.finds("key versions", &["--card", "due.card.json"], words);
    }
}

#[test]
fn an_old_cluster_is_found() {
    let cluster = Cluster::healthy();
    cluster.api(
        "/version",
        &json!({ "gitVersion": "v1.29.4-eks", "major": "1", "minor": "29+" }),
    );
    cluster.finds("kubernetes", &[], "older than 1.30");
}

#[test]
fn a_backstop_that_is_gone_or_loosened_is_found() {
    let cluster = Cluster::healthy();
    let path = format!("{ADMISSION}/validatingadmissionpolicies/no-sealed-values.privyseal.dev");
    let mut policy = manifest("10-backstop.yaml", 0);
    policy["spec"]["validations"][0]["expression"] = json!("true");
    cluster.api(&path, &policy);
    cluster.finds("backstop", &[], "`validations` are not those");
    let bindings = format!("{ADMISSION}/validatingadmissionpolicybindings");
    cluster.api(&path, &manifest("10-backstop.yaml", 0));
    for spec in [
        json!({ "policyName": "no-sealed-values.privyseal.dev", "validationActions": ["Warn"] }),
        json!({ "policyName": "no-sealed-values.privyseal.dev", "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": { "matchLabels": { "a": "b" } } } }),
    ] {
        cluster.api(&bindings, &json!({ "items": [{ "spec": spec }] }));
        cluster.finds("backstop", &[], "not bound with `Deny`");
    }
    std::fs::remove_file(cluster.0.path(&format!("api/{}", path.replace('/', "_")))).unwrap();
    cluster.finds("backstop", &[], "privy render --only backstop");
}

#[test]
fn a_registration_that_is_gone_or_changed_is_found() {
    let cluster = Cluster::healthy();
    let path = format!("{ADMISSION}/mutatingwebhookconfigurations");
    let mut registration = manifest("70-webhook.yaml", 0);
    registration["webhooks"][0]["failurePolicy"] = json!("Ignore");
    cluster.api(&path, &json!({ "items": [registration] }));
    cluster.finds("registration", &[], "`failurePolicy` is not that");
    cluster.api(&path, &json!({ "items": [] }));
    cluster.finds("registration", &[], "not registered");
}

#[test]
fn an_api_service_that_is_not_available_is_found() {
    let cluster = Cluster::healthy();
    cluster.api(
        "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev",
        &json!({ "status": { "conditions": [{ "type": "Available", "status": "False", "message": "no endpoints" }] } }),
    );
    cluster.finds("aggregation", &[], "deletion of namespaces");
    cluster.api(
        "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev",
        &json!({ "status": { "conditions": [{ "type": "Available", "status": "False", "message": "tls: x509: unknown authority" }] } }),
    );
    cluster.finds("aggregation", &[], "caBundle");
}

#[test]
fn each_break_of_the_way_has_its_words() {
    let cluster = Cluster::healthy();
    for (said, words) in [
        (
            "failed calling webhook: tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "caBundle",
        ),
        (
            "failed calling webhook: remote error: tls: certificate required",
            "client certificate",
        ),
        (
            "failed calling webhook: dial tcp 10.0.0.7:10250: connect: connection refused",
            "firewalls",
        ),
        (
            "failed calling webhook: failed to call webhook: the server is currently unable to handle the request",
            "the APIService's `caBundle`",
        ),
        (
            "field `data/value` would be stored sealed: the webhook did not open it",
            "namespaceSelector",
        ),
    ] {
        cluster.0.write("reaches.err", said);
        cluster.finds("network path", &[], words);
    }
    cluster.0.write(
        "reaches.err",
        "doctor may not `unseal` secrets of privyseal.dev",
    );
    assert_eq!(cluster.check("network path", &[]).0, "unknown");
    cluster.0.write("reaches", "{}");
    cluster.finds("network path", &[], "was accepted");
}

#[test]
fn the_key_service_and_the_clock_are_tried_out() {
    let cluster = Cluster::healthy();
    let card = &["--card", "payments.card.json"][..];
    std::fs::remove_file(cluster.0.path("opens")).unwrap();
    for (said, words) in [
        ("expired: the envelope was valid until", "clock"),
        (
            "sealed for a key that is not served here",
            "webhook's configuration",
        ),
        (
            "the key service does not let the webhook use key `payments`",
            "grant",
        ),
        (
            "the key service of key `payments` did not answer in time",
            "firewall",
        ),
    ] {
        cluster.0.write("opens.err", said);
        cluster.finds("opening", card, words);
    }
    // What was sent is a real envelope, bound to this minute.
    let sent: Value = serde_json::from_slice(&cluster.0.read("sent")).unwrap();
    assert_eq!(sent["metadata"]["name"], "privy-doctor");
}

#[test]
fn secrets_that_nobody_opened_are_listed_and_tokens_are_not() {
    let cluster = Cluster::healthy();
    cluster.0.write(
        "rows",
        "value\tshop\tdb\tpassword\tZXlKbGJtTWlPaUpCTWpVMlIwTk5JaXdpWVd4bklqb2lVbE5C\n\
         value\tshop\ttoken\tjwt\tZXlKaGJHY2lPaUpTVXpJMU5pSjku\n\
         value\tshop\tleft\tkey\tZXlKbGJtTWlPaUpCTWpVMlIwTk5JaXdpWVd4bklqb2lVbE5C\n\
         leave\tshop\tleft\tother, key\t\n\
         annotation\tshop\tconf\tuser\t\n",
    );
    let (state, text) = cluster.check("stored sealed", &[]);
    assert_eq!(state, "problem");
    assert!(text.contains("shop/db: field password"), "{text}");
    assert!(
        text.contains("shop/conf: annotation of field user"),
        "{text}"
    );
    assert!(
        !text.contains("jwt") && !text.contains("shop/left"),
        "{text}"
    );
    assert!(text.contains("kubectl replace"), "{text}");
}

#[test]
fn who_may_act_as_the_api_server_is_listed() {
    let cluster = Cluster::healthy();
    let role = |name: &str, rules: Value| json!({ "metadata": { "name": name }, "rules": rules });
    let bind = |role: &str, subject: Value| json!({ "roleRef": { "kind": "ClusterRole", "name": role }, "subjects": [subject] });
    cluster.api(
        &format!("{RBAC}/clusterroles"),
        &json!({ "items": [
            role("user", json!([{ "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["system:apiserver"] }])),
            role("group", json!([{ "apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"] }])),
            role("everything", json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }])),
            role("support", json!([{ "apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"], "resourceNames": ["jane"] }])),
        ] }),
    );
    cluster.api(
        &format!("{RBAC}/clusterrolebindings"),
        &json!({ "items": [
            bind("user", json!({ "kind": "ServiceAccount", "namespace": "ci", "name": "proxy" })),
            bind("group", json!({ "kind": "ServiceAccount", "namespace": "ci", "name": "proxy" })),
            bind("user", json!({ "kind": "User", "name": "half" })),
            bind("everything", json!({ "kind": "Group", "name": "ops" })),
            bind("everything", json!({ "kind": "Group", "name": "system:masters" })),
            bind("support", json!({ "kind": "User", "name": "helpdesk" })),
        ] }),
    );
    let (state, text) = cluster.check("impersonation", &[]);
    assert_eq!(state, "problem");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        report["details"],
        json!(["group ops", "service account ci/proxy"])
    );
}

#[test]
fn audit_policies_that_log_the_patch_are_found() {
    let cluster = Cluster::healthy();
    for (policy, bad) in [
        ("rules: [{level: Metadata}]", false),
        ("rules: [{level: RequestResponse}]", true),
        (
            "rules: [{level: None, users: [x]}, {level: Request, resources: [{group: '', resources: [secrets]}]}]",
            true,
        ),
        (
            "rules: [{level: Metadata, resources: [{group: '', resources: [secrets, configmaps]}]}, {level: Request}]",
            false,
        ),
        (
            "rules: [{level: Metadata, namespaces: [a], resources: [{group: '', resources: [secrets]}]}, {level: Request}]",
            true,
        ),
        (
            "rules: [{level: Metadata, resources: [{group: '', resources: [secrets], resourceNames: [a]}]}, {level: Request}]",
            true,
        ),
        (
            "rules: [{level: RequestResponse, verbs: [get, list]}, {level: Metadata}]",
            false,
        ),
        (
            "rules: [{level: RequestResponse, resources: [{group: apps}]}, {level: Metadata}]",
            false,
        ),
        (
            "rules: [{level: Request, nonResourceURLs: ['/*']}, {level: Metadata}]",
            false,
        ),
    ] {
        cluster.0.write("audit.yaml", policy);
        let (state, text) = cluster.check("audit policy", &["--audit-policy", "audit.yaml"]);
        assert_eq!(state == "problem", bad, "{policy}: {text}");
    }
}

#[test]
fn etcd_without_encryption_is_found() {
    let cluster = Cluster::healthy();
    for (providers, bad) in [
        ("[{identity: {}}]", true),
        ("[{identity: {}}, {kms: {}}]", true),
        ("[{aescbc: {}}, {identity: {}}]", false),
        ("[{kms: {}}]", false),
    ] {
        cluster.0.write(
            "encryption.yaml",
            format!("resources:\n- resources: [configmaps, secrets]\n  providers: {providers}\n"),
        );
        let (state, text) = cluster.check(
            "encryption at rest",
            &["--encryption-config", "encryption.yaml"],
        );
        assert_eq!(state == "problem", bad, "{providers}: {text}");
    }
    cluster.0.write(
        "encryption.yaml",
        "resources:\n- resources: [configmaps]\n  providers: [{kms: {}}]\n",
    );
    cluster.finds(
        "encryption at rest",
        &["--encryption-config", "encryption.yaml"],
        "as they are",
    );
}

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
