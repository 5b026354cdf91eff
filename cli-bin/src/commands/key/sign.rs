//! `privy key sign`: the key manager vouches for a card.
use jwe_envelope::{KeyCard, LocalSigner};

use crate::cli::KeySignArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::keys::KEY_FILE_LIMIT;
use crate::keys::signed::signature_of;
use crate::text::{Shown as _, printable, shell_path};

/// Signs the card and writes the signature beside it.
///
/// # Errors
/// Exit 2 when the card is none, or the key cannot sign. The old signature, if there was one, is then as before.
pub fn run(args: &KeySignArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let card = files::read(&args.card, KEY_FILE_LIMIT)?;
    let parsed = KeyCard::parse(&card).map_err(|error| {
        let context = format!("`{}` is no key card, and is not signed", args.card.shown());
        Failure::usage(anyhow::Error::new(error).context(context))
            .hint("`privy key show KEY --output card` makes a card of a key")
    })?;
    let private = files::read(&args.with, KEY_FILE_LIMIT)?;
    let cannot_sign = |error: jwe_envelope::KeyError| {
        let context = format!("cannot sign with `{}`", args.with.shown());
        Failure::usage(anyhow::Error::new(error).context(context)).hint(
            "a key that signs is made with `privy key generate --kind ed25519 --out ~/manager.pem`",
        )
    };
    let signer = LocalSigner::from_pkcs8_pem(&private).map_err(cannot_sign)?;
    files::warn_if_shared(&args.with, io);
    let mut jws = signer.sign_card(&card, io.now).map_err(cannot_sign)?;
    jws.push('\n');
    let out = args.out.clone().unwrap_or_else(|| signature_of(&args.card));
    files::create(&out, jws.as_bytes(), Audience::Usual, Existing::Replace)?;
    for key in parsed.keys() {
        io.say(format_args!(
            "signed: {} {}",
            key.name
                .as_deref()
                .map_or("(no name)".to_owned(), |name| printable(name, 64)),
            key.recipient.kid()
        ));
    }
    io.say(format_args!(
        "Next: commit {} with the card; sign again after every change of the card.",
        shell_path(&out)
    ));
    Ok(Exit::Done)
}
