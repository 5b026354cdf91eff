//! AES-GCM, RFC 7518 §5.3: a 96-bit IV and a 128-bit tag, nothing else.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, RandomizedNonceKey,
    UnboundKey,
};
use aws_lc_rs::error::Unspecified;

use crate::algorithm::ContentEncryption;
use crate::secret::ContentKey;

fn algorithm(encryption: ContentEncryption) -> Result<&'static Algorithm, Unspecified> {
    match encryption {
        ContentEncryption::A128Gcm => Ok(&AES_128_GCM),
        ContentEncryption::A192Gcm => Ok(&AES_192_GCM),
        ContentEncryption::A256Gcm => Ok(&AES_256_GCM),
        _ => Err(Unspecified),
    }
}

/// Encrypts `buffer` in place; returns the IV that was drawn for it, and the tag.
pub(super) fn encrypt(
    key: &ContentKey,
    aad: &[u8],
    buffer: &mut [u8],
) -> Result<(Vec<u8>, Vec<u8>), Unspecified> {
    let algorithm = algorithm(key.encryption())?;
    let aad = Aad::from(aad);
    if key.encryption() == ContentEncryption::A192Gcm {
        // The library's own random-nonce mode leaves out AES-192, so the nonce is drawn here, in the same way.
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.expose())?);
        let tag =
            key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, buffer)?;
        return Ok((nonce.to_vec(), tag.as_ref().to_vec()));
    }
    let key = RandomizedNonceKey::new(algorithm, key.expose())?;
    let (nonce, tag) = key.seal_in_place_separate_tag(aad, buffer)?;
    Ok((nonce.as_ref().to_vec(), tag.as_ref().to_vec()))
}

/// Decrypts `buffer` in place. `iv` and `tag` have the lengths that the algorithm asks for.
pub(super) fn decrypt(
    key: &ContentKey,
    iv: &[u8],
    aad: &[u8],
    tag: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm(key.encryption())?, key.expose())?);
    let nonce = Nonce::try_assume_unique_for_key(iv)?;
    let len = buffer.len();
    // Lengths were checked before joining: no boundary between ciphertext and tag can be shifted. The joined form
    // is the one that the library's FIPS build approves.
    buffer.extend_from_slice(tag);
    key.open_in_place(nonce, Aad::from(aad), buffer)?;
    buffer.truncate(len);
    Ok(())
}
