//! Key services in this process that speak each service's protocol over a real socket, remember every request, and can be
//! told to throttle, stall, cut connections and lie.

pub mod aws;
pub mod azure;
pub mod gcp;
pub mod http;
#[cfg(unix)]
pub mod plugin;
pub mod vault;
