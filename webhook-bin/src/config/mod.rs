//! The whole configuration of the server: what [`unseal_policy::config`] reads of it, and addresses, certificates, limits,
//! key services besides.

mod bounds;
mod keys;
mod loader;
mod services;
mod serving;

pub use loader::Overrides;
pub use serving::{Config, KeyConfig};
pub use unseal_policy::config::{Problem, Problems};
