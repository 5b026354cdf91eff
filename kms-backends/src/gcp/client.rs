//! The connection to Google Cloud KMS, shared by all keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::{Builder, Credentials};
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_kms_v1::client::KeyManagementService;

use super::{Gcp, Shared};
use crate::connect::ConnectError;
use crate::service::{CallLimits, KeyService};

/// How Google Cloud KMS is reached. The identity is that of Application Default Credentials.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct GcpOptions {
    /// How much may be asked of it.
    pub limits: CallLimits,
    /// Another endpoint than the public one: regional or private, `https://`; plain `http://` on the loopback interface
    /// alone.
    pub endpoint: Option<String>,
    /// No identity at all, for a double that asks for none.
    pub anonymous: bool,
}

/// Would switch on a log of all answers, plaintext included.
const LOGGING: &str = "GOOGLE_CLOUD_RUST_LOGGING";
const CREDENTIALS_FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// As `gcloud` reads it.
const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS";
/// No attempt outlives this, whatever its caller's deadline; the library itself would wait for ever.
const ATTEMPT: Duration = Duration::from_secs(10);
/// A credentials file has a few kilobytes.
const LONGEST_CREDENTIALS: u64 = 64 * 1024;

impl GcpOptions {
    /// What the environment says: an endpoint in the variable that `gcloud` reads.
    ///
    /// # Errors
    /// A variable that says nothing usable.
    pub fn from_env() -> Result<Self, ConnectError> {
        let endpoint = match std::env::var(ENDPOINT) {
            Ok(endpoint) => Some(endpoint),
            Err(std::env::VarError::NotPresent) => None,
            Err(_) => return Err(bad_endpoint("in its environment variable")),
        };
        Ok(Self {
            endpoint,
            ..Self::default()
        })
    }

    /// What an operator should mend, though it works: credentials that live longer than minutes.
    pub fn warnings(&self) -> Vec<String> {
        if self.anonymous {
            return Vec::new();
        }
        long_lived_credentials().into_iter().collect()
    }
}

impl fmt::Debug for GcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcpOptions")
            .field("limits", &self.limits)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Makes ready; nothing is asked yet.
pub(crate) async fn open(options: &GcpOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    if std::env::var_os(LOGGING).is_some() {
        return Err(ConnectError::settings(
            "gcp",
            format!(
                "the environment variable {LOGGING} makes Google's client library write every answer, content keys \
                 included, to the log; remove it"
            ),
        ));
    }
    let mut builder = KeyManagementService::builder()
        .with_credentials(credentials(options)?)
        .with_retry_policy(NeverRetry)
        .with_attempt_timeout(ATTEMPT);
    if let Some(endpoint) = &options.endpoint {
        if !is_usable(endpoint) {
            return Err(bad_endpoint(&format!("{endpoint:?}")));
        }
        builder = builder.with_endpoint(endpoint);
    }
    let client = builder.build().await.map_err(|error| {
        ConnectError::settings("gcp", format!("the client cannot be made: {error}"))
    })?;
    Ok(Arc::new(Shared(Arc::new(Gcp { client }))))
}

fn credentials(options: &GcpOptions) -> Result<Credentials, ConnectError> {
    if options.anonymous {
        return Ok(google_cloud_auth::credentials::anonymous::Builder::new().build());
    }
    Builder::default().build().map_err(|error| {
        ConnectError::settings(
            "gcp",
            format!("there are no credentials ({error}); give the pod an identity, see docs/key-services.md"),
        )
    })
}

fn bad_endpoint(what: &str) -> ConnectError {
    ConnectError::settings(
        "gcp",
        format!("the endpoint {what} is not usable; write `https://` and a host"),
    )
}

/// A key in a file can be copied and lives until somebody deletes it.
fn long_lived_credentials() -> Option<String> {
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
        "{CREDENTIALS_FILE} names long-lived credentials ({kind}); workload identity leaves nothing to steal"
    ))
}

/// A token and wrapped keys go there, and content keys come back.
fn is_usable(endpoint: &str) -> bool {
    let loopback = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        ["127.0.0.1", "[::1]", "localhost"].contains(&host)
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]".contains(c);
    endpoint.chars().all(plain)
        && match (
            endpoint.strip_prefix("https://"),
            endpoint.strip_prefix("http://"),
        ) {
            (Some(rest), _) => !rest.is_empty() && !rest.starts_with('/'),
            (_, Some(rest)) => loopback(rest),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_out_over_tls_alone() {
        for good in [
            "https://cloudkms.googleapis.com",
            "https://cloudkms.europe-west3.rep.googleapis.com/",
            "http://127.0.0.1:4711",
            "http://localhost:4711/",
            "http://[::1]:4711",
        ] {
            assert!(is_usable(good), "{good}");
        }
        for bad in [
            "",
            "cloudkms.googleapis.com",
            "http://cloudkms.googleapis.com",
            "http://127.0.0.1.example.com",
            "http://user@127.0.0.1",
            "https://",
            "https:///x",
            "https://a b",
            "ftp://127.0.0.1",
        ] {
            assert!(!is_usable(bad), "{bad}");
        }
    }
}
