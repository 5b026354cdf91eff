//! `privy key trust`: a custodian hears a fingerprint, types it, and the key is remembered.
use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use jwe_envelope::{SignerKey, SpokenFingerprint};
use serde_json::{Value, json};

use crate::cli::{ReportFormat, TrustArgs};
use crate::io::Io;
use crate::keys::signed::{changed_signer, read_signer};
use crate::keys::{SealKey, changed, name_of_file};
use crate::report::{Exit, Failure};
use crate::text::{printable, shell_word};
use crate::trust::{Pin, Signer, Standing, Store};

/// Pins a key, or lists the pins.
///
/// # Errors
/// Exit 1 when the fingerprint is another; exit 2 when nobody can be asked, or the name is another key's.
pub fn run(args: &TrustArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut store = Store::load(io)?;
    let Some(path) = args.file.as_deref().filter(|_| !args.list) else {
        return list(&store, args.output, io);
    };
    if args.signer {
        return signer(path, args, &mut store, io);
    }
    let key = SealKey::read(path)?;
    match store.standing(&key.name(), &key.recipient) {
        Standing::Changed(pin) if !args.replace => return Err(changed(&key, &pin)),
        Standing::Trusted if args.fingerprint.is_none() && store.by_name(&key.name()).is_some() => {
            io.say(format_args!(
                "the key {:?} is trusted already",
                printable(&key.name(), 64)
            ));
            return Ok(Exit::Done);
        }
        Standing::Changed(_) | Standing::Trusted | Standing::Unknown => {}
    }
    match &args.fingerprint {
        Some(heard) => compare_and_pin(&key, heard, &mut store, io)?,
        None if io.can_ask() => ask_and_pin(&key, &mut store, io)?,
        None => {
            let replace = if args.replace { " --replace" } else { "" };
            return Err(Failure::usage(anyhow!("there is no terminal to type the fingerprint at")).hint(format!(
                "have it read to you by the key manager, then: privy key trust{replace} {} --fingerprint \"12345 67890 …\"",
                shell_word(&path.display().to_string())
            )));
        }
    }
    Ok(Exit::Done)
}

/// Pins somebody who signs key cards.
fn signer(
    path: &Path,
    args: &TrustArgs,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let key = read_signer(path)?;
    let name = name_of_file(path);
    match store.signers().iter().find(|signer| signer.name == name) {
        Some(pin) if pin.kid != key.kid() && !args.replace => {
            return Err(changed_signer(path, &key, pin));
        }
        Some(pin) if pin.kid == key.kid() && args.fingerprint.is_none() => {
            io.say(format_args!(
                "the signer {:?} is trusted already",
                printable(&name, 64)
            ));
            return Ok(Exit::Done);
        }
        _ => {}
    }
    match &args.fingerprint {
        Some(heard) => compare_signer(path, &key, heard, store, io)?,
        None if io.can_ask() => ask_and_pin_signer(path, &key, store, io)?,
        None => {
            let replace = if args.replace { " --replace" } else { "" };
            return Err(Failure::usage(anyhow!("there is no terminal to type the fingerprint at")).hint(format!(
                "have it read to you by the key manager, then: privy key trust{replace} --signer {} --fingerprint \"12345 67890 …\"",
                shell_word(&path.display().to_string())
            )));
        }
    }
    Ok(Exit::Done)
}

/// Asks for the fingerprint of a signer as it was heard, and pins the signer when it is theirs.
///
/// # Errors
/// Exit 1 when it is another.
pub fn ask_and_pin_signer(
    path: &Path,
    key: &SignerKey,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    io.say(format_args!(
        "The signer {:?} ({}) in `{}` is not trusted yet. Whoever you trust so may replace the keys that you seal for.\n\
         Call the key manager on a number that you know. They read twelve groups of five digits to you,\n\
         from `privy key show` on their side. Type them as you hear them.",
        printable(&name_of_file(path), 64),
        key.kind(),
        path.display(),
    ));
    let heard = io.ask("Fingerprint: ").map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask for the fingerprint"))
    })?;
    compare_signer(path, key, &heard, store, io)
}

fn compare_signer(
    path: &Path,
    key: &SignerKey,
    heard: &str,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    compare(heard, key.spoken_fingerprint(), path)?;
    let name = name_of_file(path);
    store.pin_signer(&name, key, io.now)?;
    let kept = store.path()?.display().to_string();
    io.say(format_args!(
        "the signer {:?} is trusted from now on (kept in `{kept}`)",
        printable(&name, 64)
    ));
    Ok(())
}

/// The command that makes a key trusted.
pub fn command_for(path: &Path) -> String {
    format!(
        "privy key trust {}",
        shell_word(&path.display().to_string())
    )
}

/// Asks for the fingerprint as it was heard, and pins the key when it is the key's.
///
/// # Errors
/// Exit 1 when it is another.
pub fn ask_and_pin(key: &SealKey, store: &mut Store, io: &mut Io<'_>) -> Result<(), Failure> {
    // The fingerprint is not shown: who can copy it from the screen has no reason to telephone.
    io.say(format_args!(
        "The key {:?} ({}) in `{}` is not trusted yet.\n\
         Call the key manager on a number that you know. They read twelve groups of five digits to you,\n\
         from `privy key show` on their side. Type them as you hear them.",
        printable(&key.name(), 64),
        super::show::kind_of(&key.recipient),
        key.path.display(),
    ));
    let heard = io.ask("Fingerprint: ").map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask for the fingerprint"))
    })?;
    compare_and_pin(key, &heard, store, io)
}

fn compare_and_pin(
    key: &SealKey,
    heard: &str,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    compare(heard, key.recipient.spoken_fingerprint(), &key.path)?;
    store.pin(&key.name(), &key.recipient, io.now)?;
    let path = store.path()?.display().to_string();
    io.say(format_args!(
        "the key {:?} is trusted from now on (kept in `{path}`)",
        printable(&key.name(), 64)
    ));
    Ok(())
}

fn compare(heard: &str, own: SpokenFingerprint, path: &Path) -> Result<(), Failure> {
    let heard: SpokenFingerprint = heard.parse().map_err(|error| {
        Failure::refused(
            anyhow::Error::new(error).context("this is no fingerprint; the key is not trusted"),
        )
        .hint("type all twelve groups of five digits, with blanks between them")
    })?;
    if heard == own {
        return Ok(());
    }
    Err(Failure::refused(anyhow!(
        "the fingerprint is another: `{}` is not the key that was read to you, and is not trusted",
        path.display()
    ))
    .hint("check the digits; if they were right, tell the key manager that the file holds another key, and seal nothing for it"))
}

fn list(store: &Store, output: ReportFormat, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if output == ReportFormat::Json {
        let keys: Vec<_> = store.pins().iter().map(facts).collect();
        let signers: Vec<_> = store.signers().iter().map(signer_facts).collect();
        let list = json!({ "keys": keys, "signers": signers });
        io.answer(format!("{list:#}\n").as_bytes())?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for pin in store.pins() {
        let _ = writeln!(
            text,
            "{}\n  fingerprint  {}\n  kid          {}\n  SHA-256      {}\n  trusted      {}",
            printable(&pin.name, 64),
            printable(&pin.fingerprint, 80),
            printable(&pin.kid, 64),
            printable(&pin.spki_sha256, 64),
            crate::time::format(pin.trusted_at)
        );
        if let Some(signer) = &pin.signer {
            let name = store
                .signer(signer)
                .map_or(signer.as_str(), |signer| &signer.name);
            let _ = writeln!(text, "  signed by    {}", printable(name, 64));
        }
    }
    for signer in store.signers() {
        let _ = writeln!(
            text,
            "{} (signs key cards)\n  fingerprint  {}\n  kid          {}\n  trusted      {}",
            printable(&signer.name, 64),
            printable(&signer.fingerprint, 80),
            printable(&signer.kid, 64),
            crate::time::format(signer.trusted_at)
        );
    }
    if store.pins().is_empty() && store.signers().is_empty() {
        io.say("no key is trusted yet; `privy key trust CARD` is how one becomes so");
    }
    io.answer(text.as_bytes())?;
    Ok(Exit::Done)
}

fn facts(pin: &Pin) -> Value {
    json!({
        "name": pin.name,
        "kid": pin.kid,
        "fingerprint": pin.fingerprint,
        "spkiSha256": pin.spki_sha256,
        "trustedAt": crate::time::format(pin.trusted_at),
        "signer": pin.signer,
    })
}

fn signer_facts(signer: &Signer) -> Value {
    json!({
        "name": signer.name,
        "kid": signer.kid,
        "fingerprint": signer.fingerprint,
        "trustedAt": crate::time::format(signer.trusted_at),
    })
}
