//! The fields of a manifest, one line each.
use std::fmt::Write as _;

use jwe_envelope::{Envelope, FoundPlace, Recognized, recognize};
use secret_walker::{ANNOTATION_PREFIX, Field, Located, Manifest, ManifestSecret};
use serde_json::{Value, json};
use unseal_policy::signatures::Signed;

use super::describe;
use crate::keys::trust::Store;
use crate::sealing::manifest::object_name;
use crate::sealing::signing;
use crate::text::printable;

/// The Secrets of one manifest.
pub struct Table {
    secrets: Vec<Group>,
}

struct Group {
    title: String,
    namespace: Option<String>,
    name: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    field: String,
    layout: Layout,
    line: usize,
    state: State,
    note: String,
    envelope: Option<Value>,
    signature: Option<Value>,
}

/// Where the envelope stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Annotation,
    Field,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Damaged,
    Misplaced,
    /// Its signature is damaged, or for another envelope.
    Missigned,
    Plain,
    Sealed,
    Unreadable,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Misplaced => "misplaced",
            Self::Missigned => "missigned",
            Self::Plain => "plain",
            Self::Sealed => "sealed",
            Self::Unreadable => "unreadable",
        }
    }

    const fn is_fault(self) -> bool {
        match self {
            Self::Damaged | Self::Misplaced | Self::Missigned | Self::Unreadable => true,
            Self::Plain | Self::Sealed => false,
        }
    }
}

impl Row {
    /// The field for people, and where it stands if not in `data` or `stringData`.
    fn title(&self) -> String {
        match self.layout {
            Layout::Annotation => format!("{} (annotation)", self.field),
            Layout::Field => self.field.clone(),
        }
    }
}

impl Table {
    /// Looks at every field of every Secret.
    pub fn of(manifest: &Manifest<'_>, store: &Store) -> Self {
        let secrets = manifest
            .secrets()
            .iter()
            .map(|secret| group(secret, store))
            .collect();
        Self { secrets }
    }

    /// Whether anything is damaged, out of its place or not readable.
    pub fn found(&self) -> bool {
        self.secrets
            .iter()
            .flat_map(|group| &group.rows)
            .any(|row| row.state.is_fault())
    }

    /// For people.
    pub fn text(&self) -> String {
        let rows = || self.secrets.iter().flat_map(|group| &group.rows);
        let width = rows()
            .map(|row| row.title().chars().count())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for group in &self.secrets {
            let _ = writeln!(text, "  Secret {}", group.title);
            for row in &group.rows {
                let line = format!(
                    "    {:<width$}  {:<10}  {}",
                    row.title(),
                    row.state.as_str(),
                    row.note
                );
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "field": row.field,
                "layout": match row.layout {
                    Layout::Annotation => "annotation",
                    Layout::Field => "field",
                },
                "line": row.line,
                "state": row.state.as_str(),
                "problem": row.state.is_fault().then_some(&row.note),
                "envelope": row.envelope,
                "signature": row.signature,
            })
        };
        let group = |group: &Group| {
            json!({
                "namespace": group.namespace,
                "name": group.name,
                "fields": group.rows.iter().map(row).collect::<Vec<_>>(),
            })
        };
        json!({ "kind": "manifest", "secrets": self.secrets.iter().map(group).collect::<Vec<_>>() })
    }
}

fn group(secret: &ManifestSecret<'_>, store: &Store) -> Group {
    let namespace = secret
        .namespace()
        .map(|namespace| namespace.text.to_owned());
    let name = secret
        .name()
        .or(secret.generate_name())
        .map(|name| name.text.to_owned());
    let shown = |part: &Option<String>| {
        part.as_deref()
            .map_or("(not named)".to_owned(), |part| printable(part, 64))
    };
    Group {
        title: format!("{}/{}", shown(&namespace), shown(&name)),
        namespace,
        name,
        rows: secret
            .fields()
            .iter()
            .map(|field| row(secret, field, store))
            .chain(annotated(secret, store))
            .collect(),
    }
}

/// The envelopes in annotations. What is none there will not be opened, and is a fault.
fn annotated(secret: &ManifestSecret<'_>, store: &Store) -> Vec<Row> {
    let row = |(name, value): (&str, Located<'_>)| {
        let key = name.strip_prefix(ANNOTATION_PREFIX)?;
        let of = |state, note, envelope| Row {
            field: printable(&format!("data/{key}"), 80),
            layout: Layout::Annotation,
            line: value.line,
            state,
            note,
            envelope,
            signature: None,
        };
        Some(match recognize(value.text.as_bytes()) {
            Recognized::Plain => of(State::Damaged, "it is no envelope".to_owned(), None),
            Recognized::Malformed(error) => {
                of(State::Damaged, printable(&error.to_string(), 200), None)
            }
            Recognized::Sealed(envelope) => {
                let (state, note, signature) = judge(secret, key, &envelope, store);
                let row = of(state, note, Some(describe::json(&envelope, store)));
                Row { signature, ..row }
            }
        })
    };
    secret.annotations().filter_map(row).collect()
}

fn row(secret: &ManifestSecret<'_>, field: &Field<'_>, store: &Store) -> Row {
    let of = |state, note, envelope| Row {
        field: printable(&field.path().to_string(), 80),
        layout: Layout::Field,
        line: field.line(),
        state,
        note,
        envelope,
        signature: None,
    };
    let value = match field.value() {
        Ok(value) => value,
        Err(error) => return of(State::Unreadable, printable(&error.to_string(), 200), None),
    };
    match recognize(&value) {
        Recognized::Plain => of(State::Plain, String::new(), None),
        Recognized::Malformed(error) => {
            of(State::Damaged, printable(&error.to_string(), 200), None)
        }
        Recognized::Sealed(envelope) => {
            let (state, note, signature) = judge(secret, field.key(), &envelope, store);
            let row = of(state, note, Some(describe::json(&envelope, store)));
            Row { signature, ..row }
        }
    }
}

fn judge(
    secret: &ManifestSecret<'_>,
    key: &str,
    envelope: &Envelope<'_>,
    store: &Store,
) -> (State, String, Option<Value>) {
    let name = signing::annotation_of(key);
    let signature = secret
        .annotation(&name)
        .map(|text| store.signatures().verify(envelope, text.text));
    let json = signature.as_ref().map(vouched_json);
    match (misplaced(secret, key, envelope), signature) {
        (Some(problem), _) => (State::Misplaced, problem, json),
        (None, None) => (State::Sealed, summary(envelope, store), json),
        (None, Some(signed)) => match vouched(&signed) {
            Ok(words) => {
                let note = format!("{}, {words}", summary(envelope, store));
                (State::Sealed, note, json)
            }
            Err(problem) => (State::Missigned, problem, json),
        },
    }
}

/// Who vouches for an envelope, in words; loudly where the signature is not for it.
fn vouched(signed: &Signed) -> Result<String, String> {
    match signed {
        Signed::No => Ok("not signed".to_owned()),
        Signed::By(by) => Ok(format!(
            "signed by {:?} (kid {}) on {}",
            printable(&by.name, 64),
            printable(&by.key_id, 12),
            crate::time::format(by.at)
        )),
        Signed::Unknown(kid) => Ok(format!(
            "signed by an unknown key (kid {})",
            printable(kid, 64)
        )),
        Signed::Wrong { .. } => Err(format!(
            "THE SIGNATURE DOES NOT FIT: {}",
            printable(&signed.fault().unwrap_or_default(), 200)
        )),
    }
}

/// The same for programs.
fn vouched_json(signed: &Signed) -> Value {
    match signed {
        Signed::No => json!({ "state": "unknown" }),
        Signed::By(by) => json!({
            "state": "good",
            "signer": printable(&by.name, 64),
            "kid": by.key_id,
            "signedAt": by.at,
        }),
        Signed::Unknown(kid) => json!({ "state": "unknown", "kid": kid }),
        Signed::Wrong { signer, .. } => json!({
            "state": "wrong",
            "signer": signer.as_deref().map(|name| printable(name, 64)),
            "problem": printable(&signed.fault().unwrap_or_default(), 200),
        }),
    }
}

/// Whether the envelope stands where it cannot be opened; not known where the manifest leaves its place open.
fn misplaced(secret: &ManifestSecret<'_>, key: &str, envelope: &Envelope<'_>) -> Option<String> {
    let place = FoundPlace {
        namespace: secret.namespace()?.text,
        name: object_name(secret)?,
        key,
    };
    let error = envelope.binding()?.check_place(place).err()?;
    Some(printable(&error.to_string(), 200))
}

fn summary(envelope: &Envelope<'_>, store: &Store) -> String {
    let place = envelope
        .binding()
        .map_or("unbound".to_owned(), describe::place);
    let keys: Vec<_> = envelope
        .recipients()
        .iter()
        .map(|recipient| match recipient.key_id() {
            None => "unnamed key".to_owned(),
            Some(kid) => match store.by_kid(kid) {
                Some(pin) => format!("key {:?}", printable(&pin.name, 40)),
                None => format!("key {}", printable(kid, 12)),
            },
        })
        .collect();
    format!("for {}, {}", printable(&place, 120), keys.join(", "))
}
