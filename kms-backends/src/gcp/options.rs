//! How Google Cloud KMS is reached.

use std::fmt;

use super::identity::long_lived_credentials;
use crate::service::connect_error::ConnectError;
use crate::service::key_service::CallLimits;

/// How Google Cloud KMS is reached. The identity is that of Application Default Credentials.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct GcpOptions {
    /// How much may be asked of it.
    pub limits: CallLimits,
    /// Another endpoint than the public one: regional or private, `https://`; plain `http://` on the loopback interface
    /// only.
    pub endpoint: Option<String>,
    /// No identity at all, for a double that asks for none.
    pub anonymous: bool,
}

/// As `gcloud` reads it.
const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS";

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

    /// What works but should be fixed: long-lived credentials.
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

pub(super) fn bad_endpoint(what: &str) -> ConnectError {
    ConnectError::settings(
        "gcp",
        format!("the endpoint {what} is not usable; write `https://` and a host"),
    )
}

/// A token and wrapped keys go there, and content keys come back.
pub(super) fn is_usable(endpoint: &str) -> bool {
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
