//! HashiCorp Vault and OpenBao: the Transit engine.
//!
//! What goes over the wire is made by `vaultrs`; the transport is ours, because there the tokens are: it follows no redirect
//! (which would carry the token to another host), takes no setting from the environment, bounds every answer before it is
//! read, keeps the server's `Retry-After`, and never hands an answer to anything that prints.
//!
//! Transit decrypts only with RSA-OAEP-256. It wants the version of the key in front of the ciphertext, which comes from
//! the configured reference and never from an envelope. Its answers do not say which key was used; that it was ours is
//! known when the tag of the value verifies.

mod batch;
mod client;
mod error;
mod identity;
mod options;
mod server;
mod transport;
mod wire;

use std::sync::Arc;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;

pub use options::{Token, VaultAuth, VaultOptions};

/// A client of the server that `options` name. Nothing is sent yet.
#[allow(clippy::unused_async, reason = "as the other services are opened")]
pub(crate) async fn open(options: &VaultOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(client::Transit::new(options)?))
}
