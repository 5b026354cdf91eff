//! Public keys from key services.
use anyhow::anyhow;
use jwe_envelope::key_card::{CardPlaces, CardStatus};
use jwe_envelope::{CardKey, KeyCard, KeyManagement};
use kms_backends::{KeyUri, KeyVersion};
use tokio::time::Instant;

use super::names::name_of_file;
use super::{card, services};
use crate::failure::Failure;

/// The card of a key that `privy key fetch` would write, for commands that take a reference where they take a card.
///
/// # Errors
/// Exit 1 when the service refuses, 2 for a key that cannot be used, 3 when the service is not available.
pub fn card_from(uri: &KeyUri) -> Result<String, Failure> {
    card_of(&versions(uri, None)?, &name_of(uri), &CardPlaces::default())
}

/// The versions of the key that decrypt, the newest first.
///
/// # Errors
/// As [`card_from`].
pub fn versions(
    uri: &KeyUri,
    algorithm: Option<KeyManagement>,
) -> Result<Vec<KeyVersion>, Failure> {
    let connector = services::connector()?;
    services::runtime()?
        .block_on(connector.versions(uri, algorithm, Instant::now() + services::LIMIT))
        .map_err(services::failure)
}

/// The card of these versions.
///
/// # Errors
/// Exit 1 when there is none, 2 for a name that a card cannot have.
pub fn card_of(
    versions: &[KeyVersion],
    name: &str,
    places: &CardPlaces,
) -> Result<String, Failure> {
    let keys: Vec<_> = versions
        .iter()
        .take(jwe_envelope::key_card::MOST_KEYS)
        .enumerate()
        .map(|(age, version)| CardKey {
            name: Some(name.to_owned()),
            uri: Some(version.uri.to_string()),
            places: places.clone(),
            status: if age == 0 {
                CardStatus::Active
            } else {
                CardStatus::Retired
            },
            ..CardKey::new(version.recipient.clone())
        })
        .collect();
    if keys.is_empty() {
        return Err(
            Failure::refused(anyhow!("the key has no version that decrypts"))
                .hint("make or enable one in the key service"),
        );
    }
    let card = KeyCard::new(keys).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("the key card would not be valid"))
            .hint("a name is of letters, digits, `-`, `_` and `.`, such as --name payments")
    })?;
    Ok(card.to_json_pretty())
}

/// What people call the key where no one says: its name in the service.
pub fn name_of(uri: &KeyUri) -> String {
    use kms_backends::key_uri::Target;
    let name = match uri.target() {
        Target::Azure(key) => key.name().to_owned(),
        Target::File(key) => name_of_file(key.path()),
        Target::Gcp(key) => key
            .key_name()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        Target::Pkcs11(key) => key.object().unwrap_or_default().to_owned(),
        Target::Plugin(key) => name_of_file(key.wrapped_key()),
        Target::Vault(key) => key.name().to_owned(),
        _ => String::new(),
    };
    card::name_from(&name)
}
