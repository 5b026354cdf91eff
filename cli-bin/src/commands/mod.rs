//! One verb each.

pub mod completions;
#[cfg(feature = "demo")]
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod edit;
pub mod import;
pub mod inspect;
pub mod key;
pub mod lint;
pub mod man;
pub mod open;
pub mod render;
pub mod rewrap;
pub mod seal;
pub mod set;
pub mod sign;
