//! What `seal` and `set` do to the Secrets of a manifest.
use anyhow::anyhow;
use jwe_envelope::{Binding, Recognized, Serialization, recognize};
use secret_walker::{EditValue, Edits, Field, ManifestSecret, Section, WalkError};

use crate::place::{Limits, Part, Target, named_namespace};
use crate::report::Failure;
use crate::sealing::Manner;
use crate::text::printable;
use crate::value::VALUE_LIMIT;

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
    /// Clusters, times and service account.
    pub limits: &'a Limits,
}

impl Placing<'_> {
    /// The binding of one field of a Secret.
    ///
    /// # Errors
    /// Exit 2 when a part of the place is neither in the manifest nor given.
    pub fn bind(&self, secret: &ManifestSecret<'_>, key: &str) -> Result<Binding, Failure> {
        let target = Target {
            namespace: self.namespace_of(secret)?,
            name: self.name_of(secret)?,
            field: Part::Named(key.to_owned()),
        };
        target.bind(self.limits)
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

/// Seals the plain values of a Secret in one act, and says how many they were.
///
/// # Errors
/// Exit 1 when a value is refused: nothing may be written then.
pub fn seal_plain_values<'a>(
    secret: &ManifestSecret<'a>,
    placing: &Placing<'_>,
    manner: &Manner,
    edits: &mut Edits<'_, 'a>,
) -> Result<usize, Failure> {
    let mut act = manner.begin();
    let (mut sealed, mut bytes) = (0, 0);
    for field in secret.fields() {
        let at = |failure: Failure| {
            failure.context(format!("field `{}` on line {}", field.path(), field.line()))
        };
        let value = field
            .value()
            .map_err(|error| explain_bare_envelope(field, error))?;
        match recognize(&value) {
            Recognized::Sealed(_) => continue,
            Recognized::Malformed(error) => {
                return Err(at(Failure::refused(anyhow::Error::new(error).context("holds a damaged envelope")).hint(
                    "take the envelope from version control again, or give the field its value anew with `privy set`",
                )));
            }
            Recognized::Plain => {}
        }
        bytes += value.len();
        if bytes > VALUE_LIMIT {
            return Err(Failure::refused(anyhow!(
                "the values of the Secret on line {} are larger than 1 MiB together, the most that Kubernetes takes",
                secret.line()
            ))
            .hint("split the Secret in two"));
        }
        let binding = placing.bind(secret, field.key())?;
        let text = act.seal(&value, &binding).map_err(at)?;
        let value = edit_value(&text, field.section(), manner).map_err(at)?;
        edits.replace(field, value).map_err(fault)?;
        sealed += 1;
    }
    Ok(sealed)
}

/// The envelope as the section wants it: base64 in `data`, the word itself in `stringData`.
///
/// # Errors
/// Exit 2 for JSON in `stringData`, which no edit of a word can hold.
pub fn edit_value(text: &str, section: Section, manner: &Manner) -> Result<EditValue, Failure> {
    match section {
        Section::Data => Ok(EditValue::base64(text.as_bytes())),
        Section::StringData if manner.form() == Serialization::Compact => {
            EditValue::word(text).map_err(fault)
        }
        Section::StringData => Err(Failure::usage(anyhow!(
            "a JSON envelope cannot stand under `stringData`"
        ))
        .hint("move the field to `data`, or seal for one key in the compact serialization")),
    }
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
