//! The client of a KMS plugin: a private key that the plugin unwraps at the first use.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jwe_envelope::{KeyManagement, LocalKey, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::error::PluginError;
use super::socket::Plugin;
use super::wrapped::{PendingKeyFile, WrappedKey};
use crate::error::UnwrapError;
use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::{KeyUri, PluginKey, Target};
use crate::local::LocalBackend;
use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;
use crate::service::remote::{answer_by, misconfigured_key};
use crate::service::supported::check_request;

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
    let sealed = PendingKeyFile::new(&key.to_pkcs8_pem(), key.recipient())?;
    let plugin = Plugin::at(socket)?;
    let wrapped = plugin
        .encrypt(sealed.key_encryption_key(), deadline)
        .await?;
    Ok(sealed.with(wrapped).to_string())
}

/// [`wrap`] for a private key in a file that no one else can read.
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
        .map_err(|error| misconfigured_key(&name, "cannot be read").with_source(error))?;
    wrap(socket, &bytes, deadline).await.map_err(|error| {
        let message = format!("the KMS plugin did not wrap key {name}");
        UnwrapError::new(error.category(), message).with_source(error)
    })
}

#[derive(Debug)]
pub(super) struct Plugins;

/// One wrapped private key; opened at the first use.
struct PluginUnwrapper {
    reference: String,
    key: PluginKey,
    recipient: RecipientKey,
    opened: OnceCell<LocalBackend>,
}

#[async_trait]
impl KeyUnwrap for PluginUnwrapper {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        check_request(request, &self.recipient)?;
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

impl PluginUnwrapper {
    async fn open(&self, deadline: Instant) -> Result<LocalBackend, UnwrapError> {
        let key = unwrapped(
            &self.reference,
            &self.key,
            Some(self.recipient.algorithm()),
            deadline,
        )
        .await?;
        if key.recipient().kid() != self.recipient.kid() {
            return Err(misconfigured_key(
                &self.reference,
                "does not belong to the configured public key",
            ));
        }
        Ok(LocalBackend::from_key(key))
    }
}

#[async_trait]
impl KeyService for Plugins {
    async fn unwrapper(
        &self,
        uri: &KeyUri,
        recipient: &RecipientKey,
    ) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
        let Target::Plugin(key) = uri.target() else {
            return Err(ConnectError::settings(
                "kms-plugin",
                format!("{uri} does not name a plugin"),
            ));
        };
        Ok(Arc::new(PluginUnwrapper {
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
            return Err(misconfigured_key(&reference, "does not name a plugin"));
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
        misconfigured_key(reference, "is not a usable wrapped key").with_source(error)
    })?;
    let plugin = Plugin::at(key.socket()).map_err(|error| error.explain(reference))?;
    let secret = plugin
        .decrypt(file.wrapped(), deadline)
        .await
        .map_err(|error| error.explain(reference))?;
    let pem = file.open(&secret).map_err(|error| {
        misconfigured_key(
            reference,
            "cannot be decrypted with what the plugin returned",
        )
        .with_source(error)
    })?;
    LocalKey::from_bytes(&pem, algorithm).map_err(|error| {
        misconfigured_key(reference, "is not a usable private key").with_source(error)
    })
}

impl fmt::Debug for PluginUnwrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginUnwrapper")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}
