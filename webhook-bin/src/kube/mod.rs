//! The little that the webhook asks of the API server: one ConfigMap, watched, and access reviews.
//!
//! Kubeconfigs, requests and the watch are the kube crates'. Ours is what they leave to us or do otherwise than we
//! need: a connector over the rustls that is here anyway (TLS 1.3 only; certificates are read again for every
//! connection), deadlines and sizes of answers, and the token, which is read again for every request. It reads and
//! asks; nothing that it can send changes an object.

mod access;
pub mod access_review;
mod bounds;
mod client;
mod connector;
mod error;
mod kubeconfig;

pub use access::{Access, AccessError};
pub use bounds::Heard;
pub use client::ApiServer;
pub use error::ApiError;
