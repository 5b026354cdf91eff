//! The admission webhook that opens sealed Secrets: what it answers, and the server around it.
//!
//! Without the feature `server` the crate is the decision alone, as the command line uses it, with `config` also the
//! reader of the configuration that it decides by.

pub mod decide;
pub mod filter;
mod refusal;
pub mod signatures;
pub mod unseal;
pub mod width;

#[cfg(feature = "server")]
pub mod admission;
#[cfg(feature = "server")]
pub mod audit;
#[cfg(feature = "server")]
mod json_out;
#[cfg(feature = "config")]
pub mod secret_type;

#[cfg(feature = "server")]
pub mod access_review;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod args;
#[cfg(feature = "server")]
pub mod audit_log;
#[cfg(feature = "server")]
mod body;
#[cfg(feature = "server")]
pub mod caller;
#[cfg(feature = "server")]
pub mod certificate;
#[cfg(feature = "server")]
mod check_config;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "server")]
mod connection;
#[cfg(feature = "server")]
mod connections;
#[cfg(feature = "server")]
pub mod discovery;
#[cfg(feature = "server")]
pub mod front_proxy;
#[cfg(feature = "server")]
pub mod health;
#[cfg(feature = "server")]
mod key_versions;
#[cfg(feature = "server")]
pub mod kube;
#[cfg(feature = "server")]
pub mod limits;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
mod probe;
#[cfg(feature = "server")]
mod process;
#[cfg(feature = "config")]
pub mod rulebook;
#[cfg(feature = "server")]
mod run;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "config")]
pub mod submitters;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod tls;

#[cfg(feature = "server")]
pub use run::run;
