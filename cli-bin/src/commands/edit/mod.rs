//! `privy edit`: a manifest in one's own editor. What is new is sealed, what is old was never opened.

mod placeholders;
mod session;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::{FoundPlace, Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Field, Manifest, ManifestSecret};
use zeroize::Zeroizing;

use self::placeholders::Placeholders;
use self::session::EditorSession;
use crate::cli::edit::EditArgs;
use crate::failure::{Exit, Failure, fault};
use crate::io::Io;
use crate::io::files::{self, Audience, Content, Existing, Expected, Replaced};
use crate::keys::earlier::Earlier;
use crate::keys::{Choice, Chooser};
use crate::sealing::manifest::{Placing, Sealing, object_name, seal_plain_values};
use crate::sealing::options::Manner;
use crate::sealing::place::{Limits, Target};
use crate::text::{Shown as _, printable};

/// Opens the editor, seals what is new, writes the file.
///
/// # Errors
/// Exit 1 when the edit is refused and no one wants to fix it; exit 2 for wrong usage. The file is then as before,
/// and what was typed is wiped.
pub fn run(args: &EditArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let before = read(&args.file)?;
    let cannot = |failure: Failure| failure.context(format!("cannot edit `{}`", args.file.shown()));
    let text = std::str::from_utf8(&before)
        .map_err(|_| cannot(Failure::refused(anyhow!("it is not UTF-8 text"))))?;
    let manifest = Manifest::parse(&before).map_err(|error| cannot(fault(error)))?;
    if manifest.secrets().is_empty() {
        return Err(cannot(Failure::usage(anyhow!("there is no Secret in it")))
            .hint("to add a Secret to it, use any editor, and then privy seal -i"));
    }
    // No one types a value without effect: key, limits and claim are good before the editor opens.
    let mut chooser = Chooser::new(&args.key);
    let choice = chooser.keys_and_place(Some(&args.file), io)?;
    chooser.confirm_change(&choice, &Earlier::of(&manifest), &args.file, io)?;
    let limits = Limits::of(&args.bounds, &choice.clusters(), io.now)?;
    let alone = limits.service_account.is_some();
    let manner = Manner::new(&choice, &args.sealing, alone, io)?;
    let target = args.place.as_deref().map(Target::parse).transpose()?;
    if let Some(target) = &target {
        target.bind(&limits)?;
    }
    let sealing = sealing(args, &choice, target.as_ref(), &limits, &manner);

    let (placeholders, covered) = Placeholders::over(&manifest, text);
    let known = Known::of(&manifest);
    let session = EditorSession::new(&args.file, io)?;
    let mut shown = covered.clone();
    let done = loop {
        session.write(&shown)?;
        let at_once = session.edit(io)?;
        let edited = session.read()?;
        if *edited == *covered {
            io.say(format_args!("{}: not changed", args.file.shown()));
            if at_once {
                io.say(
                    "note: the editor ended at once; if it is still open, tell it to wait, as in EDITOR='code --wait'",
                );
            }
            return Ok(Exit::Done);
        }
        if edited.trim().is_empty() {
            return Err(Failure::refused(anyhow!(
                "cancelled: the edited text is empty, and `{}` was not changed",
                args.file.shown()
            ))
            .hint("if you do not need the file any more, delete the file itself"));
        }
        match finish(&edited, &placeholders, &known, &sealing) {
            Ok(done) => {
                confirm_removal(&done.removed, &args.file, io)?;
                break done;
            }
            Err(failure) => ask_again(failure, &args.file, io)?,
        }
        shown = edited;
    };
    drop(session);
    save(&args.file, &before, &done.text)?;
    for warning in &done.warnings {
        io.say(format_args!("warning: {warning}"));
    }
    report(&args.file, &done, &choice, io);
    Ok(Exit::Done)
}

/// No one else has a value that was sealed: a line too many that was deleted is not easily brought back.
fn confirm_removal(removed: &[String], file: &Path, io: &mut Io<'_>) -> Result<(), Failure> {
    let names = removed.join(", ");
    if removed.is_empty() {
        return Ok(());
    }
    if !io.can_ask() {
        io.say(format_args!(
            "warning: {}: no longer in the file, though sealed before: {names}",
            file.shown()
        ));
        return Ok(());
    }
    let question = format!("Remove what was sealed before: {names}?");
    let remove = io.confirm(&question).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask whether to go on"))
    })?;
    if remove {
        return Ok(());
    }
    Err(Failure::refused(anyhow!(
        "cancelled; `{}` was not changed, and your edits were discarded",
        file.shown()
    ))
    .hint("edit the file again"))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path.symlink_metadata().is_err() {
        return Err(Failure::usage(anyhow!("`{}` does not exist", path.shown()))
            .hint("privy set FILE FIELD makes a manifest with its first value"));
    }
    files::read(path, files::MANIFEST_LIMIT)
}

fn sealing<'a>(
    args: &'a EditArgs,
    choice: &'a Choice,
    target: Option<&'a Target>,
    limits: &'a Limits,
    manner: &'a Manner,
) -> Sealing<'a> {
    Sealing {
        placing: Placing {
            anywhere: args.anywhere,
            namespace: args.namespace.as_deref(),
            fallback: choice.namespace.as_deref(),
            name: args.name.as_deref(),
            target,
            limits,
        },
        manner,
        layout: args.layout.layout.or(choice.layout),
        raw: false,
    }
}

/// Shows what is wrong and lets people fix it; without a terminal the edit is over.
fn ask_again(failure: Failure, file: &Path, io: &mut Io<'_>) -> Result<(), Failure> {
    if !io.can_ask() {
        return Err(failure.context(format!(
            "`{}` was not changed; your edits were discarded",
            file.shown()
        )));
    }
    failure.write_to(io.stderr);
    let answer = io
        .ask("Edit it again? Otherwise your edits are discarded. [Y/n] ")
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot ask whether to go on"))
        })?;
    if !matches!(answer.to_ascii_lowercase().as_str(), "n" | "no") {
        return Ok(());
    }
    Err(Failure::refused(anyhow!(
        "`{}` was not changed; your edits were discarded",
        file.shown()
    )))
}

/// What the manifest held before the edit.
struct Known {
    /// Place, key and text of what was sealed.
    sealed: HashSet<(String, String, String)>,
    /// What was plain, by place and key.
    plain: HashMap<(String, String), Vec<Zeroizing<Vec<u8>>>>,
}

impl Known {
    /// The keys of values that were sealed and are neither there nor elsewhere in the file any more.
    fn removed(&self, now: &Self) -> Vec<String> {
        let places = |known: &Self| -> HashSet<(String, String)> {
            let sealed = known
                .sealed
                .iter()
                .map(|(place, key, _)| (place.clone(), key.clone()));
            sealed.chain(known.plain.keys().cloned()).collect()
        };
        let now_places = places(now);
        let texts: HashSet<&String> = now.sealed.iter().map(|(_, _, text)| text).collect();
        let removed = self.sealed.iter().filter(|(place, key, text)| {
            !texts.contains(text) && !now_places.contains(&(place.clone(), key.clone()))
        });
        let mut keys: Vec<String> = removed
            .map(|(_, key, _)| format!("`{}`", printable(key, 100)))
            .collect();
        keys.sort();
        keys
    }

    fn of(manifest: &Manifest<'_>) -> Self {
        let mut sealed = HashSet::new();
        let mut plain: HashMap<_, Vec<_>> = HashMap::new();
        for secret in manifest.secrets() {
            for field in secret.fields() {
                let Ok(value) = field.value() else { continue };
                let key = field.key().to_owned();
                match recognize(&value) {
                    Recognized::Plain => {
                        plain
                            .entry((place_of(secret), key))
                            .or_default()
                            .push(value);
                    }
                    Recognized::Malformed(_) | Recognized::Sealed(_) => {
                        let text = String::from_utf8_lossy(&value).into_owned();
                        sealed.insert((place_of(secret), key, text));
                    }
                }
            }
            for (name, value) in secret.annotations() {
                if let Some(key) = name.strip_prefix(ANNOTATION_PREFIX) {
                    let text = value.text.to_owned();
                    sealed.insert((place_of(secret), key.to_owned(), text));
                }
            }
        }
        Self { sealed, plain }
    }
}

fn place_of(secret: &ManifestSecret<'_>) -> String {
    let part =
        |part: Option<secret_walker::Located<'_>>| part.map_or("", |part| part.text).to_owned();
    format!(
        "{}/{}",
        part(secret.namespace()),
        part(secret.name().or(secret.generate_name()))
    )
}

/// The edited file, with what is new in it sealed.
struct Done {
    text: Vec<u8>,
    sealed: usize,
    /// Plain values that no one touched.
    plain: usize,
    warnings: Vec<String>,
    /// Keys whose sealed values are gone.
    removed: Vec<String>,
}

fn finish(
    edited: &str,
    placeholders: &Placeholders,
    known: &Known,
    sealing: &Sealing<'_>,
) -> Result<Done, Failure> {
    let text = placeholders.lift(edited)?;
    let manifest = Manifest::parse(text.as_bytes()).map_err(fault)?;
    for secret in manifest.secrets() {
        check_moved(secret, known)?;
    }
    let mut edits = manifest.edits();
    let (mut sealed, mut warnings) = (0, Vec::new());
    let plain = std::cell::Cell::new(0);
    let remnant = std::cell::Cell::new(None);
    let wider = std::cell::RefCell::new(Vec::new());
    for secret in manifest.secrets() {
        let place = place_of(secret);
        let wanted = |field: &Field<'_>, value: &[u8]| {
            let entry = (place.clone(), field.key().to_owned());
            let before = known.plain.get(&entry);
            if before.is_some_and(|before| before.iter().any(|old| **old == *value)) {
                plain.set(plain.get() + 1);
                return false;
            }
            if placeholders.is_remnant(value) {
                remnant.set(Some(field.line()));
            }
            let mut wider = wider.borrow_mut();
            wider.extend(sealing.placing.wider(secret, field.key()));
            true
        };
        sealed += seal_plain_values(secret, sealing, &mut edits, &mut warnings, &wanted)?;
    }
    if let Some(line) = remnant.get() {
        return Err(placeholders::altered(line));
    }
    warnings.extend(wider.into_inner());
    Ok(Done {
        text: edits.apply().map_err(fault)?,
        sealed,
        plain: plain.get(),
        warnings,
        removed: known.removed(&Known::of(&manifest)),
    })
}

/// An envelope that came to stand elsewhere must be one that opens there: a field cannot be renamed with its value.
fn check_moved(secret: &ManifestSecret<'_>, known: &Known) -> Result<(), Failure> {
    let place = place_of(secret);
    let fields = secret.fields().iter().filter_map(|field| {
        let value = field.value().ok()?;
        let text = match recognize(&value) {
            Recognized::Sealed(_) => std::str::from_utf8(&value).ok()?.to_owned(),
            Recognized::Malformed(_) | Recognized::Plain => return None,
        };
        Some((field.key(), text, field.line()))
    });
    let annotations = secret.annotations().filter_map(|(name, value)| {
        let key = name.strip_prefix(ANNOTATION_PREFIX)?;
        Some((key, value.text.to_owned(), value.line))
    });
    for (key, text, line) in fields.chain(annotations) {
        let Recognized::Sealed(envelope) = recognize(text.as_bytes()) else {
            continue;
        };
        let entry = (place.clone(), key.to_owned(), text.clone());
        let Some(binding) = envelope
            .binding()
            .filter(|_| !known.sealed.contains(&entry))
        else {
            continue;
        };
        let (Some(name), Some(namespace)) = (object_name(secret), secret.namespace()) else {
            continue;
        };
        let found = FoundPlace {
            namespace: namespace.text,
            name,
            key,
        };
        binding
            .check_place(found)
            .map_err(|error| {
                Failure::refused(anyhow::Error::new(error).context(format!(
                    "the sealed value of `{key}` on line {line} cannot be opened in this place"
                )))
                .hint("a sealed value does not move: leave it where it was, or give the new field its value again")
            })?;
    }
    Ok(())
}

/// Writes the file, unless someone else did meanwhile; then the edit, which is sealed by now, goes beside it.
fn save(path: &Path, before: &[u8], after: &[u8]) -> Result<(), Failure> {
    let expected = Expected::Content(Content::of(before));
    if files::write_manifest(path, after, expected)? == Replaced::Done {
        return Ok(());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".edited");
    let beside = PathBuf::from(beside);
    files::create(&beside, after, Audience::Usual, Existing::Keep)?;
    Err(Failure::refused(anyhow!(
        "`{}` was changed by someone else while it was edited, and is as they left it",
        path.shown()
    ))
    .hint(format!(
        "your edit, sealed, is in `{}`: compare the two",
        beside.shown()
    )))
}

fn report(file: &Path, done: &Done, choice: &Choice, io: &mut Io<'_>) {
    let file = file.shown();
    match done.sealed {
        0 => io.say(format_args!("{file}: written; no value is new")),
        1 => io.say(format_args!(
            "{file}: 1 value sealed for {}",
            choice.label()
        )),
        sealed => io.say(format_args!(
            "{file}: {sealed} values sealed for {}",
            choice.label()
        )),
    }
    if done.plain > 0 {
        io.say(format_args!(
            "{file}: {} plain as before; `privy seal -i` seals plain values, too",
            match done.plain {
                1 => "1 value is".to_owned(),
                plain => format!("{plain} values are"),
            }
        ));
    }
}
