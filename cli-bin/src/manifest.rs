//! What `seal` and `set` do to the Secrets of a manifest.
use anyhow::anyhow;
use jwe_envelope::{Binding, ObjectName, Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Edits, Field, ManifestSecret, Section, WalkError};

use crate::cli::groups::Layout;
use crate::layout::{self, Writer};
use crate::place::{Limits, Part, Target, named_namespace};
use crate::report::Failure;
use crate::sealing::Manner;
use crate::signing;
use crate::text::printable;
use crate::value::{self, VALUE_LIMIT};

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

    /// Says where else an envelope opens than where its value stands; nothing when it opens there alone.
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
            format!(", not in `{}` alone", own.describe())
        });
        Some(format!(
            "the value of `{key}` can be opened wherever `{}` fits{own}",
            asked.describe()
        ))
    }

    fn target_of(&self, secret: &ManifestSecret<'_>, key: &str) -> Result<Target, Failure> {
        Ok(Target {
            namespace: self.namespace_of(secret)?,
            name: self.name_of(secret)?,
            field: Part::Named(key.to_owned()),
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
        binding.check_place(namespace, name, key).map_err(|error| {
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
            (Some(own), Some(given), _) if !fits(given, own) => Err(Failure::usage(anyhow!(
                "the Secret on line {} is for the namespace {:?}, and --namespace says {given:?}",
                secret.line(),
                printable(own, 64)
            ))
            .hint("leave --namespace out, or correct the manifest")),
            (_, Some(given), _) => named_namespace(given),
            (Some(own), None, _) => Ok(Part::Named(own.to_owned())),
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
            return Ok(Part::Named(name.text.to_owned()));
        }
        match secret.generate_name() {
            Some(prefix) if prefix.text.ends_with(['-', '.']) => Ok(Part::Named(format!("{}*", prefix.text))),
            Some(prefix) => Err(Failure::usage(anyhow!(
                "generateName {:?} on line {} ends in neither `-` nor `.`, so no pattern covers its names alone",
                printable(prefix.text, 64),
                prefix.line
            ))
            .hint("end it in `-`, or give the name or a pattern with --name")),
            None => Err(Failure::usage(anyhow!("the Secret on line {} has no name", secret.line()))
                .hint("add `name:` to its metadata")),
        }
    }
}

/// Whether `given`, a name or a pattern, covers `own`.
fn fits(given: &str, own: &str) -> bool {
    match given.strip_suffix('*') {
        Some(prefix) => own.len() > prefix.len() && own.starts_with(prefix),
        None => given == own,
    }
}

/// How the values of manifests are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// For which places.
    pub placing: Placing<'a>,
    /// For which keys, and how envelopes are written.
    pub manner: &'a Manner,
    /// Where envelopes are to stand; where the values stand now, if nobody says.
    pub layout: Option<Layout>,
    /// Whether nobody wants to hear what looks like a mistake in a value.
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
        if !sealing.raw {
            let doubt = |doubt: &str| {
                // What the flag does to a value, another block scalar does to a manifest.
                let doubt =
                    doubt.replace("--strip-newline drops it", "`|-` in place of `|` drops it");
                format!("field `{}` on line {}: {doubt}", field.path(), field.line())
            };
            warnings.extend(value::doubts(&value).into_iter().map(doubt));
        }
        let layout = layout::of_key(secret, field.key(), sealing.layout);
        layout::check(field.key(), layout, sealing.manner.form()).map_err(at)?;
        if sealing.manner.signer().is_some() {
            signing::check_key(field.key()).map_err(at)?;
        }
        let binding = sealing.placing.bind(secret, field.key())?;
        let envelope = act.seal(&value, &binding).map_err(at)?;
        writer
            .put(field.key(), &envelope, layout, field.section())
            .map_err(at)?;
        sealed += 1;
    }
    warnings.extend(writer.finish()?);
    Ok(sealed)
}

/// Of a key in both sections the API server keeps one, and nobody who reads the file can be sure which is meant.
///
/// # Errors
/// Exit 1 when there is such a key.
pub fn refuse_keys_in_both(secret: &ManifestSecret<'_>) -> Result<(), Failure> {
    let Some(key) = secret.keys_in_both().next() else {
        return Ok(());
    };
    Err(Failure::refused(anyhow!(
        "the key `{key}` of the Secret on line {} stands in both `data` and `stringData`; the API server would take the latter",
        secret.line()
    ))
    .hint("remove one of the two"))
}

/// What a Secret still has room for: Kubernetes takes 1 MiB of values in all.
#[derive(Debug)]
pub struct Room {
    line: usize,
    /// The lengths of the values that stand in annotations, by key.
    annotated: Vec<(String, usize)>,
    taken: usize,
}

impl Room {
    /// Of a Secret whose fields are yet to be counted.
    ///
    /// # Errors
    /// Exit 1 when an annotation of ours holds no envelope, or a damaged one.
    pub fn new(secret: &ManifestSecret<'_>) -> Result<Self, Failure> {
        let mut annotated = Vec::new();
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
                    annotated.push((key.to_owned(), envelope.ciphertext_len()));
                }
                Recognized::Malformed(error) => return Err(at(damaged(error))),
                Recognized::Plain => {
                    return Err(at(Failure::refused(anyhow!("holds no envelope")).hint(
                        "remove it, and give the value with `privy set`; everybody who may read the file saw what stands there",
                    )));
                }
            }
        }
        let taken = annotated.iter().map(|(_, len)| len).sum();
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
        if let Some(at) = self.annotated.iter().position(|(other, _)| other == key) {
            self.taken -= self.annotated.swap_remove(at).1;
        }
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
        "take the envelope from version control again, or give the field its value anew with `privy set`",
    )
}

/// A compact envelope under `data` lacks the base64 that the API server removes: a mistake worth its own words.
fn explain_bare_envelope(field: &Field<'_>, error: WalkError) -> Failure {
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
    .hint("move the field from `data` to `stringData`, where values stand as they are")
}

/// The name that the API server will see: the manifest's own, or the beginning of a generated one.
pub fn object_name<'s>(secret: &'s ManifestSecret<'_>) -> Option<ObjectName<'s>> {
    match (secret.name(), secret.generate_name()) {
        (Some(name), _) => Some(ObjectName::Named(name.text)),
        (None, Some(prefix)) => Some(ObjectName::Generated(prefix.text)),
        (None, None) => None,
    }
}

/// What the walker found, with its place; exit 1.
pub fn fault(error: WalkError) -> Failure {
    let WalkError::Manifest(error) = error else {
        return Failure::refused(error);
    };
    let text = error.render();
    let Some(hint) = error.hint() else {
        return Failure::refused(anyhow!(text));
    };
    // The hint is our last line, below the causes, and not theirs.
    let text = text
        .strip_suffix(hint)
        .and_then(|text| text.strip_suffix("\nhint: "))
        .unwrap_or(&text);
    Failure::refused(anyhow!("{text}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_given_namespace_covers_the_manifests() {
        assert!(fits("payments", "payments"));
        assert!(fits("team-*", "team-a"));
        assert!(!fits("team-*", "team-"));
        assert!(!fits("payments", "payments-test"));
    }
}
