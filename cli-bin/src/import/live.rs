//! Secrets of a cluster, as `kubectl get secret -o json` prints them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::draft::{Draft, DraftSecret, Scope};
use super::fault::Fault;
use crate::text::printable;

/// What the cluster and Helm make for themselves.
const LEFT_OUT: [(&str, &str); 3] = [
    ("helm.sh/release.v1", "a release of Helm"),
    (
        "kubernetes.io/service-account-token",
        "a token that the cluster fills in",
    ),
    ("bootstrap.kubernetes.io/token", "a token of kubeadm"),
];

/// Annotations that tools write in the cluster.
const WRITTEN_THERE: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

/// What was read.
pub struct Live {
    /// One document for each Secret.
    pub draft: Draft,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    kind: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(rename = "type")]
    secret_type: Option<String>,
    #[serde(default)]
    immutable: Option<bool>,
    /// Neither keys nor base64 have escapes, so nothing of a value is copied here.
    #[serde(borrow)]
    data: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(borrow)]
    items: Option<Vec<Object<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    name: String,
}

/// Reads one Secret or a list of them.
///
/// # Errors
/// When it is something else, and for values that are not base64.
pub fn read(bytes: &[u8]) -> Result<Live, Fault> {
    let root: Object<'_> = serde_json::from_slice(bytes).map_err(|error| {
        // The parser's words would repeat what it read.
        Fault::on(error.line(), "it is not JSON of Secrets")
            .hint("give what `kubectl get secret -o json` prints")
    })?;
    let objects = match root.items {
        Some(items) => items,
        None => vec![root],
    };
    let mut found = Live {
        draft: Draft {
            text: String::new(),
            secrets: Vec::new(),
        },
        left_out: Vec::new(),
    };
    let mut line = 1;
    for object in &objects {
        if object.kind.as_deref() != Some("Secret") {
            return Err(Fault::of(format!(
                "there is a {} in it, and only Secrets are imported",
                printable(
                    object.kind.as_deref().unwrap_or("thing without a kind"),
                    100
                )
            )));
        }
        let metadata = &object.metadata;
        let (Some(name), Some(namespace)) = (&metadata.name, &metadata.namespace) else {
            return Err(Fault::of("a Secret in it has no name or no namespace"));
        };
        let place = format!("{namespace}/{name}");
        let kind = object.secret_type.as_deref().unwrap_or_default();
        if let Some((_, why)) = LEFT_OUT.iter().find(|(left, _)| *left == kind) {
            found.left_out.push(format!(
                "{} is left out: it is {why}",
                printable(&place, 200)
            ));
            continue;
        }
        let (text, secret) = object.draft(place, line)?;
        line += text.matches('\n').count();
        found.draft.text.push_str(&text);
        found.draft.secrets.push(secret);
    }
    Ok(found)
}

impl Object<'_> {
    fn draft(&self, place: String, line: usize) -> Result<(String, DraftSecret), Fault> {
        let metadata = &self.metadata;
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut text = String::from("---\napiVersion: v1\nkind: Secret\nmetadata:\n");
        for (member, value) in [("name", &metadata.name), ("namespace", &metadata.namespace)] {
            let _ = writeln!(
                text,
                "  {member}: {}",
                word(value.as_deref().unwrap_or_default())
            );
        }
        for (member, words) in [
            ("labels", &metadata.labels),
            ("annotations", &metadata.annotations),
        ] {
            let kept = words.iter().flatten();
            let mut kept = kept
                .filter(|(name, _)| !WRITTEN_THERE.contains(&name.as_str()))
                .peekable();
            if kept.peek().is_some() {
                let _ = writeln!(text, "  {member}:");
            }
            for (name, value) in kept {
                let _ = writeln!(text, "    {}: {}", quoted(name), quoted(value));
            }
        }
        if let Some(kind) = &self.secret_type {
            let _ = writeln!(text, "type: {}", quoted(kind));
        }
        if self.immutable == Some(true) {
            text.push_str("immutable: true\n");
        }
        let owners = metadata.owner_references.iter().flatten();
        let mut secret = DraftSecret {
            // Behind the `---`.
            line: line + 1,
            line_before: line,
            notes: owners
                .map(|owner| {
                    format!(
                        "{} belongs to the {} `{}`, which makes it, and with which it goes: see docs/migrate.md",
                        printable(&place, 200),
                        printable(&owner.kind, 100),
                        printable(&owner.name, 100)
                    )
                })
                .collect(),
            name: place,
            scope: Scope::Strict,
            values: Vec::new(),
        };
        for (index, (key, value)) in self.data.iter().flatten().enumerate() {
            secret_walker::validate_key(key).map_err(|_| {
                Fault::of(format!("`{}` is no key of a Secret", printable(key, 100)))
            })?;
            if index == 0 {
                text.push_str("stringData:\n");
            }
            let _ = writeln!(text, "  {}: \"\"", word(key));
            let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
            STANDARD.decode_vec(value, &mut bytes).map_err(|_| {
                Fault::of(format!(
                    "the value of `{}` in {} is not base64",
                    printable(key, 100),
                    printable(&secret.name, 200)
                ))
            })?;
            secret.values.push(((*key).to_owned(), bytes));
        }
        Ok((text, secret))
    }
}

/// A name, in quotes where YAML would read something else.
fn word(text: &str) -> String {
    let safe = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if safe {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
