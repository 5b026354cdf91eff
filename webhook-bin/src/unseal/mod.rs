//! Opens what [`unseal_policy::decide`] lets be opened: all sealed fields of a Secret, together or not at all.

mod annotation;
mod field;
mod find;
mod jwe;
pub(crate) mod outcome;
pub(crate) mod recent;
pub(crate) mod right;
mod sealed;
pub(crate) mod secret;
mod storable;
pub(crate) mod subject;

pub use jwe::Jwe;
