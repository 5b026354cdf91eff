//! Each key service from end to end, over a fake that speaks its protocol: the program is given a configuration and nothing
//! else, opens a value, and says in `check-config --probe`, `/readyz?verbose` and the metrics how its keys can be reached.
#![cfg(all(
    unix,
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "kms-plugin",
    feature = "pkcs11",
    feature = "vault"
))]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

macro_rules! fakes {
    ($($name:ident: $path:literal;)+) => {$(
        #[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
        #[path = $path]
        mod $name;
    )+};
}

fakes! {
    aws: "../../../kms-backends/tests/fakes/aws.rs";
    azure: "../../../kms-backends/tests/fakes/azure.rs";
    gcp: "../../../kms-backends/tests/fakes/gcp.rs";
    http: "../../../kms-backends/tests/fakes/http.rs";
    plugin: "../../../kms-backends/tests/fakes/plugin.rs";
    vault: "../../../kms-backends/tests/fakes/vault.rs";
    common: "../common/mod.rs";
}

mod bench;
mod journey;
mod local_ones;
mod services;
