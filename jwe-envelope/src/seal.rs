//! Plaintext to envelope.
use crate::algorithm::ContentEncryption;
use crate::binding::Binding;
use crate::envelope::{Envelope, Serialization};
use crate::error::SealError;
use crate::provenance::Provenance;
use crate::recipient::RecipientKey;

/// One act of sealing: one fresh content key, wrapped once per recipient, for values whose bindings
/// differ in `key` alone. Each value becomes a complete envelope.
pub struct Sealer {
    _private: (),
}

impl Sealer {
    /// Starts an act for one or more recipients.
    pub fn new(recipients: &[RecipientKey]) -> Result<Self, SealError> {
        let _ = recipients;
        todo!()
    }
    /// Chooses another content encryption than A256GCM; before the first value.
    pub fn content_encryption(self, encryption: ContentEncryption) -> Result<Self, SealError> {
        let _ = encryption;
        todo!()
    }
    /// Chooses another serialization than compact (general with several recipients); before the first value.
    pub fn serialization(self, serialization: Serialization) -> Result<Self, SealError> {
        let _ = serialization;
        todo!()
    }
    /// Adds `sealed` to every value of this act.
    pub fn provenance(self, provenance: Provenance) -> Self {
        let _ = provenance;
        todo!()
    }
    /// Seals one value. `Display` of the envelope is the text to store.
    pub fn seal(
        &mut self,
        value: &[u8],
        binding: &Binding,
    ) -> Result<Envelope<'static>, SealError> {
        let _ = (value, binding);
        todo!()
    }
}
