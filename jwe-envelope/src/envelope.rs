//! An envelope: well-formed, still closed.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::digest;

use crate::algorithm::ContentEncryption;
use crate::binding::Binding;
use crate::error::{ParseError, RefusedError};
use crate::provenance::Provenance;
use crate::untrusted::cut;
use crate::unwrap::checked::Remembered;

/// RFC 7516 §7.1 and §7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Serialization {
    /// Five base64url parts joined by dots.
    Compact,
    /// One recipient, as JSON.
    Flattened,
    /// Several recipients, as JSON.
    General,
}

/// What a value is.
#[derive(Debug)]
pub enum Recognized<'a> {
    /// Not an envelope: left alone, byte for byte.
    Plain,
    /// A well-formed envelope.
    Sealed(Box<Envelope<'a>>),
    /// It claims to be an envelope and is damaged.
    Malformed(ParseError),
}

/// A well-formed envelope; borrows from the text it was parsed from.
///
/// Well-formed means that every rule of RFC 7516 that public bytes can be held to holds, and those of the
/// wire profile for `bind` and `sealed`. Whether it may be opened with a key is for
/// [`grant`](Self::grant) to say.
#[derive(Clone)]
pub struct Envelope<'a> {
    pub(crate) serialization: Serialization,
    /// Base64url as received; `None` when the JSON has no `protected`.
    pub(crate) protected: Option<Cow<'a, str>>,
    /// The shared unprotected header: JSON as received.
    pub(crate) unprotected: Option<Cow<'a, str>>,
    pub(crate) recipients: Vec<Recipient<'a>>,
    /// Base64url as received, and so are the next three.
    pub(crate) aad: Option<Cow<'a, str>>,
    pub(crate) iv: Cow<'a, str>,
    pub(crate) ciphertext: Cow<'a, str>,
    pub(crate) tag: Cow<'a, str>,
    /// `enc`, or why the profile does not serve this envelope (`enc` unknown, `zip`, `crit`).
    pub(crate) encryption: Result<ContentEncryption, RefusedError>,
    pub(crate) binding: Option<Binding>,
    pub(crate) provenance: Option<Provenance>,
    /// Computed on first use.
    pub(crate) digest: OnceLock<EnvelopeDigest>,
}

/// One recipient of an envelope, as its headers describe it.
#[derive(Clone)]
pub struct Recipient<'a> {
    /// The per-recipient unprotected header: JSON as received.
    pub(crate) header: Option<Cow<'a, str>>,
    /// Base64url as received; empty for direct key agreement.
    pub(crate) encrypted_key: Cow<'a, str>,
    pub(crate) algorithm: Cow<'a, str>,
    pub(crate) key_id: Option<Cow<'a, str>>,
    /// `epk`: one JSON object as received, no duplicate members.
    pub(crate) ephemeral: Option<Cow<'a, str>>,
    /// `apu` and `apv`: strict base64url, at most 512 bytes decoded.
    pub(crate) party_u: Option<Cow<'a, str>>,
    pub(crate) party_v: Option<Cow<'a, str>>,
    /// The checks against the key that it was last opened with: a caller may keep an envelope and open it again.
    pub(crate) checked: Remembered,
}

impl Recipient<'_> {
    fn into_owned(self) -> Recipient<'static> {
        Recipient {
            header: self.header.map(owned),
            encrypted_key: owned(self.encrypted_key),
            algorithm: owned(self.algorithm),
            key_id: self.key_id.map(owned),
            ephemeral: self.ephemeral.map(owned),
            party_u: self.party_u.map(owned),
            party_v: self.party_v.map(owned),
            checked: self.checked,
        }
    }

    /// `alg` as written.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// `kid`, if there is one.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }
}

impl<'a> Envelope<'a> {
    /// How it was written.
    pub fn serialization(&self) -> Serialization {
        self.serialization
    }

    /// `enc`, when it is one of the six and nothing else in the header rules the envelope out
    /// (`zip`, a `crit` name that we do not understand).
    ///
    /// # Errors
    /// Why the profile does not serve the envelope, whatever the key.
    pub fn content_encryption(&self) -> Result<ContentEncryption, RefusedError> {
        self.encryption.clone()
    }

    /// Its recipients, in order; one for compact and flattened.
    pub fn recipients(&self) -> &[Recipient<'a>] {
        &self.recipients
    }

    /// Where it may be opened.
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Who sealed it, when and why, as claimed.
    pub fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
    }

    /// Bytes of the ciphertext: the length of the value, or up to 16 more where CBC fills the last block.
    pub fn ciphertext_len(&self) -> usize {
        self.ciphertext.len() / 4 * 3 + (self.ciphertext.len() % 4).saturating_sub(1)
    }

    /// SHA-256 over `protected.iv.ciphertext.tag[.aad]` as received.
    pub fn digest(&self) -> EnvelopeDigest {
        *self.digest.get_or_init(|| self.compute_digest())
    }

    fn compute_digest(&self) -> EnvelopeDigest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.protected.as_deref().unwrap_or_default().as_bytes());
        for part in [&self.iv, &self.ciphertext, &self.tag]
            .into_iter()
            .chain(&self.aad)
        {
            context.update(b".");
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        EnvelopeDigest(bytes)
    }

    /// The associated data: ASCII(`protected`), then `.` and `aad` when there is one, as received.
    pub(crate) fn aad_bytes(&self) -> Cow<'_, [u8]> {
        let protected = self.protected.as_deref().unwrap_or_default();
        match self.aad.as_deref() {
            None => Cow::Borrowed(protected.as_bytes()),
            Some(aad) => Cow::Owned([protected.as_bytes(), b".", aad.as_bytes()].concat()),
        }
    }

    /// Detaches it from the text it was parsed from.
    pub fn into_owned(self) -> Envelope<'static> {
        Envelope {
            serialization: self.serialization,
            protected: self.protected.map(owned),
            unprotected: self.unprotected.map(owned),
            recipients: self
                .recipients
                .into_iter()
                .map(Recipient::into_owned)
                .collect(),
            aad: self.aad.map(owned),
            iv: owned(self.iv),
            ciphertext: owned(self.ciphertext),
            tag: owned(self.tag),
            encryption: self.encryption,
            binding: self.binding,
            provenance: self.provenance,
            digest: self.digest,
        }
    }
}

/// What the headers say; texts and keys are left out, they may be a megabyte.
impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("serialization", &self.serialization)
            .field("recipients", &self.recipients)
            .field("encryption", &self.encryption)
            .field("binding", &self.binding)
            .field("provenance", &self.provenance)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Recipient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("algorithm", &cut(&self.algorithm))
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// Names an envelope in audit and signatures. `Display` is `sha256:` and hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnvelopeDigest([u8; 32]);

impl EnvelopeDigest {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for EnvelopeDigest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EnvelopeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
