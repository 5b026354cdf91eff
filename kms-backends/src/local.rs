//! A private key from a PEM or JWK file.
//!
//! # Where the operation runs
//! An RSA-4096 operation takes about 2 ms, too long for a thread that also serves sockets. It runs on tokio's blocking
//! pool (which works on every kind of runtime and ends with it), on one thread per core at most. These take one request
//! after the other from a queue: under load a thread goes from operation to operation without being woken for each, a
//! burst starts no thread per request, and a request whose caller has given up is passed over.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use jwe_envelope::{
    KeyManagement, LocalKey, LocalUnwrapError, RecipientKey, SecretBytes, UnwrapRequest,
};
use tokio::time::{Instant, timeout_at};

use crate::error::{Category, UnwrapError};
use crate::key_unwrap::{KeyUnwrap, OwnedRequest};

pub(crate) mod file;
mod queue;

pub use file::LocalFileError;

use queue::Queue;

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
        let (category, what) = match error {
            LocalUnwrapError::Rejected => (Category::Rejected, "rejects the wrapped content key"),
            _ => (
                Category::Misconfigured,
                "is of another kind than the request asks for",
            ),
        };
        UnwrapError::new(category, format!("local key {} {what}", self.name)).with_source(error)
    }

    fn busy(&self) -> UnwrapError {
        UnwrapError::not_sent(format!(
            "every core is busy with local key operations; {} was not reached in time",
            self.name
        ))
    }

    /// The runtime shuts down, or the operation panicked; its thread printed why.
    fn gone(&self) -> UnwrapError {
        UnwrapError::new(
            Category::Unavailable,
            format!("the operation with local key {} was cut short", self.name),
        )
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
