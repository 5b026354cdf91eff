//! Opening on this machine: the webhook's decision, with private keys that the user holds.

mod keyring;

use anyhow::anyhow;
use jwe_envelope::{Plaintext, recognize};
use kms_backends::{Category, Registry};
use tokio::time::Instant;
use unseal_policy::decide::{Code, Policy, Site};
use unseal_policy::open::{OpenRefusal, OpenedBy, attempts};

use crate::failure::Failure;
use crate::text::printable;

pub use self::keyring::{Keyring, Usage};

/// Opens one value: the webhook's decision, then each key that may be tried, in the envelope's order.
///
/// # Errors
/// The refusal as the webhook words it.
pub async fn open_value(
    value: &[u8],
    site: &Site<'_>,
    policy: &Policy,
    registry: &Registry,
    now: u64,
    deadline: Instant,
) -> Result<Plaintext, OpenRefusal> {
    let value = recognize(value);
    let attempts = attempts(&value, site, policy, registry, now)?;
    let (first, second) = attempts.in_turn();
    let opened = registry
        .open_first(first, second, deadline)
        .await
        .map(|(index, opened)| OpenedBy::new(opened, attempts.at(index)))
        .map_err(|(index, failure)| OpenRefusal::from_failure(failure, attempts.at(index)));
    Ok(opened?.into_plaintext()?)
}

/// The refusal for a person who holds the key: with the webhook's message and next step.
pub fn failure(refusal: &OpenRefusal) -> Failure {
    let error = match &refusal.refusal.kid {
        Some(kid) => anyhow!("{} (key {})", refusal.refusal.message, printable(kid, 64)),
        None => anyhow!("{}", refusal.refusal.message),
    };
    let failure = match (refusal.category, refusal.code()) {
        (Some(Category::Unavailable), _) => Failure::unavailable(error),
        (_, Code::Misconfigured) => Failure::usage(error),
        _ => Failure::refused(error),
    };
    failure.hint(refusal.refusal.next_step.clone())
}
