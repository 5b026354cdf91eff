//! `keyServices.kmsPlugin`

use super::*;

#[test]
fn takes_every_member() {
    let services = accepted("keyServices: {kmsPlugin: {timeout: 3s, callsPerSecond: 5}}");
    let limits = services.options.plugin.limits;
    assert_eq!(limits.attempt_timeout, Duration::from_secs(3));
    assert_eq!(
        limits.quota.expect("a quota"),
        kms_backends::layer::Quota::per_second(5.try_into().expect("not 0"))
    );
}

#[test]
fn refuses_each_mistake() {
    common_members("kmsPlugin", "");
    each_is_refused(&[
        (
            "keyServices: {kms-plugin: {}}",
            "keyServices",
            "did you mean `kmsPlugin`?",
            Schema::Refuses,
        ),
        // Sockets are in references, one for each key.
        (
            "keyServices: {kmsPlugin: {socket: /run/kms}}",
            "keyServices.kmsPlugin",
            "unknown member",
            Schema::Refuses,
        ),
    ]);
}
