//! Kinds other than core/v1 Secret: version 1 of `bind` is about Secrets, so an envelope of ours in anything
//! else is refused with words that say so, and an object without one passes untouched.

use std::collections::HashSet;
use std::fmt;

use jwe_envelope::ObjectName;
use secret_walker::{decode, decode_head};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::audit::{FieldOutcome, FieldRecord};
use unseal_policy::decide::{
    Admission, Change, Code, Decision, Foreign, OpeningContext, Refusal, Site, Untouched,
};
use unseal_policy::format::{Context, SealedFormat};
use unseal_policy::refusal::cut;

/// What was found in an object that is no Secret.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Every envelope.
    pub(super) fields: Vec<FieldRecord>,
    /// Those that are in the way: path and reason.
    pub(super) refused: Vec<(String, Refusal)>,
    /// Those that were stored like this already, or are not ours.
    pub(super) warnings: Vec<String>,
}

/// Where the object stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectUnderReview<'r> {
    pub(super) namespace: &'r str,
    pub(super) name: ObjectName<'r>,
    pub(super) object: &'r str,
    pub(super) stored: Option<&'r str>,
}

/// Looks for envelopes in every string of an object. `None` when it is nested too deeply to be examined.
pub(super) fn examine(
    subject: &ObjectUnderReview<'_>,
    formats: &[Box<dyn SealedFormat>],
    context: &Context<'_>,
) -> Option<Findings> {
    let found = sealed_strings(subject.object, formats)?;
    let is_full = |found: &Found| found.len() > MOST_ENVELOPES;
    let too_many = is_full(&found);
    let stored = match subject.stored {
        Some(stored) if !found.is_empty() => sealed_strings(stored, formats)?,
        _ => Found::new(),
    };
    let mut findings = Findings::default();
    if too_many && !is_full(&stored) {
        findings.refused.push((String::new(), too_many_envelopes()));
    }
    let stored: HashSet<(String, Vec<u8>)> = stored.into_iter().collect();
    for sealed in found {
        let unchanged = stored.contains(&sealed);
        let (path, value) = sealed;
        let Some(recognized) = formats.iter().find_map(|format| format.recognize(&value)) else {
            continue;
        };
        let site = Site {
            namespace: subject.namespace,
            name: subject.name,
            key: "",
            signature: None,
            caller: OpeningContext::Admission(Admission::new(Change::Created)),
        };
        let facts = recognized.facts();
        let refusal = match recognized.decide(&site, context) {
            Decision::Leave(Untouched::Plain | Untouched::Asked | Untouched::OthersToken) => {
                continue;
            }
            Decision::Leave(Untouched::Foreign { .. }) => None,
            // Nothing is opened here, so that an envelope of others cannot be mistaken for one that was not.
            Decision::Refuse(refusal)
                if refusal.code == Code::Foreign && context.policy.foreign == Foreign::Warn =>
            {
                None
            }
            Decision::Refuse(refusal) if matches!(refusal.code, Code::Damaged | Code::Foreign) => {
                Some(refusal)
            }
            Decision::Leave(Untouched::Stored) | Decision::Refuse(_) | Decision::Unwrap { .. } => {
                Some(secrets_alone().for_key(facts.kid.as_deref()))
            }
        };
        findings.fields.push(FieldRecord {
            kid: facts.kid,
            envelope: facts.digest,
            code: Some(
                refusal
                    .as_ref()
                    .map_or(Code::Foreign, |refusal| refusal.code),
            ),
            stored_before: unchanged,
            ..FieldRecord::new(
                &path,
                if refusal.is_some() && !unchanged {
                    FieldOutcome::Refused
                } else {
                    FieldOutcome::Left
                },
            )
        });
        match refusal {
            None => findings.warnings.push(format!(
                "`{path}` holds an envelope that is not for this cluster; it was left as it is"
            )),
            Some(refusal) if unchanged => findings.warnings.push(format!(
                "`{path}` stays sealed, as it is stored: {}",
                refusal.message
            )),
            Some(refusal) => findings.refused.push((path, refusal)),
        }
    }
    Some(findings)
}

fn secrets_alone() -> Refusal {
    Refusal::new(
        Code::WrongPlace,
        "envelopes are opened only in core/v1 Secrets",
        "put the value into a Secret and seal it for its place there",
    )
}

fn too_many_envelopes() -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("the object holds more than {MOST_ENVELOPES} envelopes"),
        "split it into several objects",
    )
}

/// Envelopes in one object. What follows them is not looked at.
const MOST_ENVELOPES: usize = 1024;

type Found = Vec<(String, Vec<u8>)>;

/// Every string of a JSON text that is sealed, as it is or under base64, with its path. `None` for a text that
/// is nested deeper than the JSON reader goes.
fn sealed_strings(json: &str, formats: &[Box<dyn SealedFormat>]) -> Option<Found> {
    let mut found = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let search = Search {
        path: &mut String::new(),
        found: &mut found,
        formats,
    };
    search.deserialize(&mut deserializer).ok()?;
    Some(found)
}

/// Goes down one value.
struct Search<'s> {
    path: &'s mut String,
    found: &'s mut Found,
    formats: &'s [Box<dyn SealedFormat>],
}

impl Search<'_> {
    fn look_at(&mut self, text: &str) {
        if self.found.len() > MOST_ENVELOPES {
            return;
        }
        let may_begin = |head: &[u8]| self.formats.iter().any(|format| format.may_begin(head));
        let is_sealed = |value: &[u8]| {
            self.formats
                .iter()
                .any(|format| format.recognize(value).is_some())
        };
        let plain = text.as_bytes();
        let mut head = [0; 4];
        let filled = decode_head(text, &mut head);
        let value = if may_begin(&plain[..plain.len().min(4)]) && is_sealed(plain) {
            Some(plain.to_vec())
        } else if may_begin(&head[..filled]) {
            decode(text).ok().filter(|value| is_sealed(value))
        } else {
            None
        };
        if let Some(value) = value {
            self.found.push((self.path.clone(), value));
        }
    }

    /// Goes down to a member or an element.
    fn below(&mut self, name: &str) -> Search<'_> {
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(cut(name));
        Search {
            path: self.path,
            found: self.found,
            formats: self.formats,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.look_at(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.path.len();
        let mut index = 0_usize;
        while seq
            .next_element_seed(self.below(&index.to_string()))?
            .is_some()
        {
            self.path.truncate(depth);
            index += 1;
        }
        self.path.truncate(depth);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let depth = self.path.len();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            map.next_value_seed(self.below(&name))?;
            self.path.truncate(depth);
        }
        Ok(())
    }
}
