//! The backend of a private key that this process holds.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use jwe_envelope::{
    KeyManagement, LocalKey, LocalUnwrapError, RecipientKey, SecretBytes, UnwrapRequest,
};
use tokio::time::{Instant, timeout_at};

use super::error::LocalFileError;
use super::file;
use super::queue::Queue;
use crate::error::{Category, UnwrapError};
use crate::key_unwrap::{KeyUnwrap, OwnedRequest};

/// A private key held in this process.
pub struct LocalBackend {
    queue: Queue,
    /// For messages: the file, or nothing but the key's ID.
    name: String,
}

impl LocalBackend {
    /// Reads a PKCS#8 PEM or a private JWK. On Unix the file must belong to us (or root) and be closed to group
    /// and others; our group may read a file of root's, as Kubernetes mounts Secrets. The content is wiped after use.
    /// `pin` chooses the algorithm where the file does not.
    ///
    /// # Errors
    /// The file is missing, open to others, too large, or holds no usable key; the message says what to do.
    pub fn open(
        path: impl AsRef<Path>,
        pin: Option<KeyManagement>,
    ) -> Result<Self, LocalFileError> {
        let path = path.as_ref();
        let bytes = file::read(path)?;
        let key = LocalKey::from_bytes(&bytes, pin).map_err(|source| LocalFileError::Key {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::named(
            key,
            format!("{:?}", path.display().to_string()),
        ))
    }

    /// Around a key that is in memory already.
    pub fn from_key(key: LocalKey) -> Self {
        let name = key.recipient().kid().to_owned();
        Self::named(key, name)
    }

    /// The public half, pinned to one algorithm.
    pub fn recipient(&self) -> &RecipientKey {
        self.queue.key().recipient()
    }

    /// The `kid` that a JWK file itself carried: an alias of the key.
    pub fn jwk_kid(&self) -> Option<&str> {
        self.queue.key().jwk_kid()
    }

    fn named(key: LocalKey, name: String) -> Self {
        Self {
            queue: Queue::new(key),
            name,
        }
    }
}

#[async_trait]
impl KeyUnwrap for LocalBackend {
    async fn unwrap_key(
        &self,
        request: &UnwrapRequest<'_>,
        deadline: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        let request = OwnedRequest::try_from(request)?;
        let answer = timeout_at(deadline, self.queue.submit(request))
            .await
            .map_err(|_| self.busy())?
            .map_err(|_| self.gone())?;
        answer.map_err(|error| self.explain(error))
    }

    fn public_key(&self) -> Option<&RecipientKey> {
        Some(self.recipient())
    }
}

impl LocalBackend {
    fn explain(&self, error: LocalUnwrapError) -> UnwrapError {
        let what = match error {
            LocalUnwrapError::Rejected => "rejected the wrapped content key",
            _ => "does not support this kind of request",
        };
        let message = format!("local key {} {what}", self.name);
        UnwrapError::new(UnwrapError::from(error).category(), message).with_source(error)
    }

    fn busy(&self) -> UnwrapError {
        UnwrapError::not_sent(format!(
            "every core is busy with local key operations; {} was not used in time",
            self.name
        ))
    }

    /// The runtime shuts down, or the operation panicked; its thread printed why.
    fn gone(&self) -> UnwrapError {
        UnwrapError::new(
            Category::Unavailable,
            format!("the operation with local key {} was interrupted", self.name),
        )
    }
}

/// For backends of one's own around a [`LocalKey`]: a bad wrapped key is [`Category::Rejected`], anything else
/// [`Category::Misconfigured`].
impl From<LocalUnwrapError> for UnwrapError {
    fn from(error: LocalUnwrapError) -> Self {
        let category = match error {
            LocalUnwrapError::Rejected => Category::Rejected,
            _ => Category::Misconfigured,
        };
        Self::new(category, "the local key did not unwrap").with_source(error)
    }
}

impl fmt::Debug for LocalBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBackend")
            .field("name", &self.name)
            .field("kid", &self.recipient().kid())
            .finish_non_exhaustive()
    }
}
