//! The seam: what holds a private key answers requests to use it.

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
///
/// A complete holder, of a key in this process:
///
#[cfg_attr(feature = "local", doc = "```")]
#[cfg_attr(not(feature = "local"), doc = "```ignore")]
/// use jwe_envelope::{Curve, KeyKind, LocalKey, LocalUnwrapError, RecipientKey, SecretBytes, UnwrapRequest};
/// use kms_backends::{Category, KeyUnwrap, KeyUnwrapExt as _, UnwrapError, async_trait};
/// use tokio::time::{Duration, Instant};
///
/// struct InMemory(LocalKey);
///
/// // Written by hand, so that a key never appears in a log.
/// impl std::fmt::Debug for InMemory {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.debug_tuple("InMemory").field(&self.0.recipient().kid()).finish()
///     }
/// }
///
/// #[async_trait]
/// impl KeyUnwrap for InMemory {
///     async fn unwrap_key(
///         &self,
///         request: &UnwrapRequest<'_>,
///         deadline: Instant,
///     ) -> Result<SecretBytes, UnwrapError> {
///         if Instant::now() >= deadline {
///             return Err(UnwrapError::new(Category::Unavailable, "no time is left"));
///         }
///         self.0.unwrap(request).map_err(|error| match error {
///             LocalUnwrapError::Rejected => UnwrapError::new(Category::Rejected, "bad wrapped key"),
///             _ => UnwrapError::new(Category::Misconfigured, "the request does not fit the key"),
///         })
///     }
///
///     fn public_key(&self) -> Option<&RecipientKey> {
///         Some(self.0.recipient())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use jwe_envelope::{Binding, Envelope, Sealer};
/// let holder = InMemory(LocalKey::generate(KeyKind::Ec(Curve::P256))?);
/// # let recipient = holder.0.recipient().clone();
/// # let text = Sealer::new(&[recipient.clone()])?.seal(b"hunter2", &Binding::anywhere())?.to_string();
/// # let envelope = Envelope::parse(text.as_bytes())?;
/// # let opening = envelope.open_unchecked(0, &recipient)?;
/// let secret = holder.unwrap_within(&opening.request(), Duration::from_secs(5)).await?;
/// assert_eq!(opening.finish(Ok(secret))?.expose(), b"hunter2");
/// # Ok(())
/// # }
/// ```
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
/// It holds only public bytes.
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
                "this client does not support this kind of unwrap request",
            )),
        }
    }
}
