//! One HTTP request to Vault and its answer, bounded.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, tls};
use rustify::endpoint::Endpoint;
use vaultrs::api::EndpointMiddleware;
use zeroize::Zeroizing;

use super::options::VaultOptions;
use crate::service::connect_error::ConnectError;
use crate::service::remote::read_ca;

/// A key with a hundred versions stays far below it.
const MOST_BYTES: usize = 1 << 20;

pub(super) struct Transport {
    http: Client,
    base: String,
    namespace: Option<String>,
}

/// What came back.
pub(super) struct VaultResponse {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer. Holds no part of one.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("the request could not be made")]
    Request,
    #[error("the answer is longer than 1 MiB")]
    TooLong,
    #[error(transparent)]
    Http(reqwest::Error),
}

impl Transport {
    pub(super) fn new(options: &VaultOptions) -> Result<Self, ConnectError> {
        let base = address(options.address.as_deref())?;
        let plain = base.starts_with("http:");
        let namespace = options.namespace.clone();
        let legal = |text: &String| {
            (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if !namespace.as_ref().is_none_or(legal) {
            return Err(settings(
                "the namespace must be 1 to 256 visible ASCII characters",
            ));
        }
        let limit = options.limits.attempt_timeout;
        let mut builder = Client::builder()
            .tls_backend_rustls()
            .tls_version_min(tls::Version::TLS_1_3)
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(limit)
            .timeout(limit)
            .user_agent(concat!("privy-seal/", env!("CARGO_PKG_VERSION")));
        if plain {
            // Only on this machine, so no proxy either.
            builder = builder.no_proxy().tls_certs_only([]);
        } else if let Some(file) = &options.ca_file {
            let unusable = |why: &dyn fmt::Display| {
                settings(format!(
                    "the authorities in {} cannot be used: {why}",
                    file.display()
                ))
            };
            let pem = read_ca(file).map_err(|error| unusable(&error))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
            if certificates.is_empty() {
                return Err(unusable(&"it contains no certificate"));
            }
            builder = builder.https_only(true).tls_certs_only(certificates);
        } else {
            builder = builder.https_only(true);
        }
        let http = builder
            .build()
            .map_err(|error| settings(format!("the HTTP client cannot be created: {error}")))?;
        Ok(Self {
            http,
            base,
            namespace,
        })
    }

    /// Sends `endpoint`, with `token` where there is one, which is visible ASCII.
    pub(super) async fn send(
        &self,
        endpoint: impl Endpoint,
        token: Option<&str>,
    ) -> Result<VaultResponse, TransportError> {
        let middleware = EndpointMiddleware {
            token: token.unwrap_or_default().to_owned(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: self.namespace.clone(),
        };
        let request = endpoint
            .with_middleware(&middleware)
            .request(&self.base)
            .map_err(|_| TransportError::Request)?;
        drop(Zeroizing::new(middleware.token));
        let mut request =
            reqwest::Request::try_from(request).map_err(|_| TransportError::Request)?;
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        let mut response = self.http.execute(request).await.map_err(http)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        // Grown by hand, so that no smaller copy of it is left behind.
        let expected = response.content_length().unwrap_or(16 << 10);
        let expected = usize::try_from(expected).unwrap_or(MOST_BYTES);
        let expected = expected.min(MOST_BYTES);
        let mut body = Zeroizing::new(Vec::with_capacity(expected));
        while let Some(chunk) = response.chunk().await.map_err(http)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(TransportError::TooLong);
            }
            if body.len() + chunk.len() > body.capacity() {
                let mut larger = Zeroizing::new(Vec::with_capacity((body.len() + chunk.len()) * 2));
                larger.extend_from_slice(&body);
                body = larger;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(VaultResponse {
            status,
            retry_after,
            body,
        })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("base", &self.base)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

fn http(error: reqwest::Error) -> TransportError {
    // The URL names the key; nothing secret, but our own message has it already.
    TransportError::Http(error.without_url())
}

fn settings(message: impl Into<String>) -> ConnectError {
    ConnectError::settings("vault", message)
}

/// `https://host[:port]`, or `http://` on this machine.
fn address(text: Option<&str>) -> Result<String, ConnectError> {
    let text = text.ok_or_else(|| {
        settings("the address is not set; set `keyServices.vault.address`, or VAULT_ADDR for the command line")
    })?;
    let wrong = || {
        settings(format!(
            "the address {:?} is invalid; write `https://vault.example:8200`",
            crate::key_uri::cut(text)
        ))
    };
    let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
        || url.path() != "/"
    {
        return Err(wrong());
    }
    match url.scheme() {
        "https" => Ok(url.to_string()),
        "http" if is_this_machine(host) => Ok(url.to_string()),
        "http" => Err(settings(
            "plain http would show tokens and content keys to the network; write `https://`",
        )),
        _ => Err(wrong()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whole seconds; dates are not supported.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    let seconds: u64 = value.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3_600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for text in [
            "http://127.0.0.1:8200",
            "http://localhost:8200",
            "http://[::1]:8200",
            "https://vault:8200",
        ] {
            address(Some(text)).unwrap();
        }
        for text in [
            "http://vault:8200",
            "http://127.0.0.1.evil.example",
            "ftp://vault",
            "vault:8200",
            "https://user:pw@vault",
            "https://vault/v1",
            "https://vault/?a=b",
            "",
        ] {
            address(Some(text)).unwrap_err();
        }
        assert!(
            address(None)
                .unwrap_err()
                .to_string()
                .contains("VAULT_ADDR")
        );
    }
}
