//! Signed envelopes: a custodian signs a sealed value, so that a value which someone else proposed is not opened.
//!
//! The signature is a JWS with its payload detached ([RFC 7515 Appendix
//! F](https://www.rfc-editor.org/rfc/rfc7515#appendix-F)): `header..signature`. The payload is the 32 bytes of
//! [`Envelope::digest`](crate::Envelope::digest), SHA-256 over `protected.iv.ciphertext.tag[.aad]` as received. So the
//! signature covers the value under its content key, and with `protected` everything that `bind` and `sealed` say: moved to
//! another place it is still good, and the place refuses the envelope.
//!
//! What is outside `protected` is not covered, on purpose: replacing `header` and only `encrypted_key` re-wraps the
//! same content key for a new recipient key, and the custodian's word keeps standing. That leaves one thing to look at.
//! AES-GCM does not commit to its key: someone who chooses *both* content keys can make one ciphertext that opens to two
//! values. To pair a signed ciphertext with another content key he would need a second key under which its tag verifies, and
//! the first was drawn at random by the signer, whom we take to be honest: finding a second one for a given ciphertext,
//! tag and nonce is as hard as forging the tag. A signer who prepares such a pair could as well sign both values.

use super::{JwsHeader, SignatureError, SignerKey, parts};
use crate::base64url;
use crate::envelope::EnvelopeDigest;

/// The longest JWS that is looked at: RSA of 8192 bits takes 1366 characters and a header of ours about 160.
pub const LONGEST_ENVELOPE_SIGNATURE: usize = 2 * 1024;

/// `typ` of a signed envelope.
pub const ENVELOPE_TYPE: &str = "privy-envelope";

/// An envelope that a signer vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedEnvelope {
    /// `iat`: when it was signed, Unix seconds, as the signer says.
    pub signed_at: u64,
}

impl SignerKey {
    /// Verifies that this very key signed the envelope of this digest.
    ///
    /// Spaces around the signature do not matter; it is bounded before anything of it is read.
    ///
    /// # Errors
    /// [`SignatureError`], for anything but a signature of this very key over this digest.
    pub fn verify_envelope(
        &self,
        jws: &[u8],
        digest: &EnvelopeDigest,
    ) -> Result<SignedEnvelope, SignatureError> {
        let (header, signature) = detached(jws)?;
        let decoded = JwsHeader::parse(header, ENVELOPE_TYPE)?;
        let signed = format!("{header}.{}", base64url::encode(digest.as_bytes()));
        self.verify(&decoded, signed.as_bytes(), signature)?;
        Ok(SignedEnvelope {
            signed_at: decoded.signed_at,
        })
    }
}

/// The `kid` that a signature bears: a claim, good to look a signer up with and for nothing else.
///
/// # Errors
/// [`SignatureError::Malformed`] for what is no signature of an envelope.
pub fn claimed_envelope_signer(jws: &[u8]) -> Result<String, SignatureError> {
    let (header, _) = detached(jws)?;
    Ok(JwsHeader::parse(header, ENVELOPE_TYPE)?.key_id)
}

/// JwsHeader and signature; nothing may be between their dots.
fn detached(jws: &[u8]) -> Result<(&str, &str), SignatureError> {
    match parts(jws, LONGEST_ENVELOPE_SIGNATURE)? {
        (_, [header, "", signature]) => Ok((header, signature)),
        _ => Err(SignatureError::Malformed("its payload is not detached")),
    }
}

#[cfg(feature = "local")]
impl super::LocalSigner {
    /// A detached JWS over an envelope's digest, signed at this time (Unix seconds).
    ///
    /// # Errors
    /// [`KeyError::Generate`](crate::KeyError::Generate) when the provider does not sign.
    pub fn sign_envelope(
        &self,
        digest: &EnvelopeDigest,
        signed_at: u64,
    ) -> Result<String, crate::KeyError> {
        let [header, _, signature] =
            self.sign_parts(ENVELOPE_TYPE, signed_at, digest.as_bytes())?;
        Ok(format!("{header}..{signature}"))
    }
}
