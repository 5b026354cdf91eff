//! Key services behind one trait: unwrap a content key, and nothing else.
//!
//! An envelope's content key is wrapped for a public key whose private half a key service holds. This crate asks that
//! service, between it and the code that opens envelopes: it keeps calls under their quota, retries what may succeed
//! later, stops asking a service that is down, lets equal requests share one call, and caches content keys for a bounded
//! time. A key service is asked only with a [`Granted`]: proof that the envelope names the key, that the key's entry allows the
//! namespace, and that place, cluster, caller and time fit.
//!
//! ```text
//! Registry::grant ── every check; no key is used
//!       ▼
//! Registry::open ── cached? ─────────────────────────────────▶ tag, plaintext
//!       │ no                                                     ▲
//!       ▼                                                        │ cached once a tag accepted it
//! one call for all equal requests ── replicas in order ──▶ content key
//!                                        │ each: Retry ▶ Breaker ▶ RateLimit ▶ Observe ▶ Deadline
//!                                        ▼
//!                                    KeyUnwrap: a file, a key service
//! ```
//!
//! The key service sees the wrapped key or the sender's public key, never a value. A `kid` is looked up in the
//! [`Registry`] and goes no further: it never becomes part of a path, a name or a URL.
//!
//! # Opening an envelope
#![cfg_attr(feature = "local", doc = "```")]
#![cfg_attr(not(feature = "local"), doc = "```ignore")]
//! use std::{sync::Arc, time::{Duration, SystemTime}};
//!
//! use jwe_envelope::{Binding, Curve, Envelope, GrantContext, KeyKind, LocalKey, Place, Sealer};
//! use kms_backends::{KeyEntry, KeySource, NamespaceSet, Registry, local::LocalBackend};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Most often from a file: `connect(&"file:/etc/privy/payments.pem".parse()?).await?`
//! let backend = LocalBackend::from_key(LocalKey::generate(KeyKind::Ec(Curve::P256))?);
//! let recipient = backend.recipient().clone();
//!
//! let registry = Registry::builder()
//!     .key(
//!         KeyEntry::builder("payments", recipient.clone())
//!             .namespaces(NamespaceSet::parse(["payments", "team-*"])?)
//!             .backend(Arc::new(backend)),
//!     )
//!     .build()?;
//!
//! let place = Place::new("payments", "db", "password")?;
//! let text = Sealer::new(&[recipient])?
//!     .seal(b"hunter2", &Binding::exact(&place))?
//!     .to_string();
//!
//! let envelope = Envelope::parse(text.as_bytes())?;
//! let context = GrantContext::webhook(&place, SystemTime::now())
//!     .cluster("production")
//!     .skew(Duration::from_secs(60));
//! // Policy first: key, namespace, place, cluster, caller and time. Only a grant opens.
//! let granted = registry.grant(&envelope, &context)?;
//! let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
//! let opened = registry.open(&granted, deadline).await?;
//! assert_eq!(opened.plaintext.expose(), b"hunter2");
//! assert_eq!(opened.source, KeySource::Unwrapped);
//!
//! let again = registry.open(&granted, deadline).await?;
//! assert_eq!(again.source, KeySource::Cache);
//! # Ok(())
//! # }
//! ```
//!
//! # What a failure means
//! | [`Category`] | the key service says | asked again | cached keys | the caller |
//! |---|---|---|---|---|
//! | `Denied` | we may not use the key | no | all of the entry dropped at once | refuses; an administrator grants the right |
//! | `Misconfigured` | the request does not fit the key | no | stay | refuses; an administrator corrects the configuration |
//! | `Rejected` | the wrapped key is bad | no | that one dropped | is told "could not be opened", as for a bad tag |
//! | `Unavailable` | nothing, or to try again later | yes, within the deadline | serve longer | answers "try again" with the hint |
//! | `UnknownKey` | there is no such key | no | stay | refuses; an administrator corrects the reference |
//!
//! # How long a content key is kept
//! Ten minutes from its unwrap, however often it is used; up to one hour from its unwrap while the key service is
//! unavailable; 10,000 keys at most. See [`CacheOptions`] and [`Registry::open`].
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `local` | module `local`: a private key from a PEM or JWK file, `file:` references |
//! | `gcp` | `gcp-kms:` references: Google Cloud KMS |
//! | `aws` | `aws-kms:` references: AWS KMS |
//! | `azure` | `azure-kv:` references: Azure Key Vault and Managed HSM |
//! | `vault` | `vault-transit:` references: the Transit engine of HashiCorp Vault and OpenBao |
//! | `pkcs11` | `pkcs11:` references: a token behind a PKCS#11 module |
//! | `kms-plugin` | `kms-plugin:` references: a private key wrapped by a Kubernetes KMS v2 plugin |
//! | `conformance` | module `conformance`: what every backend shows, as reusable tests |
//! | `testing` | module `testing`: a scripted key service and a recording observer |
//!
//! None is on by default. What each service's answers mean, and what is asked again, is a table in
//! `docs/key-services.md`.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
mod bounded;
#[cfg(any(feature = "pkcs11", feature = "vault"))]
mod bounded_queue;
mod breaker_state;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connect;
pub mod error;
#[cfg(any(feature = "local", feature = "vault"))]
mod fair_queue;
mod fair_share;
#[cfg(feature = "gcp")]
pub mod gcp;
mod key_unwrap;
pub mod key_uri;
#[cfg(feature = "kms-plugin")]
pub mod kms_plugin;
pub mod layer;
#[cfg(feature = "local")]
pub mod local;
mod observer;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
mod registry;
mod service;
mod sync;
mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "vault")]
pub mod vault;

pub use bounded::{read_bounded, read_file_bounded};
pub use connect::{Connector, KeyServices, connect};
pub use error::{Category, UnwrapError};
pub use fair_share::{FairShare, TenantSlot};
pub use key_unwrap::{KeyUnwrap, KeyUnwrapExt, OwnedRequest};
pub use key_uri::{KeyUri, KeyUriError};
pub use observer::{CacheEvent, Observer, Unobserved};
pub use registry::cache::CacheOptions;
pub use registry::entry::{KeyEntry, KeyEntryBuilder};
pub use registry::health::{EntryStatus, Health};
pub use registry::namespaces::{NamespaceSet, NamespaceSetError};
pub use registry::refresh::{Listing, SharedRegistry, VersionWatcher, WatchedKey};
pub use registry::select::{Candidates, Granted, SelectError, Selected};
pub use registry::{KeySource, OpenFailure, Opened, Registry, RegistryBuilder, RegistryError};
pub use service::connect_error::ConnectError;
pub use service::key_service::{CallLimits, KeyService, KeyVersion};
pub use tenant::Tenant;

/// The attribute of every `impl` of [`KeyUnwrap`], and the version that it needs.
pub use async_trait::async_trait;
