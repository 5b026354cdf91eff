//! The admission webhook that opens sealed Secrets: what it answers, and the server around it.
//!
//! What it decides by is the crate `unseal-policy`, which the command line stands on, too.

pub mod unseal;

pub mod admission;
pub mod audit;
mod json_out;

pub mod access_review;
pub mod app;
pub mod args;
mod audit_file;
pub mod audit_log;
mod body;
pub mod caller;
pub mod certificate;
mod check_config;
pub mod config;
mod connection;
mod connections;
pub mod discovery;
pub mod front_proxy;
pub mod health;
mod in_force;
mod key_versions;
pub mod kube;
pub mod limits;
pub mod metrics;
mod probe;
mod process;
mod reload;
mod run;
pub mod server;
pub mod telemetry;
pub mod tls;

pub use run::run;
