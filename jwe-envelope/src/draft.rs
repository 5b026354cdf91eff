//! An envelope in the making: headers first, then what the encryption returns.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::algorithm::ContentEncryption;
use crate::base64url;
use crate::binding::Binding;
use crate::envelope::{Envelope, Recipient, Serialization};
use crate::header::{self, SealedRecipient};
use crate::provenance::Provenance;
use crate::unwrap::checked::Remembered;

/// An envelope whose headers are final and whose value is not encrypted yet.
pub(crate) struct Draft {
    envelope: Envelope<'static>,
}

impl Draft {
    /// Writes the headers. Compact and flattened take exactly one recipient.
    pub(crate) fn new(
        serialization: Serialization,
        encryption: ContentEncryption,
        recipients: &[SealedRecipient],
        binding: Option<&Binding>,
        provenance: Option<&Provenance>,
    ) -> Self {
        let compact = match serialization {
            Serialization::Compact => recipients.first(),
            Serialization::Flattened | Serialization::General => None,
        };
        let protected = header::protected_json(encryption, compact, binding, provenance);
        let recipients = recipients.iter().map(|recipient| Recipient {
            header: match compact {
                Some(_) => None,
                None => Some(Cow::Owned(header::recipient_json(recipient))),
            },
            encrypted_key: base64url::encode(&recipient.encrypted_key).into(),
            algorithm: recipient.algorithm.as_str().into(),
            key_id: Some(recipient.key_id.clone().into()),
            ephemeral: recipient.ephemeral.clone().map(Cow::Owned),
            party_u: None,
            party_v: None,
            checked: Remembered::default(),
        });
        Self {
            envelope: Envelope {
                serialization,
                protected: Some(base64url::encode(protected.as_bytes()).into()),
                unprotected: None,
                recipients: recipients.collect(),
                aad: None,
                iv: Cow::default(),
                ciphertext: Cow::default(),
                tag: Cow::default(),
                encryption: Ok(encryption),
                binding: binding.cloned(),
                provenance: provenance.cloned(),
                digest: OnceLock::new(),
            },
        }
    }

    /// What the encryption authenticates.
    pub(crate) fn aad_bytes(&self) -> Cow<'_, [u8]> {
        self.envelope.aad_bytes()
    }

    /// Adds what the encryption returned.
    pub(crate) fn finish(mut self, iv: &[u8], ciphertext: &[u8], tag: &[u8]) -> Envelope<'static> {
        self.envelope.iv = base64url::encode(iv).into();
        self.envelope.ciphertext = base64url::encode(ciphertext).into();
        self.envelope.tag = base64url::encode(tag).into();
        self.envelope
    }
}
