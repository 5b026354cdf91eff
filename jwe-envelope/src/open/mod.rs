//! Envelope and content key to plaintext.
//!
//! Two steps, without I/O. [`Envelope::open_unchecked`], which [`Envelope::grant`] calls last, makes every check that public bytes allow, with precise errors, and no
//! key is touched before all of them passed. Then the holder of the key answers [`Opening::request`] with raw bytes. From
//! there on [`Opening::content_key`] and [`Opening::open`] have a single error (RFC 7516 §11.5): a refused ciphertext, a wrong
//! content key, a bad length and a bad tag cannot be told apart, by text or by the work that was done.

mod check;
#[cfg(test)]
mod tests;

pub use crate::unwrap::{EphemeralKey, InputsDigest, Rejected, UnwrapRequest};

use std::fmt;
use std::sync::Arc;

use crate::envelope::Envelope;
use crate::error::{OpenError, RefusedError};
use crate::kdf::concat_kdf;
use crate::recipient::RecipientKey;
use crate::secret::{ContentKey, Plaintext, SecretBytes};
use crate::unwrap::checked::{Checked, KeyPath};
use crate::{base64url, content, key_wrap};

const RANDOMNESS: &str = "the operating system has randomness";

/// An envelope and the key it will be opened with, every public check passed.
pub struct Opening<'e> {
    envelope: &'e Envelope<'e>,
    checked: Arc<Checked>,
}

impl Envelope<'_> {
    /// Every public check of this recipient (counted from 0) against the key it is to be opened with; no key is touched.
    ///
    /// Checked are: `alg` is served and is the one that the key is pinned to; `enc` is served; no `zip`; no `crit` name that
    /// we do not understand; ECDH-ES without key wrap has one recipient; the encrypted key has exactly the length that key
    /// and algorithms give it (for IV and tag the parser has seen to that); `epk` is a valid point of the key's own curve; `apu` and `apv` have at most 512 bytes.
    ///
    /// **Unchecked** is whether the recipient's `kid` means this key, and everything that `bind` says: place, cluster,
    /// caller and time. It is for tools that open any envelope for the holder of its key; everything else asks for a
    /// [`grant`](Self::grant).
    ///
    /// # Errors
    /// [`RefusedError`] says which check failed. It describes only public bytes and may be shown to anyone.
    pub fn open_unchecked(
        &self,
        recipient: usize,
        key: &RecipientKey,
    ) -> Result<Opening<'_>, RefusedError> {
        let found = self.recipients.len();
        let recipient = self
            .recipients
            .get(recipient)
            .ok_or(RefusedError::NoSuchRecipient {
                asked: recipient.saturating_add(1),
                found,
            })?;
        let checked = recipient.checked.get_or_check(key, || {
            Checked::new(recipient, found, &self.encryption, key)
        })?;
        Ok(Opening {
            envelope: self,
            checked,
        })
    }
}

impl Opening<'_> {
    /// The envelope that is to be opened.
    pub fn envelope(&self) -> &Envelope<'_> {
        self.envelope
    }

    /// What to ask of the key's holder.
    pub fn request(&self) -> UnwrapRequest<'_> {
        match &self.checked.path {
            KeyPath::Agree(agreement) => UnwrapRequest::Agree {
                ephemeral: &agreement.ephemeral,
            },
            KeyPath::Decrypt(padding) => UnwrapRequest::Decrypt {
                padding: *padding,
                ciphertext: &self.checked.encrypted_key,
            },
        }
    }

    /// Names every unwrap input of this opening under the key entry `entry`: SHA-256 over entry, `alg`, `enc`, `epk`, `apu`,
    /// `apv`, `ek` (which no served algorithm has yet) and the encrypted key, each with its length before it. Equal digests
    /// mean equal content keys, so it may be the key of a cache.
    pub fn inputs_digest(&self, entry: &str) -> InputsDigest {
        self.checked.inputs_digest(entry)
    }

    /// The content key out of the key service's answer: Concat KDF and AES key unwrap are done here, so the answer is the
    /// raw decrypted bytes or the raw x coordinate.
    ///
    /// Never fails. Whatever is wrong (a rejection, a length that `enc` does not have, an integrity check, an all-zero agreed
    /// secret) yields a random key of the right length, which the tag will not accept. The random key is drawn in every
    /// case, and a rejection goes through the same derivation as an answer.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; a key that can be guessed would be worse.
    pub fn content_key(&self, answer: Result<SecretBytes, Rejected>) -> ContentKey {
        let substitute = ContentKey::random(self.checked.encryption).expect(RANDOMNESS);
        let answer = answer
            .unwrap_or_else(|Rejected| SecretBytes::random(self.answer_len()).expect(RANDOMNESS));
        self.derive(answer).unwrap_or(substitute)
    }

    /// Checks the tag and decrypts. Nothing is returned, and the buffer is wiped, when it fails.
    ///
    /// The ciphertext is decoded once, into the buffer that is decrypted in place and becomes the plaintext.
    ///
    /// # Errors
    /// [`OpenError`], whatever the reason.
    pub fn open(&self, key: &ContentKey) -> Result<Plaintext, OpenError> {
        if key.encryption() != self.checked.encryption {
            return Err(OpenError);
        }
        let mut iv = [0; 16];
        let iv = decode_to(&self.envelope.iv, &mut iv)?;
        let mut tag = [0; 32];
        let tag = decode_to(&self.envelope.tag, &mut tag)?;
        let len = base64url::decoded_len(self.envelope.ciphertext.len());
        let mut buffer = Vec::with_capacity(len + content::SPARE);
        base64url::decode_into(&self.envelope.ciphertext, &mut buffer).ok_or(OpenError)?;
        content::decrypt(key, iv, &self.envelope.aad_bytes(), tag, buffer)
    }

    /// [`content_key`](Self::content_key), then [`open`](Self::open).
    ///
    /// # Errors
    /// [`OpenError`], whatever the reason.
    pub fn finish(&self, answer: Result<SecretBytes, Rejected>) -> Result<Plaintext, OpenError> {
        self.open(&self.content_key(answer))
    }

    /// How long an honest answer is.
    fn answer_len(&self) -> usize {
        match &self.checked.path {
            KeyPath::Decrypt(_) => self.checked.encryption.key_len(),
            KeyPath::Agree(agreement) => agreement.ephemeral.curve().coordinate_len(),
        }
    }

    fn derive(&self, answer: SecretBytes) -> Option<ContentKey> {
        let KeyPath::Agree(agreement) = &self.checked.path else {
            return ContentKey::new(answer, self.checked.encryption);
        };
        let z = answer.expose();
        // RFC 8037 §3.2.1: an all-zero secret means a point of small order. No honest agreement on the other curves
        // yields one either. The bytes are folded first, so that the time does not mention them.
        if z.len() != self.answer_len() || z.iter().fold(0, |all, byte| all | byte) == 0 {
            return None;
        }
        let derive = |name, len| concat_kdf(z, name, &agreement.party_u, &agreement.party_v, len);
        match self.checked.algorithm.key_wrap_len() {
            // Direct: the derived key is the content key, and `enc` names it.
            None => {
                let key = derive(
                    self.checked.encryption.as_str(),
                    self.checked.encryption.key_len(),
                )?;
                ContentKey::new(key, self.checked.encryption)
            }
            Some(len) => {
                let wrapping_key = derive(self.checked.algorithm.as_str(), len)?;
                let key = key_wrap::unwrap(wrapping_key.expose(), &self.checked.encrypted_key)?;
                ContentKey::new(key, self.checked.encryption)
            }
        }
    }
}

/// Algorithms only: an opening holds an envelope, which stays out of logs.
impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("algorithm", &self.checked.algorithm)
            .field("encryption", &self.checked.encryption)
            .finish_non_exhaustive()
    }
}

/// Decodes into room on the stack.
fn decode_to<'b>(text: &str, room: &'b mut [u8]) -> Result<&'b [u8], OpenError> {
    let len = base64url::decode_slice(text, room).ok_or(OpenError)?;
    Ok(&room[..len])
}
