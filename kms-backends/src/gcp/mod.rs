//! Google Cloud KMS: asymmetric decryption with one version of a key (feature `gcp`).
//!
//! # What is checked
//! The service's answers carry checksums that its client library ignores. We send the CRC32C of what we send, refuse an
//! answer that does not confirm it, and refuse one whose plaintext does not have the CRC32C that it names. A public
//! key must have the name that was asked for, its own checksum, and an algorithm that JWE knows.
//!
//! # What is repeated
//! Nothing here: the client's own retries are off, because they never repeat a POST and do not know 429. The layer
//! [`Retry`](crate::layer::Retry) does it, for every service alike.
//!
//! # Identity
//! Application Default Credentials: on GKE and Compute Engine the metadata server, elsewhere a federated token
//! (`external_account`). A service account's key file works and is warned about.

mod client;
mod error;
mod identity;
mod options;

use std::sync::Arc;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;

pub use options::GcpOptions;

/// A client with the identity of the environment. Nothing is sent yet.
pub(crate) async fn open(options: &GcpOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    let client = client::GcpClient::new(options).await?;
    Ok(Arc::new(client::GcpService(Arc::new(client))))
}
