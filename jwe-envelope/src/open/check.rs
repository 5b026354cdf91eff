//! The public checks of one recipient against one key.

use std::sync::OnceLock;

use crate::algorithm::{ContentEncryption, Curve, KeyManagement};
use crate::envelope::Recipient;
use crate::error::RefusedError;
use crate::recipient::RecipientKey;
use crate::unwrap::EphemeralKey;
use crate::unwrap::checked::{Agreement, Checked, KeyPath};
use crate::{base64url, key_wrap};

/// Longest `apu` or `apv`, decoded.
const LONGEST_PARTY_INFO: usize = 512;

impl Checked {
    /// Checks `recipient`, one of `recipients`, against `key`.
    pub(super) fn new(
        recipient: &Recipient<'_>,
        recipients: usize,
        encryption: &Result<ContentEncryption, RefusedError>,
        key: &RecipientKey,
    ) -> Result<Self, RefusedError> {
        let algorithm: KeyManagement = recipient.algorithm.parse()?;
        if algorithm != key.algorithm() {
            return Err(RefusedError::WrongAlgorithm {
                found: algorithm,
                pinned: key.algorithm(),
            });
        }
        let encryption = encryption.clone()?;
        if algorithm == KeyManagement::EcdhEs && recipients != 1 {
            return Err(RefusedError::DirectWithSeveral(recipients));
        }
        let expected = encrypted_key_len(key, encryption);
        let found = base64url::decoded_len(recipient.encrypted_key.len());
        if found != expected {
            return Err(RefusedError::EncryptedKeyLength { found, expected });
        }
        let path = match (key.curve(), algorithm.oaep_hash()) {
            (Some(curve), None) => KeyPath::Agree(Agreement::check(recipient, curve)?),
            (None, Some(hash)) => KeyPath::Decrypt(hash),
            // A key's pin fits its kind by construction, and `alg` is the pin.
            _ => {
                return Err(RefusedError::WrongAlgorithm {
                    found: algorithm,
                    pinned: key.algorithm(),
                });
            }
        };
        Ok(Self {
            encryption,
            algorithm,
            // RFC 7516 §5.2 step 2 was done by the parser: the text decodes.
            encrypted_key: base64url::decode(&recipient.encrypted_key).unwrap_or_default(),
            path,
            digest: OnceLock::new(),
        })
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
