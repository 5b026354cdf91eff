//! AES-CBC with HMAC, RFC 7518 §5.2: the key is MAC key then encryption key, the tag the first half of the HMAC
//! over associated data, IV, ciphertext and the bit length of the associated data.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use crate::algorithm::ContentEncryption;
use crate::secret::ContentKey;

struct Parameters {
    hmac: hmac::Algorithm,
    cipher: &'static Algorithm,
}

fn parameters(encryption: ContentEncryption) -> Result<Parameters, Unspecified> {
    let (hmac, cipher) = match encryption {
        ContentEncryption::A128CbcHs256 => (hmac::HMAC_SHA256, &AES_128),
        ContentEncryption::A192CbcHs384 => (hmac::HMAC_SHA384, &AES_192),
        ContentEncryption::A256CbcHs512 => (hmac::HMAC_SHA512, &AES_256),
        _ => return Err(Unspecified),
    };
    Ok(Parameters { hmac, cipher })
}

/// Encrypts `buffer` in place (padding appended); returns the IV that was drawn for it, and the tag.
pub(super) fn encrypt(
    key: &ContentKey,
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(Vec<u8>, Vec<u8>), Unspecified> {
    let parameters = parameters(key.encryption())?;
    let (mac_key, encryption_key) = halves(key);
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(
        parameters.cipher,
        encryption_key,
    )?)?;
    let DecryptionContext::Iv128(iv) = cipher.encrypt(buffer)? else {
        return Err(Unspecified);
    };
    let iv = iv.as_ref().to_vec();
    let mac = authenticate(&parameters, mac_key, aad, &iv, buffer)?;
    let tag = mac.as_ref()[..key.encryption().tag_len()].to_vec();
    Ok((iv, tag))
}

/// Decrypts `buffer` in place. `iv` and `tag` have the lengths that the algorithm asks for.
///
/// The MAC is verified, in constant time, before any byte is decrypted: without the key no one gets to
/// see what the padding check would say (Vaudenay's oracle).
pub(super) fn decrypt(
    key: &ContentKey,
    iv: &[u8],
    aad: &[u8],
    tag: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), Unspecified> {
    let parameters = parameters(key.encryption())?;
    let (mac_key, encryption_key) = halves(key);
    let mac = authenticate(&parameters, mac_key, aad, iv, buffer)?;
    verify_slices_are_equal(&mac.as_ref()[..key.encryption().tag_len()], tag)?;

    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(
        parameters.cipher,
        encryption_key,
    )?)?;
    let iv = FixedLength::<16>::try_from(iv)?;
    let len = cipher.decrypt(buffer, DecryptionContext::Iv128(iv))?.len();
    buffer.truncate(len);
    Ok(())
}

/// MAC key first, then the encryption key (RFC 7518 §5.2.2.1).
fn halves(key: &ContentKey) -> (&[u8], &[u8]) {
    let bytes = key.expose();
    bytes.split_at(bytes.len() / 2)
}

fn authenticate(
    parameters: &Parameters,
    mac_key: &[u8],
    aad: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<hmac::Tag, Unspecified> {
    // AL is a 64-bit count of bits; a 32-bit product would wrap at 512 MiB (RFC 7518 §5.2.2.1 step 4).
    let bits = u64::try_from(aad.len())
        .ok()
        .and_then(|bytes| bytes.checked_mul(8))
        .ok_or(Unspecified)?;
    let mut mac = hmac::Context::with_key(&hmac::Key::new(parameters.hmac, mac_key));
    mac.update(aad);
    mac.update(iv);
    mac.update(ciphertext);
    mac.update(&bits.to_be_bytes());
    Ok(mac.sign())
}
