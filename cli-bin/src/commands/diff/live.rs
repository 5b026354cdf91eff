//! Manifests and a cluster. What is in the cluster is compared, and never shown.
use std::collections::{HashMap, HashSet};

use anyhow::anyhow;
use jwe_envelope::{Recognized, hidden_envelope, recognize};
use secret_walker::{ANNOTATION_PREFIX, AdmittedSecret, Manifest, ManifestSecret, may_hold_secret};
use zeroize::Zeroizing;

use super::sides::manifests;
use crate::cli::diff::DiffArgs;
use crate::failure::Failure;
use crate::io::{files, kubectl};
use crate::sealing::manifest::LEAVE;
use crate::text::printable;

/// How a field of a manifest stands to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveState {
    /// The Secret is not there.
    SecretMissing,
    /// The field is not there.
    Missing,
    /// The cluster holds the ciphertext, though nothing asks for it.
    StoredSealed,
    /// The cluster holds the ciphertext, as the Secret asks for it.
    Left,
    /// The annotation holds another envelope.
    OtherEnvelope,
    /// The sealed annotation is gone, and a value is there.
    AnnotationMissing,
    /// The annotation holds this very envelope, beside a value that cannot be compared with it.
    SameEnvelope,
    /// An open value, another than the manifest's.
    Differs,
    /// An open value, the manifest's.
    Same,
    /// There is a value; whether it is the sealed one cannot be determined.
    Present,
    /// The field is in the cluster only.
    Extra,
    /// The manifest cannot be read here.
    Unreadable,
}

impl LiveState {
    /// Every standing.
    pub const ALL: [Self; 12] = [
        Self::SecretMissing,
        Self::Missing,
        Self::StoredSealed,
        Self::Left,
        Self::OtherEnvelope,
        Self::AnnotationMissing,
        Self::SameEnvelope,
        Self::Differs,
        Self::Same,
        Self::Present,
        Self::Extra,
        Self::Unreadable,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretMissing => "secret-missing",
            Self::Missing => "missing",
            Self::StoredSealed => "stored-sealed",
            Self::Left => "left-sealed",
            Self::OtherEnvelope => "other-envelope",
            Self::AnnotationMissing => "annotation-missing",
            Self::SameEnvelope => "same-envelope",
            Self::Differs => "differs",
            Self::Same => "same",
            Self::Present => "present",
            Self::Extra => "extra",
            Self::Unreadable => "unreadable",
        }
    }

    /// In words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::SecretMissing => "the cluster has no such Secret",
            Self::Missing => "the cluster's Secret lacks the field",
            Self::StoredSealed => {
                "the cluster holds the envelope itself: the webhook did not open it"
            }
            Self::Left => "the cluster holds the envelope, as the Secret asks for it",
            Self::OtherEnvelope => {
                "the cluster's annotation holds another envelope than the manifest"
            }
            Self::AnnotationMissing => {
                "the cluster's Secret has a value and no sealed annotation: someone removed it, and the value may be any"
            }
            Self::SameEnvelope => {
                "the cluster's annotation holds this very envelope; whether the value beside it is the sealed one cannot be determined without the key"
            }
            Self::Differs => {
                "the cluster has another value than the manifest, where it is not sealed"
            }
            Self::Same => "the cluster has the manifest's value, which is not sealed",
            Self::Present => {
                "the cluster has a value; whether it is the sealed one cannot be determined without the key"
            }
            Self::Extra => "the cluster's Secret has the field, and the manifest has not",
            Self::Unreadable => "the manifest's value cannot be read",
        }
    }

    /// Whether manifest and cluster are known to differ.
    pub const fn differs(self) -> bool {
        !matches!(
            self,
            Self::Left | Self::SameEnvelope | Self::Same | Self::Present
        )
    }
}

/// One field, here and there.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The file.
    pub path: String,
    /// `namespace/name`.
    pub secret: String,
    /// Such as `data/password`.
    pub field: String,
    /// How it stands.
    pub live_state: LiveState,
}

/// What came of a comparison with a cluster.
#[derive(Debug, Default)]
pub struct Live {
    /// Field by field.
    pub fields: Vec<Compared>,
    /// What was not compared, and why.
    pub skipped: Vec<(String, String)>,
}

/// Compares every Secret of the named files with the cluster's.
///
/// # Errors
/// Exit 2 without `kubectl` or with a file that cannot be read, exit 3 when the cluster does not answer.
pub fn compare(args: &DiffArgs) -> Result<Live, Failure> {
    let mut paths: Vec<_> = args
        .sides
        .iter()
        .map(std::path::PathBuf::from)
        .chain(args.paths.iter().cloned())
        .collect();
    if paths.is_empty() {
        paths.push(".".into());
    }
    let mut live = Live::default();
    for path in paths.iter().flat_map(|path| manifests(path)) {
        let bytes = files::read(&path, files::MANIFEST_LIMIT)?;
        if !may_hold_secret(&bytes) {
            continue;
        }
        let name = printable(&path.display().to_string(), 400);
        match Manifest::parse(&bytes) {
            Ok(manifest) => {
                for secret in manifest.secrets() {
                    one(secret, &name, args, &mut live)?;
                }
            }
            Err(error) => live
                .skipped
                .push((name, printable(&error.to_string(), 400))),
        }
    }
    Ok(live)
}

fn one(
    secret: &ManifestSecret<'_>,
    path: &str,
    args: &DiffArgs,
    live: &mut Live,
) -> Result<(), Failure> {
    let own = secret.namespace().map(|namespace| namespace.text);
    let (Some(namespace), Some(name)) = (
        own.or(args.namespace.as_deref()),
        secret.name().map(|name| name.text),
    ) else {
        let reason = format!(
            "the Secret on line {} does not say its namespace and name",
            secret.line()
        );
        live.skipped.push((path.to_owned(), reason));
        return Ok(());
    };
    let label = format!("{}/{}", printable(namespace, 100), printable(name, 253));
    let mut add = |field: &str, live_state: LiveState| {
        live.fields.push(Compared {
            path: path.to_owned(),
            secret: label.clone(),
            field: printable(field, 300),
            live_state,
        });
    };
    let Some(text) = kubectl::secret(namespace, name, args.context.as_deref())? else {
        add("", LiveState::SecretMissing);
        return Ok(());
    };
    let there = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| AdmittedSecret::from_json(text).ok())
        .ok_or_else(|| {
            Failure::unavailable(anyhow!("kubectl's answer about {label} is no Secret"))
        })?;
    let leave = there.annotation(LEAVE).unwrap_or_default();
    let left: HashSet<&str> = leave.split(',').map(str::trim).collect();
    let stored_entries: HashMap<&str, _> = there.data().map(|entry| (entry.key, entry)).collect();
    let mut known = HashSet::new();
    for field in secret.fields() {
        known.insert(field.key());
        let stored = stored_entries
            .get(field.key())
            .and_then(|entry| entry.decode().ok())
            .map(Zeroizing::new);
        let live_state = match (field.value(), stored) {
            (Err(_), _) => LiveState::Unreadable,
            (Ok(_), None) => LiveState::Missing,
            (Ok(here), Some(stored)) => against(&here, &stored, left.contains(field.key())),
        };
        add(&field.path().to_string(), live_state);
    }
    for (annotation, here) in secret.annotations() {
        let Some(key) = annotation.strip_prefix(ANNOTATION_PREFIX) else {
            continue;
        };
        known.insert(key);
        let beside = stored_entries.get(key).map(|entry| {
            let value = entry.decode().ok().map(Zeroizing::new);
            value.is_some_and(|value| is_sealed(&value))
        });
        let live_state = match (there.annotation(annotation), beside) {
            (Some(stored), _) if stored.trim() != here.text.trim() => LiveState::OtherEnvelope,
            (_, Some(true)) => LiveState::StoredSealed,
            (_, None) => LiveState::Missing,
            (None, Some(false)) => LiveState::AnnotationMissing,
            (Some(_), Some(false)) => LiveState::SameEnvelope,
        };
        add(annotation, live_state);
    }
    for entry in there.data().filter(|entry| !known.contains(entry.key)) {
        add(&format!("data/{}", entry.key), LiveState::Extra);
    }
    Ok(())
}

/// Whether a stored value is an envelope, as it is or wrapped in what a careless hand puts around one.
fn is_sealed(value: &[u8]) -> bool {
    !matches!(recognize(value), Recognized::Plain) || hidden_envelope(value).is_some()
}

fn against(here: &[u8], stored: &[u8], left: bool) -> LiveState {
    match (is_sealed(here), is_sealed(stored)) {
        (true, true) if left => LiveState::Left,
        (_, true) => LiveState::StoredSealed,
        (true, false) => LiveState::Present,
        (false, false) if here == stored => LiveState::Same,
        (false, false) => LiveState::Differs,
    }
}
