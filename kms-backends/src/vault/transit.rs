//! The Transit engine: keys, their versions, and the decryption of wrapped content keys.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{KeyManagement, RecipientKey, SecretBytes, UnwrapRequest};
use rustify::endpoint::Endpoint;
use tokio::time::Instant;
use vaultrs::api::transit::requests::ReadKeyRequest;

use super::desk::Desk;
use super::error::{Asked, broken, failed, garbled};
use super::options::VaultOptions;
use super::session::Identity;
use super::transport::{Answer, Transport};
use super::wire::{self, DecryptRequest, TransitKey};
use crate::connect::ConnectError;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{KeyUri, Target, VaultKey};
use crate::remote::answer_by;
use crate::service::{KeyService, KeyVersion, Repertoire, Suited, suited};
use crate::sync::lock;

/// One server, one identity.
pub(super) struct Vault {
    transport: Arc<Transport>,
    identity: Arc<Identity>,
    /// One for each key: what waits for the same key can go in one call.
    desks: Mutex<HashMap<(String, String), Arc<Desk>>>,
}

/// OAEP with SHA-256 is fixed in the engine.
const REPERTOIRE: Repertoire<()> = Repertoire {
    service: "vault",
    decrypts: &[(KeyManagement::RsaOaep256, ())],
    agrees_on: &[],
};

impl Vault {
    pub(super) fn new(options: &VaultOptions) -> Result<Self, ConnectError> {
        let transport = Arc::new(Transport::new(options)?);
        let auth = options.auth.clone().ok_or_else(|| {
            ConnectError::settings(
                "vault",
                "there is no way to log in; give `keyServices.vault.auth`, or VAULT_TOKEN to the command line",
            )
        })?;
        Ok(Self {
            identity: Identity::new(auth, Arc::clone(&transport)),
            transport,
            desks: Mutex::default(),
        })
    }

    pub(super) async fn decrypt_one(
        &self,
        mount: &str,
        name: &str,
        ciphertext: &str,
    ) -> Result<SecretBytes, UnwrapError> {
        let what = what(mount, name);
        let request = || DecryptRequest::new(mount, name, &[ciphertext]);
        let answer = self.ask(Asked::Decrypt, request, &what).await?;
        wire::plaintext(&answer.body).ok_or_else(|| garbled(&what))
    }

    /// In the order of the ciphertexts; `None` where one failed.
    pub(super) async fn decrypt_many(
        &self,
        mount: &str,
        name: &str,
        ciphertexts: &[&str],
    ) -> Result<Vec<Option<SecretBytes>>, UnwrapError> {
        let what = what(mount, name);
        let request = || DecryptRequest::new(mount, name, ciphertexts);
        let answer = match self.ask(Asked::Decrypt, request, &what).await {
            // Some version of Vault or OpenBao fails a batch as a whole; each item tells for itself then.
            Err(error)
                if matches!(
                    error.category(),
                    Category::Rejected | Category::Misconfigured
                ) =>
            {
                return Ok(ciphertexts.iter().map(|_| None).collect());
            }
            answer => answer?,
        };
        wire::plaintexts(&answer.body, ciphertexts.len()).ok_or_else(|| garbled(&what))
    }

    /// A successful answer. A 403 is answered with one fresh login, for tokens end before their time: they are revoked,
    /// and Vault is restored from a backup.
    async fn ask<E: Endpoint>(
        &self,
        asked: Asked,
        request: impl Fn() -> E,
        what: &str,
    ) -> Result<Answer, UnwrapError> {
        let session = self.identity.session().await?;
        let send = async |token: &str| {
            let sent = self.transport.send(request(), Some(token)).await;
            sent.map_err(|error| broken(error, what))
        };
        let mut answer = send(session.token()).await?;
        if answer.status == 403
            && let Some(session) = self.identity.another(&session).await?
        {
            answer = send(session.token()).await?;
        }
        if (200..=299).contains(&answer.status) {
            Ok(answer)
        } else {
            Err(failed(asked, &answer, what))
        }
    }

    async fn read(&self, key: &VaultKey, deadline: Instant) -> Result<TransitKey, UnwrapError> {
        let what = what(key.mount(), key.name());
        let request = || {
            let mut request = ReadKeyRequest::builder();
            request.mount(key.mount()).name(key.name());
            request.build().expect("both members are set")
        };
        let call = self.ask(Asked::ReadKey, request, &what);
        let answer = answer_by(deadline, &what, call).await?;
        let key = TransitKey::read(&answer.body).ok_or_else(|| garbled(&what))?;
        if !key.supports_decryption || !key.kind.starts_with("rsa-") {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                format!(
                    "vault's key {what} is of type {:?}, which decrypts nothing that was sealed with a public key; \
                     make one of type rsa-3072 or rsa-4096",
                    crate::key_uri::cut(&key.kind)
                ),
            ));
        }
        Ok(key)
    }

    fn desk(&self, key: &VaultKey) -> Arc<Desk> {
        let names = (key.mount().to_owned(), key.name().to_owned());
        let mut desks = lock(&self.desks);
        let desk = desks
            .entry(names)
            .or_insert_with(|| Desk::new(key.mount(), key.name(), what(key.mount(), key.name())));
        Arc::clone(desk)
    }
}

/// Made by the connector alone, so that it may be shared: holders keep the service that made them.
#[async_trait]
impl KeyService for Arc<Vault> {
    async fn holder(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let key = vault_key(uri)?;
        let version = key
            .version()
            .ok_or_else(|| ConnectError::NoVersion(uri.to_string()))?;
        REPERTOIRE.way(uri, recipient)?;
        Ok(Arc::new(Holder {
            desk: self.desk(key),
            vault: Arc::clone(self),
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
        let found = self.read(key, deadline).await?;
        let pem = found
            .versions()
            .into_iter()
            .find(|(number, _)| Some(*number) == wanted)
            .map(|(_, pem)| pem)
            .ok_or_else(|| {
                UnwrapError::new(
                    Category::UnknownKey,
                    format!("vault does not decrypt with {uri}: there is no such version, or it is below min_decryption_version"),
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
        let found = self.read(key, deadline).await?;
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

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("transport", &self.transport)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// One version of one key.
struct Holder {
    vault: Arc<Vault>,
    desk: Arc<Desk>,
    name: String,
    version: u64,
    recipient: RecipientKey,
}

#[async_trait]
impl KeyUnwrap for Holder {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let Suited::Decrypt(ciphertext) = suited(request, &self.recipient)? else {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                "vault's Transit engine agrees on nothing",
            ));
        };
        // The version is configured. One in the envelope would let its author choose among old ones.
        let text = format!("vault:v{}:{}", self.version, STANDARD.encode(ciphertext));
        let secret = self.desk.decrypt(&self.vault, text, deadline).await?;
        // OAEP leaves room for less than the modulus; whoever answers more did not decrypt.
        if secret.expose().len() >= ciphertext.len() {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                format!("vault answered more than {} can hold", self.name),
            ));
        }
        Ok(secret)
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VaultTransit").field(&self.name).finish()
    }
}

fn vault_key(uri: &KeyUri) -> Result<&VaultKey, ConnectError> {
    match uri.target() {
        Target::Vault(key) => Ok(key),
        _ => Err(ConnectError::settings(
            "vault",
            format!("{uri} is not Vault's"),
        )),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the end of `map_err`")]
fn wrong_reference(error: ConnectError) -> UnwrapError {
    UnwrapError::new(Category::Misconfigured, error.to_string())
}

fn what(mount: &str, name: &str) -> String {
    format!("`vault-transit://{mount}/{name}`")
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
