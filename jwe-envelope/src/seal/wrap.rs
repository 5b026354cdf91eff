//! The content key, wrapped for one recipient.

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
};

use crate::algorithm::{Curve, KeyManagement, OaepHash};
use crate::error::SealError;
use crate::header::SealedRecipient;
use crate::kdf::concat_kdf;
use crate::key_wrap;
use crate::public_key::{PublicKey, agreement_algorithm};
use crate::recipient::RecipientKey;
use crate::secret::{ContentKey, SecretBytes};
use crate::unwrap::EphemeralKey;

pub(super) fn wrap(
    key: &ContentKey,
    recipient: &RecipientKey,
) -> Result<SealedRecipient, SealError> {
    let algorithm = recipient.algorithm();
    let wrapped = match (recipient.public(), algorithm.oaep_hash()) {
        (PublicKey::Rsa { .. }, Some(hash)) => {
            encrypt(key, recipient, hash).map(|encrypted| (encrypted, None))
        }
        (PublicKey::Point { curve, bytes }, None) => agree(key, *curve, bytes, algorithm)
            .map(|(encrypted, ephemeral)| (encrypted, Some(ephemeral.to_jwk()))),
        _ => None,
    };
    let (encrypted_key, ephemeral) = wrapped.ok_or_else(|| SealError::Recipient {
        kid: recipient.kid().to_owned(),
    })?;
    Ok(SealedRecipient {
        algorithm,
        key_id: recipient.kid().to_owned(),
        ephemeral,
        encrypted_key,
    })
}

fn encrypt(key: &ContentKey, recipient: &RecipientKey, hash: OaepHash) -> Option<Vec<u8>> {
    let algorithm = match hash {
        OaepHash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        OaepHash::Sha256 => &OAEP_SHA256_MGF1SHA256,
        OaepHash::Sha384 => &OAEP_SHA384_MGF1SHA384,
        OaepHash::Sha512 => &OAEP_SHA512_MGF1SHA512,
    };
    let public = recipient.encrypting()?;
    let mut encrypted = vec![0; public.ciphertext_size()];
    let len = public
        .encrypt(algorithm, key.expose(), &mut encrypted, None)
        .ok()?
        .len();
    encrypted.truncate(len);
    Some(encrypted)
}

/// A fresh ephemeral key per recipient: one for several would tie their wrapping keys together.
fn agree(
    key: &ContentKey,
    curve: Curve,
    public: &[u8],
    algorithm: KeyManagement,
) -> Option<(Vec<u8>, EphemeralKey)> {
    let wrapping_key_len = algorithm.key_wrap_len()?;
    let private = agreement::PrivateKey::generate(agreement_algorithm(curve)).ok()?;
    let ephemeral = EphemeralKey::new(curve, private.compute_public_key().ok()?.as_ref()).ok()?;
    let peer = UnparsedPublicKey::new(agreement_algorithm(curve), public);
    let wrapping_key: SecretBytes = agreement::agree(&private, peer, (), |secret| {
        concat_kdf(secret, algorithm.as_str(), b"", b"", wrapping_key_len).ok_or(())
    })
    .ok()?;
    let wrapped = key_wrap::wrap(wrapping_key.expose(), key.expose())?;
    Some((wrapped, ephemeral))
}
