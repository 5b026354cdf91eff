//! Everything about the webhook that shares a process well; one program, because each one links the whole webhook again.
//! `canary`, `oracles` and `growth` are programs of their own and say why.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod aggregated;
mod annotation_rules;
mod annotations;
mod binary;
mod callers;
mod certificates;
#[cfg(unix)]
mod check_config;
mod config;
mod decisions;
mod drain;
mod formats;
mod forms;
mod health_port;
mod hostile;
#[cfg(target_os = "linux")]
mod image;
mod kept;
mod key_layer;
#[cfg(feature = "vault")]
mod key_services;
mod load;
mod metrics;
mod must_be_sealed;
mod owners;
mod properties;
#[cfg(all(
    unix,
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "kms-plugin",
    feature = "pkcs11",
    feature = "vault"
))]
mod providers;
mod reviews;
mod serving;
mod signatures;
mod slow_clients;
mod submission;
mod unanswered;
