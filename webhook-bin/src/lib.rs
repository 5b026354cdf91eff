//! The admission webhook that opens sealed Secrets: what it answers, and the server around it.
//!
//! It decides with the crate `unseal-policy`, which the command line uses, too. What runs between the socket and the
//! patch is `net`, `review`, `unseal`, in this order; `ops` is what an operator sees and does while it runs.

pub mod args;
pub mod audit;
pub mod config;
pub mod kube;
pub mod net;
pub mod ops;
pub mod review;
mod run;
pub mod telemetry;
pub mod unseal;

pub use run::run;
