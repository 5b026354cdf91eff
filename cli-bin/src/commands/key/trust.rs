//! `privy key trust`: a custodian hears a fingerprint, types it, and the key is remembered.
use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::cli::{ReportFormat, TrustArgs};
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::keys::pinning::{
    CALL_THEM, ask_and_pin, ask_and_pin_card_signer, ask_fingerprint, compare, compare_and_pin,
    compare_card_signer, list_of,
};
use crate::keys::signed::{changed_signer, read_signer};
use crate::keys::trust::{CardSigner, Pin, Role, Store, TrustState, ValueSigner};
use crate::keys::{SealKey, changed, name_of_file};
use crate::text::{Shown as _, printable, shell_path, shell_word};

/// Pins a key, or lists the pins.
///
/// # Errors
/// Exit 1 when the fingerprint does not match; exit 2 when no one can be asked, or the name is another key's.
pub fn run(args: &TrustArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut store = Store::load(io)?;
    let Some(path) = args.file.as_deref().filter(|_| !args.list) else {
        return print_list(&store, args.output, io);
    };
    if args.signer {
        io.say("note: --signer is now --value-signer, and does not cover key cards; trust a signer of those with --card-signer");
    }
    if args.card_signer {
        return card_signer(path, args, &mut store, io);
    }
    if args.value_signer || args.signer {
        return value_signer(path, args, &mut store, io);
    }
    let key = SealKey::read(path)?;
    match store.trust_state(&key.name(), &key.recipient) {
        TrustState::Changed(pin) if !args.replace => return Err(changed(&key, &pin)),
        TrustState::Trusted
            if args.fingerprint.is_none() && store.by_name(&key.name()).is_some() =>
        {
            io.say(format_args!(
                "the key {:?} is trusted already",
                printable(&key.name(), 64)
            ));
            return Ok(Exit::Done);
        }
        TrustState::Changed(_) | TrustState::Trusted | TrustState::Unknown => {}
    }
    match &args.fingerprint {
        Some(heard) => compare_and_pin(&key, heard, &mut store, io)?,
        None if io.can_ask() => ask_and_pin(&key, &mut store, io)?,
        None => return Err(no_terminal(path, args)),
    }
    Ok(Exit::Done)
}

/// Pins someone who signs key cards, or lets them sign further cards.
fn card_signer(
    path: &Path,
    args: &TrustArgs,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let key = read_signer(path)?;
    let name = name_of_file(path);
    let cards = cards(path, args, io)?;
    let named = store.card_signers().iter().find(|one| one.name == name);
    if let Some(pin) = named.filter(|pin| pin.kid != key.kid() && !args.replace) {
        let (name, trusted) = (&pin.name, &pin.fingerprint);
        return Err(changed_signer(path, &key, name, trusted, Role::Cards));
    }
    if let Some(known) = store.card_signer(&key.kid())
        && args.fingerprint.is_none()
    {
        let name = printable(&known.name, 64);
        // The key was compared before; further cards are the user's own word.
        store.extend_card_signer(&key.kid(), &cards)?;
        let signs = store
            .card_signer(&key.kid())
            .map(|one| list_of(&one.cards))
            .unwrap_or_default();
        io.say(format_args!(
            "the signer {name:?} is trusted to sign these key cards: {signs}"
        ));
        return Ok(Exit::Done);
    }
    match &args.fingerprint {
        Some(heard) => compare_card_signer(path, &key, &cards, heard, store, io)?,
        None if io.can_ask() => ask_and_pin_card_signer(path, &key, &cards, store, io)?,
        None => return Err(no_terminal(path, args)),
    }
    Ok(Exit::Done)
}

/// The cards that a signer may sign: no one is trusted for all of them by leaving something out.
fn cards(path: &Path, args: &TrustArgs, io: &mut Io<'_>) -> Result<Vec<String>, Failure> {
    let mut cards = args.card.clone();
    if cards.is_empty() && io.can_ask() {
        let answer = io
            .ask("Names of the key cards that they may sign, such as `payments` or `team-*`: ")
            .map_err(|error| {
                Failure::usage(anyhow::Error::new(error).context("cannot ask for the names"))
            })?;
        let names = answer.split([',', ' ']).filter(|name| !name.is_empty());
        cards = names.map(str::to_owned).collect();
    }
    if cards.is_empty() {
        return Err(
            Failure::usage(anyhow!("it is not said which key cards they may sign")).hint(format!(
                "name each: privy key trust --card-signer {} --card NAME; a name may end in `*`",
                shell_path(path)
            )),
        );
    }
    let legal = |name: &String| {
        let name = name.strip_suffix('*').unwrap_or(name);
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        name.len() <= 63 && name.chars().all(letter)
    };
    match cards.iter().find(|name| !legal(name) || name.is_empty()) {
        Some(name) => Err(Failure::usage(anyhow!(
            "{:?} is no name of a key card",
            printable(name, 64)
        ))
        .hint("a name is of letters, digits, `-`, `_` and `.`, and may end in `*`")),
        None => Ok(cards),
    }
}

/// Pins someone who signs values.
fn value_signer(
    path: &Path,
    args: &TrustArgs,
    store: &mut Store,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let key = read_signer(path)?;
    let name = name_of_file(path);
    match store.value_signers().iter().find(|one| one.name == name) {
        Some(pin) if pin.kid != key.kid() && !args.replace => {
            let (name, trusted) = (&pin.name, &pin.fingerprint);
            return Err(changed_signer(path, &key, name, trusted, Role::Values));
        }
        Some(pin) if pin.kid == key.kid() && args.fingerprint.is_none() => {
            io.say(format_args!(
                "the signer {:?} of values is trusted already",
                printable(&name, 64)
            ));
            return Ok(Exit::Done);
        }
        _ => {}
    }
    let heard = match &args.fingerprint {
        Some(heard) => heard.clone(),
        None if io.can_ask() => {
            io.say(format_args!(
                "The signer {:?} ({}) in `{}` is not trusted yet. A signer that you trust like this signs values: `privy inspect` and \
                 `privy lint` then name them. They introduce no keys.\n{CALL_THEM}",
                printable(&name, 64),
                key.kind(),
                path.shown(),
            ));
            ask_fingerprint(io)?
        }
        None => return Err(no_terminal(path, args)),
    };
    compare(&heard, key.spoken_fingerprint(), path)?;
    store.pin_value_signer(&name, &key, io.now)?;
    let kept = store.path()?.shown();
    io.say(format_args!(
        "the signer {:?} of values is trusted from now on (kept in `{kept}`)",
        printable(&name, 64)
    ));
    Ok(Exit::Done)
}

/// What to type where no one can be asked.
fn no_terminal(path: &Path, args: &TrustArgs) -> Failure {
    let mut flags = String::new();
    if args.replace {
        flags.push_str(" --replace");
    }
    if args.card_signer {
        flags.push_str(" --card-signer");
        for card in &args.card {
            let _ = write!(flags, " --card {}", shell_word(card));
        }
    } else if args.value_signer || args.signer {
        flags.push_str(" --value-signer");
    }
    let who = if args.card_signer || args.value_signer || args.signer {
        "the signer"
    } else {
        "the key manager"
    };
    Failure::usage(anyhow!("there is no terminal on which to type the fingerprint")).hint(format!(
        "have it read to you by {who}, then: privy key trust{flags} {} --fingerprint \"12345 67890 …\"",
        shell_path(path)
    ))
}

/// Lists what the user trusts.
///
/// # Errors
/// Exit 2 when the list cannot be read.
pub fn list(output: ReportFormat, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let store = Store::load(io)?;
    print_list(&store, output, io)
}

fn print_list(store: &Store, output: ReportFormat, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if output == ReportFormat::Json {
        let keys: Vec<_> = store.pins().iter().map(facts).collect();
        let cards = store.card_signers().iter().map(card_signer_facts);
        let values = store.value_signers().iter().map(value_signer_facts);
        let signers: Vec<_> = cards.chain(values).collect();
        let list = json!({ "keys": keys, "signers": signers });
        io.report(&format!("{list:#}\n"), true)?;
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
            let name = store.signer_name(signer).unwrap_or(signer);
            let _ = writeln!(text, "  signed by    {}", printable(name, 64));
        }
    }
    for signer in store.card_signers() {
        let signs = format!("signs the key cards {}", list_of(&signer.cards));
        write_signer(
            &mut text,
            &signer.name,
            &signs,
            [&signer.fingerprint, &signer.kid],
            signer.trusted_at,
        );
    }
    for signer in store.value_signers() {
        write_signer(
            &mut text,
            &signer.name,
            "signs values",
            [&signer.fingerprint, &signer.kid],
            signer.trusted_at,
        );
    }
    if text.is_empty() {
        io.say("no key is trusted yet; `privy key trust CARD` is how one becomes so");
    }
    io.report(&text, false)?;
    Ok(Exit::Done)
}

fn write_signer(
    text: &mut String,
    name: &str,
    signs: &str,
    [fingerprint, kid]: [&str; 2],
    trusted_at: u64,
) {
    let _ = writeln!(
        text,
        "{} ({signs})\n  fingerprint  {}\n  kid          {}\n  trusted      {}",
        printable(name, 64),
        printable(fingerprint, 80),
        printable(kid, 64),
        crate::time::format(trusted_at)
    );
}

fn facts(pin: &Pin) -> Value {
    json!({
        "name": pin.name,
        "kid": pin.kid,
        "fingerprint": pin.fingerprint,
        "spkiSha256": pin.spki_sha256,
        "trustedAt": crate::time::format(pin.trusted_at),
        "compared": pin.compared,
        "signer": pin.signer,
    })
}

fn card_signer_facts(signer: &CardSigner) -> Value {
    json!({
        "name": signer.name,
        "kid": signer.kid,
        "fingerprint": signer.fingerprint,
        "trustedAt": crate::time::format(signer.trusted_at),
        "role": "cards",
        "cards": signer.cards,
    })
}

fn value_signer_facts(signer: &ValueSigner) -> Value {
    json!({
        "name": signer.name,
        "kid": signer.kid,
        "fingerprint": signer.fingerprint,
        "trustedAt": crate::time::format(signer.trusted_at),
        "role": "values",
    })
}
