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
    /// `enc` stands outside the protected header, where nothing vouches for it.
    #[error("`enc` stands outside the protected header")]
    EncUnprotected,
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
    /// What the sealer says of itself is not fit to be written.
    #[error(transparent)]
    Provenance(#[from] crate::provenance::ProvenanceError),
    /// The value passes the limit.
    #[error("value is {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// One error for everything that can go wrong after the unwrap (RFC 7516 §11.5): a refused wrapped
/// key, a wrong content key, a bad length, a bad tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not be opened")]
pub struct OpenError;
