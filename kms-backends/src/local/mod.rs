//! A private key from a PEM or JWK file.
//!
//! # Where the operation runs
//! An RSA-4096 operation takes about 2 ms, too long for a thread that also serves sockets. It runs on tokio's blocking
//! pool (which works on every kind of runtime and ends with it), on one thread per core at most. These take one request
//! after the other from a queue: under load a thread goes from operation to operation without being woken for each, a
//! burst starts no thread per request, and a request whose caller has given up is passed over.

mod client;
mod error;
pub(crate) mod file;
mod queue;

pub use client::LocalBackend;
pub use error::LocalFileError;
