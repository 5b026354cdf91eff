//! A private key in a file, wrapped by a Kubernetes KMS v2 plugin (feature `kms-plugin`).
//!
//! Plugins are symmetric: they have no public key that a custodian could seal with. So the private key lies in a file,
//! encrypted under a key-encryption key of its own, and the plugin, by whatever KMS or HSM it speaks to, encrypts those 32
//! bytes. (Wrapping the private key itself would not do: plugins need to take 1 KiB and no more.) The first unwrap asks the
//! plugin; from then on the private key is held in memory, exactly as the backend for files holds it.
//!
//! [`wrap`] makes such a file. Whoever has the file and may ask the plugin has the key: the plugin's socket is what protects
//! it. A key service that decrypts itself protects better; this is for clusters that have a plugin and nothing else.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jwe_envelope::{KeyManagement, LocalKey, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::connect::ConnectError;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{KeyUri, PluginKey, Target};
use crate::local::LocalBackend;
use crate::remote::{answer_by, misfit};
use crate::service::{CallLimits, KeyService, suited};

mod client;
mod messages;
mod wrapped;

pub use client::PluginError;
use wrapped::WrappedKey;
pub use wrapped::WrappedKeyError;

/// How KMS plugins are reached.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PluginOptions {
    /// How much may be asked of all plugins.
    pub limits: CallLimits,
}

/// Makes ready; nothing is asked yet.
#[allow(clippy::unused_async, reason = "as for the other services")]
pub(crate) async fn open(_: &PluginOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(Plugins))
}

/// Encrypts a private key (PEM or JWK) for the plugin at `socket`, and gives the content of the file for a
/// `kms-plugin:` reference. The text holds nothing that is secret without the plugin.
///
/// # Errors
/// It is no private key, or the plugin does not encrypt.
pub async fn wrap(
    socket: &Path,
    private_key: &[u8],
    deadline: Instant,
) -> Result<String, PluginError> {
    let key = LocalKey::from_bytes(private_key, None)?;
    let sealed = wrapped::Sealed::new(&key.to_pkcs8_pem(), key.recipient())?;
    let plugin = client::Plugin::at(socket)?;
    let wrapped = plugin
        .encrypt(sealed.key_encryption_key(), deadline)
        .await?;
    Ok(sealed.with(wrapped).to_string())
}

/// [`wrap`] for a private key in a file that nobody else can read.
///
/// # Errors
/// The file cannot be used, or the plugin does not encrypt.
pub async fn wrap_file(
    socket: &Path,
    private_key: &Path,
    deadline: Instant,
) -> Result<String, UnwrapError> {
    let name = private_key.display().to_string();
    let bytes = crate::local::file::read(private_key)
        .map_err(|error| misfit(&name, "cannot be read").with_source(error))?;
    wrap(socket, &bytes, deadline).await.map_err(|error| {
        let message = format!("the KMS plugin did not wrap key {name}");
        UnwrapError::new(error.category(), message).with_source(error)
    })
}

#[derive(Debug)]
struct Plugins;

/// One wrapped private key; opened at the first use.
struct Holder {
    reference: String,
    key: PluginKey,
    recipient: RecipientKey,
    opened: OnceCell<LocalBackend>,
}

#[async_trait]
impl KeyUnwrap for Holder {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        suited(request, &self.recipient)?;
        let call = async {
            let open = || self.open(deadline);
            let backend = self.opened.get_or_try_init(open).await?;
            backend.unwrap_key(request, deadline).await
        };
        answer_by(deadline, &self.reference, call).await
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        Some(&self.recipient)
    }
}

impl Holder {
    async fn open(&self, deadline: Instant) -> Result<LocalBackend, UnwrapError> {
        let key = unwrapped(
            &self.reference,
            &self.key,
            Some(self.recipient.algorithm()),
            deadline,
        )
        .await?;
        if key.recipient().kid() != self.recipient.kid() {
            return Err(misfit(
                &self.reference,
                "is the private half of another public key than the configured one",
            ));
        }
        Ok(LocalBackend::from_key(key))
    }
}

#[async_trait]
impl KeyService for Plugins {
    async fn holder(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let Target::Plugin(key) = uri.target() else {
            return Err(ConnectError::settings(
                "kms-plugin",
                format!("{uri} names no plugin"),
            ));
        };
        Ok(Arc::new(Holder {
            reference: uri.to_string(),
            key: key.clone(),
            recipient: recipient.clone(),
            opened: OnceCell::new(),
        }))
    }

    /// Known once the plugin has opened the private key.
    async fn public_key(
        &self,
        uri: &KeyUri,
        algorithm: Option<KeyManagement>,
        deadline: Instant,
    ) -> Result<RecipientKey, UnwrapError> {
        let reference = uri.to_string();
        let Target::Plugin(key) = uri.target() else {
            return Err(misfit(&reference, "names no plugin"));
        };
        let call = unwrapped(&reference, key, algorithm, deadline);
        Ok(answer_by(deadline, &reference, call)
            .await?
            .recipient()
            .clone())
    }
}

async fn unwrapped(
    reference: &str,
    key: &PluginKey,
    algorithm: Option<KeyManagement>,
    deadline: Instant,
) -> Result<LocalKey, UnwrapError> {
    let file = WrappedKey::read(key.wrapped_key()).map_err(|error| {
        misfit(reference, "is no wrapped key that can be used").with_source(error)
    })?;
    let plugin = client::Plugin::at(key.socket()).map_err(|error| error.explain(reference))?;
    let secret = plugin
        .decrypt(file.wrapped(), deadline)
        .await
        .map_err(|error| error.explain(reference))?;
    let pem = file.open(&secret).map_err(|error| {
        misfit(reference, "does not open with what the plugin gave").with_source(error)
    })?;
    LocalKey::from_bytes(&pem, algorithm)
        .map_err(|error| misfit(reference, "is no private key that can be used").with_source(error))
}

impl PluginError {
    fn explain(self, reference: &str) -> UnwrapError {
        let category: Category = self.category();
        UnwrapError::new(
            category,
            format!("the KMS plugin of {reference} did not unwrap its key"),
        )
        .with_source(self)
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}
