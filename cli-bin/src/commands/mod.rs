//! One verb each.
#[cfg(feature = "demo")]
pub mod demo;
