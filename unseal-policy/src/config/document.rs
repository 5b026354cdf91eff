//! The configuration file as it was written: a tree of values that know their lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::Budget;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Options, Spanned};

use super::problem::Problem;

/// A value and where it stands.
pub type ConfigNode = Spanned<ConfigValue>;

/// One member of a mapping.
pub type Member = (Spanned<String>, ConfigNode);

/// What YAML can say, as far as configuration needs it.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigValue {
    /// `null`, or nothing.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number that is no integer, or beyond what an integer holds.
    Number,
    /// A text.
    Text(String),
    /// A list.
    List(Vec<ConfigNode>),
    /// A mapping, in the order of the file.
    Mapping(Vec<Member>),
}

impl ConfigValue {
    /// For messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Integer(_) | Self::Number => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// Parses one YAML document of at most 20,000 values, nested at most 16 deep.
///
/// # Errors
/// The first fault of its syntax, with its line.
pub fn parse(text: &str) -> Result<ConfigNode, Problem> {
    let mut budget = Budget::default();
    budget.max_depth = 16;
    budget.max_documents = 1;
    budget.max_nodes = 20_000;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Error;
    // `yes` and `off` are texts, as YAML 1.2 has it.
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let message = error.without_snippet().to_string();
        Problem::new(line, "", first_line(&message))
    })
}

/// The first line of the parser's message, without what is for programmers and without the position, which
/// we print in front of it.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    if line.starts_with("budget breached") {
        return "must be one document of at most 20000 values, nested at most 16 deep".to_owned();
    }
    let end = [" at line ", ", set "]
        .iter()
        .filter_map(|tail| line.find(tail))
        .min()
        .unwrap_or(line.len());
    line[..end].to_owned()
}

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ConfigValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Null)
    }

    fn visit_none<E>(self) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<ConfigValue, D::Error> {
        ConfigValue::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<ConfigValue, E> {
        Ok(i64::try_from(number).map_or(ConfigValue::Number, ConfigValue::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<ConfigValue, E> {
        Ok(ConfigValue::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<ConfigValue, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = sequence.next_element()? {
            list.push(node);
        }
        Ok(ConfigValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigValue, A::Error> {
        let mut members: Vec<Member> = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, ConfigNode>()? {
            if members.iter().any(|(other, _)| other.value == key.value) {
                return Err(A::Error::custom("duplicate member"));
            }
            members.push((key, node));
        }
        Ok(ConfigValue::Mapping(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_lines_of_members_and_values() {
        let root = parse("a: 1\nb:\n  - x\n  - no\nc: {d: true}\n").expect("document");
        let ConfigValue::Mapping(members) = &root.value else {
            panic!("{root:?}")
        };
        let lines: Vec<_> = members
            .iter()
            .map(|(key, _)| (key.value.as_str(), key.referenced.line()))
            .collect();
        assert_eq!(lines, [("a", 1), ("b", 2), ("c", 5)]);
        let ConfigValue::List(list) = &members[1].1.value else {
            panic!("no list")
        };
        assert_eq!(list[1].value, ConfigValue::Text("no".to_owned()));
        assert_eq!(list[1].referenced.line(), 4);
        let ConfigValue::Mapping(inner) = &members[2].1.value else {
            panic!("no mapping")
        };
        assert_eq!(inner[0].1.value, ConfigValue::Flag(true));
    }

    #[test]
    fn names_the_line_of_a_fault() {
        for (text, line) in [
            ("a: 1\nb: [\n", 2),
            ("a: 1\na: 2\n", 2),
            ("a: 1\n---\nb: 2\n", 2),
            ("a: !x 1\n", 1),
            ("a: \"\n", 2),
        ] {
            let problem = parse(text).expect_err(text);
            assert_eq!(problem.line(), line, "{text:?}: {problem}");
        }
    }

    #[test]
    fn bounds_depth() {
        assert!(parse(&format!("a: {}{}", "[".repeat(40), "]".repeat(40))).is_err());
    }
}
