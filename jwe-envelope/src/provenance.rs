//! Who sealed a value, when and why: the `sealed` member, a claim tied to the value.

use std::fmt;

use crate::date::Utc;
use crate::error::{ProvenanceError, SealError};
use crate::strict_json::{self, JsonValue, MAX_INTEGER};
use crate::untrusted::Untrusted;
use crate::untrusted::cut;

/// Bytes of `sealed` as we would write it.
const MAX_LEN: usize = 1024;

/// `sealed`: `at` always; `by` and `why` only when given. At most 1 KiB, no control characters.
///
/// The tag ties it to the value, nothing more: anyone with the public key may claim anything.
/// [`Display`](fmt::Display) says "claimed" and escapes what could deceive a terminal or a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    at: u64,
    by: Option<String>,
    why: Option<String>,
}

impl Provenance {
    /// At Unix time `at`, by and why as given.
    ///
    /// # Errors
    /// When a text holds control characters or characters that turn the direction of writing, the time
    /// is past 2⁵³−1, or all of it takes more than 1 KiB.
    pub fn new(at: u64, by: Option<&str>, why: Option<&str>) -> Result<Self, SealError> {
        for (member, text) in [("by", by), ("why", why)] {
            if let Some(found) = text.unwrap_or_default().chars().find(|&c| deceives(c)) {
                return Err(ProvenanceError::Control { member, found }.into());
            }
        }
        let provenance = Self {
            at,
            by: by.map(str::to_owned),
            why: why.map(str::to_owned),
        };
        Ok(provenance.checked()?)
    }

    pub(crate) fn from_node(node: JsonValue<'_>) -> Result<Self, ProvenanceError> {
        let JsonValue::Object(members) = node else {
            return Err(ProvenanceError::WrongType {
                member: "sealed",
                expected: "an object",
            });
        };
        let (mut at, mut by, mut why) = (None, None, None);
        for (member, node) in members {
            match member.as_ref() {
                "at" => at = node.integer(),
                "by" => by = Some(text("by", node)?),
                "why" => why = Some(text("why", node)?),
                unknown => return Err(ProvenanceError::UnknownMember { name: cut(unknown) }),
            }
        }
        let at = at.ok_or(ProvenanceError::At)?;
        Self { at, by, why }.checked()
    }

    fn checked(self) -> Result<Self, ProvenanceError> {
        if self.at > MAX_INTEGER {
            return Err(ProvenanceError::At);
        }
        // No character takes more than six when it is escaped, so that most need not be written to be measured.
        let texts = [&self.by, &self.why].map(|text| text.as_deref().unwrap_or_default().len());
        let most = 64 + 6 * (texts[0] + texts[1]);
        if most > MAX_LEN && self.to_json().len() > MAX_LEN {
            return Err(ProvenanceError::TooLong { limit: MAX_LEN });
        }
        Ok(self)
    }

    /// Unix seconds.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The claimed sealer. Untrusted: show it through [`Untrusted`].
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// The claimed reason. Untrusted: show it through [`Untrusted`].
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    pub(crate) fn to_json(&self) -> String {
        let mut members = vec![("at".into(), JsonValue::Number(self.at.into()))];
        for (name, text) in [("by", &self.by), ("why", &self.why)] {
            if let Some(text) = text {
                members.push((name.into(), JsonValue::String(text.as_str().into())));
            }
        }
        strict_json::write_object(&members)
    }
}

/// One line for people: `claimed: sealed 2026-11-21T09:45:00Z by "mara", "rotated"`.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "claimed: sealed {}", Utc(self.at))?;
        if let Some(by) = &self.by {
            write!(f, " by {:?}", claim(by))?;
        }
        if let Some(why) = &self.why {
            write!(f, ", {:?}", claim(why))?;
        }
        Ok(())
    }
}

/// A claim as it is shown: whole, for its length is bounded, and escaped.
const fn claim(text: &str) -> Untrusted<'_> {
    Untrusted::new(text).at_most(MAX_LEN)
}

/// Control characters, newlines and the controls of bidirectional text (UAX #9).
fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// A text of the envelope. Writers are held to more: they may not turn the direction of writing
/// either, which readers show escaped.
fn text(member: &'static str, node: JsonValue<'_>) -> Result<String, ProvenanceError> {
    let JsonValue::String(text) = node else {
        return Err(ProvenanceError::WrongType {
            member,
            expected: "a string",
        });
    };
    match text.chars().find(|character| character.is_control()) {
        Some(found) => Err(ProvenanceError::Control { member, found }),
        None => Ok(text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ParseError;

    fn read(json: &str) -> Result<Provenance, ParseError> {
        Ok(Provenance::from_node(strict_json::read(json, "`sealed`")?)?)
    }

    #[test]
    fn writes_what_was_given_and_reads_it_back() {
        for (by, why, json) in [
            (None, None, r#"{"at":1763718300}"#),
            (Some("mara"), None, r#"{"at":1763718300,"by":"mara"}"#),
            (
                Some("Jörg \"DBA\""),
                Some("rotated"),
                r#"{"at":1763718300,"by":"Jörg \"DBA\"","why":"rotated"}"#,
            ),
        ] {
            let provenance = Provenance::new(1_763_718_300, by, why).unwrap();
            assert_eq!(provenance.to_json(), json);
            assert_eq!(read(json).unwrap(), provenance);
            assert_eq!(
                (provenance.at(), provenance.by(), provenance.why()),
                (1_763_718_300, by, why)
            );
        }
    }

    #[test]
    fn writers_may_not_deceive() {
        for found in [
            '\n', '\r', '\t', '\0', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}',
            '\u{200f}', '\u{2028}',
        ] {
            let text = format!("a{found}b");
            for (by, why) in [(Some(text.as_str()), None), (None, Some(text.as_str()))] {
                assert!(
                    matches!(
                        Provenance::new(0, by, why),
                        Err(SealError::Provenance(ProvenanceError::Control { found: f, .. })) if f == found
                    ),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn readers_refuse_control_characters_and_show_the_rest_escaped() {
        for json in [
            r#"{"at":1,"by":"a\u001b[2J"}"#,
            r#"{"at":1,"why":"a\nb"}"#,
            r#"{"at":1,"by":"\u009b"}"#,
        ] {
            assert!(
                matches!(
                    read(json),
                    Err(ParseError::Provenance(ProvenanceError::Control { .. }))
                ),
                "{json}"
            );
        }
        let provenance =
            read(r#"{"at":0,"by":"a\u202eb","why":"zero\u200bwidth \"quoted\""}"#).unwrap();
        assert_eq!(
            provenance.to_string(),
            r#"claimed: sealed 1970-01-01T00:00:00Z by "a\u{202e}b", "zero\u{200b}width \"quoted\"""#
        );
    }

    #[test]
    fn hostile_members_are_damage() {
        for (json, fault) in [
            ("{}", ProvenanceError::At),
            (r#"{"by":"a"}"#, ProvenanceError::At),
            (r#"{"at":"1"}"#, ProvenanceError::At),
            (r#"{"at":1.0}"#, ProvenanceError::At),
            (r#"{"at":-1}"#, ProvenanceError::At),
            (r#"{"at":9007199254740992}"#, ProvenanceError::At),
            (r#"{"at":null}"#, ProvenanceError::At),
            (
                r#"{"at":1,"sig":"x"}"#,
                ProvenanceError::UnknownMember { name: "sig".into() },
            ),
            (
                r#"{"at":1,"by":1}"#,
                ProvenanceError::WrongType {
                    member: "by",
                    expected: "a string",
                },
            ),
            (
                r#"{"at":1,"why":null}"#,
                ProvenanceError::WrongType {
                    member: "why",
                    expected: "a string",
                },
            ),
            (
                "[]",
                ProvenanceError::WrongType {
                    member: "sealed",
                    expected: "an object",
                },
            ),
        ] {
            assert_eq!(read(json), Err(ParseError::Provenance(fault)), "{json}");
        }
    }

    #[test]
    fn it_takes_one_kibibyte_at_most() {
        let overhead = r#"{"at":1,"by":""}"#.len();
        let fits = "x".repeat(MAX_LEN - overhead);
        assert_eq!(
            Provenance::new(1, Some(&fits), None)
                .unwrap()
                .to_json()
                .len(),
            MAX_LEN
        );
        let long = format!("{fits}x");
        let refused = ProvenanceError::TooLong { limit: MAX_LEN };
        assert!(
            matches!(Provenance::new(1, Some(&long), None), Err(SealError::Provenance(fault)) if fault == refused)
        );
        let json = format!(r#"{{"at":1,"by":"{long}"}}"#);
        assert_eq!(read(&json), Err(ParseError::Provenance(refused)));
    }
}
