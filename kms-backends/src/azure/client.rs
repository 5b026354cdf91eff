//! The client of Azure Key Vault: unwraps with one version of a key.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use azure_security_keyvault_keys::KeyClient;
use azure_security_keyvault_keys::models::{
    EncryptionAlgorithm, JsonWebKey, KeyClientGetKeyOptions, KeyOperationParameters, KeyType,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use jwe_envelope::{KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connection::Connection;
use super::error;
use super::options::AzureOptions;
use crate::error::UnwrapError;
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{AzureKey, KeyUri, Target};
use crate::service::connect_error::ConnectError;
use crate::service::key_service::{KeyService, KeyVersion, with_public_keys};
use crate::service::remote::{answer_by, damaged, misconfigured_key};
use crate::service::supported::{CheckedRequest, SupportedAlgorithms, check_request};

/// Azure's vaults as one identity.
#[derive(Debug)]
pub(super) struct Azure {
    connection: Connection,
    /// One client each: it remembers where the vault sends us for tokens.
    vaults: Mutex<HashMap<String, Arc<KeyVault>>>,
}

/// One vault.
#[derive(Debug)]
struct KeyVault {
    client: Client,
    /// `https://host` or `https://host:port`: what the names of its keys begin with.
    origin: String,
}

struct Client(KeyClient);

/// One version of a key.
#[derive(Debug)]
struct AzureUnwrapper {
    vault: Arc<KeyVault>,
    version: NamedVersion,
    recipient: RecipientKey,
    /// As Azure calls it.
    algorithm: Option<&'static EncryptionAlgorithm>,
}

/// A key with its version.
#[derive(Clone, Debug)]
struct NamedVersion {
    /// For people.
    reference: String,
    name: String,
    id: String,
}

/// More enabled versions of one key than anyone rotates through.
const MOST_VERSIONS: usize = 100;
/// Every key of a vault does both.
const SUPPORTED: SupportedAlgorithms<EncryptionAlgorithm> = SupportedAlgorithms {
    service: "azure",
    decrypts: &[
        (KeyManagement::RsaOaep256, EncryptionAlgorithm::RsaOaep256),
        (KeyManagement::RsaOaep, EncryptionAlgorithm::RsaOaep),
    ],
    agrees_on: &[],
};

#[async_trait]
impl KeyUnwrap for AzureUnwrapper {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let (CheckedRequest::Decrypt(ciphertext), Some(algorithm)) =
            (check_request(request, &self.recipient)?, self.algorithm)
        else {
            return Err(misconfigured_key(
                &self.version.reference,
                "is an RSA key and does not support ECDH",
            ));
        };
        let call = self.vault.unwrap_key(&self.version, algorithm, ciphertext);
        answer_by(deadline, &self.version.reference, call).await
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        Some(&self.recipient)
    }
}

#[async_trait]
impl KeyService for Azure {
    async fn unwrapper(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let (key, version) =
            version_of(uri).ok_or_else(|| ConnectError::NoVersion(uri.to_string()))?;
        let algorithm = SUPPORTED.native_name(uri, recipient)?;
        Ok(Arc::new(AzureUnwrapper {
            vault: self.vault(&key.host()).await?,
            version,
            recipient: recipient.clone(),
            algorithm,
        }))
    }

    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        let reference = uri.to_string();
        let (key, version) =
            version_of(uri).ok_or_else(|| misconfigured_key(&reference, "names no version"))?;
        let vault = self
            .vault(&key.host())
            .await
            .map_err(|error| misconfigured_key(&reference, &error.to_string()))?;
        let call = vault.public_key(&version, algorithm);
        let recipient = answer_by(deadline, &reference, call).await?;
        SUPPORTED
            .native_name(uri, &recipient)
            .map_err(|error| misconfigured_key(&reference, &error.to_string()))?;
        Ok(recipient)
    }

    async fn versions(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<Vec<KeyVersion>, UnwrapError> {
        let reference = uri.to_string();
        let Target::Azure(key) = uri.target() else {
            return Err(misconfigured_key(
                &reference,
                "is not a key of Azure Key Vault",
            ));
        };
        let vault = self
            .vault(&key.host())
            .await
            .map_err(|error| misconfigured_key(&reference, &error.to_string()))?;
        let keys = answer_by(deadline, &reference, vault.versions(key, &reference)).await?;
        let uris = keys.into_iter().map(|key| KeyUri::from(Target::Azure(key)));
        with_public_keys(self, uris, algorithm, deadline).await
    }
}

impl Azure {
    pub(super) fn new(options: &AzureOptions) -> Result<Self, ConnectError> {
        Ok(Self {
            connection: Connection::new(options)?,
            vaults: Mutex::default(),
        })
    }

    async fn vault(&self, host: &str) -> Result<Arc<KeyVault>, ConnectError> {
        let mut vaults = self.vaults.lock().await;
        if let Some(vault) = vaults.get(host) {
            return Ok(Arc::clone(vault));
        }
        let (client, origin) = self.connection.vault(host)?;
        let vault = Arc::new(KeyVault {
            client: Client(client),
            origin,
        });
        vaults.insert(host.to_owned(), Arc::clone(&vault));
        Ok(vault)
    }
}

impl KeyVault {
    async fn unwrap_key(
        &self,
        key: &NamedVersion,
        algorithm: &EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<SecretBytes, UnwrapError> {
        let reference = key.reference.as_str();
        let parameters = KeyOperationParameters {
            algorithm: Some(algorithm.clone()),
            value: Some(ciphertext.to_vec()),
            ..KeyOperationParameters::default()
        };
        let body = parameters.try_into().map_err(|_| {
            misconfigured_key(
                reference,
                "cannot be used: the request could not be serialized",
            )
        })?;
        let answer = self
            .client
            .0
            .unwrap_key(&key.name, &key.id, body, None)
            .await
            .map_err(|error| error::explain_unwrap(reference, &error))?
            .into_model()
            .map_err(|_| damaged(reference, "the answer cannot be read"))?;
        // Into a type that wipes itself, before anything can go wrong.
        let secret = SecretBytes::new(answer.result.unwrap_or_default());
        if answer.kid.as_deref() != Some(&*self.id_of(key)) {
            return Err(damaged(reference, "the answer is about another key"));
        }
        if secret.expose().is_empty() {
            return Err(damaged(reference, "the answer contains no key"));
        }
        Ok(secret)
    }

    async fn public_key(
        &self,
        version: &NamedVersion,
        wanted: Option<KeyManagement>,
    ) -> Result<RecipientKey, UnwrapError> {
        let reference = version.reference.as_str();
        let options = KeyClientGetKeyOptions {
            key_version: Some(version.id.clone()),
            ..KeyClientGetKeyOptions::default()
        };
        let key = self
            .client
            .0
            .get_key(&version.name, Some(options))
            .await
            .map_err(|error| error::explain(reference, &error))?
            .into_model()
            .map_err(|_| damaged(reference, "the answer cannot be read"))?
            .key
            .unwrap_or_default();
        if key.kid.as_deref() != Some(&*self.id_of(version)) {
            return Err(damaged(reference, "the answer is about another key"));
        }
        let jwk = rsa_jwk(&key).ok_or_else(|| misconfigured_key(reference, "is not an RSA key"))?;
        let unwraps = |operation: &String| operation == "unwrapKey";
        if key
            .key_ops
            .is_some_and(|operations| !operations.iter().any(unwraps))
        {
            return Err(misconfigured_key(
                reference,
                "may not unwrap; add `unwrapKey` to its operations",
            ));
        }
        let algorithm = wanted.unwrap_or(KeyManagement::RsaOaep256);
        RecipientKey::from_jwk(jwk.as_bytes(), Some(algorithm)).map_err(|source| {
            misconfigured_key(reference, "is not a usable public key").with_source(source)
        })
    }

    /// The enabled versions, the newest first.
    async fn versions(
        &self,
        key: &AzureKey,
        reference: &str,
    ) -> Result<Vec<AzureKey>, UnwrapError> {
        let mut pages = self
            .client
            .0
            .list_key_properties_versions(key.name(), None)
            .map_err(|error| error::explain(reference, &error))?
            .into_pages();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page
                .map_err(|error| error::explain(reference, &error))?
                .into_model()
                .map_err(|_| damaged(reference, "the list cannot be read"))?;
            for found in page.value {
                let attributes = found.attributes.unwrap_or_default();
                if attributes.enabled == Some(false) {
                    continue;
                }
                let version = found
                    .kid
                    .as_deref()
                    .and_then(|id| self.listed(key, id))
                    .ok_or_else(|| {
                        damaged(reference, "the list contains a version of another key")
                    })?;
                versions.push((attributes.created, version));
            }
            if versions.len() > MOST_VERSIONS {
                return Err(misconfigured_key(
                    reference,
                    "has more enabled versions than are supported; disable old ones",
                ));
            }
        }
        versions.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        Ok(versions.into_iter().map(|(_, version)| version).collect())
    }

    /// As the vault names a key version.
    fn id_of(&self, key: &NamedVersion) -> String {
        format!("{}/keys/{}/{}", self.origin, key.name, key.id)
    }

    /// The version of `key` that the vault calls `id`; nothing else that it might write there.
    fn listed(&self, key: &AzureKey, id: &str) -> Option<AzureKey> {
        let name = id.strip_prefix(&self.origin)?.strip_prefix("/keys/")?;
        key.at_version(name.strip_prefix(key.name())?.strip_prefix('/')?)
    }
}

fn version_of(uri: &KeyUri) -> Option<(&AzureKey, NamedVersion)> {
    let Target::Azure(key) = uri.target() else {
        return None;
    };
    let version = NamedVersion {
        reference: uri.to_string(),
        name: key.name().to_owned(),
        id: key.version()?.to_owned(),
    };
    Some((key, version))
}

/// Only public members.
fn rsa_jwk(key: &JsonWebKey) -> Option<String> {
    let (Some(KeyType::Rsa | KeyType::RsaHsm), Some(n), Some(e)) = (&key.kty, &key.n, &key.e)
    else {
        return None;
    };
    let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
    Some(format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
}

/// The library's own `Debug` shows settings; this shows none.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyClient")
    }
}
