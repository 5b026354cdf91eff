//! Key cards that the key manager signed: the signature is beside the card, as `CARD.jws`.
//!
//! It counts when a signer of cards made it whom the *user* trusts for a card of this name. It is asked for when the key was
//! accepted by a signature before, or else when the rule of `.privy.yaml` names a signer; and one that is there and is
//! wrong is refused in any case. Of the two signers the user's own wins: who writes to the repository does not choose.
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::signature::{LONGEST_SIGNATURE, claimed_signer};
use jwe_envelope::{KeyError, SignerKey};

use super::{KEY_FILE_LIMIT, SealKey, name_of_file};
use crate::failure::Failure;
use crate::io::{Io, files};
use crate::keys::pinning;
use crate::keys::trust::{Role, Store, Voucher};
use crate::text::{Shown as _, printable, shell_path, shell_word};

/// Where the signature of a card is.
pub fn signature_of(card: &Path) -> PathBuf {
    let mut path = card.as_os_str().to_owned();
    path.push(".jws");
    PathBuf::from(path)
}

/// Reads the public key of a signer.
///
/// # Errors
/// Exit 2, also for a private key.
pub fn read_signer(path: &Path) -> Result<SignerKey, Failure> {
    let bytes = files::read(path, KEY_FILE_LIMIT)?;
    SignerKey::from_bytes(&bytes).map_err(|error| {
        let private = error == KeyError::PrivateKey;
        let context = format!("cannot use the signer's key `{}`", path.shown());
        let failure = Failure::usage(anyhow::Error::new(error).context(context));
        let word = shell_path(path);
        if private {
            failure.hint(format!(
                "write its public half with `privy key show {word} --output pem`, and keep the private key away from here"
            ))
        } else {
            failure.hint("ask the key manager for the public key they sign with, as PEM or JWK")
        }
    })
}

/// The key id of the signer that a rule names, whom the user must trust to sign cards of this name.
///
/// # Errors
/// Exit 2 when the signer is not trusted for it, or another one has this name.
pub fn trusted_signer(
    path: &Path,
    card: &str,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<String, Failure> {
    let key = read_signer(path)?;
    let name = name_of_file(path);
    if let Some(known) = store.card_signer(&key.kid()) {
        if !known.signs(card) {
            return Err(not_for_this_card(&known.name, card, &command(path, card)));
        }
        return Ok(key.kid());
    }
    if let Some(pin) = store.card_signers().iter().find(|pin| pin.name == name) {
        return Err(changed_signer(
            path,
            &key,
            &pin.name,
            &pin.fingerprint,
            Role::Cards,
        ));
    }
    if io.can_ask() {
        let cards = [card.to_owned()];
        pinning::ask_and_pin_card_signer(path, &key, &cards, store, io)?;
        return Ok(key.kid());
    }
    Err(Failure::usage(anyhow!(
        "the signer {:?} of the key cards is not trusted yet",
        printable(&name, 64)
    ))
    .hint(format!(
        "compare the fingerprint with the key manager once: {}",
        command(path, card)
    )))
}

/// The command that lets a signer sign a card.
fn command(signer: &Path, card: &str) -> String {
    format!(
        "privy key trust --card-signer {} --card {}",
        shell_path(signer),
        shell_word(&printable(card, 64))
    )
}

fn not_for_this_card(signer: &str, card: &str, command: &str) -> Failure {
    Failure::usage(anyhow!(
        "you do not trust the signer {:?} for the card {:?}",
        printable(signer, 64),
        printable(card, 64)
    ))
    .hint(format!(
        "if they may introduce keys of this name: {command}"
    ))
}

/// The loud refusal of a signer that bears the name of another.
pub fn changed_signer(
    path: &Path,
    key: &SignerKey,
    name: &str,
    trusted: &str,
    role: Role,
) -> Failure {
    Failure::usage(anyhow!(
        "THE SIGNER {:?} HAS CHANGED: `{}` is not the key that you trust under this name to sign {}\n  \
         trusted:  {}\n  in file:  {}",
        printable(name, 64),
        path.shown(),
        role.what(),
        printable(trusted, 80),
        key.spoken_fingerprint(),
    ))
    .hint(format!(
        "nothing was sealed; ask them whether they sign with a new key, on a number that you know, and if so: \
         privy key trust --replace {} {}",
        role.flag(),
        shell_path(path)
    ))
}

/// Who vouches for a card, if someone does whom the user trusts for it. `rule` is the key id of the signer that the
/// rule of `.privy.yaml` names; a signer by whom the key was accepted before goes first.
///
/// # Errors
/// Exit 2 for a signature that is asked for and missing, that is wrong, or that is for an older card.
pub fn vouch(
    key: &SealKey,
    bytes: &[u8],
    rule: Option<&str>,
    store: &Store,
) -> Result<Option<Voucher>, Failure> {
    let card = key.name();
    // A card under another name is still the card of this key: what was asked of it holds.
    let by_key = || {
        store
            .by_kid(key.recipient.kid())
            .filter(|pin| pin.signer.is_some())
    };
    let pin = store.by_name(&card).or_else(by_key);
    let required = pin.and_then(|pin| pin.signer.as_deref()).or(rule);
    let path = signature_of(&key.path);
    if path.symlink_metadata().is_err() {
        return match required {
            None => Ok(None),
            Some(signer) => Err(refuse(
                "IS NOT SIGNED",
                key,
                &format!(
                    "it must be signed by {:?}, and there is no `{}`",
                    name_of(signer, store),
                    path.shown()
                ),
            )),
        };
    }
    let jws = files::read(&path, LONGEST_SIGNATURE)?;
    let wrong = |why: &str| refuse("IS WRONGLY SIGNED", key, why);
    let claimed = match claimed_signer(&jws) {
        Ok(claimed) => claimed,
        // Anyone who asked for no signature has no use for one that cannot be read.
        Err(_) if required.is_none() => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let kid = required.unwrap_or(&claimed);
    let Some(signer) = store.card_signer(kid) else {
        return match required {
            None => Ok(None),
            Some(signer) => Err(no_card_signer(key, signer, store)),
        };
    };
    if !signer.signs(&card) {
        // Asked for by the user's own pin or by the rule, it is missing; otherwise it is the signature of a stranger.
        return match required {
            None => Ok(None),
            Some(_) => Err(not_for_this_card(
                &signer.name,
                &card,
                &command(Path::new("FILE"), &card),
            )),
        };
    }
    let public = signer.key()?;
    let vouched = public
        .verify_card(&jws)
        .map_err(|error| wrong(&format!("`{}`: {error}", path.shown())))?;
    let stale = |why: &str| refuse("IS NOT THE ONE THAT WAS SIGNED", key, why);
    if !same(&vouched.card, bytes) {
        return Err(stale(&format!(
            "`{}` is for another content: the card was changed after {:?} had signed it",
            path.shown(),
            printable(&signer.name, 64)
        )));
    }
    if let Some(seen) = pin.and_then(|pin| pin.signed_at)
        && vouched.signed_at < seen
    {
        return Err(stale(&format!(
            "it was signed on {}, and you have used one that was signed on {}: someone put an old card back",
            crate::time::format(vouched.signed_at),
            crate::time::format(seen)
        )));
    }
    Ok(Some(Voucher {
        signer: signer.kid.clone(),
        name: signer.name.clone(),
        signed_at: vouched.signed_at,
    }))
}

/// The key was accepted by the signature of someone who is not trusted to sign cards: not any more, or not since
/// signers of cards and of values are kept apart.
fn no_card_signer(key: &SealKey, signer: &str, store: &Store) -> Failure {
    let card = key.name();
    Failure::usage(
        anyhow!(
            "it must be signed by {:?}, whom you do not trust to sign key cards",
            name_of(signer, store)
        )
        .context(format!("cannot use the key card `{}`", key.path.shown())),
    )
    .hint(format!(
        "compare the signer's key with the key manager, then: {}",
        command(Path::new("FILE"), &card)
    ))
}

fn name_of(kid: &str, store: &Store) -> String {
    printable(store.signer_name(kid).unwrap_or(kid), 64)
}

/// Git on Windows writes newlines of its own; to JSON they are spaces.
fn same(signed: &[u8], found: &[u8]) -> bool {
    let lines = |bytes: &[u8]| -> Vec<u8> {
        let mut lines = bytes.to_vec();
        lines.retain(|byte| *byte != b'\r');
        lines
    };
    lines(signed) == lines(found)
}

fn refuse(what: &str, key: &SealKey, why: &str) -> Failure {
    Failure::usage(
        anyhow!("{why}").context(format!("THE KEY CARD `{}` {what}", key.path.shown())),
    )
    .hint("nothing was sealed; tell the key manager, on a number that you know, and seal nothing for it until they say what happened")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_no_difference_and_everything_else_is() {
        assert!(same(b"{\n}\n", b"{\r\n}\r\n"));
        assert!(!same(b"{\n}\n", b"{\n }\n"));
    }
}
