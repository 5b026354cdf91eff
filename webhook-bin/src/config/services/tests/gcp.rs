//! `keyServices.gcp`

use super::*;

#[test]
fn takes_every_member() {
    let services = accepted(
        "keyServices: {gcp: {endpoint: https://cloudkms.europe-west3.rep.googleapis.com, timeout: 750ms, callsPerSecond: 7}}",
    );
    let gcp = &services.options.gcp;
    assert_eq!(
        gcp.endpoint.as_deref(),
        Some("https://cloudkms.europe-west3.rep.googleapis.com")
    );
    assert_eq!(gcp.limits.attempt_timeout, Duration::from_millis(750));
    assert_eq!(
        gcp.limits.quota.expect("a quota"),
        kms_backends::layer::Quota::per_second(7.try_into().expect("not 0"))
    );
    // No configuration switches the identity off.
    assert!(!gcp.anonymous);
    assert_eq!(
        accepted("keyServices: {gcp: {}}").options.gcp.endpoint,
        None
    );
}

#[test]
fn refuses_each_mistake() {
    common_members("gcp", "");
    let endpoint = "keyServices.gcp.endpoint";
    each_is_refused(&[
        (
            "keyServices: {gcp: {endpoint: cloudkms.googleapis.com}}",
            endpoint,
            "is no address: \"cloudkms.googleapis.com\"; write `https://cloudkms.googleapis.com`",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"http://cloudkms.googleapis.com\"}}",
            endpoint,
            "plain http would show content keys and tokens to the network; write `https://",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"http://127.0.0.1.example\"}}",
            endpoint,
            "plain http",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"https://user@host\"}}",
            endpoint,
            "is no address",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"https://host/?a=b\"}}",
            endpoint,
            "is no address",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"https://\"}}",
            endpoint,
            "is no address",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"https://:443\"}}",
            endpoint,
            "is no address",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"ftp://host\"}}",
            endpoint,
            "is no address",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: \"\"}}",
            endpoint,
            "must not be empty",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {endpoint: 443}}",
            endpoint,
            "must be a text",
            Schema::Refuses,
        ),
        (
            "keyServices: {gcp: {anonymous: true}}",
            "keyServices.gcp",
            "unknown member \"anonymous\"",
            Schema::Refuses,
        ),
    ]);
    for here in [
        "http://127.0.0.1:8080",
        "http://localhost:8080/",
        "http://[::1]:8080",
    ] {
        accepted(&format!("keyServices: {{gcp: {{endpoint: \"{here}\"}}}}"));
    }
}
