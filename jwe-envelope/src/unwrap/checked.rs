//! What the public checks of one recipient against one key yield, and where it is kept.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};

use super::{EphemeralKey, InputsDigest};
use crate::algorithm::{ContentEncryption, KeyManagement, OaepHash};
use crate::error::RefusedError;
use crate::recipient::RecipientKey;

/// What an unwrap takes, every public check passed.
pub(crate) struct Checked {
    pub(crate) encryption: ContentEncryption,
    pub(crate) algorithm: KeyManagement,
    pub(crate) encrypted_key: Vec<u8>,
    pub(crate) path: KeyPath,
    pub(crate) digest: OnceLock<(String, InputsDigest)>,
}

/// How the content key is reached.
pub(crate) enum KeyPath {
    Agree(Agreement),
    Decrypt(OaepHash),
}

pub(crate) struct Agreement {
    pub(crate) ephemeral: EphemeralKey,
    pub(crate) party_u: Vec<u8>,
    pub(crate) party_v: Vec<u8>,
}

/// The checks that passed, and for which key. They depend only on the envelope's text and the key's public
/// half, so that an envelope that is kept is checked once.
#[derive(Clone, Default)]
pub(crate) struct Remembered(OnceLock<(KeyName, Arc<Checked>)>);

/// Thumbprint and pin: together they are the whole public half.
type KeyName = (String, KeyManagement);

impl Remembered {
    pub(crate) fn get_or_check(
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
    pub(crate) fn inputs_digest(&self, entry: &str) -> InputsDigest {
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
        let (curve, epk, apu, apv): (&str, &[u8], &[u8], &[u8]) = match &self.path {
            KeyPath::Decrypt(_) => ("", b"", b"", b""),
            KeyPath::Agree(agreement) => (
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
