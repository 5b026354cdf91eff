//! JSON for untrusted text: bounded in depth and number of values, no member twice, strings borrowed
//! where nothing is escaped. `serde_json` knows the grammar; what it is lenient about is refused here.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::ParseError;
use crate::untrusted::cut;

/// Levels of nesting; the outermost object is the first.
pub(crate) const MAX_DEPTH: usize = 8;
/// Values of one text, so that no envelope costs more than its size suggests.
pub(crate) const MAX_VALUES: u32 = 1024;

/// The members of an object in their order, names unique.
pub(crate) type JsonMembers<'de> = Vec<(Cow<'de, str>, JsonValue<'de>)>;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonValue<'de> {
    Array(Vec<JsonValue<'de>>),
    Bool(bool),
    Null,
    Number(serde_json::Number),
    Object(JsonMembers<'de>),
    String(Cow<'de, str>),
}

/// Reads exactly one value; `part` names the text in errors.
pub(crate) fn read<'de>(text: &'de str, part: &'static str) -> Result<JsonValue<'de>, ParseError> {
    let reader = Reader {
        part,
        fault: RefCell::new(None),
        left: Cell::new(MAX_VALUES),
    };
    let mut source = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        reader: &reader,
        depth: 0,
    };
    let node = seed.deserialize(&mut source).map_err(|error| {
        reader.fault.take().unwrap_or(ParseError::Syntax {
            part,
            line: error.line(),
            column: error.column(),
        })
    })?;
    source.end().map_err(|error| ParseError::TrailingText {
        part,
        line: error.line(),
        column: error.column(),
    })?;
    Ok(node)
}

/// Reads exactly one object.
pub(crate) fn read_object<'de>(
    text: &'de str,
    part: &'static str,
) -> Result<JsonMembers<'de>, ParseError> {
    match read(text, part)? {
        JsonValue::Object(members) => Ok(members),
        _ => Err(ParseError::WrongType {
            name: part,
            expected: "a JSON object",
        }),
    }
}

/// Writes an object without spaces.
pub(crate) fn write_object(members: &[(Cow<'_, str>, JsonValue<'_>)]) -> String {
    serde_json::to_string(&Object(members)).expect("strings and numbers always have a JSON form")
}

impl<'de> JsonValue<'de> {
    /// The string, or what must be one.
    pub(crate) fn string(self, name: &'static str) -> Result<Cow<'de, str>, ParseError> {
        match self {
            Self::String(text) => Ok(text),
            _ => Err(ParseError::WrongType {
                name,
                expected: "a string",
            }),
        }
    }

    /// The members, or what must be an object.
    pub(crate) fn object(self, name: &'static str) -> Result<JsonMembers<'de>, ParseError> {
        match self {
            Self::Object(members) => Ok(members),
            _ => Err(ParseError::WrongType {
                name,
                expected: "an object",
            }),
        }
    }

    /// An integer 0…2⁵³−1, written as one: `1.0`, `1e3` and `-0` are none.
    pub(crate) fn integer(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64().filter(|&value| value <= MAX_INTEGER),
            _ => None,
        }
    }
}

/// The largest integer that every JSON reader keeps exact.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// What one text may still cost, and the fault that ended the reading: serde's own error is text only.
struct Reader {
    part: &'static str,
    fault: RefCell<Option<ParseError>>,
    left: Cell<u32>,
}

impl Reader {
    fn fail<E: serde::de::Error>(&self, fault: ParseError) -> E {
        self.fault.replace(Some(fault));
        E::custom("refused")
    }

    fn spend<E: serde::de::Error>(&self) -> Result<(), E> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(self.fail(ParseError::TooManyValues {
                part: self.part,
                limit: MAX_VALUES,
            }));
        };
        self.left.set(left);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Seed<'r> {
    reader: &'r Reader,
    depth: usize,
}

impl Seed<'_> {
    /// The seed for what is inside, or the refusal to go there: before the recursion, not after it.
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.reader.fail(ParseError::TooDeep {
                part: self.reader.part,
                limit: MAX_DEPTH,
            }));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = JsonValue<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        source: D,
    ) -> Result<JsonValue<'de>, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = JsonValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        Ok(JsonValue::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        Ok(JsonValue::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        Ok(JsonValue::Number(value.into()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        Ok(JsonValue::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        let number = serde_json::Number::from_f64(value);
        number
            .map(JsonValue::Number)
            .ok_or_else(|| E::custom("number"))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        Ok(JsonValue::String(Cow::Borrowed(value)))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<JsonValue<'de>, E> {
        self.reader.spend()?;
        Ok(JsonValue::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<JsonValue<'de>, A::Error> {
        self.reader.spend()?;
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(JsonValue::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue<'de>, A::Error> {
        self.reader.spend()?;
        let inner = self.deeper()?;
        let mut members = JsonMembers::with_capacity(8);
        while let Some(name) = map.next_key_seed(Name)? {
            members.push((name, map.next_value_seed(inner)?));
        }
        if let Some(name) = duplicate(&members) {
            return Err(self.reader.fail(ParseError::DuplicateMember {
                part: self.reader.part,
                name: cut(name),
            }));
        }
        Ok(JsonValue::Object(members))
    }
}

/// A name that two members share. Compared after unescaping, or `"\u0065nc"` would hide an `enc`.
fn duplicate<'m>(members: &'m [(Cow<'_, str>, JsonValue<'_>)]) -> Option<&'m str> {
    const FEW: usize = 16;
    if members.len() <= FEW {
        return members.iter().enumerate().find_map(|(index, (name, _))| {
            let earlier = &members[..index];
            earlier
                .iter()
                .any(|(other, _)| other == name)
                .then_some(name.as_ref())
        });
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names
        .windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

struct Object<'m>(&'m [(Cow<'m, str>, JsonValue<'m>)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, node) in self.0 {
            map.serialize_entry(name.as_ref(), node)?;
        }
        map.end()
    }
}

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Array(items) => items.serialize(serializer),
            Self::Bool(value) => value.serialize(serializer),
            Self::Null => serializer.serialize_unit(),
            Self::Number(number) => number.serialize(serializer),
            Self::Object(members) => Object(members).serialize(serializer),
            Self::String(text) => text.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(json: &str) -> Result<JsonValue<'_>, ParseError> {
        read(json, "text")
    }

    #[test]
    fn borrows_what_is_not_escaped() {
        let Ok(JsonValue::Object(members)) = text(r#"{"plain":"value","\u0065sc":"a\nb"}"#) else {
            panic!("an object");
        };
        assert!(matches!(
            &members[0],
            (
                Cow::Borrowed("plain"),
                JsonValue::String(Cow::Borrowed("value"))
            )
        ));
        assert!(
            matches!(&members[1], (Cow::Owned(name), JsonValue::String(Cow::Owned(_))) if name == "esc")
        );
    }

    #[test]
    fn refuses_a_member_twice_at_every_depth() {
        let many: Vec<String> = (0..40).map(|n| format!(r#""m{n}":0"#)).collect();
        let many = many.join(",");
        for json in [
            r#"{"a":1,"a":2}"#.to_owned(),
            r#"{"a":1,"\u0061":2}"#.to_owned(),
            r#"{"x":{"a":1,"b":2,"a":3}}"#.to_owned(),
            r#"[[{"a":1,"a":1}]]"#.to_owned(),
            format!(r#"{{{many},"a":1,"\u0061":2}}"#),
        ] {
            assert_eq!(
                text(&json),
                Err(ParseError::DuplicateMember {
                    part: "text",
                    name: "a".into()
                }),
                "{json}"
            );
        }
    }

    #[test]
    fn eight_levels_and_no_more() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(text(&nested(MAX_DEPTH)).is_ok());
        let deep = Err(ParseError::TooDeep {
            part: "text",
            limit: MAX_DEPTH,
        });
        assert_eq!(text(&nested(MAX_DEPTH + 1)), deep);
        // Deep enough to end a recursion that is not watched, and not even closed.
        assert_eq!(text(&"[".repeat(1_000_000)), deep);
        assert_eq!(text(&r#"{"a":"#.repeat(1_000_000)), deep);
    }

    #[test]
    fn a_bounded_number_of_values() {
        let array = |count: u32| format!("[{}0]", "0,".repeat(count as usize - 1));
        assert!(text(&array(MAX_VALUES - 1)).is_ok());
        assert_eq!(
            text(&array(MAX_VALUES)),
            Err(ParseError::TooManyValues {
                part: "text",
                limit: MAX_VALUES
            })
        );
    }

    #[test]
    fn one_value_and_nothing_after_it() {
        assert_eq!(
            text("{} x"),
            Err(ParseError::TrailingText {
                part: "text",
                line: 1,
                column: 4
            })
        );
        assert!(text(" {} \r\n").is_ok());
        assert_eq!(
            text("{\n,}"),
            Err(ParseError::Syntax {
                part: "text",
                line: 2,
                column: 1
            })
        );
        for broken in [
            "",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            "{'a':1}",
            "{a:1}",
            "[1,]",
            "01",
            "\"\n\"",
            r#""\ud800""#,
            "NaN",
            "\u{feff}{}",
        ] {
            assert!(
                matches!(text(broken), Err(ParseError::Syntax { .. })),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn integers_are_written_as_integers() {
        let integer = |json: &str| text(json).unwrap().integer();
        assert_eq!(integer("0"), Some(0));
        assert_eq!(integer("9007199254740991"), Some(MAX_INTEGER));
        for json in [
            "9007199254740992",
            "-0",
            "-1",
            "1.0",
            "1e3",
            "\"1\"",
            "true",
            "[1]",
        ] {
            assert_eq!(integer(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn accepts_nothing_that_serde_json_refuses(json in r#"[\[\]{}":,a-c0-9\\ue.\- ]{0,24}"#) {
            if text(&json).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
            }
        }

        #[test]
        fn what_it_writes_says_the_same(names in proptest::collection::btree_set(".{0,6}", 0..6), value in ".{0,20}") {
            let members: JsonMembers<'_> = names
                .iter()
                .map(|name| (Cow::from(name.as_str()), JsonValue::String(value.as_str().into())))
                .collect();
            let json = write_object(&members);
            prop_assert_eq!(read_object(&json, "text").unwrap(), members);
        }
    }
}
