//! What is registered in the cluster, and what is stored in it.
use super::*;

#[test]
fn how_the_webhook_is_called_is_said() {
    let cluster = Cluster::healthy();
    for (client, words) in [
        (
            registration()["webhooks"][0]["clientConfig"].clone(),
            "through the aggregation layer",
        ),
        (
            json!({ "service": { "namespace": "seals", "name": "privy-webhook", "path": "/mutate" } }),
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
        let mut registration = registration();
        registration["webhooks"][0]["clientConfig"] = client;
        cluster.registration(&registration);
        let (state, text) = cluster.check("registration", &[]);
        assert_eq!(state, "ok", "{text}");
        assert!(text.contains(words), "{text}");
        assert!(text.contains("except kube-system, privy-seal"), "{text}");
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

/// Every member of a manifest's `spec`, each changed by itself, must be found.
fn changes(spec: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(i, v)| (i.to_string(), v))
                .collect(),
            _ => Vec::new(),
        };
        for (name, child) in children {
            let path = format!("{path}/{name}");
            walk(&path, child, found);
            found.push(path);
        }
    }
    let mut paths = Vec::new();
    walk("", spec, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let mut changed = spec.clone();
            let place = changed.pointer_mut(&path).unwrap();
            *place = match &*place {
                Value::Number(_) => json!(1),
                Value::Array(_) => json!([]),
                Value::Object(_) => json!({}),
                _ => json!("changed"),
            };
            (path, changed)
        })
        .collect()
}

#[test]
fn any_change_of_a_policy_is_found() {
    for (check, file, name) in [
        (
            "backstop",
            "10-backstop.yaml",
            "no-sealed-values.privyseal.dev",
        ),
        (
            "legacy tokens",
            "15-legacy-tokens.yaml",
            "no-legacy-tokens.privyseal.dev",
        ),
    ] {
        let cluster = Cluster::healthy();
        let path = format!("{ADMISSION}/validatingadmissionpolicies/{name}");
        let policy = manifest(file, 0);
        let mut all = changes(&policy["spec"]);
        assert!(all.len() > 20);
        for member in [
            ("objectSelector", json!({ "matchLabels": { "a": "b" } })),
            ("namespaceSelector", json!({ "matchLabels": { "a": "b" } })),
            ("matchPolicy", json!("Exact")),
            (
                "excludeResourceRules",
                json!([{ "resources": ["secrets"] }]),
            ),
        ] {
            let mut spec = policy["spec"].clone();
            spec["matchConstraints"][member.0] = member.1;
            all.push((member.0.to_owned(), spec));
        }
        // Some of them through the binary; the comparison itself has its own test.
        for (place, spec) in all.into_iter().rev().step_by(15) {
            let mut changed = policy.clone();
            changed["spec"] = spec;
            cluster.api(&path, &changed);
            let (state, text) = cluster.check(check, &[]);
            assert_eq!(state, "problem", "{place}: {text}");
            assert!(!text.contains("\"details\":[]"), "{place}: {text}");
        }
        std::fs::remove_file(cluster.0.path(&format!("api/{}", path.replace('/', "_")))).unwrap();
        cluster.finds(check, &[], "privy render --only");
    }
}

#[test]
fn a_policy_that_is_not_bound_everywhere_is_found() {
    let cluster = Cluster::healthy();
    for spec in [
        json!({ "policyName": "no-sealed-values.privyseal.dev", "validationActions": ["Warn"] }),
        json!({ "policyName": "no-sealed-values.privyseal.dev", "validationActions": ["Deny"],
            "matchResources": { "namespaceSelector": { "matchLabels": { "a": "b" } } } }),
        json!({ "policyName": "no-sealed-values.privyseal.dev", "validationActions": ["Deny"],
            "matchResources": { "matchPolicy": "Exact" } }),
        json!({ "policyName": "another", "validationActions": ["Deny"] }),
    ] {
        cluster.bindings(&json!({ "spec": spec }));
        cluster.finds("backstop", &[], "not bound with `Deny`");
    }
}

#[test]
fn legacy_tokens_can_be_accepted() {
    let cluster = Cluster::healthy();
    let path = format!("{ADMISSION}/validatingadmissionpolicies/no-legacy-tokens.privyseal.dev");
    std::fs::remove_file(cluster.0.path(&format!("api/{}", path.replace('/', "_")))).unwrap();
    assert_eq!(cluster.doctor(&[]).code, 1);
    assert_eq!(cluster.doctor(&["--accept-legacy-tokens"]).code, 0);
}

#[test]
fn a_registration_that_is_gone_or_registered_twice_is_found() {
    let cluster = Cluster::healthy();
    let path = format!("{ADMISSION}/mutatingwebhookconfigurations");
    cluster.api(&path, &json!({ "items": [] }));
    cluster.finds("registration", &[], "not registered");
    cluster.api(&path, &json!({ "items": [registration(), registration()] }));
    cluster.finds("registration", &[], "more than once");
    let mut twice = registration();
    let webhook = twice["webhooks"][0].clone();
    twice["webhooks"].as_array_mut().unwrap().push(webhook);
    cluster.registration(&twice);
    cluster.finds("registration", &[], "was added");
}

/// Each member that decides who is asked about what, named with its path.
#[test]
fn any_change_of_the_registration_is_found_with_its_path() {
    let cluster = Cluster::healthy();
    for (pointer, value, path) in [
        ("/failurePolicy", json!("Ignore"), "failurePolicy"),
        ("/matchPolicy", json!("Exact"), "matchPolicy"),
        ("/timeoutSeconds", json!(1), "timeoutSeconds"),
        ("/sideEffects", json!("NoneOnDryRun"), "sideEffects"),
        ("/reinvocationPolicy", json!("Never"), "reinvocationPolicy"),
        (
            "/admissionReviewVersions",
            json!(["v1beta1"]),
            "admissionReviewVersions",
        ),
        (
            "/rules/0/operations",
            json!(["CREATE"]),
            "rules[0].operations",
        ),
        ("/rules/0/scope", json!("Cluster"), "rules[0].scope"),
        (
            "/rules/0/resources",
            json!(["configmaps"]),
            "rules[0].resources",
        ),
        (
            "/objectSelector",
            json!({ "matchLabels": { "a": "b" } }),
            "objectSelector",
        ),
        (
            "/namespaceSelector",
            json!({ "matchLabels": { "sealed": "yes" } }),
            "namespaceSelector.matchLabels",
        ),
        (
            "/namespaceSelector/matchExpressions/0/key",
            json!("tenant"),
            "namespaceSelector.matchExpressions[0].key",
        ),
        (
            "/namespaceSelector/matchExpressions/0/operator",
            json!("In"),
            "namespaceSelector.matchExpressions[0].operator",
        ),
        ("/matchConditions", json!([]), "matchConditions"),
        (
            "/matchConditions/0/expression",
            json!("false"),
            ".expression",
        ),
        (
            "/clientConfig/service/path",
            json!("/other"),
            "clientConfig.service.path",
        ),
    ] {
        let mut changed = registration();
        *changed["webhooks"][0].pointer_mut(pointer).unwrap() = value;
        cluster.registration(&changed);
        cluster.finds("registration", &[], path);
    }
    // What differs between installations is no fault.
    let mut own = registration();
    let webhook = &mut own["webhooks"][0];
    webhook["clientConfig"]["caBundle"] = json!("b3RoZXI=");
    webhook["namespaceSelector"]["matchExpressions"][0]["values"] =
        json!(["kube-system", "seals", "velero"]);
    cluster.registration(&own);
    let (state, text) = cluster.check("registration", &[]);
    assert_eq!(state, "ok", "{text}");
}

#[test]
fn a_second_webhook_or_policy_on_secrets_is_found_until_it_is_accepted() {
    let cluster = Cluster::healthy();
    let path = format!("{ADMISSION}/mutatingwebhookconfigurations");
    let other = |rules: Value| json!({ "metadata": { "name": "other" }, "webhooks": [{ "name": "inject.example.org", "rules": rules }] });
    for rules in [
        json!([{ "apiGroups": [""], "resources": ["secrets"], "operations": ["CREATE"] }]),
        json!([{ "apiGroups": ["*"], "resources": ["*/*"], "operations": ["*"] }]),
    ] {
        cluster.api(&path, &json!({ "items": [registration(), other(rules)] }));
        cluster.finds("other webhooks", &[], "inject.example.org");
        let accepted = &["--accept-webhook", "inject.example.org"];
        assert_eq!(cluster.check("other webhooks", accepted).0, "ok");
    }
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"] }]);
    cluster.api(&path, &json!({ "items": [registration(), other(rules)] }));
    assert_eq!(cluster.check("other webhooks", &[]).0, "ok");
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "operations": ["UPDATE"] }]);
    cluster.api(
        &format!("{ADMISSION}/mutatingadmissionpolicies"),
        &json!({ "items": [{ "metadata": { "name": "planter" }, "spec": { "matchConstraints": { "resourceRules": rules } } }] }),
    );
    cluster.finds("other webhooks", &[], "planter");
}

#[test]
fn an_api_service_that_was_changed_is_found() {
    let cluster = Cluster::healthy();
    for (member, value) in [
        ("insecureSkipTLSVerify", json!(true)),
        ("groupPriorityMinimum", json!(20_000)),
        ("versionPriority", json!(1)),
        ("caBundle", json!("")),
        (
            "service",
            json!({ "namespace": "privy-seal", "name": "other" }),
        ),
    ] {
        let mut service = manifest("60-apiservice.yaml", 0);
        service["spec"][member] = value;
        cluster.api_service(&service);
        cluster.finds("aggregation", &[], &format!("spec.{member}"));
    }
    let mut service = manifest("60-apiservice.yaml", 0);
    service["spec"]["service"] =
        json!({ "namespace": "seals", "name": "privy-webhook", "port": 8443 });
    service["spec"]["caBundle"] = json!("b3RoZXI=");
    cluster.api_service(&service);
    assert_eq!(cluster.check("aggregation", &[]).0, "ok");
}

#[test]
fn an_api_service_that_is_not_available_is_found() {
    let cluster = Cluster::healthy();
    for (message, words) in [
        ("no endpoints", "deletion of namespaces"),
        ("tls: x509: unknown authority", "caBundle"),
    ] {
        let mut service = manifest("60-apiservice.yaml", 0);
        service["status"] = json!({ "conditions": [{ "type": "Available", "status": "False", "message": message }] });
        cluster.api_service(&service);
        cluster.finds("aggregation", &[], words);
    }
}

#[test]
fn secrets_that_were_not_opened_are_listed_with_the_command_that_heals_them() {
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
    assert!(text.contains("2 values are stored as sealed"), "{text}");
    assert!(
        text.contains("shop/db: field password; heal it: kubectl delete secret db --namespace shop, then apply"),
        "{text}"
    );
    assert!(
        text.contains("shop/conf: annotation of field user"),
        "{text}"
    );
    assert!(text.contains("shop/left: field key: left sealed"), "{text}");
    assert!(!text.contains("jwt"), "{text}");
    assert!(!text.contains("kubectl replace"), "{text}");
}

/// Whatever a careless step made of it; and no ordinary value is taken for an envelope.
#[test]
fn stored_envelopes_are_found_in_every_form() {
    let cluster = Cluster::healthy();
    let b64 = |text: &[u8]| base64(text);
    let compact = |header: &str| format!("{}.{}", b64url(header), "A".repeat(600));
    let ours = compact(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256","kid":"k"}"#);
    let json = format!(
        r#"{{"protected":"{}","ciphertext":"A"}}"#,
        b64url(r#"{"enc":"A256GCM","alg":"ECDH-ES"}"#)
    );
    let kid = "k".repeat(43);
    let wide = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    };
    let marked = format!("\u{feff}{ours}");
    for text in [
        wide(&ours, u16::to_le_bytes),
        wide(&marked, u16::to_le_bytes),
        wide(&marked, u16::to_be_bytes),
        wide(&json, u16::to_le_bytes),
        format!("password={ours}").into_bytes(),
    ] {
        let head = b64(&text);
        let head = &head[..head.len().min(if head.len() > 800 { 480 } else { 96 })];
        cluster
            .0
            .write("rows", format!("value\tshop\tdb\tpassword\t{head}\n"));
        let (state, report) = cluster.check("stored sealed", &[]);
        assert_eq!(state, "problem", "{text:?}: {report}");
    }
    for text in [
        ours.clone(),
        json.clone(),
        compact(&format!(
            r#"{{"kid":"{kid}","alg":"RSA-OAEP","enc":"A128GCM"}}"#
        )),
        compact(&format!(
            r#"{{"typ":"JWT","cty":"x","kid":"{kid}","alg":"ECDH-ES+A256KW","enc":"A128GCM"}}"#
        )),
        format!("\n{ours}"),
        format!("\r\n{ours}"),
        format!(" {ours}"),
        format!("\"{ours}\""),
        format!("'{ours}'"),
        format!("\u{feff}{ours}"),
        format!("\n{json}"),
        format!("\u{feff}{json}"),
        b64(ours.as_bytes()),
        b64(json.as_bytes()),
        json.replace("{\"protected\"", "{\n  \"protected\""),
        json.replace("{\"protected\"", "{ \"protected\""),
        r#"{"ciphertext":"A","protected":"eyJlbmMi"}"#.to_owned(),
        r#"{"recipients":[{"encrypted_key":"A"}],"ciphertext":"A"}"#.to_owned(),
        r#"{"iv":"A","ciphertext":"A","protected":"eyJlbmMi"}"#.to_owned(),
        r#"{"header":{"alg":"RSA-OAEP"},"encrypted_key":"A","ciphertext":"A"}"#.to_owned(),
    ] {
        let head = b64(text.as_bytes());
        let head = &head[..head.len().min(if head.len() > 800 { 480 } else { 96 })];
        cluster
            .0
            .write("rows", format!("value\tshop\tdb\tpassword\t{head}\n"));
        let (state, report) = cluster.check("stored sealed", &[]);
        assert_eq!(state, "problem", "{text}: {report}");
    }
    for text in [
        compact(r#"{"alg":"RS256","kid":"k"}"#),
        compact(&format!(r#"{{"kid":"{kid}","alg":"ES256"}}"#)),
        compact(r#"{"enc":"A256GCM","alg":"dir"}"#),
        compact(r#"{"alg":"A256KW","enc":"A256GCM"}"#),
        r#"{"auths":{"registry.example":{"auth":"A"}}}"#.to_owned(),
        r#"{"tag":"v1","name":"x"}"#.to_owned(),
        r#"{"header":"Bearer","value":"x"}"#.to_owned(),
        b64(br#"{"auths":{}}"#),
        "\nhunter2".to_owned(),
        "\"quoted\"".to_owned(),
        "{\n  \"type\": \"service_account\"\n}".to_owned(),
    ] {
        let head = b64(text.as_bytes());
        let head = &head[..head.len().min(if head.len() > 800 { 480 } else { 96 })];
        cluster
            .0
            .write("rows", format!("value\tshop\tdb\tpassword\t{head}\n"));
        let (state, report) = cluster.check("stored sealed", &[]);
        assert_eq!(state, "ok", "{text}: {report}");
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn b64url(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
