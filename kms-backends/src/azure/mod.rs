//! Azure Key Vault and Managed HSM: `unwrapKey` with one version of a key (feature `azure`).
//!
//! # What is checked
//! The version is always named: an empty one would mean "the newest", which is not the one that the envelope was sealed
//! for. The answer names the key version that it used; another one than we asked for is refused.
//!
//! # Where the token goes
//! To the vault's own host, over TLS, and nowhere else: a redirect is not followed, the link to a list's next page must
//! lead to the same host, and the vault's challenge must ask for a token for its own domain.
//!
//! # What is repeated
//! Nothing here; [`Retry`](crate::layer::Retry) does it, with the vault's `Retry-After`. The client's own retries would
//! take it up to eight times past any deadline.

mod client;
mod connection;
mod error;
mod identity;
mod options;

use std::sync::Arc;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;

pub use identity::AzureIdentity;
pub use options::AzureOptions;

/// A client with the identity that `options` name. Nothing is sent yet.
#[allow(clippy::unused_async, reason = "as the other services are opened")]
pub(crate) async fn open(options: &AzureOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(client::Azure::new(options)?))
}
