//! While it runs: health, reloading, key versions, the process; and `check-config` and `probe`, which run instead.

pub(crate) mod check_config;
pub mod health;
pub(crate) mod in_force;
mod key_versions;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod reload;
