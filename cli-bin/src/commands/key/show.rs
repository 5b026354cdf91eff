//! `privy key show`: what a key is, and how to recognize it.
use std::fmt::Write as _;

use anyhow::anyhow;
use jwe_envelope::key_card::CardStatus;
use jwe_envelope::{CardKey, KeyCard, KeyError, LocalKey, LocalSigner, RecipientKey, SignerKey};
use serde_json::{Value, json};

use crate::cli::{KeyFormat, ShowArgs};
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::keys::card::{self, Note};
use crate::keys::describe::{describe, describe_signer, kind_of};
use crate::keys::{is_card, is_private, name_of_file, read_key_file};
use crate::text::{Shown as _, hex, shell_path};

/// What the file holds.
struct Shown {
    keys: Vec<Row>,
    /// The card, when it is one.
    card: Option<KeyCard>,
}

/// One key, and what it is called.
struct Row {
    name: String,
    key: RecipientKey,
    remark: Option<&'static str>,
}

/// Prints the public half of what is in the file.
///
/// # Errors
/// Exit 2 when the file holds no key.
pub fn run(args: &ShowArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let bytes = read_key_file(&args.file)?;
    let private = is_private(&bytes);
    if let Some(signer) = signer(&bytes, private) {
        return show_signer(args, &signer, private, io);
    }
    let shown = read(&bytes, private, &name_of_file(&args.file)).map_err(|error| {
        Failure::usage(
            anyhow::Error::new(error)
                .context(format!("cannot use the key `{}`", args.file.shown())),
        )
        .hint("key cards, PEM (public, certificate or PKCS#8) and JWK are understood")
    })?;
    let text = print(args, &shown)?;
    let is_json = matches!(
        args.output,
        KeyFormat::Card | KeyFormat::Json | KeyFormat::Jwk
    );
    if private {
        io.say("note: the file holds a private key; what is shown is its public half");
    }
    io.report(&text, is_json)?;
    Ok(Exit::Done)
}

/// A key that can do nothing but sign; one that can be sealed for is shown as such.
fn signer(bytes: &[u8], private: bool) -> Option<SignerKey> {
    let key = if private {
        LocalSigner::from_pkcs8_pem(bytes).ok()?.public().clone()
    } else {
        SignerKey::from_bytes(bytes).ok()?
    };
    (key.kind() == "Ed25519").then_some(key)
}

fn show_signer(
    args: &ShowArgs,
    key: &SignerKey,
    private: bool,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let name = name_of_file(&args.file);
    let text = match args.output {
        KeyFormat::Text => describe_signer(&name, key),
        KeyFormat::Json => lines(&json!({
            "name": name,
            "kid": key.kid(),
            "alg": "EdDSA",
            "kind": key.kind(),
            "spkiSha256": hex(&key.spki_sha256()),
            "fingerprint": key.spoken_fingerprint().to_string(),
        })),
        KeyFormat::Pem => key.to_pem(),
        KeyFormat::Card | KeyFormat::Jwk => {
            return Err(Failure::usage(anyhow!(
                "`{}` is a key that signs, and cannot be sealed for",
                args.file.shown()
            ))
            .hint("show it with --output pem"));
        }
    };
    if private {
        io.say("note: the file holds a private key; what is shown is its public half");
    }
    io.report(&text, args.output == KeyFormat::Json)?;
    Ok(Exit::Done)
}

fn read(bytes: &[u8], private: bool, name: &str) -> Result<Shown, KeyError> {
    let one = |key: RecipientKey| Shown {
        keys: vec![Row {
            name: name.to_owned(),
            key,
            remark: None,
        }],
        card: None,
    };
    if private {
        return Ok(one(LocalKey::from_bytes(bytes, None)?.recipient().clone()));
    }
    if !is_card(bytes) {
        return Ok(one(RecipientKey::from_bytes(bytes)?));
    }
    let card = KeyCard::parse(bytes)?;
    let row = |key: &CardKey| Row {
        name: key.name.clone().unwrap_or_else(|| name.to_owned()),
        key: key.recipient.clone(),
        remark: (key.status == CardStatus::Retired).then_some("retired: not sealed for any more"),
    };
    Ok(Shown {
        keys: card.keys().iter().map(row).collect(),
        card: Some(card),
    })
}

fn print(args: &ShowArgs, shown: &Shown) -> Result<String, Failure> {
    let keys = &shown.keys;
    let first = keys
        .first()
        .ok_or_else(|| Failure::usage(anyhow!("`{}` holds no key", args.file.shown())))?;
    Ok(match (args.output, &shown.card) {
        (KeyFormat::Text, _) => {
            let blocks: Vec<_> = keys.iter().map(block).collect();
            format!("{}\n{}", blocks.join("\n"), recompute(args, keys))
        }
        (KeyFormat::Json, _) => lines(&facts(first)),
        (KeyFormat::Jwk, _) => lines(&first.key.to_jwk()),
        (KeyFormat::Pem, _) => first.key.to_pem(),
        (KeyFormat::Card, Some(card)) => card.to_json_pretty(),
        (KeyFormat::Card, None) => {
            let name = card::name_from(&first.name);
            card::write(
                &first.key,
                Note {
                    name: &name,
                    ..Note::default()
                },
            )?
        }
    })
}

fn lines(value: &Value) -> String {
    format!("{value:#}\n")
}

fn facts(shown: &Row) -> Value {
    json!({
        "name": shown.name,
        "kid": shown.key.kid(),
        "alg": shown.key.algorithm().as_str(),
        "kind": kind_of(&shown.key),
        "spkiSha256": hex(&shown.key.spki_sha256()),
        "fingerprint": shown.key.spoken_fingerprint().to_string(),
    })
}

fn block(shown: &Row) -> String {
    let mut text = describe(&shown.name, &shown.key);
    if let Some(remark) = &shown.remark {
        let _ = writeln!(text, "note         {remark}");
    }
    text
}

fn recompute(args: &ShowArgs, keys: &[Row]) -> String {
    let file = shell_path(&args.file);
    let mut text = format!(
        "SHA-256 is that of the public key as openssl computes it:\n  privy key show {file} --output pem \\\n    | openssl pkey -pubin -outform DER | openssl dgst -sha256\n"
    );
    if keys.len() > 1 {
        text.push_str("With --output, the first of the keys is printed, which is the one that is sealed for.\n");
    }
    text
}
