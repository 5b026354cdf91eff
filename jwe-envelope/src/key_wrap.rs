//! AES key wrap, RFC 3394, as ECDH-ES+A…KW uses it.

use aes_kw::cipher::KeyInit as _;
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};

use crate::secret::SecretBytes;

/// What AES key wrap adds to the key.
pub(crate) const OVERHEAD: usize = 8;

/// Wraps `key` under `wrapping_key` of 16, 24 or 32 bytes; `None` for other lengths.
pub(crate) fn wrap(wrapping_key: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut wrapped = vec![0; key.len() + OVERHEAD];
    match wrapping_key.len() {
        24 => {
            let kek = aes_kw::KwAes192::new_from_slice(wrapping_key).ok()?;
            kek.wrap_key(key, &mut wrapped).ok()?;
        }
        _ => {
            kek(wrapping_key)?.wrap(key, &mut wrapped).ok()?;
        }
    }
    Some(wrapped)
}

/// Unwraps into a buffer of exactly the key's length; `None` when the integrity check fails.
pub(crate) fn unwrap(wrapping_key: &[u8], wrapped: &[u8]) -> Option<SecretBytes> {
    // Two blocks are the least that the algorithm wraps; shorter inputs never reach the library.
    if wrapped.len() < 16 + OVERHEAD || !wrapped.len().is_multiple_of(8) {
        return None;
    }
    let mut unwrapped = None;
    let key = SecretBytes::filled_by(wrapped.len() - OVERHEAD, |out| {
        unwrapped = match wrapping_key.len() {
            24 => aes_kw::KwAes192::new_from_slice(wrapping_key)
                .ok()
                .and_then(|kek| kek.unwrap_key(wrapped, out).map(drop).ok()),
            _ => kek(wrapping_key).and_then(|kek| kek.unwrap(wrapped, out).map(drop).ok()),
        };
    });
    unwrapped.map(|()| key)
}

fn kek(wrapping_key: &[u8]) -> Option<AesKek> {
    match wrapping_key.len() {
        16 => AesKek::new(&AES_128, wrapping_key).ok(),
        32 => AesKek::new(&AES_256, wrapping_key).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn check(kek: &str, key: &str, wrapped: &str) {
        let (kek, key, wrapped) = (hex(kek), hex(key), hex(wrapped));
        assert_eq!(wrap(&kek, &key).unwrap(), wrapped);
        assert_eq!(unwrap(&kek, &wrapped).unwrap().expose(), key);
        for at in 0..wrapped.len() {
            let mut damaged = wrapped.clone();
            damaged[at] ^= 1;
            assert!(unwrap(&kek, &damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn rfc3394_4_1_128_bits_under_128() {
        check(
            "000102030405060708090A0B0C0D0E0F",
            "00112233445566778899AABBCCDDEEFF",
            "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
        );
    }

    #[test]
    fn rfc3394_4_2_128_bits_under_192() {
        check(
            "000102030405060708090A0B0C0D0E0F1011121314151617",
            "00112233445566778899AABBCCDDEEFF",
            "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D",
        );
    }

    #[test]
    fn rfc3394_4_6_256_bits_under_256() {
        check(
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        );
    }

    #[test]
    fn odd_lengths_are_none_and_do_not_panic() {
        for kek_len in 0..40 {
            let kek = vec![7; kek_len];
            for len in 0..100 {
                let wrapped = vec![9; len];
                assert!(unwrap(&kek, &wrapped).is_none(), "{kek_len} {len}");
            }
        }
    }
}
