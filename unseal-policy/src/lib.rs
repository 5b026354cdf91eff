//! Decides whether a sealed value may be opened, and says why not.
//!
//! The admission webhook decides by this crate, and so do `privy open` and `privy lint`: the same refusal, in the same
//! words, on a laptop and in the cluster. Nothing here does I/O, reads a clock or touches a private key: the caller gives
//! bytes, a place, the time in seconds since 1970 (UTC) and a registry of keys, and gets a [`Decision`](decide::Decision).
//!
//! ```
//! use std::time::Duration;
//!
//! use jwe_envelope::{Binding, Curve, KeyKind, LocalKey, ObjectName, Place, Sealer, recognize};
//! use kms_backends::local::LocalBackend;
//! use kms_backends::{KeyEntry, NamespaceSet, Registry};
//! use unseal_policy::decide::{Admission, Change, Code, Decision, OpeningContext, Policy, Site, decide};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = LocalKey::generate(KeyKind::Ec(Curve::P256))?;
//! let binding = Binding::exact(&Place::new("payments", "db", "password")?);
//! let sealed = Sealer::new(&[key.recipient().clone()])?.seal(b"hunter2", &binding)?.to_string();
//! let entry = KeyEntry::builder("payments", key.recipient().clone())
//!     .namespaces(NamespaceSet::all())
//!     .backend(std::sync::Arc::new(LocalBackend::from_key(key)));
//! let registry = Registry::builder().key(entry.build()).build()?;
//!
//! let mut site = Site {
//!     namespace: "payments",
//!     name: ObjectName::Named("db"),
//!     key: "password",
//!     signature: None,
//!     caller: OpeningContext::Admission(Admission::new(Change::Created)),
//! };
//! let (value, policy, now) = (recognize(sealed.as_bytes()), Policy::default(), 1_800_000_000);
//! match decide(&value, &site, &policy, &registry, now) {
//!     Decision::Leave(_) => {}                              // not for us: it stays as it is
//!     Decision::Refuse(refusal) => return Err(refusal.into()), // deny the whole request
//!     Decision::Unwrap { opening: attempts, objection, .. } => {
//!         assert!(objection.is_none()); // otherwise a warning, or opened only to be compared
//!         // One or two grants, the proof that `Registry::open` asks for.
//!         let (first, second) = attempts.in_turn();
//!         let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
//!         let opened = registry.open_first(first, second, deadline).await;
//!         let (_, opened) = opened.map_err(|(_, failure)| failure)?;
//!         assert_eq!(opened.plaintext.expose(), b"hunter2");
//!     }
//! }
//!
//! site.namespace = "shop";
//! let Decision::Refuse(refusal) = decide(&value, &site, &policy, &registry, now) else { unreachable!() };
//! assert_eq!(refusal.code, Code::WrongPlace);
//! # Ok(())
//! # }
//! ```
//!
//! A decision costs time linear in the value, which [`recognize`](jwe_envelope::recognize) bounds. A refusal carries a
//! stable [`Code`](decide::Code), a sentence and the next step; what it quotes of the value is cut to 64 characters.
//!
//! [`format`](mod@format) is the seam for formats beside JWE; [`open`] names the keys to try for one value and reads the key service's answers; [`config`] reads the policy from
//! the webhook's configuration; [`filter`] says whether the API server would call the webhook at all.

pub mod config;
pub mod decide;
pub mod filter;
pub mod format;
mod key_names;
pub mod leave;
pub mod name_pattern;
pub mod open;
pub mod refusal;
pub mod rulebook;
pub mod secret_type;
pub mod signatures;
mod site;
pub mod submitters;
pub mod width;
