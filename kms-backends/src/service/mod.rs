//! The seam to key services: what each of them can do, and the way from a reference to the one that it names.

pub(crate) mod connect_error;
pub(crate) mod key_service;
#[cfg(any(
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "kms-plugin",
    feature = "pkcs11",
    feature = "vault"
))]
#[allow(dead_code, reason = "each service uses a part of it")]
pub(crate) mod remote;
#[allow(dead_code, reason = "not every build has a key service")]
pub(crate) mod supported;
