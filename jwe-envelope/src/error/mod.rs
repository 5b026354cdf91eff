//! What can go wrong, one type per operation. Parsing, refusing and sealing look at public bytes and report
//! precisely what is wrong; opening has one error for every cryptographic reason (RFC 7516 §11.5).

mod binding;
mod key;
mod parse;
mod provenance;

pub use binding::{BindingError, BindingMismatch};
pub use key::{CardFault, KeyError};
pub use parse::ParseError;
pub use provenance::ProvenanceError;

use crate::algorithm::{KeyManagement, UnsupportedAlgorithm};

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
    /// `enc` is outside the protected header, where the tag does not authenticate it.
    #[error("`enc` is outside the protected header")]
    EncUnprotected,
    /// The encrypted key is longer or shorter than key and algorithms make it.
    #[error("encrypted key is {found} bytes; this key and algorithm need {expected}")]
    EncryptedKeyLength {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// There are fewer recipients.
    #[error("the envelope has {found} recipients, number {asked} was requested")]
    NoSuchRecipient {
        /// Position asked for, from 1.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// The envelope's `alg` or `enc` is not supported.
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
    #[error("values of one sealing act must differ only in `key` and have no `sa`")]
    Binding,
    /// The key is pinned to ECDH-ES without key wrap, which can be opened but not sealed.
    #[error(
        "the key is pinned to ECDH-ES, which can be opened but not sealed; pin it to ECDH-ES+A256KW"
    )]
    Direct,
    /// The claim of the sealer is not valid.
    #[error(transparent)]
    Provenance(#[from] provenance::ProvenanceError),
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
    /// Sealing has begun: its options are fixed.
    #[error("sealing has begun; this option can no longer be changed")]
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
