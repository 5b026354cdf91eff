//! Walk the fields of a Kubernetes Secret and change them without touching anything else.
//!
//! ```text
//! review   JSON ─▶ AdmittedSecret ─▶ entries of `data` ─▶ (your decision) ─▶ PatchBuilder ─▶ SecretPatch (RFC 6902)
//! file     YAML or JSON ─▶ Manifest ─▶ Secrets ─▶ fields ─▶ (your decision) ─▶ Edits ─▶ the file, every other byte as before
//! ```
//!
//! The crate has no cryptography, does no I/O and knows nothing of envelopes: it finds values and replaces
//! them. Where it would have to guess, it returns an error with line and caret.
//!
//! # A review
//!
//! ```
//! use secret_walker::{AdmittedSecret, FieldPath, PatchBuilder};
//!
//! let object = r#"{"metadata":{"name":"db"},"data":{"user":"c2E=","password":"ZXlKbGJtTWku"}}"#;
//! let secret = AdmittedSecret::from_json(object)?;
//!
//! let mut patch = PatchBuilder::new();
//! for entry in secret.data().filter(|entry| entry.starts_with(b"eyJ")) {
//!     // Here the value would be opened. Plain values have not even been decoded.
//!     patch.replace(&FieldPath::data(entry.key), b"hunter2")?;
//! }
//! let patch = patch.finish();
//! assert_eq!(patch.expose(), br#"[{"op":"replace","path":"/data/password","value":"aHVudGVyMg=="}]"#);
//! # Ok::<(), secret_walker::WalkError>(())
//! ```
//!
//! # A file
//!
#![cfg_attr(feature = "manifest", doc = "```")]
#![cfg_attr(not(feature = "manifest"), doc = "```ignore")]
//! use secret_walker::{EditValue, Manifest};
//!
//! let file = b"\
//! ## the database of the shop
//! apiVersion: v1
//! kind: Secret
//! metadata:
//!   name: db
//! stringData:
//!   password: |-   # changed in May
//!     hunter2
//!   user: 'sa'
//! ";
//! let manifest = Manifest::parse(file)?;
//! let mut edits = manifest.edits();
//! for secret in manifest.secrets() {
//!     for field in secret.fields().iter().filter(|field| field.key() == "password") {
//!         assert_eq!(field.value()?.as_slice(), b"hunter2");
//!         edits.replace(field, EditValue::word("eyJlbmMiOi.a.b.c.d")?)?;
//!     }
//! }
//! let sealed = edits.apply()?;
//! let expected = std::str::from_utf8(file).unwrap().replace("|-", "eyJlbmMiOi.a.b.c.d").replace("\n    hunter2", "");
//! assert_eq!(sealed, expected.as_bytes());
//! # Ok::<(), secret_walker::WalkError>(())
//! ```
//!
//! # What is promised
//!
//! - A patch names the fields that were given to it and nothing else; an edited file is read again and compared with
//!   its original before it is handed out.
//! - A value is read as kubectl reads it. Where YAML 1.1 and 1.2 differ about an unquoted scalar, where a value is
//!   behind an alias, an anchor, a merge key or a tag, and where a key occurs twice, the answer is an error.
//! - No error, no `Debug` and no excerpt of a file holds a value. Copies of values that this crate makes are wiped on
//!   drop; the parser of YAML makes copies of its own while it reads quoted and block scalars, and they are not.
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | JSON of a review | its length is the caller's to bound; [`MAX_JSON_DEPTH`] levels |
//! | file | 8 MiB, 10,000 documents, 128 levels, 500,000 values in one document |
//! | key in YAML | 1,024 characters, as YAML has it |
//! | aliases | never followed, so nothing grows on being read |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `manifest` | `Manifest` and `Edits`: YAML and JSON files, edited in place |

mod error;
#[doc(hidden)]
pub mod fuzz;
mod json;
#[cfg(feature = "manifest")]
mod manifest;
mod path;
mod review;
mod text;
mod wipe;

pub use error::WalkError;
pub use json::{JsonReader, MAX_JSON_DEPTH};
#[cfg(feature = "manifest")]
pub use manifest::{
    EditValue, Edits, Fault, Field, Located, MAX_DEPTH, MAX_DOCUMENTS, MAX_MANIFEST_BYTES,
    MAX_NODES, Manifest, ManifestError, ManifestSecret, may_hold_secret,
};
pub use path::{FieldPath, Section, validate_key};
pub use review::base64::{decode, decode_head, decoded_len, starts_with_base64};
pub use review::{AdmittedSecret, Entry, PatchBuilder, SealedAnnotation, SecretPatch};

/// Prefix of the annotation that holds a sealed value in the *annotation layout*: what follows it is the key of
/// `data` that the value belongs to.
pub const ANNOTATION_PREFIX: &str = "privyseal.dev/data.";

/// Prefix of the annotation that holds the signature of a sealed value, in either layout: what follows it is the key of
/// `data` that the value belongs to.
pub const SIGNATURE_PREFIX: &str = "privyseal.dev/sig.";
