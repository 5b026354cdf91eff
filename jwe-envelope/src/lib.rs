//! Seal values as JSON Web Encryption with a public key, and open them with a key held elsewhere.
//!
//! An *envelope* is a JWE (RFC 7516): a fresh content key encrypts the value, and the recipient's public key wraps the
//! content key. Anyone with the public key can seal. To open, the holder of the private key (mostly a key service)
//! unwraps the content key; everything else happens here. This crate is bytes in, bytes out: it does no I/O, is not async,
//! and knows of Kubernetes only what a [`Binding`] says: in which namespace, Secret and field an envelope may be opened.
//!
//! ```text
//! value ── Sealer (public key, Binding) ──▶ envelope text ── recognize ──▶ Envelope, still closed
//!                                                                             │ grant: every public check
//!              key service ◀── UnwrapRequest ── Opening ◀── Grant ◀───────────┘
//!                   └── SecretBytes ──▶ content_key ──▶ open ──▶ Plaintext
//! ```
//!
//! # Seal
//!
//! ```
//! use jwe_envelope::{Binding, Place, RecipientKey, Sealer};
//!
//! let card = br#"{"kty":"EC","crv":"P-256",
//!     "x":"Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0",
//!     "y":"HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw"}"#;
//! let recipient = RecipientKey::from_jwk(card, None)?; // pinned to one algorithm
//! let place: Place = "payments/db/password".parse()?;
//!
//! let mut sealer = Sealer::new(&[recipient])?; // one content key for this act of sealing
//! let text = sealer.seal(b"hunter2", &Binding::exact(&place))?.to_string();
//! assert!(text.starts_with("eyJlbmMiOi")); // `{"enc":`, the mark of our envelopes
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Open
//!
//! ```
//! # #[cfg(feature = "local")] {
//! use std::time::{Duration, SystemTime};
//!
//! use jwe_envelope::{Binding, Curve, GrantContext, KeyKind, LocalKey, Place, Recognized, Sealer, recognize};
//!
//! let key = LocalKey::generate(KeyKind::Ec(Curve::P256))?;
//! let binding = Binding::namespace("payments")?.with_key("password")?;
//! let value = Sealer::new(&[key.recipient().clone()])?.seal(b"hunter2", &binding)?.to_string();
//!
//! let envelope = match recognize(value.as_bytes()) {
//!     Recognized::Sealed(envelope) => envelope, // borrows from `value`
//!     Recognized::Plain => return Ok(()),       // leave it alone
//!     Recognized::Malformed(damage) => return Err(damage.into()),
//! };
//! let place = Place::new("payments", "db", "password")?; // where the value was found
//! let context = GrantContext::webhook(&place, SystemTime::now())
//!     .cluster("production") // the name of this cluster
//!     .skew(Duration::from_secs(60));
//! // Key, place, cluster, caller, time, profile; no key was touched yet.
//! let grant = envelope.grant(key.recipient(), &context)?;
//! let plaintext = key.open(grant)?; // or ask a key service for `grant.opening().request()`
//! assert_eq!(plaintext.expose(), b"hunter2");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is an envelope
//!
//! [`recognize`] takes for an envelope: a compact text that starts with `eyJ` and has four dots, or whose first part decodes
//! to a JSON object with `enc`; or a JSON object with `ciphertext` and with `protected`, `header` or `recipients`. Spaces and
//! newlines around it do not count. From there on every fault is *damage* ([`ParseError`]); everything else is plain.
//!
//! # The profile
//!
//! | | accepted | emitted |
//! |---|---|---|
//! | serialization | compact, flattened, general JSON | compact; JSON on request |
//! | `alg` | RSA-OAEP, -256, -384, -512; ECDH-ES+A128KW, +A192KW, +A256KW; ECDH-ES for one recipient | RSA-OAEP-256, ECDH-ES+A256KW; others when the key is pinned to them |
//! | `enc` | all six of RFC 7518 §5.1 | A256GCM; others on request |
//! | `kid` | anything up to 256 bytes, only ever looked up | RFC 7638 thumbprint |
//! | `bind` | where the envelope may be opened, protected | always |
//! | `sealed` | who, when, why, as claimed, protected | on request |
//! | `crit` | protected, and only `bind` in it | never |
//! | `zip`, RSA1_5, `dir`, A*KW, A*GCMKW, PBES2 | refused | never |
//!
//! Names of the three headers must be disjoint, members unique at every depth, base64url without padding, white space or stray
//! bits. `enc`, `zip`, `crit`, `bind` and `sealed` belong in the protected header. `jku`, `jwk`, `x5u` and `x5c` are never
//! used. Associated data is the received text, never a re-encoded one.
//!
//! # Limits
//!
//! | what | at most |
//! |---|---|
//! | envelope | 1.5 MiB ([`MAX_ENVELOPE`]) |
//! | protected header | 8 KiB, decoded |
//! | JSON | 8 levels, 1,024 values |
//! | recipients | 16, no two with one `kid` |
//! | `kid`; `apu`, `apv` | 256 bytes; 512 bytes each |
//! | `aud` of a binding | 16 clusters |
//! | `sealed` | 1 KiB |
//!
//! # Errors
//!
//! One type per act. [`ParseError`], [`GrantError`], [`RefusedError`], [`BindingMismatch`] and [`SealError`] look at public bytes and say
//! precisely what is wrong. [`OpenError`] has one text for everything that can go wrong after the unwrap (RFC 7516 §11.5): a
//! refused wrapped key, a wrong content key, a bad length, a bad tag. Untrusted text in errors is quoted and cut short; plaintext
//! and keys are in none.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `local` | `LocalKey` and `LocalSigner`: private keys in this process, from PKCS#8 PEM and JWK |

pub mod algorithm;
mod base64url;
pub mod binding;
mod compact;
mod content;
mod date;
mod der;
mod draft;
pub mod envelope;
pub mod error;
pub mod fingerprint;
pub mod grant;
mod header;
mod hidden;
mod json;
mod jwk;
mod kdf;
pub mod key_card;
mod key_file;
mod key_wrap;
#[cfg(feature = "local")]
pub mod local;
pub mod open;
mod openable;
mod parts;
mod pem;
mod print;
pub mod provenance;
mod public_key;
pub mod recipient;
mod recognize;
mod resemblance;
pub mod seal;
pub mod secret;
pub mod signature;
mod strict_json;
pub mod untrusted;
mod unwrap;

pub use algorithm::{ContentEncryption, Curve, KeyManagement, OaepHash, UnsupportedAlgorithm};
pub use binding::{
    Binding, BindingError, BindingMismatch, FoundPlace, ObjectName, Pattern, Place, Scope,
};
pub use envelope::{Envelope, EnvelopeDigest, Recipient, Recognized, Serialization};
pub use error::{KeyError, OpenError, ParseError, ProvenanceError, RefusedError, SealError};
pub use fingerprint::SpokenFingerprint;
pub use grant::{Grant, GrantContext, GrantError, OutOfTime};
pub use hidden::{HiddenEnvelope, hidden_envelope};
pub use key_card::{CardKey, CardPlaces, CardStatus, KeyCard};
#[cfg(feature = "local")]
pub use local::{KeyKind, LocalKey, LocalUnwrapError};
pub use open::Opening;
pub use openable::{OPENABLE_OPENINGS, RewriteError, is_openable_form, to_openable_form};
pub use provenance::Provenance;
pub use recipient::{RecipientKey, certificate_end};
pub use recognize::{MAX_ENVELOPE, recognize};
pub use resemblance::resembles_envelope;
pub use seal::Sealer;
pub use secret::{ContentKey, Plaintext, SecretBytes};
#[cfg(feature = "local")]
pub use signature::LocalSigner;
pub use signature::{SignatureError, SignedCard, SignedEnvelope, SignerKey};
pub use untrusted::Untrusted;
pub use unwrap::{EphemeralKey, InputsDigest, Rejected, UnwrapRequest};
