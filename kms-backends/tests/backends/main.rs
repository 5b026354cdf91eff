//! Everything about key services, through the public API; one program, because each one links every client again.
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod cache;
mod client;
mod common;
mod conformance;
#[cfg(feature = "gcp")]
mod gcp;
#[cfg(feature = "kms-plugin")]
mod kms_plugin;
mod local;
mod outage;
mod registry;
mod resilience;
mod sharing;
mod tenants;
#[cfg(feature = "vault")]
mod vault;
#[cfg(feature = "vault")]
mod version_watcher;
