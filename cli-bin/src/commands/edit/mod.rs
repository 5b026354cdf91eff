//! `privy edit`: a manifest in one's own editor. What is new is sealed, what is old was never opened.

mod cover;
mod workshop;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::{Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Field, Manifest, ManifestSecret};
use zeroize::Zeroizing;

use self::cover::Cover;
use self::workshop::Workshop;
use crate::cli::edit::EditArgs;
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::keys::{Choice, Chooser};
use crate::manifest::{Placing, Sealing, fault, object_name, seal_plain_values};
use crate::place::{Limits, Target};
use crate::report::{Exit, Failure};
use crate::sealing::Manner;

/// Opens the editor, seals what is new, writes the file.
///
/// # Errors
/// Exit 1 when the edit is refused and nobody wants to mend it; exit 2 for wrong usage. The file is then as before,
/// and what was typed is wiped.
pub fn run(args: &EditArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let before = read(&args.file)?;
    let cannot =
        |failure: Failure| failure.context(format!("cannot edit `{}`", args.file.display()));
    let text = std::str::from_utf8(&before)
        .map_err(|_| cannot(Failure::refused(anyhow!("it is not UTF-8 text"))))?;
    let manifest = Manifest::parse(&before).map_err(|error| cannot(fault(error)))?;
    if manifest.secrets().is_empty() {
        return Err(cannot(Failure::usage(anyhow!("there is no Secret in it")))
            .hint("to add a Secret to it, use any editor, and then privy seal -i"));
    }
    // Nobody types a value in vain: key, limits and claim are good before the editor opens.
    let choice = Chooser::new(&args.key.key).keys_and_place(Some(&args.file), io)?;
    let limits = Limits::of(&args.bounds, &choice.clusters(), io.now)?;
    let alone = limits.service_account.is_some();
    let manner = Manner::new(&choice, &args.sealing, alone, io)?;
    let target = args.place.as_deref().map(Target::parse).transpose()?;
    if let Some(target) = &target {
        target.bind(&limits)?;
    }
    let sealing = sealing(args, &choice, target.as_ref(), &limits, &manner);

    let (cover, covered) = Cover::over(&manifest, text);
    let known = Known::of(&manifest);
    let workshop = Workshop::new(&args.file, io)?;
    let mut shown = covered.clone();
    let done = loop {
        workshop.write(&shown)?;
        workshop.edit(io)?;
        let edited = workshop.read()?;
        if *edited == *covered {
            io.say(format_args!("{}: not changed", args.file.display()));
            return Ok(Exit::Done);
        }
        match finish(&edited, &cover, &known, &sealing) {
            Ok(done) => break done,
            Err(failure) => ask_again(failure, &args.file, io)?,
        }
        shown = edited;
    };
    drop(workshop);
    save(&args.file, &before, &done.text)?;
    for warning in &done.warnings {
        io.say(format_args!("warning: {warning}"));
    }
    report(&args.file, &done, io);
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path.symlink_metadata().is_err() {
        return Err(
            Failure::usage(anyhow!("`{}` does not exist", path.display()))
                .hint("privy set FILE FIELD makes a manifest with its first value"),
        );
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

/// Shows what is wrong and lets people mend it; without a terminal the edit is over.
fn ask_again(failure: Failure, file: &Path, io: &mut Io<'_>) -> Result<(), Failure> {
    if !io.can_ask() {
        return Err(failure.context(format!(
            "`{}` was not changed, and what was typed is wiped",
            file.display()
        )));
    }
    failure.write_to(io.stderr);
    let answer = io
        .ask("Edit it again? Without, what you typed is wiped. [Y/n] ")
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot ask whether to go on"))
        })?;
    if !matches!(answer.to_ascii_lowercase().as_str(), "n" | "no") {
        return Ok(());
    }
    Err(Failure::refused(anyhow!(
        "`{}` was not changed, and what you typed is wiped, as you wished",
        file.display()
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
    /// Plain values that nobody touched.
    plain: usize,
    warnings: Vec<String>,
}

fn finish(
    edited: &str,
    cover: &Cover,
    known: &Known,
    sealing: &Sealing<'_>,
) -> Result<Done, Failure> {
    let text = cover.lift(edited)?;
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
            if cover.is_remnant(value) {
                remnant.set(Some(field.line()));
            }
            let mut wider = wider.borrow_mut();
            wider.extend(sealing.placing.wider(secret, field.key()));
            true
        };
        sealed += seal_plain_values(secret, sealing, &mut edits, &mut warnings, &wanted)?;
    }
    if let Some(line) = remnant.get() {
        return Err(cover::altered(line));
    }
    warnings.extend(wider.into_inner());
    Ok(Done {
        text: edits.apply().map_err(fault)?,
        sealed,
        plain: plain.get(),
        warnings,
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
        binding
            .check_place(namespace.text, name, key)
            .map_err(|error| {
                Failure::refused(anyhow::Error::new(error).context(format!(
                    "the sealed value of `{key}` on line {line} cannot be opened where it stands now"
                )))
                .hint("a sealed value does not move: leave it where it was, or give the new field its value anew")
            })?;
    }
    Ok(())
}

/// Writes the file, unless somebody else did meanwhile; then the edit, which is sealed by now, goes beside it.
fn save(path: &Path, before: &[u8], after: &[u8]) -> Result<(), Failure> {
    let now = files::read(path, files::MANIFEST_LIMIT);
    if now.is_ok_and(|now| *now == *before) {
        return files::write(path, after, Audience::Usual, Existing::Replace);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".edited");
    let beside = PathBuf::from(beside);
    files::write(&beside, after, Audience::Usual, Existing::Keep)?;
    Err(Failure::refused(anyhow!(
        "`{}` was changed by somebody else while it was edited, and is as they left it",
        path.display()
    ))
    .hint(format!(
        "your edit, sealed, is in `{}`: compare the two",
        beside.display()
    )))
}

fn report(file: &Path, done: &Done, io: &mut Io<'_>) {
    let file = file.display();
    match done.sealed {
        0 => io.say(format_args!("{file}: written; no value is new")),
        1 => io.say(format_args!("{file}: 1 value sealed")),
        sealed => io.say(format_args!("{file}: {sealed} values sealed")),
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
