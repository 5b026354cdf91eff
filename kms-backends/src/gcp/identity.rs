//! Application Default Credentials, and which of them are long-lived.

use google_cloud_auth::credentials::{Builder, Credentials};

use crate::service::connect_error::ConnectError;

const CREDENTIALS_FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// A credentials file has a few kilobytes.
const LONGEST_CREDENTIALS: u64 = 64 * 1024;

/// Those of the environment; none where `anonymous`.
pub(super) fn credentials(anonymous: bool) -> Result<Credentials, ConnectError> {
    if anonymous {
        return Ok(google_cloud_auth::credentials::anonymous::Builder::new().build());
    }
    Builder::default().build().map_err(|error| {
        ConnectError::settings(
            "gcp",
            format!("no credentials are configured ({error}); give the pod an identity, see docs/key-services.md"),
        )
    })
}

/// A key in a file can be copied and stays valid until it is deleted.
pub(super) fn long_lived_credentials() -> Option<String> {
    use std::io::Read as _;

    let path = std::env::var_os(CREDENTIALS_FILE)?;
    let file = std::fs::File::open(&path).ok()?;
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(LONGEST_CREDENTIALS)
        .read_to_string(&mut text)
        .ok()?;
    let kind = ["service_account", "authorized_user"]
        .into_iter()
        .find(|kind| text.contains(&format!("\"{kind}\"")))?;
    Some(format!(
        "{CREDENTIALS_FILE} names long-lived credentials ({kind}); use workload identity"
    ))
}
