//! Trust by a fingerprint: a custodian hears it, types it, and the key or signer is pinned.
use std::path::Path;

use anyhow::anyhow;
use jwe_envelope::{SignerKey, SpokenFingerprint};

use super::SealKey;
use super::describe::kind_of;
use super::names::name_of_file;
use super::trust::{ComparedCard, Store};
use crate::failure::Failure;
use crate::io::Io;
use crate::text::{Shown as _, printable, shell_path};

/// How a fingerprint gets from one to the other.
pub const CALL_THEM: &str = "Call them on a number that you know. They read twelve groups of five digits to you,\n\
     from `privy key show` on their side. Type them as you hear them.";

/// Asks for the fingerprint.
///
/// # Errors
/// Exit 2 when the terminal does not answer.
pub fn ask_fingerprint(io: &mut Io<'_>) -> Result<String, Failure> {
    io.ask_until("Fingerprint: ", is_whole).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask for the fingerprint"))
    })
}

/// The names in one line.
pub fn list_of(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| printable(name, 64)).collect();
    names.join(", ")
}

/// Asks for the fingerprint of a signer of these key cards as it was heard, and pins the signer when it is theirs.
///
/// # Errors
/// Exit 1 when it does not match.
pub fn ask_and_pin_card_signer(
    path: &Path,
    key: &SignerKey,
    cards: &[String],
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    io.say(format_args!(
        "The signer {:?} ({}) in `{}` is not trusted yet. A signer that you trust like this decides which keys you seal for:\n\
         they may introduce the keys of these cards: {}\n{CALL_THEM}",
        printable(&name_of_file(path), 64),
        key.kind(),
        path.shown(),
        list_of(cards),
    ));
    let heard = ask_fingerprint(io)?;
    compare_card_signer(path, key, cards, &heard, store, io)
}

/// Pins a signer of these key cards when the fingerprint is theirs.
///
/// # Errors
/// Exit 1 when it does not match.
pub fn compare_card_signer(
    path: &Path,
    key: &SignerKey,
    cards: &[String],
    heard: &str,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    compare(heard, key.spoken_fingerprint(), path)?;
    let name = name_of_file(path);
    store.pin_card_signer(&name, key, cards, io.now)?;
    let kept = store.path()?.shown();
    io.say(format_args!(
        "the signer {:?} of the key cards {} is trusted from now on (kept in `{kept}`)",
        printable(&name, 64),
        store
            .card_signer(&key.kid())
            .map(|one| list_of(&one.cards))
            .unwrap_or_default(),
    ));
    Ok(())
}

/// The command that makes a key trusted.
pub fn command_for(path: &Path) -> String {
    format!("privy key trust {}", shell_path(path))
}

/// Asks for the fingerprint as it was heard, and pins the key when it is the key's.
///
/// # Errors
/// Exit 1 when it does not match.
pub fn ask_and_pin(key: &SealKey, store: &mut Store, io: &mut Io<'_>) -> Result<(), Failure> {
    // The fingerprint is not shown: who can copy it from the screen has no reason to telephone.
    io.say(format_args!(
        "The key {:?} ({}) in `{}` is not trusted yet.\n\
         Call the key manager on a number that you know. They read twelve groups of five digits to you,\n\
         from `privy key show` on their side. Type them as you hear them.",
        printable(&key.name(), 64),
        kind_of(&key.recipient),
        key.path.shown(),
    ));
    let heard = ask_fingerprint(io)?;
    compare_and_pin(key, &heard, store, io)
}

/// Pins the key when the fingerprint is the key's.
///
/// # Errors
/// Exit 1 when it does not match.
pub fn compare_and_pin(
    key: &SealKey,
    heard: &str,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    compare(heard, key.recipient.spoken_fingerprint(), &key.path)?;
    let card = ComparedCard {
        namespaces: key.places.namespaces.clone(),
        clusters: key.places.clusters.clone(),
        not_after: key.not_after,
    };
    store.pin(&key.name(), &key.recipient, card, io.now)?;
    let path = store.path()?.shown();
    io.say(format_args!(
        "the key {:?} is trusted from now on (kept in `{path}`)",
        printable(&key.name(), 64)
    ));
    Ok(())
}

/// Whether no more digits are to come: there are all sixty, or what was typed is something else.
fn is_whole(heard: &str) -> bool {
    const DIGITS: usize = 60;
    let mut digits = 0;
    for letter in heard.chars() {
        match letter {
            '0'..='9' => digits += 1,
            _ if letter.is_whitespace() || ",.;:-–_/".contains(letter) => {}
            _ => return true,
        }
    }
    digits >= DIGITS
}

/// Whether the fingerprint that was heard is the file's own.
///
/// # Errors
/// Exit 1 when it is not.
pub fn compare(heard: &str, own: SpokenFingerprint, path: &Path) -> Result<(), Failure> {
    let heard: SpokenFingerprint = heard.parse().map_err(|error| {
        Failure::refused(
            anyhow::Error::new(error).context("this is not a fingerprint; the key is not trusted"),
        )
        .hint("type all twelve groups of five digits, with spaces between them")
    })?;
    if heard == own {
        return Ok(());
    }
    Err(Failure::refused(anyhow!(
        "the fingerprint does not match: `{}` is not the key that was read to you, and is not trusted",
        path.shown()
    ))
    .hint("check the digits; if they were right, tell the key manager that the file holds another key, and seal nothing for it"))
}
