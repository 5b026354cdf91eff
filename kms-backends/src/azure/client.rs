//! The way to Azure's vaults: transport, identity, one client for each vault.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use tokio::sync::Mutex;

use super::Azure;
use super::identity::{self, AzureIdentity, variable};
use crate::connect::ConnectError;
use crate::remote::read_ca;
use crate::service::{CallLimits, KeyService};

/// How Azure Key Vault is reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AzureOptions {
    /// How much may be asked of each vault.
    pub limits: CallLimits,
    /// Where every vault is, instead of where its name leads: a private endpoint without a DNS zone of its own.
    pub address: Option<SocketAddr>,
    /// The authorities that vouch for vaults and for the token service, PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Where tokens come from, `https://`, instead of `AZURE_AUTHORITY_HOST` or Azure's public cloud.
    pub authority_host: Option<String>,
    /// Who we are.
    pub identity: AzureIdentity,
}

/// How to get at vaults.
pub(super) struct Connection {
    credential: Arc<dyn TokenCredential>,
    http: reqwest::Client,
    options: AzureOptions,
}

/// No attempt outlives this, whatever its caller's deadline.
const ATTEMPT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);

impl AzureOptions {
    /// What the environment says, for people at a keyboard: the identity of a pod, a secret in a variable, or whoever is
    /// logged in with `az`, in this order.
    ///
    /// # Errors
    /// None at present.
    #[allow(clippy::unnecessary_wraps, reason = "as for the other services")]
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self {
            identity: AzureIdentity::of_a_person(&variable),
            ..Self::default()
        })
    }

    /// What an operator should mend, though it works: a credential that lives longer than minutes, an identity that is shared.
    pub fn warnings(&self) -> Vec<String> {
        self.identity
            .warning()
            .map(str::to_owned)
            .into_iter()
            .collect()
    }
}

/// Makes ready; nothing is asked yet.
#[allow(clippy::unused_async, reason = "as for the other services")]
pub(crate) async fn open(options: &AzureOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    let connection = Connection::new(options)?;
    Ok(Arc::new(Azure {
        connection,
        vaults: Mutex::default(),
    }))
}

impl Connection {
    fn new(options: &AzureOptions) -> Result<Self, ConnectError> {
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

/// The token is there to be printed by nobody.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// An HTTP client that leaves one origin for no answer in the world: a list's link to its next page is the server's text,
/// and the request to it would carry our token.
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
                "the vault leads to another host",
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
        ConnectError::settings("azure", format!("there is no HTTP client: {error}"))
    })
}

fn no_authority(path: &std::path::Path) -> ConnectError {
    ConnectError::settings(
        "azure",
        format!(
            "{} holds no PEM certificate of an authority",
            path.display()
        ),
    )
}

pub(super) fn unusable(error: &azure_core::Error) -> ConnectError {
    ConnectError::settings("azure", error.to_string())
}
