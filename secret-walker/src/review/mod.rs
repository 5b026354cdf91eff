//! A Secret as an admission review has it, and the patch that answers it.

mod admitted;
mod annotations;
pub(crate) mod base64;
mod patch;

pub use admitted::{AdmittedSecret, Entry};
pub use annotations::SealedAnnotation;
pub use patch::{PatchBuilder, SecretPatch};
