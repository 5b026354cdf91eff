//! What Vault is asked for: public keys, and the decryption of wrapped content keys. One server, one identity.

use std::fmt;
use std::sync::Arc;

use jwe_envelope::SecretBytes;
use rustify::endpoint::Endpoint;
use tokio::time::Instant;
use vaultrs::api::transit::requests::ReadKeyRequest;

use super::error::{VaultOperation, status_error, transport_error, unexpected_answer};
use super::identity::VaultLogin;
use super::options::VaultOptions;
use super::transport::{Transport, VaultResponse};
use super::wire::{self, TransitKey, VaultDecryptRequest};
use crate::error::{Category, UnwrapError};
use crate::key_uri::VaultKey;
use crate::service::connect_error::ConnectError;
use crate::service::remote::answer_by;

/// One server, one identity.
pub(super) struct Vault {
    transport: Arc<Transport>,
    identity: Arc<VaultLogin>,
}

impl Vault {
    pub(super) fn new(options: &VaultOptions) -> Result<Self, ConnectError> {
        let transport = Arc::new(Transport::new(options)?);
        let auth = options.auth.clone().ok_or_else(|| {
            ConnectError::settings(
                "vault",
                "no login method is configured; set `keyServices.vault.auth`, or VAULT_TOKEN for the command line",
            )
        })?;
        Ok(Self {
            identity: VaultLogin::new(auth, Arc::clone(&transport)),
            transport,
        })
    }

    pub(super) async fn decrypt_one(
        &self,
        mount: &str,
        name: &str,
        ciphertext: &str,
    ) -> Result<SecretBytes, UnwrapError> {
        let what = what(mount, name);
        let request = || VaultDecryptRequest::new(mount, name, &[ciphertext]);
        let answer = self.ask(VaultOperation::Decrypt, request, &what).await?;
        wire::plaintext(&answer.body).ok_or_else(|| unexpected_answer(&what))
    }

    /// In the order of the ciphertexts; `None` where one failed.
    pub(super) async fn decrypt_many(
        &self,
        mount: &str,
        name: &str,
        ciphertexts: &[&str],
    ) -> Result<Vec<Option<SecretBytes>>, UnwrapError> {
        let what = what(mount, name);
        let request = || VaultDecryptRequest::new(mount, name, ciphertexts);
        let answer = match self.ask(VaultOperation::Decrypt, request, &what).await {
            // Some versions of Vault and OpenBao fail a batch as a whole; each item is then sent by itself.
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
        wire::plaintexts(&answer.body, ciphertexts.len()).ok_or_else(|| unexpected_answer(&what))
    }

    /// A successful answer. After a 403 it logs in once more, because tokens can end early: they are revoked, or Vault is
    /// restored from a backup.
    async fn ask<E: Endpoint>(
        &self,
        operation: VaultOperation,
        request: impl Fn() -> E,
        what: &str,
    ) -> Result<VaultResponse, UnwrapError> {
        let session = self.identity.session().await?;
        let send = async |token: &str| {
            let sent = self.transport.send(request(), Some(token)).await;
            sent.map_err(|error| transport_error(error, what))
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
            Err(status_error(operation, &answer, what))
        }
    }

    pub(super) async fn read(
        &self,
        key: &VaultKey,
        deadline: Instant,
    ) -> Result<TransitKey, UnwrapError> {
        let what = what(key.mount(), key.name());
        let request = || {
            let mut request = ReadKeyRequest::builder();
            request.mount(key.mount()).name(key.name());
            request.build().expect("both members are set")
        };
        let call = self.ask(VaultOperation::ReadKey, request, &what);
        let answer = answer_by(deadline, &what, call).await?;
        let key = TransitKey::read(&answer.body).ok_or_else(|| unexpected_answer(&what))?;
        if !key.supports_decryption || !key.kind.starts_with("rsa-") {
            return Err(UnwrapError::new(
                Category::Misconfigured,
                format!(
                    "Vault key {what} has type {:?}, which cannot decrypt what was sealed with a public key; \
                     create a key of type rsa-3072 or rsa-4096",
                    crate::key_uri::cut(&key.kind)
                ),
            ));
        }
        Ok(key)
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

/// The key, for people.
pub(super) fn what(mount: &str, name: &str) -> String {
    format!("`vault-transit://{mount}/{name}`")
}
