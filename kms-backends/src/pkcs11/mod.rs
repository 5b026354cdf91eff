//! Keys behind a PKCS#11 module: an HSM, a smart card, a token in software (feature `pkcs11`).
//!
//! # Which code is loaded
//! A module is a library that runs inside this process. Its path comes only from configuration, is absolute, must be among
//! [`Pkcs11Options::modules`] where any are listed, and must be a file that only root and we can replace.
//!
//! # Threads
//! Calls into a module block, some for long, so they run on threads of their own. Each has one session; none shares it.
//! A broken session is opened again at the next call.
//!
//! # The PIN
//! It is read from the file that `pin-source` names, at each login. A PIN that the token rejected is not tried again,
//! for any of its keys, because tokens lock themselves after a few attempts: the file has to change first.
//!
//! # What is checked
//! The token's key must be the private half of the configured public key; a token with another one is not used.

mod attributes;
mod client;
mod error;
mod identity;
mod module;
mod options;
mod token;
mod workers;

use std::sync::Arc;

use crate::service::connect_error::ConnectError;
use crate::service::key_service::KeyService;

pub use options::Pkcs11Options;

/// A client of the tokens that `options` allow. No module is loaded yet.
#[allow(clippy::unused_async, reason = "as the other services are opened")]
pub(crate) async fn open(options: &Pkcs11Options) -> Result<Arc<dyn KeyService>, ConnectError> {
    Ok(Arc::new(client::Pkcs11(options.clone())))
}
