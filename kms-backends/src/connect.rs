//! From a key reference to what unwraps with the key.

use std::collections::HashMap;
use std::sync::Arc;

use jwe_envelope::{KeyManagement, RecipientKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{KeyUri, Target};
use crate::layer::{Layered, TokenBucket};
use crate::observer::Observer;
use crate::service::connect_error::ConnectError;
use crate::service::key_service::{CallLimits, KeyService, KeyVersion};

/// How each key service is reached; what is left at its default follows the platform's own ways.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KeyServices {
    /// AWS KMS.
    #[cfg(feature = "aws")]
    pub aws: crate::aws::AwsOptions,
    /// Azure Key Vault and Managed HSM.
    #[cfg(feature = "azure")]
    pub azure: crate::azure::AzureOptions,
    /// Google Cloud KMS.
    #[cfg(feature = "gcp")]
    pub gcp: crate::gcp::GcpOptions,
    /// Kubernetes KMS v2 plugins.
    #[cfg(feature = "kms-plugin")]
    pub plugin: crate::kms_plugin::PluginOptions,
    /// PKCS#11 tokens.
    #[cfg(feature = "pkcs11")]
    pub pkcs11: crate::pkcs11::Pkcs11Options,
    /// Vault or OpenBao.
    #[cfg(feature = "vault")]
    pub vault: crate::vault::VaultOptions,
}

impl KeyServices {
    /// Reads the environment as each service's own command-line tool does.
    ///
    /// Only this function reads it: the services' client libraries get every setting from us, so that a variable that
    /// was left in a container's environment changes nothing.
    ///
    /// # Errors
    /// A variable with an unusable value.
    pub fn from_env() -> Result<Self, ConnectError> {
        Ok(Self {
            #[cfg(feature = "aws")]
            aws: crate::aws::AwsOptions::from_env()?,
            #[cfg(feature = "azure")]
            azure: crate::azure::AzureOptions::from_env()?,
            #[cfg(feature = "gcp")]
            gcp: crate::gcp::GcpOptions::from_env()?,
            #[cfg(feature = "kms-plugin")]
            plugin: crate::kms_plugin::PluginOptions::default(),
            #[cfg(feature = "pkcs11")]
            pkcs11: crate::pkcs11::Pkcs11Options::from_env()?,
            #[cfg(feature = "vault")]
            vault: crate::vault::VaultOptions::from_env()?,
        })
    }

    /// How much may be asked of the service of `target`; nothing is limited for files.
    #[allow(
        clippy::unused_self,
        reason = "each service that is built in has its limits here"
    )]
    fn limits(&self, target: &Target) -> Option<CallLimits> {
        match target {
            #[cfg(feature = "aws")]
            Target::Aws(_) => Some(self.aws.limits),
            #[cfg(feature = "azure")]
            Target::Azure(_) => Some(self.azure.limits),
            #[cfg(feature = "gcp")]
            Target::Gcp(_) => Some(self.gcp.limits),
            #[cfg(feature = "pkcs11")]
            Target::Pkcs11(_) => Some(self.pkcs11.limits),
            #[cfg(feature = "kms-plugin")]
            Target::Plugin(_) => Some(self.plugin.limits),
            #[cfg(feature = "vault")]
            Target::Vault(_) => Some(self.vault.limits),
            _ => None,
        }
    }
}

/// Connects references to the services that hold the keys. Keys of one service share its connections, login and quota, so one
/// connector serves a whole configuration.
#[derive(Debug, Default)]
pub struct Connector {
    services: KeyServices,
    opened: Mutex<HashMap<&'static str, Arc<dyn KeyService>>>,
    quotas: std::sync::Mutex<HashMap<&'static str, Arc<TokenBucket>>>,
}

impl Connector {
    /// Reaches key services as `services` says. Nothing is contacted yet.
    pub fn new(services: KeyServices) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }

    /// The holder of the private key that `uri` names, for the public key `recipient`.
    ///
    /// A file is read at once, and refused when it holds another key. A key service may be down at this moment:
    /// reaching it is left to the first unwrap.
    ///
    /// # Errors
    /// The file cannot be used, the service's settings are not usable, the reference lacks a version, or the backend
    /// is not in this build; the message says what to do.
    pub async fn connect(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        #[cfg(feature = "local")]
        if let Some(path) = uri.file() {
            let pin = Some(recipient.algorithm());
            let backend = crate::local::LocalBackend::open(path, pin)?;
            same_key(uri, backend.recipient(), recipient)?;
            return Ok(Arc::new(backend));
        }
        if uri.lacks_version() {
            return Err(ConnectError::NoVersion(uri.to_string()));
        }
        self.service(uri).await?.unwrapper(uri, recipient).await
    }

    /// Asks for the public key of `uri`, which names a version where its service has them.
    ///
    /// # Errors
    /// As an unwrap fails; what [`connect`](Self::connect) would refuse is [`Category::Misconfigured`].
    pub async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        #[cfg(feature = "local")]
        if let Some(path) = uri.file() {
            let backend =
                crate::local::LocalBackend::open(path, algorithm).map_err(misconfigured)?;
            return Ok(backend.recipient().clone());
        }
        if uri.lacks_version() {
            return Err(misconfigured(ConnectError::NoVersion(uri.to_string())));
        }
        let service = self.service(uri).await.map_err(misconfigured)?;
        service.public_key(uri, algorithm, deadline).await
    }

    /// Lists the versions of `uri` that can decrypt, newest first, each with its public key. A reference that names its
    /// version, or whose service knows none, has one.
    ///
    /// # Errors
    /// As [`public_key`](Self::public_key).
    pub async fn versions(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<Vec<KeyVersion>, UnwrapError> {
        if !uri.lacks_version() {
            let recipient = self.public_key(uri, algorithm, deadline).await?;
            return Ok(vec![KeyVersion {
                uri: uri.clone(),
                recipient,
            }]);
        }
        let service = self.service(uri).await.map_err(misconfigured)?;
        service.versions(uri, algorithm, deadline).await
    }

    /// `backend`, which `uri` led to, in the layers that suit it: a file is only observed; a key service gets the
    /// timeout and the quota of its settings, a breaker and retries.
    pub fn layered(
        &self,
        uri: &KeyUri,
        backend: Arc<dyn KeyUnwrap>,
        name: &str,
        observer: &Arc<dyn Observer>,
    ) -> Arc<dyn KeyUnwrap> {
        let layered = match self.services.limits(uri.target()) {
            None => Layered::new(backend),
            Some(limits) => {
                let layered = Layered::remote(backend).attempt_timeout(limits.attempt_timeout);
                match limits.quota {
                    None => layered,
                    Some(quota) => {
                        let mut quotas = crate::sync::lock(&self.quotas);
                        let bucket = quotas
                            .entry(uri.scheme())
                            .or_insert_with(|| Arc::new(TokenBucket::new(quota)));
                        layered.rate_limit(Arc::clone(bucket))
                    }
                }
            }
        };
        layered.named(name).observer(Arc::clone(observer)).build()
    }

    async fn service(&self, uri: &KeyUri) -> Result<Arc<dyn KeyService>, ConnectError> {
        let mut opened = self.opened.lock().await;
        if let Some(service) = opened.get(uri.scheme()) {
            return Ok(Arc::clone(service));
        }
        let service = self.open(uri).await?;
        opened.insert(uri.scheme(), Arc::clone(&service));
        Ok(service)
    }

    /// Makes the client of the service that `uri` belongs to.
    #[allow(
        clippy::unused_async,
        reason = "some clients log in here, in builds that have them"
    )]
    async fn open(&self, uri: &KeyUri) -> Result<Arc<dyn KeyService>, ConnectError> {
        match uri.target() {
            #[cfg(feature = "aws")]
            Target::Aws(_) => crate::aws::open(&self.services.aws).await,
            #[cfg(feature = "azure")]
            Target::Azure(_) => crate::azure::open(&self.services.azure).await,
            #[cfg(feature = "gcp")]
            Target::Gcp(_) => crate::gcp::open(&self.services.gcp).await,
            #[cfg(feature = "pkcs11")]
            Target::Pkcs11(_) => crate::pkcs11::open(&self.services.pkcs11).await,
            #[cfg(feature = "kms-plugin")]
            Target::Plugin(_) => crate::kms_plugin::open(&self.services.plugin).await,
            #[cfg(feature = "vault")]
            Target::Vault(_) => crate::vault::open(&self.services.vault).await,
            _ => Err(ConnectError::NotInThisBuild {
                reference: uri.to_string(),
            }),
        }
    }
}

/// The holder of the private key that `uri` names, reached as the platform does by default. Asks a key service for the
/// public key.
///
/// # Errors
/// As [`Connector::public_key`] and [`Connector::connect`].
pub async fn connect(uri: &KeyUri) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
    #[cfg(feature = "local")]
    if let Some(path) = uri.file() {
        return Ok(Arc::new(crate::local::LocalBackend::open(path, None)?));
    }
    let connector = Connector::default();
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    let recipient = connector
        .public_key(uri, None, deadline)
        .await
        .map_err(ConnectError::PublicKey)?;
    connector.connect(uri, &recipient).await
}

#[cfg(feature = "local")]
fn same_key(
    uri: &KeyUri,
    held: &RecipientKey,
    expected: &RecipientKey,
) -> Result<(), ConnectError> {
    if held.kid() == expected.kid() {
        return Ok(());
    }
    Err(ConnectError::OtherKey {
        reference: uri.to_string(),
        held: held.kid().to_owned(),
        expected: expected.kid().to_owned(),
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the end of `map_err`")]
fn misconfigured(error: impl std::error::Error) -> UnwrapError {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    UnwrapError::new(Category::Misconfigured, words)
}
