//! `keyServices.pkcs11`

use std::path::PathBuf;

use super::*;

#[test]
fn takes_every_member() {
    let services = accepted(
        "keyServices: {pkcs11: {modules: [/usr/lib/a.so, /usr/lib/b.so], sessions: 4, timeout: 5s, callsPerSecond: 20}}",
    );
    let pkcs11 = &services.options.pkcs11;
    assert_eq!(
        pkcs11.modules,
        [
            PathBuf::from("/usr/lib/a.so"),
            PathBuf::from("/usr/lib/b.so")
        ]
    );
    assert_eq!(pkcs11.sessions, Some(4));
    assert_eq!(pkcs11.limits.attempt_timeout, Duration::from_secs(5));
    assert_eq!(
        pkcs11.limits.quota.expect("a quota"),
        kms_backends::layer::Quota::per_second(20.try_into().expect("not 0"))
    );
    let none = accepted("keyServices: {pkcs11: {}}").options.pkcs11;
    assert!(none.modules.is_empty() && none.sessions.is_none());
}

#[test]
fn refuses_each_mistake() {
    common_members("pkcs11", "");
    let modules = "keyServices.pkcs11.modules";
    each_is_refused(&[
        (
            "keyServices: {pkcs11: {modules: /usr/lib/a.so}}",
            modules,
            "must be a list",
            Schema::Refuses,
        ),
        (
            "keyServices: {pkcs11: {modules: [/usr/lib/a.so, lib/b.so]}}",
            "keyServices.pkcs11.modules[1]",
            "must be an absolute path such as `/usr/lib/softhsm/libsofthsm2.so`, not \"lib/b.so\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {pkcs11: {modules: [\"\"]}}",
            "keyServices.pkcs11.modules[0]",
            "must not be empty",
            Schema::Refuses,
        ),
        (
            "keyServices: {pkcs11: {modules: [7]}}",
            "keyServices.pkcs11.modules[0]",
            "must be a text",
            Schema::Refuses,
        ),
        (
            "keyServices: {pkcs11: {sessions: 0}}",
            "keyServices.pkcs11.sessions",
            "must be from 1 to 64, not 0",
            Schema::Refuses,
        ),
        (
            "keyServices: {pkcs11: {sessions: 65}}",
            "keyServices.pkcs11.sessions",
            "must be from 1 to 64",
            Schema::Refuses,
        ),
        (
            "keyServices: {pkcs11: {pin: \"1234\"}}",
            "keyServices.pkcs11",
            "unknown member \"pin\"",
            Schema::Refuses,
        ),
    ]);
}
