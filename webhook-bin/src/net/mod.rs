//! From the socket to a review's bytes, and the way back: connections, TLS, who calls, bounds, routes.

pub mod app;
mod body;
pub mod caller;
pub mod certificate;
mod connection;
mod connections;
pub mod discovery;
pub mod front_proxy;
pub mod limits;
pub mod server;
pub mod tls;
