//! `privy set`: one field of a manifest gets its first or a new value; nothing else is read or touched.
use std::path::Path;

use anyhow::anyhow;
use jwe_envelope::{Recognized, recognize};
use secret_walker::{
    ANNOTATION_PREFIX, Field, FieldPath, Manifest, ManifestSecret, Section, validate_key,
};
use zeroize::Zeroizing;

use crate::cli::groups::Layout;
use crate::cli::{ReportFormat, SetArgs};
use crate::failure::{Exit, Failure, fault};
use crate::io::Io;
use crate::io::files::{self, Content, Expected, Replaced};
use crate::keys::earlier::Earlier;
use crate::keys::{Choice, Chooser};
use crate::sealing::layout::{self, Writer};
use crate::sealing::manifest::{Placing, Room, refuse_keys_in_both};
use crate::sealing::options::Manner;
use crate::sealing::place::{Limits, Part, Target};
use crate::sealing::signing;
use crate::sealing::value;
use crate::text::{Shown as _, printable};

/// Seals the value and writes it into the manifest, which is made when it does not exist.
///
/// # Errors
/// Exit 1 when the value or manifest is refused; exit 2 for wrong usage. The file is then as before.
pub fn run(args: &SetArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if !args.stray.is_empty() {
        return Err(value::on_command_line());
    }
    value::refuse_on_command_line(&args.value)?;
    let wanted = Wanted::parse(&args.field)?;
    files::require_folder(&args.file)?;
    let asked = Asked::of(args)?;
    let mut chooser = Chooser::new(&args.key);
    let choice = chooser.keys_and_place(Some(&args.file), io)?;
    let mut value = None;
    // Each time that someone else was quicker, the value goes into what they wrote.
    for _ in 0..MOST_ATTEMPTS {
        let attempt = Attempt::read(args, &asked, &choice)?;
        let named = |failure: Failure| {
            failure.context(format!("cannot set a field of `{}`", args.file.shown()))
        };
        let manifest = Manifest::parse(&attempt.before).map_err(|error| named(fault(error)))?;
        chooser
            .confirm_change(&choice, &Earlier::of(&manifest), &args.file, io)
            .map_err(named)?;
        let edited = edit(&manifest, &wanted, &asked, &choice, args, &mut value, io);
        let (after, warnings) = edited.map_err(named)?;
        if !args.dry_run
            && files::write_manifest(&args.file, &after, attempt.expected)? != Replaced::Done
        {
            continue;
        }
        for warning in warnings {
            io.say(format_args!("warning: {warning}"));
        }
        let done = Done {
            created: attempt.is_new(),
            replaced: manifest_has(&manifest, &asked, &wanted),
        };
        return report(args, &wanted, &choice, &done, io);
    }
    Err(Failure::refused(anyhow!(
        "`{}` was changed by someone else again and again, and the value is not in it",
        args.file.shown()
    ))
    .hint("run the same command again when nothing else writes the file"))
}

/// Others who write the same file: each attempt that fails is one that succeeded for someone else.
const MOST_ATTEMPTS: usize = 1000;

/// What was done to the file.
struct Done {
    created: bool,
    /// The field had a value before.
    replaced: bool,
}

fn manifest_has(manifest: &Manifest<'_>, asked: &Asked, wanted: &Wanted) -> bool {
    choose(manifest, asked).is_ok_and(|secret| is_there(secret, wanted))
}

fn report(
    args: &SetArgs,
    wanted: &Wanted,
    choice: &Choice,
    done: &Done,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let change = if done.replaced { "replaced" } else { "added" };
    if args.output == ReportFormat::Json {
        let report = serde_json::json!({
            "version": 1,
            "dryRun": args.dry_run,
            "path": args.file.display().to_string(),
            "field": wanted.key,
            "created": done.created,
            "change": change,
            "keys": choice.facts(),
        });
        io.report(&format!("{report:#}\n"), true)?;
        return Ok(Exit::Done);
    }
    let file = args.file.shown();
    let (key, label) = (&wanted.key, choice.label());
    if args.dry_run {
        io.say(format_args!(
            "{file}: `{key}` would be {change}, sealed for {label}; nothing was written"
        ));
    } else {
        io.say(format_args!("{file}: `{key}` {change}, sealed for {label}"));
    }
    Ok(Exit::Done)
}

/// The file as it is now, or as it is to begin.
struct Attempt {
    before: Zeroizing<Vec<u8>>,
    expected: Expected,
}

impl Attempt {
    fn read(args: &SetArgs, asked: &Asked, choice: &Choice) -> Result<Self, Failure> {
        if args.file.symlink_metadata().is_ok() {
            let before = files::read(&args.file, files::MANIFEST_LIMIT)?;
            let expected = Expected::Content(Content::of(&before));
            return Ok(Self { before, expected });
        }
        let before = new_manifest(asked, args, choice)?.into_bytes();
        Ok(Self {
            before: Zeroizing::new(before),
            expected: Expected::Nothing,
        })
    }

    fn is_new(&self) -> bool {
        self.expected == Expected::Nothing
    }
}

/// The Secret that the flags ask for.
struct Asked {
    namespace: Option<String>,
    name: Option<String>,
    /// `--for`.
    target: Option<Target>,
}

impl Asked {
    fn of(args: &SetArgs) -> Result<Self, Failure> {
        let target = args.place.as_deref().map(Target::parse).transpose()?;
        let exact = |part: fn(&Target) -> &Part| {
            let part = target.as_ref().map(part)?;
            part.exact().map(str::to_owned)
        };
        Ok(Self {
            namespace: args
                .namespace
                .clone()
                .or_else(|| exact(|target| &target.namespace)),
            name: args.name.clone().or_else(|| exact(|target| &target.name)),
            target,
        })
    }
}

/// The field that is to be set: a key, in the section that was asked for, if any.
struct Wanted {
    section: Option<Section>,
    key: String,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Failure> {
        let illegal = |error: secret_walker::WalkError| {
            Failure::usage(anyhow::Error::new(error).context("this is no field of a Secret")).hint(
                "a key is of letters, digits, `-`, `_` and `.`, such as `password` or `tls.key`",
            )
        };
        if text.contains('/') {
            let path: FieldPath = text.parse().map_err(illegal)?;
            return Ok(Self {
                section: Some(path.section()),
                key: path.key().to_owned(),
            });
        }
        validate_key(text).map_err(illegal)?;
        Ok(Self {
            section: None,
            key: text.to_owned(),
        })
    }
}

/// The new text, and what there is to warn of once it is written.
fn edit(
    manifest: &Manifest<'_>,
    wanted: &Wanted,
    asked: &Asked,
    choice: &Choice,
    args: &SetArgs,
    value: &mut Option<Zeroizing<Vec<u8>>>,
    io: &mut Io<'_>,
) -> Result<(Vec<u8>, Vec<String>), Failure> {
    let secret = choose(manifest, asked)?;
    let limits = Limits::of(&args.bounds, &choice.clusters(), io.now)?;
    let manner = Manner::new(choice, &args.sealing, limits.service_account.is_some(), io)?;
    let placing = Placing {
        anywhere: args.anywhere,
        namespace: args.namespace.as_deref(),
        fallback: choice.namespace.as_deref(),
        name: None,
        target: asked.target.as_ref(),
        limits: &limits,
    };
    // The place is checked before anyone is asked for a value.
    let binding = placing.bind(secret, &wanted.key)?;
    manner.check_places(&binding)?;
    refuse_keys_in_both(secret)?;
    let layout = layout_for(secret, wanted, choice, args)?;
    layout::check(&wanted.key, layout, manner.form())?;
    if manner.signer().is_some() {
        signing::check_key(&wanted.key)?;
    }
    // It is read once, however often the file changes.
    let value = if let Some(value) = value {
        value
    } else {
        warn(secret, wanted, &placing, io);
        confirm_name(secret, wanted, io)?;
        let name = format!("`{}`", wanted.key);
        value.insert(value::read(&args.value, &name, io)?)
    };
    check_room(secret, &wanted.key, value.len())?;
    let sealed = manner.begin().seal(value, &binding)?;
    let mut edits = manifest.edits();
    let mut writer = Writer::new(secret, manner.form(), &mut edits);
    let section = wanted.section.unwrap_or_else(|| section_for(secret));
    writer.put(&wanted.key, &sealed, layout, section)?;
    let warnings = writer.finish()?;
    Ok((edits.apply().map_err(fault)?, warnings))
}

/// A new field whose name is nearly that of another one is most often a slip: the application would go on with the old
/// value. Without a terminal it is only said.
fn confirm_name(
    secret: &ManifestSecret<'_>,
    wanted: &Wanted,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    if is_there(secret, wanted) {
        return Ok(());
    }
    let fields = secret.fields().iter().map(Field::key);
    let annotated = secret
        .annotations()
        .filter_map(|(name, _)| name.strip_prefix(ANNOTATION_PREFIX));
    let mut others = fields.chain(annotated);
    let Some(other) = others.find(|other| is_nearly(&wanted.key, other)) else {
        return Ok(());
    };
    let (new, other) = (printable(&wanted.key, 100), printable(other, 100));
    if !io.can_ask() {
        io.say(format_args!(
            "warning: `{new}` is a new field; `{other}` is there already"
        ));
        return Ok(());
    }
    let question = format!("`{new}` is a new field, and `{other}` is there already. Add `{new}`?");
    let add = io.confirm(&question).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask whether to go on"))
    })?;
    if add {
        return Ok(());
    }
    Err(Failure::refused(anyhow!("cancelled; nothing was sealed"))
        .hint(format!("to change the other field, name it: `{other}`")))
}

/// Whether two names differ by one letter, or by nothing but case and the characters between words. Numbers tell fields
/// apart on purpose.
fn is_nearly(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars()
            .filter(|letter| !matches!(letter, '-' | '_' | '.'))
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let letters = |name: &str| -> String {
        name.chars()
            .filter(|letter| !letter.is_ascii_digit())
            .collect()
    };
    let (one, other) = (plain(one), plain(other));
    one == other
        || one.len().min(other.len()) > 3
            && letters(&one) != letters(&other)
            && strsim::damerau_levenshtein(&one, &other) == 1
}

/// Whether the key has a value already, sealed or plain.
fn is_there(secret: &ManifestSecret<'_>, wanted: &Wanted) -> bool {
    present(secret, wanted).is_some()
        || secret
            .annotation(&layout::annotation_of(&wanted.key))
            .is_some()
}

/// Says before the value is typed what speaks against it.
fn warn(secret: &ManifestSecret<'_>, wanted: &Wanted, placing: &Placing<'_>, io: &mut Io<'_>) {
    if secret.immutable() {
        io.say("warning: the Secret is immutable: the cluster takes a changed value only in a Secret of another name");
    }
    if let Some(wider) = placing.wider(secret, &wanted.key) {
        io.say(format_args!("warning: {wider}"));
    }
    if let Some(wider) = placing.wider_by_rule(secret, &wanted.key) {
        io.say(format_args!("warning: {wider}"));
    }
}

/// As the flag says, or the rule, or the field's neighbors.
fn layout_for(
    secret: &ManifestSecret<'_>,
    wanted: &Wanted,
    choice: &Choice,
    args: &SetArgs,
) -> Result<Layout, Failure> {
    if let Some(section) = wanted.section {
        if args.layout.layout == Some(Layout::Annotation) {
            return Err(Failure::usage(anyhow!(
                "the field names the section `{section}`, and --layout says annotation"
            ))
            .hint("leave one of the two out"));
        }
        let other = match section {
            Section::Data => Section::StringData,
            Section::StringData => Section::Data,
        };
        if secret.field(&FieldPath::new(other, &wanted.key)).is_some() {
            return Err(Failure::refused(anyhow!(
                "the key `{}` is in `{other}` already",
                wanted.key
            ))
            .hint(format!(
                "name it without a section, or as {other}/{}",
                wanted.key
            )));
        }
        return Ok(Layout::Field);
    }
    let asked = args.layout.layout.or(choice.layout);
    let new = present(secret, wanted).is_none();
    let annotated = secret
        .annotations()
        .any(|(name, _)| name.starts_with(ANNOTATION_PREFIX));
    Ok(match asked {
        None if new && secret.fields().is_empty() && annotated => Layout::Annotation,
        asked => layout::of_key(secret, &wanted.key, asked),
    })
}

/// Counts the other values as far as they can be read: what cannot is no reason not to set this one.
fn check_room(secret: &ManifestSecret<'_>, key: &str, len: usize) -> Result<(), Failure> {
    let mut room = Room::new(secret)?;
    for field in secret.fields().iter().filter(|field| field.key() != key) {
        let Ok(value) = field.value() else { continue };
        let len = match recognize(&value) {
            Recognized::Sealed(envelope) => envelope.ciphertext_len(),
            _ => value.len(),
        };
        room.take(field.key(), len)?;
    }
    room.take(key, len)
}

/// Where the field stands already; of two, the one that the API server keeps.
fn present<'m, 'a>(secret: &'m ManifestSecret<'a>, wanted: &Wanted) -> Option<&'m Field<'a>> {
    [Section::StringData, Section::Data]
        .into_iter()
        .filter(|section| wanted.section.is_none_or(|wanted| wanted == *section))
        .find_map(|section| secret.field(&FieldPath::new(section, &wanted.key)))
}

/// A new field joins the others; the only one goes where its envelope can be read by people.
fn section_for(secret: &ManifestSecret<'_>) -> Section {
    let sections: Vec<_> = secret.fields().iter().map(Field::section).collect();
    if !sections.is_empty() && !sections.contains(&Section::StringData) {
        Section::Data
    } else {
        Section::StringData
    }
}

fn choose<'m, 'a>(
    manifest: &'m Manifest<'a>,
    asked: &Asked,
) -> Result<&'m ManifestSecret<'a>, Failure> {
    let fits = |secret: &&ManifestSecret<'_>| {
        let named = |text: Option<&str>, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| text.is_none_or(|text| text == wanted))
        };
        named(secret.name().map(|name| name.text), asked.name.as_deref())
            && named(
                secret.namespace().map(|namespace| namespace.text),
                asked.namespace.as_deref(),
            )
    };
    let found: Vec<_> = manifest.secrets().iter().filter(fits).collect();
    match (found[..].first(), found.len()) {
        (Some(secret), 1) => Ok(secret),
        (None, _) if manifest.secrets().is_empty() => Err(Failure::usage(anyhow!(
            "there is no Secret in it"
        ))
        .hint(
            "choose a file that does not exist yet to have one made, or add a Secret to this one",
        )),
        (None, _) => Err(
            Failure::usage(anyhow!("no Secret in it has this name and namespace"))
                .hint(format!("in the file: {}", names(manifest))),
        ),
        (Some(_), count) => Err(Failure::usage(anyhow!(
            "it holds {count} Secrets that this may be about"
        ))
        .hint(format!(
            "choose one with --name and --namespace; in the file: {}",
            names(manifest)
        ))),
    }
}

fn names(manifest: &Manifest<'_>) -> String {
    let name = |secret: &ManifestSecret<'_>| {
        let name = secret
            .name()
            .or(secret.generate_name())
            .map_or("(no name)", |name| name.text);
        let namespace = secret
            .namespace()
            .map_or("(no namespace)", |namespace| namespace.text);
        printable(&format!("{namespace}/{name}"), 80)
    };
    manifest
        .secrets()
        .iter()
        .map(name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A Secret without fields yet.
fn new_manifest(asked: &Asked, args: &SetArgs, choice: &Choice) -> Result<String, Failure> {
    let file = args.file.shown();
    let lacking = |what: &str, flag: &str| {
        Failure::usage(anyhow!(
            "`{file}` does not exist, and to make it the {what} needed"
        ))
        .hint(format!("add {flag}, or check the path of the file"))
    };
    let namespace = asked.namespace.as_deref().or(choice.namespace.as_deref());
    let name = asked.name.as_deref().or(choice.name.as_deref());
    let (namespace, name) = match (namespace, name) {
        (Some(namespace), Some(name)) => (namespace, name),
        (None, Some(_)) => return Err(lacking("namespace of the Secret is", "--namespace NAME")),
        (Some(_), None) => return Err(lacking("name of the Secret is", "--name NAME")),
        (None, None) => {
            return Err(lacking(
                "namespace and the name of the Secret are",
                "--namespace NAME --name NAME",
            ));
        }
    };
    for (flag, text) in [("--namespace", namespace), ("--name", name)] {
        let legal = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-' || letter == '.'
        };
        if text.is_empty() || !text.chars().all(legal) {
            return Err(Failure::usage(anyhow!(
                "{flag} {:?} is no name for a new Secret",
                printable(text, 64)
            ))
            .hint("names are of small letters, digits and `-`"));
        }
    }
    if is_json(&args.file) {
        let secret = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": namespace },
            "type": "Opaque",
            "stringData": {},
        });
        return Ok(format!("{secret:#}\n"));
    }
    let (name, namespace) = (yaml_word(name), yaml_word(namespace));
    Ok(format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: {namespace}\ntype: Opaque\n"
    ))
}

/// Whether a new file is to be JSON.
fn is_json(file: &Path) -> bool {
    file.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// A name of Kubernetes, quoted where YAML would read it as a number, a truth value or nothing.
fn yaml_word(name: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "y"];
    let plain = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && !WORDS.contains(&name)
        && name != "n";
    if plain {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_yaml_misreads_are_quoted() {
        for (name, written) in [
            ("db", "db"),
            ("123", "\"123\""),
            ("1e3", "\"1e3\""),
            ("no", "\"no\""),
            ("null", "\"null\""),
            ("db-1", "db-1"),
        ] {
            assert_eq!(yaml_word(name), written);
        }
    }

    #[test]
    fn slips_are_told_from_names_that_differ_on_purpose() {
        for (one, other) in [
            ("pasword", "password"),
            ("passwrod", "password"),
            ("PASSWORD", "password"),
            ("db_password", "db-password"),
            ("tls.ky", "tls.key"),
        ] {
            assert!(is_nearly(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("key1", "key2"),
            ("password2", "password"),
            ("user", "password"),
            ("a", "b"),
            ("tls.key", "tls.crt"),
        ] {
            assert!(!is_nearly(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_field_may_name_its_section() {
        let wanted = Wanted::parse("data/tls.key").unwrap();
        assert_eq!(
            (wanted.section, wanted.key.as_str()),
            (Some(Section::Data), "tls.key")
        );
        assert_eq!(Wanted::parse("password").unwrap().section, None);
        assert!(Wanted::parse("pass word").is_err());
        assert!(Wanted::parse("other/password").is_err());
    }
}
