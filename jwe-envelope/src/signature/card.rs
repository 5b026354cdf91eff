//! Signed key cards: the key manager signs a card, so that a custodian who knows the manager's key need not compare
//! the fingerprint of every card.
//!
//! The payload is the card, byte for byte, kept beside it as `CARD.jws`. `iat` lets a reader refuse a signed card that is
//! older than one it has seen.

use std::fmt;

use super::{JwsHeader, SignatureError, SignerKey, parts};
use crate::base64url;

/// The longest JWS that is looked at: a card of the largest size in base64url, and a header.
pub const LONGEST_SIGNATURE: usize = 128 * 1024;

/// `typ` of a signed card.
pub const TYPE: &str = "privy-card";

/// A card that a signer vouched for.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCard {
    /// The card's bytes, as they were signed.
    pub card: Vec<u8>,
    /// `iat`: when it was signed, Unix seconds.
    pub signed_at: u64,
}

impl SignerKey {
    /// Verifies a signature and hands out the card that it is for.
    ///
    /// Whether that is the card at hand, and whether it is the newest, is the caller's to compare.
    ///
    /// # Errors
    /// [`SignatureError`], for anything but a signature of this very key over a card.
    pub fn verify_card(&self, jws: &[u8]) -> Result<SignedCard, SignatureError> {
        let (text, [header, payload, signature]) = parts(jws, LONGEST_SIGNATURE)?;
        let decoded = JwsHeader::parse(header, TYPE)?;
        // What is signed is the text as it was received, RFC 7515 §5.2.
        let signed = &text[..header.len() + 1 + payload.len()];
        self.verify(&decoded, signed.as_bytes(), signature)?;
        Ok(SignedCard {
            card: base64url::decode(payload)
                .ok_or(SignatureError::Malformed("its payload is not base64url"))?,
            signed_at: decoded.signed_at,
        })
    }
}

impl fmt::Debug for SignedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedCard")
            .field("signed_at", &self.signed_at)
            .finish_non_exhaustive()
    }
}

/// The `kid` that a signature bears: a claim, good to look a signer up with and for nothing else.
///
/// # Errors
/// [`SignatureError::Malformed`] for what is no signature of a card.
pub fn claimed_signer(jws: &[u8]) -> Result<String, SignatureError> {
    let (_, [header, ..]) = parts(jws, LONGEST_SIGNATURE)?;
    Ok(JwsHeader::parse(header, TYPE)?.key_id)
}

#[cfg(feature = "local")]
impl super::LocalSigner {
    /// A compact JWS over a card's bytes, signed at this time (Unix seconds).
    ///
    /// # Errors
    /// [`KeyError::Generate`](crate::KeyError::Generate) when the provider does not sign.
    pub fn sign_card(&self, card: &[u8], signed_at: u64) -> Result<String, crate::KeyError> {
        let [header, payload, signature] = self.sign_parts(TYPE, signed_at, card)?;
        Ok(format!("{header}.{payload}.{signature}"))
    }
}
