//! Seal values as JSON Web Encryption with a public key, and open them with a key held elsewhere.

pub mod algorithm;
mod base64url;
pub mod binding;
mod content;
mod der;
pub mod envelope;
pub mod error;
pub mod fingerprint;
mod jwk;
mod kdf;
pub mod key_card;
mod key_wrap;
#[cfg(feature = "local")]
pub mod local;
pub mod open;
mod pem;
pub mod provenance;
mod public_key;
pub mod recipient;
pub mod seal;
pub mod secret;

pub use algorithm::{ContentEncryption, Curve, KeyManagement, OaepHash, UnsupportedAlgorithm};
pub use binding::{Binding, BindingMismatch, ObjectName, Pattern, Place, Scope};
pub use envelope::{Envelope, EnvelopeDigest, Recipient, Recognized, Serialization, recognize};
pub use error::{KeyError, OpenError, ParseError, RefusedError, SealError};
pub use fingerprint::SpokenFingerprint;
pub use key_card::{CardKey, KeyCard};
#[cfg(feature = "local")]
pub use local::{KeyKind, LocalKey, LocalUnwrapError};
pub use open::{EphemeralKey, InputsDigest, Opening, Rejected, UnwrapRequest};
pub use provenance::Provenance;
pub use recipient::RecipientKey;
pub use seal::Sealer;
pub use secret::{ContentKey, Plaintext, SecretBytes};
