//! `keyServices.vault`

use std::path::PathBuf;

use kms_backends::vault::VaultAuth;

use super::*;

const REST: &str = "address: \"https://v\", auth: {kubernetes: {role: r}}, ";

fn auth_of(text: &str) -> Option<VaultAuth> {
    accepted(&format!(
        "keyServices: {{vault: {{address: \"https://v\", auth: {text}}}}}"
    ))
    .options
    .vault
    .auth
}

#[test]
fn takes_every_member() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("ca.pem"), authority.cert.pem()).expect("a file");
    let services = accepted_in(
        folder.path(),
        "keyServices: {vault: {address: \"https://vault.example:8200\", caFile: ca.pem, namespace: team/a, timeout: 1s, \
         callsPerSecond: 40, auth: {kubernetes: {mount: k8s/prod, role: privy, tokenFile: token}}}}",
    );
    let vault = &services.options.vault;
    assert_eq!(vault.address.as_deref(), Some("https://vault.example:8200"));
    assert_eq!(vault.ca_file, Some(folder.path().join("ca.pem")));
    assert_eq!(vault.namespace.as_deref(), Some("team/a"));
    assert_eq!(vault.limits.attempt_timeout, Duration::from_secs(1));
    assert_eq!(
        vault.limits.quota.expect("a quota"),
        kms_backends::layer::Quota::per_second(40.try_into().expect("not 0"))
    );
    let expected = VaultAuth::Kubernetes {
        mount: "k8s/prod".to_owned(),
        role: "privy".to_owned(),
        token_file: folder.path().join("token"),
    };
    assert_eq!(vault.auth, Some(expected));
    assert!(services.warnings.is_empty());
}

#[test]
fn each_way_to_log_in_has_its_defaults() {
    let token_file = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token");
    let mount = "kubernetes".to_owned();
    let expected = VaultAuth::Kubernetes {
        mount,
        role: "r".to_owned(),
        token_file,
    };
    assert_eq!(auth_of("{kubernetes: {role: r}}"), Some(expected));
    let expected = VaultAuth::Jwt {
        mount: "jwt".to_owned(),
        role: None,
        token_file: PathBuf::from("/etc/privy/t"),
    };
    assert_eq!(auth_of("{jwt: {tokenFile: t}}"), Some(expected));
    let Some(VaultAuth::Jwt { mount, role, .. }) =
        auth_of("{jwt: {mount: oidc, role: r, tokenFile: /t}}")
    else {
        panic!("another way")
    };
    assert_eq!((mount.as_str(), role.as_deref()), ("oidc", Some("r")));
    let described = &schema()["properties"]["keyServices"]["properties"]["vault"]["properties"]["auth"]
        ["properties"];
    assert_eq!(
        described["kubernetes"]["properties"]["mount"]["default"],
        "kubernetes"
    );
    assert_eq!(
        described["kubernetes"]["properties"]["tokenFile"]["default"],
        "/var/run/secrets/kubernetes.io/serviceaccount/token"
    );
    assert_eq!(described["jwt"]["properties"]["mount"]["default"], "jwt");
}

#[test]
fn a_static_token_is_warned_about() {
    let services = accepted("keyServices: {vault: {address: \"https://v\", auth: {tokenFile: t}}}");
    assert_eq!(
        services.options.vault.auth,
        Some(VaultAuth::TokenFile(PathBuf::from("/etc/privy/t")))
    );
    assert_eq!(services.warnings.len(), 1);
    assert!(
        services.warnings[0].contains("static credential"),
        "{:?}",
        services.warnings
    );
    assert!(
        services.warnings[0].contains("Prefer `kubernetes`"),
        "{:?}",
        services.warnings
    );
}

#[test]
fn refuses_each_mistake() {
    common_members("vault", REST);
    let vault = "keyServices.vault";
    let auth = "keyServices.vault.auth";
    let with =
        |auth: &str| format!("keyServices: {{vault: {{address: \"https://v\", auth: {auth}}}}}");
    let mount = |mount: &str| with(&format!("{{kubernetes: {{role: r, mount: \"{mount}\"}}}}"));
    each_is_refused(&[
        (
            "keyServices: {vault: {auth: {kubernetes: {role: r}}}}",
            vault,
            "`address` is missing; write the server's address, as `https://vault.example:8200`",
            Schema::Refuses,
        ),
        (
            "keyServices: {vault: {address: \"https://v\"}}",
            vault,
            "`auth` is missing; say how to log in",
            Schema::Refuses,
        ),
        (
            "keyServices: {vault: {address: \"http://vault.example\", auth: {kubernetes: {role: r}}}}",
            "keyServices.vault.address",
            "plain http would show content keys and tokens to the network; write `https://vault.example:8200`",
            Schema::Refuses,
        ),
        (
            "keyServices: {vault: {address: \"https://v\", namespace: a b, auth: {kubernetes: {role: r}}}}",
            "keyServices.vault.namespace",
            "must be 1 to 256 visible ASCII characters such as `team-a/payments`, not \"a b\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {vault: {address: \"https://v\", caFile: missing.pem, auth: {kubernetes: {role: r}}}}",
            "keyServices.vault.caFile",
            "/etc/privy/missing.pem cannot be read",
            Schema::CannotKnow,
        ),
        (
            &with("{}"),
            auth,
            "must name one way; say how to log in: `kubernetes`, `jwt` or `tokenFile`",
            Schema::Refuses,
        ),
        (
            &with("{kubernetes: {role: r}, tokenFile: t}"),
            auth,
            "must name one way",
            Schema::Refuses,
        ),
        (
            &with("{token: hvs.x}"),
            auth,
            "unknown member \"token\"",
            Schema::Refuses,
        ),
        (
            &with("{kubernetes: {}}"),
            "keyServices.vault.auth.kubernetes",
            "`role` is missing; name the role",
            Schema::Refuses,
        ),
        (
            &with("{kubernetes: {role: \"\"}}"),
            "keyServices.vault.auth.kubernetes.role",
            "must not be empty",
            Schema::Refuses,
        ),
        (
            &with("{jwt: {role: r}}"),
            "keyServices.vault.auth.jwt",
            "`tokenFile` is missing; name the file of a projected token",
            Schema::Refuses,
        ),
        (
            &mount("../sys"),
            "keyServices.vault.auth.kubernetes.mount",
            "mounted below `auth/`",
            Schema::Refuses,
        ),
        (
            &mount("/kubernetes"),
            "keyServices.vault.auth.kubernetes.mount",
            "mounted below `auth/`",
            Schema::Refuses,
        ),
        (
            &mount("a b"),
            "keyServices.vault.auth.kubernetes.mount",
            "mounted below `auth/`",
            Schema::Refuses,
        ),
    ]);
}
