//! Bitnami Sealed Secrets, `bitnami.com/v1alpha1`.

mod keys;
mod manifest;
mod value;

pub use keys::ControllerKeys;
pub use manifest::{Sealed, find};
