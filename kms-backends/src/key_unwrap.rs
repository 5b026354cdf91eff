//! The seam: whoever holds a private key answers requests to use it.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jwe_envelope::{EphemeralKey, OaepHash, RecipientKey, SecretBytes, UnwrapRequest};
use tokio::time::Instant;

use crate::error::{Category, UnwrapError};

/// The holder of one private key: a key service, a local file, or a layer around one of them.
///
/// The key is fixed when the value is made. A request carries the wrapped content key or the sender's public
/// key and nothing else, so a key service never sees a value, a name or a `kid`.
///
/// # For implementers
/// - Answer *decrypt* with the decrypted bytes, *agree* with the raw shared secret (the x coordinate, no KDF).
/// - A wrapped key that does not decrypt is [`Category::Rejected`], always and only.
/// - A request that the key cannot serve is [`Category::Misconfigured`].
/// - Return by `deadline` with [`Category::Unavailable`] if the answer is not there. Dropping the future at any
///   point must be safe.
/// - The suite in module `conformance` (feature `conformance`) checks all that.
#[async_trait]
pub trait KeyUnwrap: Debug + Send + Sync + 'static {
    /// Does what only the holder of the private key can: decrypts, or agrees on a shared secret.
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError>;

    /// The public half, when the holder knows it: lets a configuration mistake show at start.
    fn public_key(&self) -> Option<&RecipientKey> {
        None
    }
}

#[async_trait]
impl<K: KeyUnwrap + ?Sized> KeyUnwrap for Arc<K> {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        (**self).unwrap_key(request, deadline).await
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        (**self).public_key()
    }
}

/// Conveniences over [`KeyUnwrap`].
pub trait KeyUnwrapExt: KeyUnwrap {
    /// [`unwrap_key`](KeyUnwrap::unwrap_key) with a deadline `limit` from now.
    fn unwrap_within(
        &self,
        request: &UnwrapRequest<'_>,
        limit: Duration,
    ) -> impl Future<Output = Result<SecretBytes, UnwrapError>> + Send {
        async move { self.unwrap_key(request, Instant::now() + limit).await }
    }
}

impl<K: KeyUnwrap + ?Sized> KeyUnwrapExt for K {}

/// An [`UnwrapRequest`] that owns its bytes, for work that outlives the envelope: a worker thread, a shared call.
///
/// It holds public bytes alone.
#[derive(Clone, Debug)]
pub struct OwnedRequest(Owned);

#[derive(Clone, Debug)]
enum Owned {
    Agree {
        ephemeral: EphemeralKey,
    },
    Decrypt {
        padding: OaepHash,
        ciphertext: Box<[u8]>,
    },
}

impl OwnedRequest {
    /// Borrows it as the request that it was made from.
    pub fn as_request(&self) -> UnwrapRequest<'_> {
        match &self.0 {
            Owned::Agree { ephemeral } => UnwrapRequest::Agree { ephemeral },
            Owned::Decrypt {
                padding,
                ciphertext,
            } => UnwrapRequest::Decrypt {
                padding: *padding,
                ciphertext,
            },
        }
    }
}

impl TryFrom<&UnwrapRequest<'_>> for OwnedRequest {
    type Error = UnwrapError;

    fn try_from(request: &UnwrapRequest<'_>) -> Result<Self, UnwrapError> {
        match *request {
            UnwrapRequest::Agree { ephemeral } => Ok(Self(Owned::Agree {
                ephemeral: ephemeral.clone(),
            })),
            UnwrapRequest::Decrypt {
                padding,
                ciphertext,
            } => Ok(Self(Owned::Decrypt {
                padding,
                ciphertext: ciphertext.into(),
            })),
            _ => Err(UnwrapError::new(
                Category::Misconfigured,
                "this kind of unwrap request is newer than the key service's client",
            )),
        }
    }
}
