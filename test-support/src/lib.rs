//! What the tests of several crates share: fakes of key services and of the API server, certificates, reviews with their
//! answers, and the time at which they happen ([`reviews::NOW`]).
//!
//! It is a dev-dependency and never part of a program. What fails here panics, which is how a test fails. A crate whose unit
//! tests use it must not name its own types through it: they would be those of a second build of that crate.
//!
//! - [`fakes`]: each key service, over a real socket and in its own protocol.
//! - [`tables`]: the tables of `docs/key-services.md`, which the tests hold the code against.
//! - [`vectors`]: published examples of JWE.
//!
//! With the feature `webhook`:
//!
//! - [`reviews`]: a reviewer with a scripted key service behind it; no sockets.
//! - [`dimensions`]: reviews with many of one thing; the program `review-once` answers one of them.
//! - [`server`]: a webhook that listens in this process; [`client`], [`pki`] and [`api_server`] are what speaks to it.
//! - [`site`]: a folder with a configuration and all files that it names, for the program itself.

#[cfg(feature = "webhook")]
pub mod api_server;
#[cfg(feature = "webhook")]
pub mod client;
#[cfg(feature = "webhook")]
pub mod dimensions;
pub mod fakes;
#[cfg(feature = "webhook")]
pub mod keys;
#[cfg(feature = "webhook")]
pub mod pki;
#[cfg(feature = "webhook")]
pub mod requests;
#[cfg(feature = "webhook")]
pub mod reviews;
#[cfg(feature = "webhook")]
pub mod rules;
#[cfg(feature = "webhook")]
pub mod server;
#[cfg(feature = "webhook")]
pub mod site;
pub mod tables;
pub mod vectors;
