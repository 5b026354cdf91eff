//! What the audit keeps.
use super::*;

#[tokio::test]
async fn the_audit_says_who_what_and_which_envelope() {
    let bench = Bench::new();
    let value = sealed("hunter2", "password");
    let reply = bench.review(&Review::create(&[("password", &value)])).await;
    let digest = jwe_envelope::Envelope::parse(value.as_bytes())
        .unwrap()
        .digest();
    let mut line = Vec::new();
    reply.record.write_json(&mut line);
    let mut line: Value = serde_json::from_slice(&line).unwrap();
    assert!(line["micros"].take().is_u64());
    assert_eq!(
        line,
        json!({
            "time": "2027-01-15T08:00:00.000Z",
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "operation": "CREATE", "dryRun": false, "namespace": "payments", "name": "db",
            "user": "system:serviceaccount:flux-system:kustomize-controller",
            "userUid": "3f7a3a3e-0000-4000-8000-000000000000",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/pod-name": ["kustomize-controller-0"]},
            "outcome": "opened",
            "fields": [{"field": "password", "kid": rsa_kid(), "key": "payments", "envelope": digest.to_string(),
                "outcome": "opened", "source": "unwrapped"}],
            "unwraps": 1, "micros": null,
        })
    );
    assert_eq!(
        reply.response["auditAnnotations"],
        json!({"outcome": "opened", "opened": "1", "fields": "password", "kid": rsa_kid(), "envelope": digest.to_string()})
    );
    let again = bench.review(&Review::create(&[("password", &value)])).await;
    assert_eq!(again.record.unwraps(), 0);
    assert_eq!(
        again.record.fields[0].source,
        Some(kms_backends::KeySource::Cache)
    );
}
