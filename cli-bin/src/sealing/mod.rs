//! From a value and its place to what a manifest contains: binding, envelope, signature, layout.

pub mod layout;
pub mod manifest;
pub mod options;
pub mod other_tools;
pub mod place;
pub mod sealed;
pub mod signing;
pub mod value;
