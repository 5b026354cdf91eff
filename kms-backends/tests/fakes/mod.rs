//! Key services in this process that speak each service's protocol over a real socket, remember every request, and can be
//! told to throttle, stall, cut connections and lie.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
pub mod client;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod http;
#[cfg(feature = "kms-plugin")]
pub mod plugin;
pub mod table;
#[cfg(feature = "vault")]
pub mod vault;
