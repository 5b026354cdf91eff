//! What is registered in the cluster, and what is stored in it.
use super::*;

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
