//! Under construction.

mod admitted;
mod base64_text;
mod error;
mod json;
#[cfg(feature = "manifest")]
mod manifest;
mod patch;
mod path;
mod text;
mod wipe;

pub use admitted::{AdmittedSecret, Entry};
pub use base64_text::{decode, decode_head, decoded_len, starts_with_base64};
pub use error::WalkError;
pub use json::MAX_JSON_DEPTH;
#[cfg(feature = "manifest")]
pub use manifest::{
    EditValue, Edits, Fault, Field, Located, MAX_DEPTH, MAX_DOCUMENTS, MAX_MANIFEST_BYTES,
    MAX_NODES, Manifest, ManifestError, ManifestSecret,
};
pub use patch::{PatchBuilder, SecretPatch};
pub use path::{FieldPath, Section, validate_key};
