//! What `seal` and `set` do to the Secrets of a manifest.
use std::collections::HashMap;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{Binding, FoundPlace, ObjectName, Recognized, recognize};
use secret_walker::{
    ANNOTATION_PREFIX, Edits, Field, Located, ManifestSecret, Section, WalkError, validate_key,
};
use zeroize::Zeroizing;

use crate::cli::groups::Layout;
use crate::failure::{Failure, fault};
use crate::sealing::layout::{self, Writer};
use crate::sealing::options::Manner;
use crate::sealing::other_tools::OtherTool;
use crate::sealing::place::{Limits, Part, Target, named_namespace};
use crate::sealing::signing;
use crate::sealing::value::{self, VALUE_LIMIT};
use crate::text::{covers, printable};

/// What the flags and rules say of the place of a manifest's values.
#[derive(Clone, Copy, Debug)]
pub struct Placing<'a> {
    /// `--anywhere`.
    pub anywhere: bool,
    /// `--namespace`, which the manifest must not contradict.
    pub namespace: Option<&'a str>,
    /// The rule's namespace, for manifests that name none.
    pub fallback: Option<&'a str>,
    /// `--name`, in place of the manifest's own.
    pub name: Option<&'a str>,
    /// `--for`, in place of all of these.
    pub target: Option<&'a Target>,
    /// Clusters, times and service account.
    pub limits: &'a Limits,
}

impl Placing<'_> {
    /// The binding of one field of a Secret.
    ///
    /// # Errors
    /// Exit 2 when a part of the place is neither in the manifest nor given.
    pub fn bind(&self, secret: &ManifestSecret<'_>, key: &str) -> Result<Binding, Failure> {
        let Some(target) = self.target else {
            return self.target_of(secret, key)?.bind(self.limits);
        };
        let binding = target.bind(self.limits)?;
        self.check_place(&binding, target, secret, key)?;
        Ok(binding)
    }

    /// Says where else an envelope opens than where its value stands; nothing when it opens there only.
    pub fn wider(&self, secret: &ManifestSecret<'_>, key: &str) -> Option<String> {
        let own = Self {
            anywhere: false,
            namespace: None,
            name: None,
            target: None,
            ..*self
        };
        let own = own.target_of(secret, key).ok();
        let asked = match self.target {
            Some(target) => target.clone(),
            None => self.target_of(secret, key).ok()?,
        };
        if asked.is_exact() || own.as_ref() == Some(&asked) {
            return None;
        }
        let own = own.map_or_else(String::new, |own| {
            format!(", not only in `{}`", own.describe())
        });
        Some(format!(
            "the value of `{key}` can be opened wherever `{}` fits{own}",
            asked.describe()
        ))
    }

    /// Says that a rule of `.privy.yaml`, and no flag, lets a value be opened in several namespaces.
    pub fn wider_by_rule(&self, secret: &ManifestSecret<'_>, key: &str) -> Option<String> {
        let by_rule = !self.anywhere
            && self.namespace.is_none()
            && self.target.is_none()
            && secret.namespace().is_none();
        let target = self.target_of(secret, key).ok().filter(|_| by_rule)?;
        if target.namespace.exact().is_some() {
            return None;
        }
        Some(format!(
            "the value of `{}` can be opened wherever `{}` fits, as `.privy.yaml` says",
            printable(key, 100),
            printable(&target.describe(), 300)
        ))
    }

    fn target_of(&self, secret: &ManifestSecret<'_>, key: &str) -> Result<Target, Failure> {
        Ok(Target {
            namespace: self.namespace_of(secret)?,
            name: self.name_of(secret)?,
            field: literal("key", key, secret)?,
        })
    }

    /// What `--for` asks for must open where the field stands.
    fn check_place(
        &self,
        binding: &Binding,
        target: &Target,
        secret: &ManifestSecret<'_>,
        key: &str,
    ) -> Result<(), Failure> {
        let namespace = secret.namespace().map(|namespace| namespace.text);
        let (Some(name), Some(namespace)) = (object_name(secret), namespace.or(self.fallback))
        else {
            return Ok(());
        };
        let place = FoundPlace {
            namespace,
            name,
            key,
        };
        binding.check_place(place).map_err(|error| {
            let context = format!(
                "--for {:?} is another place than that of the field",
                target.describe()
            );
            Failure::usage(anyhow::Error::new(error).context(context))
                .hint("leave --for out to seal for the very place where the field stands")
        })
    }

    fn namespace_of(&self, secret: &ManifestSecret<'_>) -> Result<Part, Failure> {
        if self.anywhere {
            return Ok(Part::Open);
        }
        let own = secret.namespace().map(|namespace| namespace.text);
        match (own, self.namespace, self.fallback) {
            (Some(own), Some(given), _) if !covers(given, own) => Err(Failure::usage(anyhow!(
                "the Secret on line {} is for the namespace {:?}, and --namespace says {given:?}",
                secret.line(),
                printable(own, 64)
            ))
            .hint("leave --namespace out, or correct the manifest")),
            (_, Some(given), _) => named_namespace(given),
            (Some(own), None, _) => literal("namespace", own, secret),
            (None, None, Some(rule)) => named_namespace(rule),
            (None, None, None) => Err(Failure::usage(anyhow!(
                "the Secret on line {} does not name its namespace",
                secret.line()
            ))
            .hint("add `namespace:` to its metadata, or --namespace NAME, or a `namespace` to the rule in `.privy.yaml`")),
        }
    }

    fn name_of(&self, secret: &ManifestSecret<'_>) -> Result<Part, Failure> {
        match self.name {
            Some("*") => return Ok(Part::Open),
            Some(name) => return Ok(Part::Named(name.to_owned())),
            None => {}
        }
        if let Some(name) = secret.name() {
            return literal("name", name.text, secret);
        }
        match secret.generate_name() {
            Some(prefix) if prefix.text.ends_with(['-', '.']) => Ok(Part::Named(format!("{}*", prefix.text))),
            Some(prefix) => Err(Failure::usage(anyhow!(
                "generateName {:?} on line {} ends in neither `-` nor `.`, so no pattern covers only its names",
                printable(prefix.text, 64),
                prefix.line
            ))
            .hint("end it in `-`, or give the name or a pattern with --name")),
            None => Err(Failure::usage(anyhow!("the Secret on line {} has no name", secret.line()))
                .hint("add `name:` to its metadata")),
        }
    }
}

/// What a manifest says is a name: a pattern there would make an envelope wider than anyone asked for.
fn literal(what: &str, text: &str, secret: &ManifestSecret<'_>) -> Result<Part, Failure> {
    if !text.ends_with('*') {
        return Ok(Part::Named(text.to_owned()));
    }
    Err(Failure::refused(anyhow!(
        "the Secret on line {} has the {what} {:?}, and names of Kubernetes have no `*`",
        secret.line(),
        printable(text, 64)
    ))
    .hint("write the name itself; a pattern is given with --namespace, --name or --for"))
}

/// How the values of manifests are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// For which places.
    pub placing: Placing<'a>,
    /// For which keys, and how envelopes are written.
    pub manner: &'a Manner,
    /// Where envelopes are to stand; where the values stand now, if no one says.
    pub layout: Option<Layout>,
    /// Whether no one wants to hear what looks like a mistake in a value.
    pub raw: bool,
}

/// Seals plain values of a Secret in one act, and says how many they were. `wanted` may leave fields out; what looks
/// like a mistake in a value is noted in `warnings`.
///
/// # Errors
/// Exit 1 when a value is refused: nothing may be written then.
pub fn seal_plain_values<'a>(
    secret: &ManifestSecret<'a>,
    sealing: &Sealing<'_>,
    edits: &mut Edits<'_, 'a>,
    warnings: &mut Vec<String>,
    wanted: &dyn Fn(&Field<'_>, &[u8]) -> bool,
) -> Result<usize, Failure> {
    refuse_keys_in_both(secret)?;
    refuse_repeated_values(secret)?;
    let mut act = sealing.manner.begin();
    let mut writer = Writer::new(secret, sealing.manner.form(), edits);
    let mut room = Room::new(secret)?;
    let mut sealed = 0;
    for field in secret.fields() {
        let at = |failure: Failure| {
            failure.context(format!("field `{}` on line {}", field.path(), field.line()))
        };
        let value = field
            .value()
            .map_err(|error| explain_bare_envelope(field, error))?;
        match recognize(&value) {
            Recognized::Sealed(envelope) => {
                room.take(field.key(), envelope.ciphertext_len())?;
                continue;
            }
            Recognized::Malformed(error) => return Err(at(damaged(error))),
            Recognized::Plain => room.take(field.key(), value.len())?,
        }
        if !wanted(field, &value) {
            continue;
        }
        if let Some(tool) = OtherTool::of(&value) {
            return Err(tool.refuse(&named(field)));
        }
        if !sealing.raw {
            let doubt = |doubt: &str| {
                // What the flag does to a value, another block scalar does to a manifest.
                let doubt =
                    doubt.replace("--strip-newline drops it", "`|-` in place of `|` drops it");
                format!("field `{}` on line {}: {doubt}", field.path(), field.line())
            };
            let doubts = value::doubts(&value);
            if doubts.is_empty() && is_plain_by_accident(field, &value) {
                warnings.push(format!(
                    "{}: what is written there happens to be base64 of bytes that are not text; if it is the value \
                     itself, put it under `stringData`",
                    named(field)
                ));
            }
            warnings.extend(doubts.into_iter().map(doubt));
        }
        // One with a `*` is refused with words of its own, because it would be a pattern.
        if !field.key().ends_with('*')
            && let Err(error) = validate_key(field.key())
        {
            return Err(at(Failure::refused(error))
                .hint("rename the key: a key is of letters, digits, `-`, `_` and `.`"));
        }
        let layout = layout::of_key(secret, field.key(), sealing.layout);
        layout::check(field.key(), layout, sealing.manner.form()).map_err(at)?;
        if sealing.manner.signer().is_some() {
            signing::check_key(field.key()).map_err(at)?;
        }
        let binding = sealing.placing.bind(secret, field.key())?;
        warnings.extend(sealing.placing.wider_by_rule(secret, field.key()));
        let envelope = act.seal(&value, &binding).map_err(at)?;
        writer
            .put(field.key(), &envelope, layout, field.section())
            .map_err(at)?;
        sealed += 1;
    }
    warnings.extend(writer.finish()?);
    Ok(sealed)
}

/// Seals values that are not in the manifest, in one act; their fields are empty there. Values that were in use
/// before are sealed as they are, byte for byte.
///
/// # Errors
/// Exit 1 when a value is refused: nothing may be written then.
pub fn seal_given_values<'a>(
    secret: &ManifestSecret<'a>,
    values: &[(String, Zeroizing<Vec<u8>>)],
    sealing: &Sealing<'_>,
    edits: &mut Edits<'_, 'a>,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    refuse_keys_in_both(secret)?;
    let mut act = sealing.manner.begin();
    let mut writer = Writer::new(secret, sealing.manner.form(), edits);
    let mut room = Room::new(secret)?;
    for (key, value) in values {
        let at = |failure: Failure| failure.context(format!("field `{}`", printable(key, 100)));
        if !matches!(recognize(value), Recognized::Plain) {
            return Err(at(Failure::refused(anyhow!(
                "the value is an envelope already, which nothing has opened"
            ))
            .hint("give the field its value with `privy set` instead")));
        }
        room.take(key, value.len())?;
        let layout = layout::of_key(secret, key, sealing.layout);
        layout::check(key, layout, sealing.manner.form()).map_err(at)?;
        if sealing.manner.signer().is_some() {
            signing::check_key(key).map_err(at)?;
        }
        let binding = sealing.placing.bind(secret, key).map_err(at)?;
        let sealed = act.seal(value, &binding).map_err(at)?;
        writer
            .put(key, &sealed, layout, Section::StringData)
            .map_err(at)?;
    }
    warnings.extend(writer.finish()?);
    Ok(())
}

fn named(field: &Field<'_>) -> String {
    format!("field `{}` on line {}", field.path(), field.line())
}

/// Whether a short word under `data` may be a password that someone did not encode. Keys of ciphers have 16 bytes or
/// more.
fn is_plain_by_accident(field: &Field<'_>, value: &[u8]) -> bool {
    const SHORT: usize = 16;
    field.section() == Section::Data
        && !value.is_empty()
        && value.len() < SHORT
        && std::str::from_utf8(value).is_err()
        && field.text().is_ok_and(|text| !text.contains('='))
}

/// Of a key in both sections the API server keeps one, and no one who reads the file can be sure which is meant.
///
/// # Errors
/// Exit 1 when there is such a key.
pub fn refuse_keys_in_both(secret: &ManifestSecret<'_>) -> Result<(), Failure> {
    let Some(key) = secret.keys_in_both().next() else {
        return Ok(());
    };
    Err(Failure::refused(anyhow!(
        "the key `{key}` of the Secret on line {} is in both `data` and `stringData`; the API server would take the latter",
        secret.line()
    ))
    .hint("remove one of the two"))
}

/// The annotation in which `kubectl apply` repeats an object as it was applied, with all its values.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An annotation that repeats the Secret: its name and where it is.
pub type Repeated<'s> = (&'s str, Located<'s>);

/// The annotation of kubectl, or another that holds an object, where it holds a value that is not sealed. That of
/// kubectl also where it cannot be read.
pub fn repeated_values<'s>(secret: &'s ManifestSecret<'_>) -> Option<Repeated<'s>> {
    secret
        .annotations()
        .find(|(name, annotation)| repeats_values(name, annotation.text))
}

fn repeats_values(name: &str, text: &str) -> bool {
    let Ok(object) = serde_json::from_str::<serde_json::Value>(text) else {
        return name == LAST_APPLIED && !text.trim().is_empty();
    };
    let is_secret = object.get("kind").is_none_or(|kind| kind == "Secret");
    if name != LAST_APPLIED && !is_secret {
        return false;
    }
    let values = |section: &str| {
        let values = object.get(section).and_then(|values| values.as_object());
        values.into_iter().flat_map(|values| values.values())
    };
    let is_plain = |value: &[u8]| {
        !value.trim_ascii().is_empty() && matches!(recognize(value), Recognized::Plain)
    };
    let as_text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    values("stringData").any(|value| is_plain(as_text(value).as_bytes()))
        || values("data").any(|value| {
            let text = as_text(value);
            let decoded = STANDARD.decode(&text);
            is_plain(decoded.as_deref().unwrap_or(text.as_bytes()))
        })
}

/// Anyone who seals a file wants no plain value left in it.
fn refuse_repeated_values(secret: &ManifestSecret<'_>) -> Result<(), Failure> {
    let Some((name, annotation)) = repeated_values(secret) else {
        return Ok(());
    };
    Err(Failure::refused(anyhow!(
        "the annotation `{}` on line {} repeats values that are not sealed",
        printable(name, 100),
        annotation.line
    ))
    .hint("remove the annotation, which a tool writes in the cluster, and seal the file again"))
}

/// The annotation that names the fields which the application opens itself.
pub const LEAVE: &str = "privyseal.dev/leave";

/// The fields that a Secret asks to be left sealed.
pub fn left_fields<'s>(secret: &'s ManifestSecret<'_>) -> impl Iterator<Item = &'s str> {
    secret
        .annotation(LEAVE)
        .into_iter()
        .flat_map(|named| named.text.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// What a Secret still has room for: Kubernetes takes 1 MiB of values in all.
#[derive(Debug)]
pub struct Room {
    line: usize,
    /// The lengths of the values that are in annotations, by key.
    annotated: HashMap<String, usize>,
    taken: usize,
}

impl Room {
    /// Of a Secret whose fields are yet to be counted.
    ///
    /// # Errors
    /// Exit 1 when an annotation of ours holds no envelope, or a damaged one.
    pub fn new(secret: &ManifestSecret<'_>) -> Result<Self, Failure> {
        let mut annotated = HashMap::new();
        for (name, value) in secret.annotations() {
            let Some(key) = name.strip_prefix(ANNOTATION_PREFIX) else {
                continue;
            };
            let at = |failure: Failure| {
                failure.context(format!(
                    "annotation `{}` on line {}",
                    printable(name, 80),
                    value.line
                ))
            };
            match recognize(value.text.as_bytes()) {
                Recognized::Sealed(envelope) => {
                    annotated.insert(key.to_owned(), envelope.ciphertext_len());
                }
                Recognized::Malformed(error) => return Err(at(damaged(error))),
                Recognized::Plain => {
                    return Err(at(Failure::refused(anyhow!("holds no envelope")).hint(
                        "remove it, and give the value with `privy set`; everyone who may read the file has seen the value",
                    )));
                }
            }
        }
        let taken = annotated.values().sum();
        Ok(Self {
            line: secret.line(),
            annotated,
            taken,
        })
    }

    /// Counts the value of a key. One in an annotation gives way to one in a field.
    ///
    /// # Errors
    /// Exit 1 when there is not enough room.
    pub fn take(&mut self, key: &str, len: usize) -> Result<(), Failure> {
        self.taken -= self.annotated.remove(key).unwrap_or_default();
        self.taken += len;
        if self.taken <= VALUE_LIMIT {
            return Ok(());
        }
        Err(Failure::refused(anyhow!(
            "the values of the Secret on line {} are larger than 1 MiB together, the most that Kubernetes takes",
            self.line
        ))
        .hint("split the Secret in two"))
    }
}

fn damaged(error: jwe_envelope::ParseError) -> Failure {
    Failure::refused(anyhow::Error::new(error).context("holds a damaged envelope")).hint(
        "take the envelope from version control again, or give the field its value again with `privy set`",
    )
}

/// A compact envelope under `data` lacks the base64 that the API server removes: a mistake worth its own words.
fn explain_bare_envelope(field: &Field<'_>, error: WalkError) -> Failure {
    let tool = field
        .text()
        .ok()
        .and_then(|text| OtherTool::of(text.as_bytes()));
    if let Some(tool) = tool {
        return tool.refuse(&named(field));
    }
    let bare = field.section() == Section::Data
        && field
            .text()
            .is_ok_and(|text| !matches!(recognize(text.as_bytes()), Recognized::Plain));
    if !bare {
        return fault(error);
    }
    let (path, line) = (field.path(), field.line());
    Failure::refused(anyhow!(
        "field `{path}` on line {line} is an envelope as it is, and `data` wants base64"
    ))
    .hint("move the field from `data` to `stringData`, which takes text as it is")
}

/// The name that the API server will see: the manifest's own, or the beginning of a generated one.
pub fn object_name<'s>(secret: &'s ManifestSecret<'_>) -> Option<ObjectName<'s>> {
    match (secret.name(), secret.generate_name()) {
        (Some(name), _) => Some(ObjectName::Named(name.text)),
        (None, Some(prefix)) => Some(ObjectName::Generated(prefix.text)),
        (None, None) => None,
    }
}
