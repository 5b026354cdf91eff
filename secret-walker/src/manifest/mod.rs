//! Manifests on disk: the Secrets in them, and edits that touch nothing else.

mod edit;
mod excerpt;
mod file;
mod find;
mod json_tree;
mod lines;
mod node;
mod plan;
mod quick_look;
mod resolve;
mod secret;
mod splice;
mod verify;
mod yaml;

pub use crate::error::{Fault, ManifestError};
pub use edit::Edits;
pub use file::{MAX_MANIFEST_BYTES, Manifest};
pub use plan::EditValue;
pub use quick_look::may_hold_secret;
pub use secret::{Field, Located, ManifestSecret};
pub use yaml::{MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};
