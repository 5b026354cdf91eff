//! `privy key fetch`: the key card of a key that a key service holds.

use std::fmt::Write as _;

use jwe_envelope::KeyManagement;
use jwe_envelope::key_card::CardPlaces;

use crate::cli::FetchArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::keys::describe::describe;
use crate::keys::fetch::{card_of, name_of, versions};
use crate::keys::services;
use crate::text::shell_path;

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
    let name = args.noted.name.clone().unwrap_or_else(|| name_of(&uri));
    let places = CardPlaces {
        clusters: args.noted.cluster.clone(),
        namespaces: args.noted.namespace.clone(),
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
    files::create(path, card.as_bytes(), Audience::Usual, existing)?;
    let mut text = String::new();
    if let Some(newest) = versions.first() {
        text = describe(&name, &newest.recipient);
    }
    let file = shell_path(path);
    let _ = write!(
        text,
        "\nNext: commit the card {file}, and read the fingerprint to those who seal; they type it at\n  \
         privy key trust {file}\n"
    );
    io.report(&text, false)?;
    Ok(Exit::Done)
}
