//! Authenticated encryption of the value itself, RFC 7518 §5: one family per file.
//!
//! Sealing takes no initialization vector: each call draws a fresh one from the library's random generator and
//! hands it back, so that a (key, IV) pair cannot repeat by a caller's mistake. Opening works in place, in the
//! one buffer that then becomes the plaintext; when the tag is wrong the whole buffer is wiped.

mod aes_cbc_hmac;
mod aes_gcm;

#[cfg(test)]
mod tests;

use aws_lc_rs::error::Unspecified;

use crate::error::OpenError;
use crate::secret::{ContentKey, Plaintext, wipe};

/// Room that a ciphertext's buffer should have beyond the ciphertext, so that opening never has to grow it.
pub(crate) const SPARE: usize = 16;

/// What one encryption yields.
pub(crate) struct Encrypted {
    /// Drawn at random by this very encryption.
    pub(crate) iv: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

/// Encrypts `plaintext` and authenticates it together with `aad`. Fails only when the library has no randomness.
pub(crate) fn encrypt(
    key: &ContentKey,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Encrypted, Unspecified> {
    // Encrypted in place; the spare room keeps CBC padding from moving the plaintext to another allocation.
    let mut buffer = Vec::with_capacity(plaintext.len() + SPARE);
    buffer.extend_from_slice(plaintext);
    let result = if key.encryption().is_gcm() {
        aes_gcm::encrypt(key, aad, &mut buffer)
    } else {
        aes_cbc_hmac::encrypt(key, aad, &mut buffer)
    };
    match result {
        Ok((iv, tag)) => Ok(Encrypted {
            iv,
            ciphertext: buffer,
            tag,
        }),
        Err(error) => {
            wipe(&mut buffer);
            Err(error)
        }
    }
}

/// Checks the tag over `aad` and `buffer`, then decrypts `buffer` in place; it becomes the plaintext.
/// On any failure the buffer is wiped and the one error is all that there is to learn.
pub(crate) fn decrypt(
    key: &ContentKey,
    iv: &[u8],
    aad: &[u8],
    tag: &[u8],
    mut buffer: Vec<u8>,
) -> Result<Plaintext, OpenError> {
    let encryption = key.encryption();
    let result = if iv.len() != encryption.iv_len() || tag.len() != encryption.tag_len() {
        Err(Unspecified)
    } else if encryption.is_gcm() {
        aes_gcm::decrypt(key, iv, aad, tag, &mut buffer)
    } else {
        aes_cbc_hmac::decrypt(key, iv, aad, tag, &mut buffer)
    };
    if result.is_err() {
        wipe(&mut buffer);
        return Err(OpenError);
    }
    Ok(Plaintext::new(buffer))
}
