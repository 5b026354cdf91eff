//! `privy key fetch`: the key card of a key that a key service holds.

use std::fmt::Write as _;

use anyhow::anyhow;
use jwe_envelope::key_card::{CardPlaces, KeyStatus};
use jwe_envelope::{CardKey, KeyCard, KeyManagement};
use kms_backends::{KeyUri, KeyVersion};
use tokio::time::Instant;

use super::{card, show};
use crate::cli::FetchArgs;
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::report::{Exit, Failure};
use crate::services;
use crate::text::shell_word;

/// Asks the key service for the public key, and writes its card. A reference without version yields a card of every version
/// that decrypts: the newest is active, the others are retired.
///
/// # Errors
/// Exit 1 when the service refuses, 2 for wrong usage, 3 when it is not available.
pub fn run(args: &FetchArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let uri = services::parse(&args.uri)?;
    let algorithm = args
        .algorithm
        .as_deref()
        .map(str::parse::<KeyManagement>)
        .transpose()
        .map_err(Failure::usage)?;
    if let Some(path) = &args.out {
        files::require_folder(path)?;
    }
    let versions = versions(&uri, algorithm)?;
    let name = args.name.clone().unwrap_or_else(|| name_of(&uri));
    let places = CardPlaces {
        clusters: args.cluster.clone(),
        namespaces: args.namespace.clone(),
    };
    let card = card_of(&versions, &name, &places)?;
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let Some(path) = &args.out else {
        io.answer(card.as_bytes())?;
        return Ok(Exit::Done);
    };
    files::write(path, card.as_bytes(), Audience::Usual, existing)?;
    let mut text = String::new();
    if let Some(newest) = versions.first() {
        text = show::describe(&name, &newest.recipient);
    }
    let file = shell_word(&path.display().to_string());
    let _ = write!(
        text,
        "\nNext: commit the card {file}, and read the fingerprint to whoever seals; they type it at\n  \
         privy key trust {file}\n"
    );
    io.answer(text.as_bytes())?;
    Ok(Exit::Done)
}

/// The card that [`run`] would write, for commands that take a reference where they take a card.
///
/// # Errors
/// As [`run`].
pub fn card_from(uri: &KeyUri) -> Result<String, Failure> {
    card_of(&versions(uri, None)?, &name_of(uri), &CardPlaces::default())
}

fn versions(uri: &KeyUri, algorithm: Option<KeyManagement>) -> Result<Vec<KeyVersion>, Failure> {
    let connector = services::connector()?;
    services::runtime()?
        .block_on(connector.versions(uri, algorithm, Instant::now() + services::LIMIT))
        .map_err(services::failure)
}

fn card_of(versions: &[KeyVersion], name: &str, places: &CardPlaces) -> Result<String, Failure> {
    let keys: Vec<_> = versions
        .iter()
        .take(jwe_envelope::key_card::MOST_KEYS)
        .enumerate()
        .map(|(age, version)| CardKey {
            name: Some(name.to_owned()),
            uri: Some(version.uri.to_string()),
            places: places.clone(),
            status: if age == 0 {
                KeyStatus::Active
            } else {
                KeyStatus::Retired
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

/// What people call the key where nobody says: its name in the service.
fn name_of(uri: &KeyUri) -> String {
    use kms_backends::key_uri::Target;
    let name = match uri.target() {
        Target::Azure(key) => key.name().to_owned(),
        Target::File(key) => crate::keys::name_of_file(key.path()),
        Target::Gcp(key) => key
            .key_name()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        Target::Pkcs11(key) => key.object().unwrap_or_default().to_owned(),
        Target::Plugin(key) => crate::keys::name_of_file(key.wrapped_key()),
        Target::Vault(key) => key.name().to_owned(),
        _ => String::new(),
    };
    card::name_from(&name)
}
