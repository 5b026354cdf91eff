//! From a key reference to the holder of the key.

use std::sync::Arc;

use jwe_envelope::RecipientKey;

use crate::key_unwrap::KeyUnwrap;
use crate::key_uri::KeyUri;

/// The holder of the private key that `uri` names.
///
/// A file is read at once. A key service may be down at this moment: reaching it is left to the first unwrap.
///
/// # Errors
/// The file cannot be used, or the backend is not in this build; the message says what to do.
pub async fn connect(uri: &KeyUri) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
    connect_pinned(uri, None).await
}

/// [`connect`] for a known public key: its algorithm is taken over, and a holder that turns out to have
/// another key is refused at once rather than at the first envelope.
///
/// # Errors
/// Those of [`connect`], and [`ConnectError::OtherKey`].
pub async fn connect_for(
    uri: &KeyUri,
    recipient: &RecipientKey,
) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
    let backend = connect_pinned(uri, Some(recipient)).await?;
    match backend.public_key() {
        Some(held) if held.kid() != recipient.kid() => Err(ConnectError::OtherKey {
            reference: uri.to_string(),
            held: held.kid().to_owned(),
            expected: recipient.kid().to_owned(),
        }),
        _ => Ok(backend),
    }
}

#[allow(clippy::unused_async, reason = "key services log in here")]
async fn connect_pinned(
    uri: &KeyUri,
    recipient: Option<&RecipientKey>,
) -> Result<Arc<dyn KeyUnwrap>, ConnectError> {
    #[cfg(feature = "local")]
    if let Some(path) = uri.file() {
        let pin = recipient.map(RecipientKey::algorithm);
        return Ok(Arc::new(crate::local::LocalBackend::open(path, pin)?));
    }
    let _ = recipient;
    Err(ConnectError::NotInThisBuild {
        reference: uri.to_string(),
    })
}

/// Why a key reference leads to no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The file cannot be used.
    #[cfg(feature = "local")]
    #[error(transparent)]
    Local(#[from] crate::local::LocalFileError),
    /// Its backend was not compiled in.
    #[error("key reference {reference:?} is not served by this build")]
    NotInThisBuild {
        /// As configured.
        reference: String,
    },
    /// The private key belongs to another public key.
    #[error(
        "`{reference}` holds the private key of {held}, not of {expected}; \
         check which public key and which reference belong together"
    )]
    OtherKey {
        /// As configured.
        reference: String,
        /// Thumbprint of what is there.
        held: String,
        /// Thumbprint of what was configured.
        expected: String,
    },
}
