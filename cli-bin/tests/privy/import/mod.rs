//! `privy import`: what other tools encrypted becomes sealed Secrets, and nothing plain is written.

mod live;
mod sealed_secrets;
mod sealed_secrets_hostile;
#[cfg(unix)]
mod sops;
#[cfg(unix)]
mod verify;
