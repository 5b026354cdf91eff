//! `keyServices.azure`

use super::*;

const PEM: &str = include_str!("../../../../../test-support/keys/p256.pem");

fn folder_with_an_authority() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("ca.pem"), authority.cert.pem()).expect("a file");
    folder
}

#[test]
fn takes_every_member() {
    let folder = folder_with_an_authority();
    let services = accepted_in(
        folder.path(),
        "keyServices: {azure: {address: \"10.0.0.4:443\", authorityHost: \"https://login.microsoftonline.us\", caFile: ca.pem, \
         timeout: 1s, callsPerSecond: 200}}",
    );
    let azure = &services.options.azure;
    assert_eq!(azure.address, Some(([10, 0, 0, 4], 443).into()));
    assert_eq!(
        azure.authority_host.as_deref(),
        Some("https://login.microsoftonline.us")
    );
    // A relative path starts at the folder of the configuration.
    assert_eq!(azure.ca_file, Some(folder.path().join("ca.pem")));
    assert_eq!(azure.limits.attempt_timeout, Duration::from_secs(1));
    assert_eq!(
        azure.limits.quota.expect("a quota"),
        kms_backends::layer::Quota::per_second(200.try_into().expect("not 0"))
    );
    let v6 = accepted("keyServices: {azure: {address: \"[fd00::4]:443\"}}");
    assert!(v6.options.azure.address.expect("an address").is_ipv6());
}

#[test]
fn refuses_each_mistake() {
    common_members("azure", "");
    let host = "keyServices.azure.authorityHost";
    each_is_refused(&[
        (
            "keyServices: {azure: {address: vault.example}}",
            "keyServices.azure.address",
            "must be an address and a port such as `10.0.0.4:443`, not \"vault.example\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {address: 10.0.0.4}}",
            "keyServices.azure.address",
            "and a port",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {address: \"10.0.0.400:443\"}}",
            "keyServices.azure.address",
            "and a port",
            Schema::CannotKnow,
        ),
        (
            "keyServices: {azure: {authorityHost: login.example}}",
            host,
            "must be an address such as `https://login.microsoftonline.com`, not \"login.example\"",
            Schema::Refuses,
        ),
        // The token's own way is never plain, not even on this machine.
        (
            "keyServices: {azure: {authorityHost: \"http://127.0.0.1:1\"}}",
            host,
            "must be an address such as",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {caFile: missing.pem}}",
            "keyServices.azure.caFile",
            "/etc/privy/missing.pem cannot be read",
            Schema::CannotKnow,
        ),
        (
            "keyServices: {azure: {caFile: \"\"}}",
            "keyServices.azure.caFile",
            "must not be empty",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {clientSecret: x}}",
            "keyServices.azure",
            "unknown member \"clientSecret\"",
            Schema::Refuses,
        ),
    ]);
}

#[test]
fn authorities_are_looked_into() {
    let folder = folder_with_an_authority();
    let good = std::fs::read_to_string(folder.path().join("ca.pem")).expect("a file");
    let broken = good.replacen("MI", "!!", 1);
    for (name, content) in [
        ("empty.pem", String::new()),
        ("key.pem", PEM.to_owned()),
        ("broken.pem", broken.clone()),
        ("half.pem", format!("{good}{broken}")),
    ] {
        std::fs::write(folder.path().join(name), content).expect("a file");
        let (_, problems) = read_in(
            folder.path(),
            &format!("keyServices: {{azure: {{caFile: {name}}}}}"),
        );
        assert!(
            problems.len() == 1
                && problems[0].starts_with("keyServices.azure.caFile: ")
                && problems[0].contains(&format!(
                    "{name} holds no certificates in PEM; name the file of the authorities"
                )),
            "{name}: {problems:?}"
        );
    }
    std::fs::write(
        folder.path().join("long.pem"),
        good.repeat(1 + (1 << 20) / good.len()),
    )
    .expect("a file");
    let (_, problems) = read_in(folder.path(), "keyServices: {azure: {caFile: long.pem}}");
    assert!(problems[0].contains("is longer than"), "{problems:?}");
}

#[test]
fn each_identity_is_chosen_by_name_and_none_is_fallen_back_to() {
    use kms_backends::azure::AzureIdentity;

    let identity = |auth: &str| {
        let services = accepted(&format!("keyServices: {{azure: {{{auth}}}}}"));
        services.options.azure.identity
    };
    assert_eq!(identity(""), AzureIdentity::Platform);
    assert_eq!(identity("auth: {platform: {}}"), AzureIdentity::Platform);
    assert_eq!(
        identity("auth: {managedIdentity: {}}"),
        AzureIdentity::ManagedIdentity(None)
    );
    let id = "00000000-1111-2222-3333-444444444444";
    assert_eq!(
        identity(&format!("auth: {{managedIdentity: {{clientId: {id}}}}}")),
        AzureIdentity::ManagedIdentity(Some(id.to_owned()))
    );
    assert_eq!(
        identity("auth: {environment: {}}"),
        AzureIdentity::Environment
    );
    let services = accepted("keyServices: {azure: {auth: {environment: {}}}}");
    assert_eq!(services.warnings.len(), 1, "{:?}", services.warnings);
    assert!(
        services.warnings[0].starts_with("azure: ")
            && services.warnings[0].contains("use workload identity"),
        "{:?}",
        services.warnings
    );

    let auth = "keyServices.azure.auth";
    each_is_refused(&[
        (
            "keyServices: {azure: {auth: {}}}",
            auth,
            "must name one way; say who we are: `platform`",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {auth: {platform: {}, environment: {}}}}",
            auth,
            "must name one way",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {auth: platform}}",
            auth,
            "must be a mapping, not a text",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {auth: {clientSecret: x}}}",
            auth,
            "unknown member \"clientSecret\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {auth: {managedIdentity: {clientId: privy}}}}",
            "keyServices.azure.auth.managedIdentity.clientId",
            "must be a client ID such as `00000000-1111-2222-3333-444444444444`, not \"privy\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {azure: {auth: {environment: {secret: x}}}}",
            "keyServices.azure.auth.environment",
            "unknown member",
            Schema::Refuses,
        ),
    ]);
}
