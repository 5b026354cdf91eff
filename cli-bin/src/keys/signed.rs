//! Key cards that the key manager signed: the signature stands beside the card, as `CARD.jws`.
//!
//! It counts when a signer made it whom the *user* trusts. It is asked for when the rule of `.privy.yaml` names a signer,
//! or the key was accepted by a signature before; and one that is there and is wrong is refused in any case.
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::signature::{LONGEST_SIGNATURE, claimed_signer};
use jwe_envelope::{KeyError, SignerKey};

use super::{KEY_FILE_LIMIT, SealKey, name_of_file};
use crate::io::{Io, files};
use crate::report::Failure;
use crate::text::{printable, shell_word};
use crate::trust::{Signer, Store, Voucher};

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
        let context = format!("cannot use the signer's key `{}`", path.display());
        let failure = Failure::usage(anyhow::Error::new(error).context(context));
        let word = shell_word(&path.display().to_string());
        if private {
            failure.hint(format!(
                "write its public half with `privy key show {word} --output pem`, and keep the private key away from here"
            ))
        } else {
            failure.hint("ask the key manager for the public key they sign with, as PEM or JWK")
        }
    })
}

/// The key id of the signer that a rule names, who must be trusted by the user as well.
///
/// # Errors
/// Exit 2 when the signer is not trusted, or another one has this name.
pub fn trusted_signer(path: &Path, store: &mut Store, io: &mut Io<'_>) -> Result<String, Failure> {
    let key = read_signer(path)?;
    let name = name_of_file(path);
    if store.signer(&key.kid()).is_some() {
        return Ok(key.kid());
    }
    if let Some(pin) = store.signers().iter().find(|pin| pin.name == name) {
        return Err(changed_signer(path, &key, pin));
    }
    if io.can_ask() {
        crate::commands::key::trust::ask_and_pin_signer(path, &key, store, io)?;
        return Ok(key.kid());
    }
    let word = shell_word(&path.display().to_string());
    Err(Failure::usage(anyhow!(
        "the signer {:?} of the key cards is not trusted yet",
        printable(&name, 64)
    ))
    .hint(format!(
        "compare the fingerprint with the key manager once: privy key trust --signer {word}"
    )))
}

/// The loud refusal of a signer that bears the name of another.
pub fn changed_signer(path: &Path, key: &SignerKey, pin: &Signer) -> Failure {
    let path = path.display().to_string();
    Failure::usage(anyhow!(
        "THE SIGNER {:?} HAS CHANGED: `{path}` is not the key that you trust under this name\n  \
         trusted:  {}\n  in file:  {}",
        printable(&pin.name, 64),
        pin.fingerprint,
        key.spoken_fingerprint(),
    ))
    .hint(format!(
        "nothing was sealed; ask the key manager whether they sign with a new key, on a number that you know, and if so: \
         privy key trust --replace --signer {}",
        shell_word(&path)
    ))
}

/// Who vouches for a card, if somebody does whom the user trusts; `required` is the signer that a rule names.
///
/// # Errors
/// Exit 2 for a signature that is asked for and missing, that is wrong, or that is for an older card.
pub fn vouch(
    key: &SealKey,
    bytes: &[u8],
    required: Option<&str>,
    store: &Store,
) -> Result<Option<Voucher>, Failure> {
    let pin = store.by_name(&key.name());
    let required = required.or(pin.and_then(|pin| pin.signer.as_deref()));
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
                    path.display()
                ),
            )),
        };
    }
    let jws = files::read(&path, LONGEST_SIGNATURE)?;
    let wrong = |why: &str| refuse("IS WRONGLY SIGNED", key, why);
    let claimed = match claimed_signer(&jws) {
        Ok(claimed) => claimed,
        // Whoever asked for no signature has no use for one that cannot be read.
        Err(_) if required.is_none() => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let kid = required.unwrap_or(&claimed);
    let Some(signer) = store.signer(kid) else {
        return match required {
            None => Ok(None),
            Some(signer) => Err(wrong(&format!(
                "it must be signed by the key {signer:?}, which you do not trust any more"
            ))),
        };
    };
    let public = signer.key()?;
    let vouched = public
        .verify_card(&jws)
        .map_err(|error| wrong(&format!("`{}`: {error}", path.display())))?;
    let stale = |why: &str| refuse("IS NOT THE ONE THAT WAS SIGNED", key, why);
    if !same(&vouched.card, bytes) {
        return Err(stale(&format!(
            "`{}` is for another content: the card was changed after {:?} had signed it",
            path.display(),
            printable(&signer.name, 64)
        )));
    }
    if let Some(seen) = pin.and_then(|pin| pin.signed_at)
        && vouched.signed_at < seen
    {
        return Err(stale(&format!(
            "it was signed on {}, and you have used one that was signed on {}: somebody put an old card back",
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

fn name_of(kid: &str, store: &Store) -> String {
    printable(store.signer(kid).map_or(kid, |signer| &signer.name), 64)
}

/// Git on Windows writes line ends of its own; to JSON they are blanks.
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
        anyhow!("{why}").context(format!("THE KEY CARD `{}` {what}", key.path.display())),
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
