//! What can go wrong, one type per act. Parsing, refusing and sealing look at public bytes and say
//! precisely what is wrong; opening has one error for every cryptographic reason (RFC 7516 §11.5).

mod key;
mod parse;

pub use key::{CardFault, KeyError};
pub use parse::ParseError;

use crate::algorithm::{KeyManagement, UnsupportedAlgorithm};

/// Untrusted text, cut short so that an error stays an error's size.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A well-formed envelope that the profile or the key's pin refuses, before any key is touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedError {
    /// `epk`, the sender's ephemeral key, is not one that this key can agree with.
    #[error("ephemeral key `epk`: {why}")]
    BadEphemeral {
        /// What is wrong.
        why: &'static str,
    },
    /// `apu` or `apv` is longer than 512 bytes, or no base64url.
    #[error("`{member}` must be base64url of at most 512 bytes")]
    BadPartyInfo {
        /// `apu` or `apv`.
        member: &'static str,
    },
    /// The value is compressed; RFC 8725 §3.6 advises against it and the profile refuses it.
    #[error("compressed values (`zip` {zip:?}) are not opened; seal the value uncompressed")]
    Compressed {
        /// What `zip` says.
        zip: String,
    },
    /// `crit` lists an extension that we do not understand (RFC 7515 §4.1.11).
    #[error("header extension {name:?} is critical and not understood")]
    CriticalExtension {
        /// What `crit` names.
        name: String,
    },
    /// ECDH-ES without key wrap makes the agreed key the content key, which only one recipient can have (RFC 7518 §4.6).
    #[error("ECDH-ES without key wrap has exactly one recipient, this envelope has {0}")]
    DirectWithSeveral(usize),
    /// `enc` stands outside the protected header, where nothing vouches for it.
    #[error("`enc` stands outside the protected header")]
    EncUnprotected,
    /// The encrypted key is longer or shorter than key and algorithms make it.
    #[error("encrypted key is {found} bytes, {expected} are right for this key and algorithm")]
    EncryptedKeyLength {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// There are fewer recipients.
    #[error("the envelope has {found} recipients, number {asked} was asked for")]
    NoSuchRecipient {
        /// Position asked for, from 1.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// The envelope's `alg` or `enc` is none that we serve.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedAlgorithm),
    /// The key is pinned to another algorithm.
    #[error("envelope uses {found}, the key is pinned to {pinned}")]
    WrongAlgorithm {
        /// What the envelope says.
        found: KeyManagement,
        /// What the key allows.
        pinned: KeyManagement,
    },
}

/// Why a value could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The binding differs from that of earlier values in more than `key`, or has `sa`: such values never share a
    /// content key. Start another act.
    #[error("values of one sealing act must differ in `key` alone and have no `sa`")]
    Binding,
    /// The key is pinned to ECDH-ES without key wrap, which we open and never make.
    #[error(
        "the key is pinned to ECDH-ES, which is opened but never made; pin it to ECDH-ES+A256KW"
    )]
    Direct,
    /// What the sealer says of itself is not fit to be written.
    #[error(transparent)]
    Provenance(#[from] crate::provenance::ProvenanceError),
    /// The cryptographic provider failed; in practice, it had no randomness.
    #[error("the cryptographic provider failed")]
    Provider,
    /// The public key of this recipient cannot be sealed for.
    #[error("could not wrap the content key for {kid:?}")]
    Recipient {
        /// Its thumbprint.
        kid: String,
    },
    /// No recipient, too many, or the same one twice.
    #[error("an envelope has 1 to 16 recipients with different keys, {0}")]
    Recipients(&'static str),
    /// Compact and flattened envelopes have exactly one recipient.
    #[error("compact and flattened envelopes have one recipient, {0} were given; choose general")]
    Serialization(usize),
    /// The act has begun: its choices are made.
    #[error("the sealing act has begun, this can no longer be chosen")]
    Started,
    /// The value passes the limit.
    #[error("value is {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The act has taken as many values as one content key should.
    #[error("one sealing act takes at most {0} values; start another")]
    TooMany(usize),
}

/// One error for everything that can go wrong after the unwrap (RFC 7516 §11.5): a refused wrapped
/// key, a wrong content key, a bad length, a bad tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not be opened")]
pub struct OpenError;
