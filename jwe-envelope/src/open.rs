//! Envelope and content key to plaintext.
use crate::algorithm::{Curve, OaepHash};
use crate::error::OpenError;
use crate::secret::{ContentKey, Plaintext, SecretBytes};

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
        /// OAEP hash and MGF1 hash.
        padding: OaepHash,
        /// The wrapped content key, as long as the modulus.
        ciphertext: &'a [u8],
    },
}

/// The sender's half of an ECDH-ES agreement: a valid point of its curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralKey {
    curve: Curve,
    public: Vec<u8>,
}

impl EphemeralKey {
    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }
    /// Uncompressed SEC 1 point, or the 32 bytes of X25519.
    pub fn as_bytes(&self) -> &[u8] {
        &self.public
    }
    /// SubjectPublicKeyInfo, as key services want it.
    pub fn to_spki_der(&self) -> Vec<u8> {
        todo!()
    }
}

/// The key service says that the wrapped key is bad: becomes the same error as a bad tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected;

/// SHA-256 over every input of an unwrap, each length-prefixed: the key of a content-key cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputsDigest([u8; 32]);

impl InputsDigest {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An envelope and the key it will be opened with, every public check passed.
#[derive(Debug)]
pub struct Opening<'e> {
    envelope: &'e crate::envelope::Envelope<'e>,
}

impl Opening<'_> {
    /// What to ask of the key's holder.
    pub fn request(&self) -> UnwrapRequest<'_> {
        todo!()
    }
    /// Names every unwrap input of this opening under the key entry `entry`.
    pub fn inputs_digest(&self, entry: &str) -> InputsDigest {
        let _ = (entry, self.envelope);
        todo!()
    }
    /// The content key out of the key service's answer (KDF and AES key unwrap included). Never fails:
    /// whatever is wrong yields a random key of the right length, which the tag will not accept.
    pub fn content_key(&self, answer: Result<SecretBytes, Rejected>) -> ContentKey {
        let _ = answer;
        todo!()
    }
    /// Checks the tag and decrypts. Nothing is returned, and the buffer is wiped, when it fails.
    pub fn open(&self, key: &ContentKey) -> Result<Plaintext, OpenError> {
        let _ = key;
        todo!()
    }
    /// [`content_key`](Self::content_key), then [`open`](Self::open).
    pub fn finish(&self, answer: Result<SecretBytes, Rejected>) -> Result<Plaintext, OpenError> {
        self.open(&self.content_key(answer))
    }
}

impl crate::envelope::Envelope<'_> {
    /// Every public check of this recipient against the key it is to be opened with; no key is touched.
    pub fn opening(
        &self,
        recipient: usize,
        key: &crate::recipient::RecipientKey,
    ) -> Result<Opening<'_>, crate::error::RefusedError> {
        let _ = (recipient, key);
        todo!()
    }
}
