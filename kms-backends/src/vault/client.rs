//! The client of the Transit engine: keys, their versions, and who unwraps with one of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use super::batch::DecryptBatcher;
use super::options::VaultOptions;
use super::server::{Vault, what};
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{KeyUri, Target, VaultKey};
use crate::service::connect_error::ConnectError;
use crate::service::key_service::{KeyService, KeyVersion};
use crate::service::supported::{CheckedRequest, SupportedAlgorithms, check_request};
use crate::sync::lock;

/// The keys of one server.
pub(super) struct Transit {
    vault: Arc<Vault>,
    /// One for each key: what waits for the same key can go in one call.
    batchers: Mutex<HashMap<(String, String), Arc<DecryptBatcher>>>,
}

/// OAEP with SHA-256 is fixed in the engine.
const SUPPORTED: SupportedAlgorithms<()> = SupportedAlgorithms {
    service: "vault",
    decrypts: &[(KeyManagement::RsaOaep256, ())],
    agrees_on: &[],
};

impl Transit {
    pub(super) fn new(options: &VaultOptions) -> Result<Self, ConnectError> {
        Ok(Self {
            vault: Arc::new(Vault::new(options)?),
            batchers: Mutex::default(),
        })
    }

    fn batcher(&self, key: &VaultKey) -> Arc<DecryptBatcher> {
        let names = (key.mount().to_owned(), key.name().to_owned());
        let mut batchers = lock(&self.batchers);
        let batcher = batchers.entry(names).or_insert_with(|| {
            DecryptBatcher::new(key.mount(), key.name(), what(key.mount(), key.name()))
        });
        Arc::clone(batcher)
    }
}

#[async_trait]
impl KeyService for Transit {
    async fn unwrapper(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let key = vault_key(uri)?;
        let version = key
            .version()
            .ok_or_else(|| ConnectError::NoVersion(uri.to_string()))?;
        SUPPORTED.native_name(uri, recipient)?;
        Ok(Arc::new(VaultUnwrapper {
            batcher: self.batcher(key),
            vault: Arc::clone(&self.vault),
            name: uri.to_string(),
            version,
            recipient: recipient.clone(),
        }))
    }

    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        let key = vault_key(uri).map_err(wrong_reference)?;
        let wanted = key.version();
        let found = self.vault.read(key, deadline).await?;
        let pem = found
            .versions()
            .into_iter()
            .find(|(number, _)| Some(*number) == wanted)
            .map(|(_, pem)| pem)
            .ok_or_else(|| {
                UnwrapError::new(
                    Category::UnknownKey,
                    format!("Vault does not decrypt with {uri}: the version does not exist or is below min_decryption_version"),
                )
            })?;
        recipient(pem, algorithm, uri)
    }

    async fn versions(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<Vec<KeyVersion>, UnwrapError> {
        let key = vault_key(uri).map_err(wrong_reference)?;
        let found = self.vault.read(key, deadline).await?;
        found
            .versions()
            .into_iter()
            .filter_map(|(number, pem)| Some((key.at_version(number)?, pem)))
            .map(|(key, pem)| {
                let uri = KeyUri::from(Target::Vault(key));
                let recipient = recipient(pem, algorithm, &uri)?;
                Ok(KeyVersion { uri, recipient })
            })
            .collect()
    }
}

impl fmt::Debug for Transit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transit").field(&self.vault).finish()
    }
}

/// One version of one key.
struct VaultUnwrapper {
    vault: Arc<Vault>,
    batcher: Arc<DecryptBatcher>,
    name: String,
    version: u64,
    recipient: RecipientKey,
}

#[async_trait]
impl KeyUnwrap for VaultUnwrapper {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let CheckedRequest::Decrypt(ciphertext) = check_request(request, &self.recipient)? else {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                "the Transit engine of Vault does not support ECDH",
            ));
        };
        // The version is configured. One in the envelope would let its author choose among old ones.
        let text = format!("vault:v{}:{}", self.version, STANDARD.encode(ciphertext));
        let secret = self.batcher.decrypt(&self.vault, text, deadline).await?;
        // OAEP leaves less room than the modulus; a longer answer is not a decryption.
        if secret.expose().len() >= ciphertext.len() {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                format!("the answer of Vault is longer than {} allows", self.name),
            ));
        }
        Ok(secret)
    }
}

impl fmt::Debug for VaultUnwrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VaultTransit").field(&self.name).finish()
    }
}

fn vault_key(uri: &KeyUri) -> Result<&VaultKey, ConnectError> {
    match uri.target() {
        Target::Vault(key) => Ok(key),
        _ => Err(ConnectError::settings(
            "vault",
            format!("{uri} is not a key of Vault"),
        )),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the end of `map_err`")]
fn wrong_reference(error: ConnectError) -> UnwrapError {
    UnwrapError::new(Category::Misconfigured, error.to_string())
}

fn recipient(
    pem: &str,
    algorithm: Option<KeyManagement>,
    uri: &KeyUri,
) -> Result<RecipientKey, UnwrapError> {
    let algorithm = algorithm.or(Some(KeyManagement::RsaOaep256));
    RecipientKey::from_pem(pem.as_bytes(), algorithm).map_err(|error| {
        UnwrapError::new(
            Category::Misconfigured,
            format!("the public key of {uri} cannot be used"),
        )
        .with_source(error)
    })
}
