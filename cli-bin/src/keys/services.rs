//! Key services, reached as their own command-line tools are: by what the environment says.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use kms_backends::{
    Category, ConnectError, Connector, KeyServices, KeyUri, KeyUriError, UnwrapError,
};

use crate::failure::Failure;

/// For one answer of a key service.
pub const LIMIT: Duration = Duration::from_secs(20);

const SCHEMES: [&str; 6] = [
    "aws-kms:",
    "azure-kv:",
    "gcp-kms:",
    "kms-plugin:",
    "pkcs11:",
    "vault-transit:",
];

/// The reference to a key service that `text` is, where it is none to a file.
///
/// # Errors
/// Exit 2 for a reference that is malformed, or whose service is not in this build.
pub fn reference(text: &Path) -> Result<Option<KeyUri>, Failure> {
    match text.to_str() {
        Some(text) if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) => {
            parse(text).map(Some)
        }
        _ => Ok(None),
    }
}

/// A reference to a private key, of any kind.
///
/// # Errors
/// Exit 2 for a reference that is malformed, or whose service is not in this build.
pub fn parse(text: &str) -> Result<KeyUri, Failure> {
    text.parse().map_err(|error| match error {
        KeyUriError::NotInThisBuild { scheme, feature } => {
            not_in_this_build(&format!("`{scheme}:` keys are"), feature)
        }
        error => Failure::usage(error),
    })
}

/// Exit 2 for `what` (with its verb) that only a build with `feature` can.
pub fn not_in_this_build(what: &str, feature: &str) -> Failure {
    Failure::usage(anyhow!("{what} not in this build of privy")).hint(format!(
        "install one that has it: cargo install cli-bin --features {feature} (`all-services` has every one)"
    ))
}

/// The way to every key service that this build has.
///
/// # Errors
/// Exit 2 when the environment says something unusable.
pub fn connector() -> Result<Connector, Failure> {
    KeyServices::from_env()
        .map(Connector::new)
        .map_err(settings)
}

/// A runtime for one command.
///
/// # Errors
/// Exit 2 when the system gives none.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(anyhow::Error::new(error).context("cannot start")))
}

/// A reference that leads nowhere.
pub fn settings(error: ConnectError) -> Failure {
    Failure::usage(error)
}

/// What a key service answered.
#[allow(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub fn failure(error: UnwrapError) -> Failure {
    let category = error.category();
    // On one line, as far down as the service's own words.
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    let error = match causes[..] {
        [] => anyhow!("{error}"),
        _ => anyhow!("{error} ({})", causes.join(": ")),
    };
    match category {
        Category::Unavailable => Failure::unavailable(error).hint("try again in a moment"),
        Category::Denied => Failure::refused(error)
            .hint("ask the key manager for the right to read this key; docs/key-services.md has the commands"),
        Category::UnknownKey => Failure::refused(error).hint("check the reference, letter by letter"),
        Category::Misconfigured | Category::Rejected => Failure::usage(error)
            .hint("docs/key-services.md says what each key service needs"),
    }
}
