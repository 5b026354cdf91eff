//! What is asked of the key's holder, how an unwrap is named, and what the public checks before it yield.

pub(crate) mod checked;
mod ephemeral;

pub use ephemeral::EphemeralKey;

use aws_lc_rs::digest::Digest;

use crate::algorithm::OaepHash;

/// What only the holder of the private key can do; a key service answers with raw secret bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UnwrapRequest<'a> {
    /// Agree on a secret with this public key: the raw x coordinate, no KDF.
    Agree {
        /// The sender's ephemeral key, checked to be on its curve.
        ephemeral: &'a EphemeralKey,
    },
    /// Decrypt these bytes with this padding.
    Decrypt {
        /// OAEP hash and MGF1 hash. The label is empty.
        padding: OaepHash,
        /// The wrapped content key, as long as the modulus.
        ciphertext: &'a [u8],
    },
}

/// The key service says that the wrapped key is bad: becomes the same error as a bad tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key rejected the wrapped content key")]
pub struct Rejected;

/// SHA-256 over every input of an unwrap, each length-prefixed: the key of a content-key cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputsDigest([u8; 32]);

impl InputsDigest {
    fn from_digest(digest: &Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for InputsDigest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
