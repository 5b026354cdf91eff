//! The little that the webhook asks of the API server: one ConfigMap, watched, and access reviews.
//!
//! A client of its own over hyper and rustls, which are here anyway: the ready-made ones bring TLS 1.2 and a second
//! HTTP stack. It reads and asks; nothing that it can send changes an object.

mod access;
mod client;
mod kubeconfig;

pub use access::{Access, AccessError};
pub use client::{ApiError, ApiServer, Lines, Reply};
