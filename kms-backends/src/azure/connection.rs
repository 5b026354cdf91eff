//! The way to Azure's vaults: transport, identity, one client for each vault.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};

use super::error::unusable;
use super::identity::{self, variable};
use super::options::AzureOptions;
use crate::service::connect_error::ConnectError;
use crate::service::remote::read_ca;

/// What is needed to connect to vaults.
pub(super) struct Connection {
    credential: Arc<dyn TokenCredential>,
    http: reqwest::Client,
    options: AzureOptions,
}

/// The longest that one attempt may take, whatever the deadline of its caller.
const ATTEMPT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);

impl Connection {
    pub(super) fn new(options: &AzureOptions) -> Result<Self, ConnectError> {
        let http = transport(options, None)?;
        let mut client_options = client_options(Arc::new(http.clone()));
        if let Some(host) = &options.authority_host {
            let mut cloud = CustomConfiguration::default();
            cloud.authority_host.clone_from(host);
            client_options.cloud = Some(Arc::new(cloud.into()));
        }
        let credential = identity::credential(&options.identity, client_options, &variable)?;
        Ok(Self {
            credential,
            http,
            options: options.clone(),
        })
    }

    /// A client for the vault at `host`, and what the names of its keys begin with.
    pub(super) fn vault(&self, host: &str) -> Result<(KeyClient, String), ConnectError> {
        let (http, origin) = match self.options.address {
            None => (self.http.clone(), format!("https://{host}")),
            Some(address) => {
                let http = transport(&self.options, Some((host, address)))?;
                (http, format!("https://{host}:{}", address.port()))
            }
        };
        let transport = OneOrigin {
            http,
            origin: origin.clone(),
        };
        let options = KeyClientOptions {
            client_options: client_options(Arc::new(transport)),
            ..KeyClientOptions::default()
        };
        let client = KeyClient::new(&origin, Arc::clone(&self.credential), Some(options))
            .map_err(|error| unusable(&error))?;
        Ok((client, origin))
    }
}

/// Leaves the token out.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// An HTTP client that stays at one origin: the link to a list's next page comes from the server, and the request to it
/// would carry our token.
#[derive(Debug)]
struct OneOrigin {
    http: reqwest::Client,
    origin: String,
}

#[async_trait]
impl HttpClient for OneOrigin {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if request.url().origin().ascii_serialization() != self.origin {
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "the vault refers to another host",
            ));
        }
        self.http.execute_request(request).await
    }
}

fn client_options(http: Arc<dyn HttpClient>) -> ClientOptions {
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(http)),
        ..ClientOptions::default()
    }
}

fn transport(
    options: &AzureOptions,
    resolve: Option<(&str, SocketAddr)>,
) -> Result<reqwest::Client, ConnectError> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(ATTEMPT);
    // The machine's identity comes from an address on the link, over plain HTTP; everything else is TLS, which the
    // client library insists on where a token is sent.
    if let Some((host, address)) = resolve {
        builder = builder.resolve(host, address);
    }
    if let Some(path) = &options.ca_file {
        let pem = read_ca(path).map_err(|error| {
            ConnectError::settings(
                "azure",
                format!("authorities in {} cannot be read: {error}", path.display()),
            )
        })?;
        let authorities =
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| no_authority(path))?;
        if authorities.is_empty() {
            return Err(no_authority(path));
        }
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|error| {
        ConnectError::settings(
            "azure",
            format!("the HTTP client cannot be created: {error}"),
        )
    })
}

fn no_authority(path: &std::path::Path) -> ConnectError {
    ConnectError::settings(
        "azure",
        format!(
            "{} contains no PEM certificate of an authority",
            path.display()
        ),
    )
}
