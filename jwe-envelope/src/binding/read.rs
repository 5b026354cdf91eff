//! Reading `bind`: every member known, of its type, and legal; anything else is refused.

use std::borrow::Cow;

use super::pattern::{NameKind, Pattern};
use super::{Binding, Scope};
use crate::error::BindingError;
use crate::error::ParseError;
use crate::strict_json::{self, JsonValue};
use crate::untrusted::cut;

impl Binding {
    /// Reads the member's value from JSON text.
    ///
    /// # Errors
    /// When it is not JSON, has a member twice, or breaks the grammar of version 1.
    pub fn from_json(json: &str) -> Result<Self, ParseError> {
        Ok(Self::from_node(strict_json::read(json, "`bind`")?)?)
    }

    pub(crate) fn from_node(node: JsonValue<'_>) -> Result<Self, BindingError> {
        let JsonValue::Object(members) = node else {
            return Err(BindingError::WrongType {
                member: "bind",
                expected: "an object",
            });
        };
        let (mut version, mut any) = (None, None);
        let (mut namespace, mut name, mut key) = (None, None, None);
        let mut binding = Self::anywhere();
        // Without a version nothing can be said of the other members, so it is looked at first.
        if let Some((_, node)) = members.iter().find(|(name, _)| name == "v") {
            version = Some(node.integer() == Some(1));
        }
        if version != Some(true) {
            return Err(BindingError::Version);
        }
        for (member, node) in members {
            match member.as_ref() {
                "v" => {}
                "any" => any = Some(node == JsonValue::Bool(true)),
                "ns" => namespace = Some(pattern("ns", node, NameKind::Namespace)?),
                "name" => name = Some(pattern("name", node, NameKind::Name)?),
                "key" => key = Some(pattern("key", node, NameKind::Key)?),
                "sa" => binding = binding.with_service_account(&string("sa", node)?)?,
                "aud" => binding = binding.with_audience(clusters(node)?)?,
                "nbf" => binding = binding.starting_at(seconds("nbf", &node)?)?,
                "exp" => binding = binding.expiring_at(seconds("exp", &node)?)?,
                unknown => return Err(BindingError::UnknownMember { name: cut(unknown) }),
            }
        }
        let scope = match (namespace, any) {
            (Some(namespace), None) => Scope::Namespace(namespace),
            (None, Some(true)) => Scope::Any,
            (None, Some(false)) => return Err(BindingError::Any),
            _ => return Err(BindingError::Scope),
        };
        Ok(Self {
            scope,
            name,
            key,
            ..binding
        })
    }
}

fn string<'de>(member: &'static str, node: JsonValue<'de>) -> Result<Cow<'de, str>, BindingError> {
    match node {
        JsonValue::String(text) => Ok(text),
        _ => Err(BindingError::WrongType {
            member,
            expected: "a string",
        }),
    }
}

fn pattern(
    member: &'static str,
    node: JsonValue<'_>,
    kind: NameKind,
) -> Result<Pattern, BindingError> {
    Pattern::new(&string(member, node)?, kind)
}

fn clusters(node: JsonValue<'_>) -> Result<Vec<String>, BindingError> {
    let wrong = BindingError::WrongType {
        member: "aud",
        expected: "an array of cluster names",
    };
    let JsonValue::Array(items) = node else {
        return Err(wrong);
    };
    items
        .into_iter()
        .map(|item| match item {
            JsonValue::String(name) => Ok(name.into_owned()),
            _ => Err(wrong.clone()),
        })
        .collect()
}

fn seconds(member: &'static str, node: &JsonValue<'_>) -> Result<u64, BindingError> {
    node.integer().ok_or(BindingError::Time { member })
}
