//! Plaintext to envelope.

mod wrap;

use std::fmt;

use crate::algorithm::{ContentEncryption, KeyManagement};
use crate::binding::Binding;
use crate::content;
use crate::draft::Draft;
use crate::envelope::{Envelope, Serialization};
use crate::error::SealError;
use crate::header::SealedRecipient;
use crate::provenance::Provenance;
use crate::recipient::RecipientKey;
use crate::secret::ContentKey;

/// Longest value: what a Secret may hold in all. With the largest headers, and 16 recipients with the longest keys, its
/// envelope stays within [`MAX_ENVELOPE`](crate::MAX_ENVELOPE).
pub const LONGEST_VALUE: usize = 1024 * 1024;

/// Most values of one act. Random 96-bit IVs would carry 2³² (NIST SP 800-38D §8.3); no Secret has as many fields as this.
pub const MOST_VALUES: usize = 4096;

const MOST_RECIPIENTS: usize = crate::parts::MAX_RECIPIENTS;

/// One act of sealing: one fresh content key, wrapped once per recipient, for values whose bindings differ only in `key`.
/// Each value becomes a complete envelope that any JOSE tool opens on its own; that they share a content key lets a whole
/// Secret be opened with one question to the key service.
///
/// Each value has its own random IV, which no one can choose. The content key is wiped when the sealer is dropped.
pub struct Sealer {
    recipients: Vec<RecipientKey>,
    encryption: ContentEncryption,
    serialization: Serialization,
    provenance: Option<Provenance>,
    act: Option<Act>,
}

/// What comes into being with the first value.
struct Act {
    key: ContentKey,
    recipients: Vec<SealedRecipient>,
    binding: Binding,
    values: usize,
}

impl Sealer {
    /// Starts an act for one or more recipients: compact for one, general for several, A256GCM.
    ///
    /// # Errors
    /// [`SealError::Recipients`] for none, more than 16, or the same key twice (under whatever algorithm);
    /// [`SealError::Direct`] for a key that is pinned to ECDH-ES without key wrap, which could serve neither several values
    /// nor several recipients.
    pub fn new(recipients: &[RecipientKey]) -> Result<Self, SealError> {
        if recipients.is_empty() {
            return Err(SealError::Recipients("none was given"));
        }
        if recipients.len() > MOST_RECIPIENTS {
            return Err(SealError::Recipients("more were given"));
        }
        for (index, key) in recipients.iter().enumerate() {
            if recipients[..index]
                .iter()
                .any(|other| other.kid() == key.kid())
            {
                return Err(SealError::Recipients("one was given twice"));
            }
            if key.algorithm() == KeyManagement::EcdhEs {
                return Err(SealError::Direct);
            }
        }
        Ok(Self {
            recipients: recipients.to_vec(),
            encryption: ContentEncryption::A256Gcm,
            serialization: match recipients.len() {
                1 => Serialization::Compact,
                _ => Serialization::General,
            },
            provenance: None,
            act: None,
        })
    }

    /// Chooses another content encryption than A256GCM; before the first value.
    ///
    /// # Errors
    /// [`SealError::Started`] after it.
    pub fn content_encryption(mut self, encryption: ContentEncryption) -> Result<Self, SealError> {
        if self.act.is_some() {
            return Err(SealError::Started);
        }
        self.encryption = encryption;
        Ok(self)
    }

    /// Chooses another serialization than compact (general with several recipients); before the first value.
    ///
    /// # Errors
    /// [`SealError::Started`] after it; [`SealError::Serialization`] when it does not hold as many recipients.
    pub fn serialization(mut self, serialization: Serialization) -> Result<Self, SealError> {
        if self.act.is_some() {
            return Err(SealError::Started);
        }
        if serialization != Serialization::General && self.recipients.len() != 1 {
            return Err(SealError::Serialization(self.recipients.len()));
        }
        self.serialization = serialization;
        Ok(self)
    }

    /// Adds `sealed` to every value that follows; with `None`, those have none.
    #[must_use]
    pub fn provenance(mut self, provenance: impl Into<Option<Provenance>>) -> Self {
        self.provenance = provenance.into();
        self
    }

    /// Seals one value of at most 1 MiB. `Display` of the envelope is the text to store.
    ///
    /// # Errors
    /// [`SealError::TooLarge`]; [`SealError::Binding`] when the binding differs from that of the act's first value in more
    /// than `key`, or when a binding with `sa` is not the act's only one; [`SealError::TooMany`]. An act goes on after an
    /// error: the next value may be fine.
    pub fn seal(
        &mut self,
        value: &[u8],
        binding: &Binding,
    ) -> Result<Envelope<'static>, SealError> {
        if value.len() > LONGEST_VALUE {
            return Err(SealError::TooLarge {
                len: value.len(),
                limit: LONGEST_VALUE,
            });
        }
        let act = match &mut self.act {
            Some(act) => {
                if act.values >= MOST_VALUES {
                    return Err(SealError::TooMany(MOST_VALUES));
                }
                if !act.binding.may_share_content_key(binding) {
                    return Err(SealError::Binding);
                }
                act
            }
            empty => empty.insert(Act::begin(&self.recipients, self.encryption, binding)?),
        };
        act.values += 1;

        let draft = Draft::new(
            self.serialization,
            self.encryption,
            &act.recipients,
            Some(binding),
            self.provenance.as_ref(),
        );
        let sealed = content::encrypt(&act.key, &draft.aad_bytes(), value)
            .map_err(|_| SealError::Provider)?;
        Ok(draft.finish(&sealed.iv, &sealed.ciphertext, &sealed.tag))
    }
}

impl Act {
    fn begin(
        recipients: &[RecipientKey],
        encryption: ContentEncryption,
        binding: &Binding,
    ) -> Result<Self, SealError> {
        let key = ContentKey::random(encryption).ok_or(SealError::Provider)?;
        let recipients = recipients
            .iter()
            .map(|recipient| wrap::wrap(&key, recipient))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            key,
            recipients,
            binding: binding.clone(),
            values: 0,
        })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("recipients", &self.recipients)
            .field("encryption", &self.encryption)
            .field("serialization", &self.serialization)
            .field("values", &self.act.as_ref().map_or(0, |act| act.values))
            .finish_non_exhaustive()
    }
}
