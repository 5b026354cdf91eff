//! The admission webhook that opens sealed Secrets: what it answers, and the server around it.
//!
//! Without the feature `server` the crate is the decision alone, as the command line uses it.

pub mod decide;
mod refusal;
pub mod unseal;

#[cfg(feature = "server")]
pub mod admission;
#[cfg(feature = "server")]
pub mod audit;
#[cfg(feature = "server")]
mod json_out;
#[cfg(feature = "server")]
mod secret_type;
