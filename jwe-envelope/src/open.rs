//! Envelope and content key to plaintext.
//!
//! Two steps, without I/O. [`Envelope::opening`] makes every check that public bytes allow, with precise errors, and no
//! key is touched before all of them passed. Then the key's holder answers [`Opening::request`] with raw bytes, and from
//! there on [`Opening::content_key`] and [`Opening::open`] know a single error (RFC 7516 §11.5): a refused ciphertext, a wrong
//! content key, a bad length and a bad tag cannot be told apart, by text or by the work that was done.

mod ephemeral;
mod request;
#[cfg(test)]
mod tests;

pub use ephemeral::EphemeralKey;
pub use request::{InputsDigest, Rejected, UnwrapRequest};

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use crate::algorithm::{ContentEncryption, Curve, KeyManagement, OaepHash};
use crate::envelope::{Envelope, Recipient};
use crate::error::{OpenError, RefusedError};
use crate::kdf::concat_kdf;
use crate::recipient::RecipientKey;
use crate::secret::{ContentKey, Plaintext, SecretBytes};
use crate::{base64url, content, key_wrap};

/// Longest `apu` or `apv`, decoded.
const LONGEST_PARTY_INFO: usize = 512;

const RANDOMNESS: &str = "the operating system has randomness";

/// An envelope and the key it will be opened with, every public check passed.
pub struct Opening<'e> {
    envelope: &'e Envelope<'e>,
    encryption: ContentEncryption,
    algorithm: KeyManagement,
    encrypted_key: Vec<u8>,
    way: Way,
}

/// How the content key is reached.
enum Way {
    Agree(Agreement),
    Decrypt(OaepHash),
}

struct Agreement {
    ephemeral: EphemeralKey,
    party_u: Vec<u8>,
    party_v: Vec<u8>,
}

impl Envelope<'_> {
    /// Every public check of this recipient (counted from 0) against the key it is to be opened with; no key is touched.
    ///
    /// Checked are: `alg` is served and is the one that the key is pinned to; `enc` is served; no `zip`; no `crit` name that
    /// we do not understand; ECDH-ES without key wrap has one recipient; the encrypted key has exactly the length that key
    /// and algorithms give it (for IV and tag the parser has seen to that); `epk` is a valid point of the key's own curve; `apu` and `apv` have at most 512 bytes.
    /// Whether the recipient's `kid` means this key, and whether the envelope is in its place, is the caller's to decide
    /// before.
    ///
    /// # Errors
    /// [`RefusedError`] says which check failed. It speaks of public bytes alone and may be shown to anybody.
    pub fn opening(
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
        let algorithm: KeyManagement = recipient.algorithm.parse()?;
        if algorithm != key.algorithm() {
            return Err(RefusedError::WrongAlgorithm {
                found: algorithm,
                pinned: key.algorithm(),
            });
        }
        let encryption = self.encryption.clone()?;
        if algorithm == KeyManagement::EcdhEs && found != 1 {
            return Err(RefusedError::DirectWithSeveral(found));
        }
        let expected = encrypted_key_len(key, encryption);
        let found = base64url::decoded_len(recipient.encrypted_key.len());
        if found != expected {
            return Err(RefusedError::EncryptedKeyLength { found, expected });
        }
        let way = match (key.curve(), algorithm.oaep_hash()) {
            (Some(curve), None) => Way::Agree(Agreement::check(recipient, curve)?),
            (None, Some(hash)) => Way::Decrypt(hash),
            // A key's pin fits its kind by construction, and `alg` is the pin.
            _ => {
                return Err(RefusedError::WrongAlgorithm {
                    found: algorithm,
                    pinned: key.algorithm(),
                });
            }
        };
        // RFC 7516 §5.2 step 2 was done by the parser: the text decodes.
        let encrypted_key = base64url::decode(&recipient.encrypted_key).unwrap_or_default();
        Ok(Opening {
            envelope: self,
            encryption,
            algorithm,
            encrypted_key,
            way,
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
        match &self.way {
            Way::Agree(agreement) => UnwrapRequest::Agree {
                ephemeral: &agreement.ephemeral,
            },
            Way::Decrypt(padding) => UnwrapRequest::Decrypt {
                padding: *padding,
                ciphertext: &self.encrypted_key,
            },
        }
    }

    /// Names every unwrap input of this opening under the key entry `entry`: SHA-256 over entry, `alg`, `enc`, `epk`, `apu`,
    /// `apv`, `ek` (which no served algorithm has yet) and the encrypted key, each with its length before it. Equal digests
    /// mean equal content keys, so it may be the key of a cache.
    pub fn inputs_digest(&self, entry: &str) -> InputsDigest {
        let (curve, epk, apu, apv): (&str, &[u8], &[u8], &[u8]) = match &self.way {
            Way::Decrypt(_) => ("", b"", b"", b""),
            Way::Agree(agreement) => (
                agreement.ephemeral.curve().as_str(),
                agreement.ephemeral.as_bytes(),
                &agreement.party_u,
                &agreement.party_v,
            ),
        };
        let ek: &[u8] = b"";
        let mut context = Context::new(&SHA256);
        for part in [
            entry.as_bytes(),
            self.algorithm.as_str().as_bytes(),
            self.encryption.as_str().as_bytes(),
            curve.as_bytes(),
            epk,
            apu,
            apv,
            ek,
            &self.encrypted_key,
        ] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        InputsDigest::from_digest(&context.finish())
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
        let substitute = ContentKey::random(self.encryption).expect(RANDOMNESS);
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
        if key.encryption() != self.encryption {
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
        match &self.way {
            Way::Decrypt(_) => self.encryption.key_len(),
            Way::Agree(agreement) => agreement.ephemeral.curve().coordinate_len(),
        }
    }

    fn derive(&self, answer: SecretBytes) -> Option<ContentKey> {
        let Way::Agree(agreement) = &self.way else {
            return ContentKey::new(answer, self.encryption);
        };
        let z = answer.expose();
        // RFC 8037 §3.2.1: an all-zero secret means a point of small order. No honest agreement on the other curves
        // yields one either. The bytes are folded first, so that the time says nothing of them.
        if z.len() != self.answer_len() || z.iter().fold(0, |all, byte| all | byte) == 0 {
            return None;
        }
        let derive = |name, len| concat_kdf(z, name, &agreement.party_u, &agreement.party_v, len);
        match self.algorithm.key_wrap_len() {
            // Direct: the derived key is the content key, and `enc` names it.
            None => {
                let key = derive(self.encryption.as_str(), self.encryption.key_len())?;
                ContentKey::new(key, self.encryption)
            }
            Some(len) => {
                let wrapping_key = derive(self.algorithm.as_str(), len)?;
                let key = key_wrap::unwrap(wrapping_key.expose(), &self.encrypted_key)?;
                ContentKey::new(key, self.encryption)
            }
        }
    }
}

/// Algorithms alone: an opening holds an envelope, which stays out of logs.
impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("algorithm", &self.algorithm)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

impl Agreement {
    /// SP 800-56A §5.6.2.3 before the key is used: a point that is not on the key's curve would leak the key.
    fn check(recipient: &Recipient<'_>, curve: Curve) -> Result<Self, RefusedError> {
        let ephemeral = EphemeralKey::from_epk(recipient.ephemeral.as_deref(), curve)?;
        Ok(Self {
            ephemeral,
            party_u: party_info("apu", recipient.party_u.as_deref())?,
            party_v: party_info("apv", recipient.party_v.as_deref())?,
        })
    }
}

fn party_info(member: &'static str, text: Option<&str>) -> Result<Vec<u8>, RefusedError> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    if base64url::decoded_len(text.len()) > LONGEST_PARTY_INFO {
        return Err(RefusedError::BadPartyInfo { member });
    }
    base64url::decode(text).ok_or(RefusedError::BadPartyInfo { member })
}

fn encrypted_key_len(key: &RecipientKey, encryption: ContentEncryption) -> usize {
    match (key.modulus_len(), key.algorithm().key_wrap_len()) {
        (Some(modulus), _) => modulus,
        (None, Some(_)) => encryption.key_len() + key_wrap::OVERHEAD,
        (None, None) => 0,
    }
}

/// Decodes into room on the stack.
fn decode_to<'b>(text: &str, room: &'b mut [u8]) -> Result<&'b [u8], OpenError> {
    let len = base64url::decode_slice(text, room).ok_or(OpenError)?;
    Ok(&room[..len])
}
