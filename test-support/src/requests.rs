//! Admission reviews as the API server sends them over a socket.

/// What no log, metric or answer may repeat.
pub const CANARY: &str = "canary-7f3a-do-not-repeat";

/// A review of a Secret with these `data` members, as the API server sends it.
pub fn admission_review(namespace: &str, name: &str, data: &serde_json::Value) -> Vec<u8> {
    let review = serde_json::json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Secret"},
            "resource": {"group": "", "version": "v1", "resource": "secrets"},
            "requestKind": {"group": "", "version": "v1", "kind": "Secret"},
            "requestResource": {"group": "", "version": "v1", "resource": "secrets"},
            "name": name,
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace},
                "type": "Opaque",
                "data": data,
            },
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    serde_json::to_vec(&review).unwrap()
}

/// A review that holds nothing sealed; `note` is in a plain value.
pub fn plain_review(note: &str) -> Vec<u8> {
    // In a place that the fault injection reads as it is: values are base64.
    let mut review = admission_review(
        "payments",
        "db",
        &serde_json::json!({"password": "aHVudGVyMg=="}),
    );
    review.truncate(review.len() - 1);
    review.extend_from_slice(format!(",\"note\":{note:?}}}").as_bytes());
    review
}
