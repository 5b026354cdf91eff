//! AWS KMS.
//!
//! RSA keys decrypt (`Decrypt` with RSAES_OAEP_SHA_256 or SHA_1), elliptic-curve keys agree (`DeriveSharedSecret`). The key is
//! named by its ARN in the configuration; what the answer says of key and algorithm must be what was asked for. Retries are
//! the business of our own layer, so the SDK's are off, and every setting comes from us: no profile and no variable of the
//! environment moves the endpoint of KMS.

mod client;
mod error;
mod identity;
mod options;

use std::sync::Arc;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;

pub use options::{AwsIdentity, AwsOptions, StaticCredentials};

/// A client with the identity that `options` name. Nothing is sent yet.
pub(crate) async fn open(options: &AwsOptions) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(client::Aws::new(options).await?))
}
