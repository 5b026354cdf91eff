//! Seal values as JSON Web Encryption with a public key, and open them with a key held elsewhere.

pub mod algorithm;
mod base64url;
pub mod binding;
mod compact;
mod content;
mod date;
mod der;
pub mod envelope;
pub mod error;
pub mod fingerprint;
mod header;
mod json;
mod jwk;
mod kdf;
pub mod key_card;
mod key_wrap;
#[cfg(feature = "local")]
pub mod local;
pub mod open;
mod parts;
mod pem;
pub mod provenance;
mod public_key;
pub mod recipient;
mod recognize;
pub mod seal;
pub mod secret;
mod strict_json;

pub use algorithm::{ContentEncryption, Curve, KeyManagement, OaepHash, UnsupportedAlgorithm};
pub use binding::{Binding, BindingError, BindingMismatch, ObjectName, Pattern, Place, Scope};
pub use envelope::{Envelope, EnvelopeDigest, Recipient, Recognized, Serialization};
pub use error::{KeyError, OpenError, ParseError, RefusedError, SealError};
pub use fingerprint::SpokenFingerprint;
pub use key_card::{CardKey, CardPlaces, KeyCard, KeyStatus};
#[cfg(feature = "local")]
pub use local::{KeyKind, LocalKey, LocalUnwrapError};
pub use open::{EphemeralKey, InputsDigest, Opening, Rejected, UnwrapRequest};
pub use provenance::{Provenance, ProvenanceError, escaped};
pub use recipient::RecipientKey;
pub use recognize::{MAX_ENVELOPE, recognize};
pub use seal::Sealer;
pub use secret::{ContentKey, Plaintext, SecretBytes};
