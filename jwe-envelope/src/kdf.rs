//! The Concat KDF of ECDH-ES, RFC 7518 §4.6.2 (NIST SP 800-56A §5.8.1 with SHA-256).

use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};

use crate::secret::SecretBytes;

/// Derives `len` bytes from the agreed secret `z`. `algorithm` is `alg` where the result wraps a key and `enc` where it
/// is the content key itself; `apu` and `apv` are the decoded header members, empty where absent.
///
/// `None` for an empty `z`, or a length that the function does not serve.
pub(crate) fn concat_kdf(
    z: &[u8],
    algorithm: &str,
    apu: &[u8],
    apv: &[u8],
    len: usize,
) -> Option<SecretBytes> {
    let bits = u32::try_from(len.checked_mul(8)?).ok()?;
    let mut info = Vec::with_capacity(16 + algorithm.len() + apu.len() + apv.len());
    for part in [algorithm.as_bytes(), apu, apv] {
        info.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
        info.extend_from_slice(part);
    }
    // SuppPubInfo: the number of bits wanted. SuppPrivInfo is empty.
    info.extend_from_slice(&bits.to_be_bytes());

    let digest = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
    let mut derived = None;
    let out = SecretBytes::filled_by(len, |out| {
        derived = sskdf_digest(digest, z, &info, out).ok();
    });
    derived.map(|()| out)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// The Z of RFC 7518 appendix C.
    const Z: [u8; 32] = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110,
        163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];

    #[test]
    fn rfc7518_appendix_c() {
        let key = concat_kdf(&Z, "A128GCM", b"Alice", b"Bob", 16).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.expose()),
            "VqqN6vgjbSBcIijNcacQGg"
        );
    }

    #[test]
    fn algorithm_party_info_and_length_all_matter() {
        let base = concat_kdf(&Z, "A128GCM", b"Alice", b"Bob", 16).unwrap();
        for other in [
            concat_kdf(&Z, "A256GCM", b"Alice", b"Bob", 16),
            concat_kdf(&Z, "A128GCM", b"AliceB", b"ob", 16),
            concat_kdf(&Z, "A128GCM", b"", b"", 16),
        ] {
            assert_ne!(other.unwrap().expose(), base.expose());
        }
        let longer = concat_kdf(&Z, "A128GCM", b"Alice", b"Bob", 64).unwrap();
        assert_ne!(&longer.expose()[..16], base.expose());
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(concat_kdf(b"", "A128GCM", b"", b"", 16).is_none());
    }
}
