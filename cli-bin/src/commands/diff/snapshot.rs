//! What one side holds: every value of every Secret, by what is public about it.
use std::fmt;

use jwe_envelope::{Envelope, EnvelopeDigest, Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Manifest, ManifestSecret, may_hold_secret};
use zeroize::Zeroizing;

use crate::commands::inspect::describe;
use crate::sealing::signing;
use crate::text::printable;

/// One value.
#[derive(Clone, Debug)]
pub struct Item {
    /// The file.
    pub path: String,
    /// `namespace/name`, or the file's name for an envelope that is by itself.
    pub secret: String,
    /// Such as `stringData/password`.
    pub field: String,
    /// The key only: what a field is known by, whichever section it is in.
    pub key: String,
    /// What it is.
    pub state: ValueState,
    /// Whether a signature is beside it.
    pub signed: bool,
}

/// What a value is.
#[derive(Clone)]
pub enum ValueState {
    /// Claims to be an envelope and is damaged.
    Damaged,
    /// As it is. Compared, never shown.
    Plain(Zeroizing<Vec<u8>>),
    /// An envelope.
    Sealed(Box<SealedSnapshot>),
    /// Cannot be read.
    Unreadable,
}

impl fmt::Debug for ValueState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "Damaged",
            Self::Plain(_) => "Plain(<redacted>)",
            Self::Sealed(_) => "Sealed",
            Self::Unreadable => "Unreadable",
        })
    }
}

/// What an envelope says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSnapshot {
    /// Names protected header, ciphertext and tag.
    pub digest: EnvelopeDigest,
    /// The keys, in order.
    pub kids: Vec<String>,
    /// Where it opens, for people; `None` for an envelope that does not say.
    pub place: Option<String>,
    /// The whole binding, as JSON.
    pub binding: Option<String>,
    /// When it was sealed, as claimed: Unix seconds.
    pub at: Option<u64>,
    /// By whom, as claimed.
    pub by: Option<String>,
    /// Why, as claimed.
    pub why: Option<String>,
    /// The text itself, which is public.
    pub text: Vec<u8>,
}

impl SealedSnapshot {
    /// Of an envelope.
    pub fn of(envelope: &Envelope<'_>, text: &[u8]) -> Self {
        let claimed = envelope.provenance();
        Self {
            digest: envelope.digest(),
            kids: envelope
                .recipients()
                .iter()
                .map(|recipient| {
                    recipient
                        .key_id()
                        .map_or_else(String::new, |kid| printable(kid, 100))
                })
                .collect(),
            place: envelope
                .binding()
                .map(|binding| printable(&describe::place(binding), 300)),
            binding: envelope.binding().map(jwe_envelope::Binding::to_json),
            at: claimed.map(jwe_envelope::Provenance::at),
            by: claimed
                .and_then(|claimed| claimed.by())
                .map(|by| printable(by, 200)),
            why: claimed
                .and_then(|claimed| claimed.why())
                .map(|why| printable(why, 200)),
            text: text.trim_ascii().to_vec(),
        }
    }

    /// Whether both claim to be of one act of sealing.
    pub fn claims_one_act(&self, other: &Self) -> bool {
        self.at.is_some() && (self.at, &self.by, &self.why) == (other.at, &other.by, &other.why)
    }
}

/// The values of one file. A file that cannot be read says why.
///
/// # Errors
/// The reason, in one line, without any of the file's text.
pub fn items(path: &str, bytes: &[u8]) -> Result<Vec<Item>, String> {
    let text = bytes.trim_ascii();
    if let Some(state) = alone(text) {
        return Ok(vec![Item {
            path: path.to_owned(),
            secret: path.to_owned(),
            field: String::new(),
            key: String::new(),
            state,
            signed: false,
        }]);
    }
    if !may_hold_secret(bytes) {
        return Ok(Vec::new());
    }
    let manifest = Manifest::parse(bytes).map_err(|error| error.to_string())?;
    let mut items = Vec::new();
    for secret in manifest.secrets() {
        let name = label(secret);
        let signed = |key: &str| secret.annotation(&signing::annotation_of(key)).is_some();
        for field in secret.fields() {
            let state = field
                .value()
                .map_or(ValueState::Unreadable, |value| state(&value));
            items.push(Item {
                path: path.to_owned(),
                secret: name.clone(),
                field: printable(&field.path().to_string(), 300),
                key: field.key().to_owned(),
                state,
                signed: signed(field.key()),
            });
        }
        for (annotation, value) in secret.annotations() {
            if let Some(key) = annotation.strip_prefix(ANNOTATION_PREFIX) {
                items.push(Item {
                    path: path.to_owned(),
                    secret: name.clone(),
                    field: printable(annotation, 300),
                    key: key.to_owned(),
                    state: state(value.text.as_bytes()),
                    signed: signed(key),
                });
            }
        }
    }
    Ok(items)
}

/// A file that is an envelope and nothing else.
fn alone(text: &[u8]) -> Option<ValueState> {
    if !(text.starts_with(b"eyJ") || text.starts_with(b"{")) {
        return None;
    }
    match recognize(text) {
        Recognized::Plain => None,
        Recognized::Malformed(_) => Some(ValueState::Damaged),
        Recognized::Sealed(envelope) => Some(ValueState::Sealed(Box::new(SealedSnapshot::of(
            &envelope, text,
        )))),
    }
}

/// What a value is.
pub fn state(value: &[u8]) -> ValueState {
    match recognize(value) {
        Recognized::Plain => ValueState::Plain(Zeroizing::new(value.to_vec())),
        Recognized::Malformed(_) => ValueState::Damaged,
        Recognized::Sealed(envelope) => {
            ValueState::Sealed(Box::new(SealedSnapshot::of(&envelope, value)))
        }
    }
}

fn label(secret: &ManifestSecret<'_>) -> String {
    let name = match (secret.name(), secret.generate_name()) {
        (Some(name), _) => printable(name.text, 253),
        (None, Some(prefix)) => format!("{}*", printable(prefix.text, 253)),
        (None, None) => "?".to_owned(),
    };
    match secret.namespace() {
        Some(namespace) => format!("{}/{name}", printable(namespace.text, 100)),
        None => name,
    }
}
