//! The public checks of one recipient against one key, and what they yield.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};

use super::{EphemeralKey, InputsDigest};
use crate::algorithm::{ContentEncryption, Curve, KeyManagement, OaepHash};
use crate::envelope::Recipient;
use crate::error::RefusedError;
use crate::recipient::RecipientKey;
use crate::{base64url, key_wrap};

/// Longest `apu` or `apv`, decoded.
const LONGEST_PARTY_INFO: usize = 512;

/// What an unwrap takes, every public check passed.
pub(super) struct Checked {
    pub(super) encryption: ContentEncryption,
    pub(super) algorithm: KeyManagement,
    pub(super) encrypted_key: Vec<u8>,
    pub(super) way: Way,
    digest: OnceLock<(String, InputsDigest)>,
}

/// How the content key is reached.
pub(super) enum Way {
    Agree(Agreement),
    Decrypt(OaepHash),
}

pub(super) struct Agreement {
    pub(super) ephemeral: EphemeralKey,
    pub(super) party_u: Vec<u8>,
    pub(super) party_v: Vec<u8>,
}

/// The checks that passed, and for which key. They depend on the envelope's text and the key's public half alone,
/// so whoever keeps an envelope need not make them twice.
#[derive(Clone, Default)]
pub(crate) struct Remembered(OnceLock<(KeyName, Arc<Checked>)>);

/// Thumbprint and pin: together they are the whole public half.
type KeyName = (String, KeyManagement);

impl Remembered {
    pub(super) fn get_or_check(
        &self,
        key: &RecipientKey,
        check: impl FnOnce() -> Result<Checked, RefusedError>,
    ) -> Result<Arc<Checked>, RefusedError> {
        if let Some(((kid, algorithm), checked)) = self.0.get()
            && kid == key.kid()
            && *algorithm == key.algorithm()
        {
            return Ok(Arc::clone(checked));
        }
        let checked = Arc::new(check()?);
        // One key is remembered; an envelope that is tried with a second one is checked again.
        let name = (key.kid().to_owned(), key.algorithm());
        let _ = self.0.set((name, Arc::clone(&checked)));
        Ok(checked)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered")
    }
}

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
        Ok(Self {
            encryption,
            algorithm,
            // RFC 7516 §5.2 step 2 was done by the parser: the text decodes.
            encrypted_key: base64url::decode(&recipient.encrypted_key).unwrap_or_default(),
            way,
            digest: OnceLock::new(),
        })
    }

    pub(super) fn inputs_digest(&self, entry: &str) -> InputsDigest {
        let (named, digest) = self
            .digest
            .get_or_init(|| (entry.to_owned(), self.compute_digest(entry)));
        if named == entry {
            *digest
        } else {
            self.compute_digest(entry)
        }
    }

    fn compute_digest(&self, entry: &str) -> InputsDigest {
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
