//! An envelope: well-formed, still closed.
use std::borrow::Cow;
use std::fmt;

use crate::algorithm::ContentEncryption;
use crate::binding::Binding;
use crate::error::{ParseError, RefusedError};
use crate::open::Opening;
use crate::provenance::Provenance;
use crate::recipient::RecipientKey;

/// RFC 7516 §7.1 and §7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Serialization {
    /// Five words joined by dots.
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

/// Says what a value is, as admission sees it: trailing blanks trimmed, nothing else.
pub fn recognize(value: &[u8]) -> Recognized<'_> {
    let _ = value;
    todo!()
}

/// A well-formed envelope; borrows from the text it was parsed from.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    text: Cow<'a, str>,
}

/// One recipient of an envelope, as its headers describe it.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    algorithm: Cow<'a, str>,
    key_id: Option<Cow<'a, str>>,
}

impl Recipient<'_> {
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
    /// Parses any of the three serializations, blanks trimmed at both ends.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        let _ = text;
        todo!()
    }
    /// How it was written.
    pub fn serialization(&self) -> Serialization {
        todo!()
    }
    /// `enc`, when it is one of the six.
    pub fn content_encryption(&self) -> Result<ContentEncryption, RefusedError> {
        todo!()
    }
    /// Its recipients, in order; one for compact and flattened.
    pub fn recipients(&self) -> &[Recipient<'a>] {
        todo!()
    }
    /// Where it may be opened.
    pub fn binding(&self) -> Option<&Binding> {
        todo!()
    }
    /// Who sealed it, when and why, as claimed.
    pub fn provenance(&self) -> Option<&Provenance> {
        todo!()
    }
    /// SHA-256 over `protected.iv.ciphertext.tag[.aad]` as received.
    pub fn digest(&self) -> EnvelopeDigest {
        todo!()
    }
    /// Every public check of this recipient against the key it is to be opened with; no key is touched.
    pub fn opening(
        &self,
        recipient: usize,
        key: &RecipientKey,
    ) -> Result<Opening<'_>, RefusedError> {
        let _ = (recipient, key);
        todo!()
    }
    /// The text in the given serialization; `None` when it cannot be written so
    /// (compact with several recipients or headers outside `protected`).
    pub fn to_text(&self, serialization: Serialization) -> Option<String> {
        let _ = serialization;
        todo!()
    }
    /// Detaches it from the text it was parsed from.
    pub fn into_owned(self) -> Envelope<'static> {
        todo!()
    }
}

impl fmt::Display for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
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

impl fmt::Display for EnvelopeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
