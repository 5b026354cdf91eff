//! Opens what [`unseal_policy::decide`] lets be opened: all sealed fields of a Secret, together or not at all.

mod annotation;
mod field;
mod find;
pub(crate) mod gate;
mod jwe;
pub(crate) mod outcome;
pub(crate) mod recent;
mod sealed;
pub(crate) mod secret;
mod storable;
pub(crate) mod subject;

pub use jwe::Jwe;
