//! A private key in a file, wrapped by a Kubernetes KMS v2 plugin (feature `kms-plugin`).
//!
//! Plugins are symmetric: they have no public key that a custodian could seal with. So the private key lies in a file,
//! encrypted under a key-encryption key of its own, and the plugin, by whatever KMS or HSM it speaks to, encrypts those 32
//! bytes. (Wrapping the private key itself would not do: plugins need to take 1 KiB and no more.) The first unwrap asks the
//! plugin; from then on the private key is held in memory, exactly as the backend for files holds it.
//!
//! [`wrap`] makes such a file. A process with the file and access to the plugin has the key: the plugin's socket is what protects
//! it. A key service that decrypts itself protects better; this is for clusters that have a plugin and nothing else.

mod client;
mod error;
mod messages;
mod options;
mod socket;
mod wrapped;

use std::sync::Arc;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;

pub use client::{wrap, wrap_file};
pub use error::PluginError;
pub use options::PluginOptions;
pub use wrapped::WrappedKeyError;

/// A client of the plugins that references name. Nothing is asked yet.
#[allow(clippy::unused_async, reason = "as the other services are opened")]
pub(crate) async fn open(_: &PluginOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(client::Plugins))
}
