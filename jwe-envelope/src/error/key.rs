//! Why a key cannot be used.

use crate::algorithm::{Curve, KeyManagement, UnsupportedAlgorithm};

/// A key that is not usable: unreadable, too weak, of an unknown kind, or a private key where a public one belongs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The requested algorithm differs from the `alg` of the key itself.
    #[error("the key's own `alg` is {found}, but {given} was requested")]
    AlgorithmConflict {
        /// Requested by the caller.
        given: KeyManagement,
        /// Carried by the key.
        found: KeyManagement,
    },
    /// The algorithm does not fit this kind of key.
    #[error("{algorithm} cannot be used with {kind} keys")]
    AlgorithmKind {
        /// The algorithm.
        algorithm: KeyManagement,
        /// Kind of the key, as people say it.
        kind: &'static str,
    },
    /// A member or field of the key is not what it must be.
    #[error("`{member}` of the key is not valid: {why}")]
    BadMember {
        /// Name of the member.
        member: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A member of a key card is not what it must be.
    #[error("key {number} of the card: {why}")]
    Card {
        /// Position in `keys`, from 1.
        number: usize,
        /// What is wrong.
        why: CardFault,
    },
    /// A key in binary DER, where PEM is read.
    #[error("the file is binary DER, and PEM is needed")]
    Der,
    /// The same key occurs twice in a card.
    #[error("key {number} of the card is the same as an earlier one")]
    Duplicate {
        /// Position in `keys`, from 1.
        number: usize,
    },
    /// A private key that is protected by a pass phrase.
    #[error(
        "the private key is encrypted with a pass phrase; decrypt it first, for example with `openssl pkcs8`"
    )]
    Encrypted,
    /// The key could not be generated.
    #[error("the key could not be generated")]
    Generate,
    /// Private and public half do not belong together, or the private numbers contradict each other.
    #[error("the private and the public key do not match")]
    Inconsistent,
    /// The public point is not on the curve, or of small order.
    #[error("the public key is not a valid point of {0}")]
    InvalidPoint(Curve),
    /// A required member is absent.
    #[error("the key lacks `{0}`")]
    MissingMember(&'static str),
    /// A card without any key that is still to be sealed with.
    #[error(
        "the key card has no active key, all are retired; ask the key manager for the current card"
    )]
    NoActiveKey,
    /// A JWK whose `use` or `key_ops` is for something else, most often for signatures.
    #[error("the key is not for encryption: its `{0}` says otherwise")]
    NotForEncryption(&'static str),
    /// A public key where the private one is needed.
    #[error("this is a public key; opening needs the private one")]
    NotPrivate,
    /// A private key where the public one belongs. It should not have left its place.
    #[error(
        "this is a private key; seal with the public key or the key card, and keep this file away from here"
    )]
    PrivateKey,
    /// A PEM file with more than one key.
    #[error("the file contains {0} keys, and nothing says which one is meant")]
    SeveralBlocks(usize),
    /// A JWK Set with more than one private key.
    #[error("the set contains {0} private keys; exactly one is needed")]
    SeveralKeys(usize),
    /// The input passes the limit.
    #[error("key file is {len} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// An RSA modulus longer than we serve.
    #[error("the key is RSA {0}, at most 8192 bits are supported")]
    TooStrong(usize),
    /// An RSA modulus shorter than is safe.
    #[error("the key is RSA {0}, at least 2048 bits are needed")]
    TooWeak(usize),
    /// Nothing that we can read as a key.
    #[error("not a key in PEM, JWK or key card form")]
    Unreadable,
    /// The `alg` of the key is not supported.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedAlgorithm),
    /// A key of another kind.
    #[error("{0:?} keys are not supported; RSA, P-256, P-384, P-521 and X25519 are")]
    UnsupportedKind(String),
    /// A size that we do not generate.
    #[error("RSA {0} is not generated; 2048, 3072 and 4096 bits are")]
    UnsupportedSize(u32),
    /// A file that was saved as UTF-16, as PowerShell and Notepad do.
    #[error("the file is not UTF-8 text but UTF-16")]
    Utf16,
}

/// What is wrong with one key of a key card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardFault {
    /// The key itself.
    #[error(transparent)]
    Key(Box<KeyError>),
    /// A required member is absent.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// Only the first key may be active.
    #[error("only the first key may be active; `privy.status` of the others is \"retired\"")]
    NotRetired,
    /// A member is not what it must be.
    #[error("`{member}` {why}")]
    Wrong {
        /// Name of the member.
        member: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `kid` must be the RFC 7638 thumbprint.
    #[error("`kid` is {found:?}, the thumbprint of the key is {expected:?}")]
    WrongKid {
        /// As written, cut short.
        found: String,
        /// As computed.
        expected: String,
    },
}
