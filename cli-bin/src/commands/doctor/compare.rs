//! Compares an object of the cluster with the one that this version renders, member by member.
//!
//! The API server fills in defaults, so members that say nothing are dropped from both sides first: `null`, empty
//! texts, lists and objects, and the members of [`DEFAULTS`]. Everything that is left must be the same.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Members that mean the same when they are missing.
const DEFAULTS: [(&str, &str); 2] = [("matchPolicy", "Equivalent"), ("port", "443")];
/// Longer values are not repeated in a report.
const LONGEST_VALUE: usize = 60;

/// Every difference, with its path from `root`: `spec.rules[0].operations is ["CREATE"], should be ["CREATE","UPDATE"]`.
pub(super) fn differences(root: &str, expected: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, &pruned(expected), &pruned(live), &mut found);
    found
}

/// The value without the members that say nothing.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let value = pruned(value);
                (!is_silent(name, &value)).then(|| (name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(pruned).collect();
            // Lists of plain values are sets in all of these objects.
            if !items.iter().any(|item| item.is_object() || item.is_array()) {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

fn is_silent(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || DEFAULTS.contains(&(name, text)),
        Value::Number(number) => DEFAULTS.contains(&(name, &number.to_string())),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) => false,
    }
}

fn walk(path: &str, expected: &Value, live: &Value, found: &mut Vec<String>) {
    match (expected, live) {
        (Value::Object(expected), Value::Object(live)) => objects(path, expected, live, found),
        (Value::Array(expected), Value::Array(live))
            if expected.iter().chain(live).any(Value::is_object) =>
        {
            lists(path, expected, live, found);
        }
        (expected, live) if expected == live => {}
        (expected, live) => found.push(match (shown(live), shown(expected)) {
            (Some(live), Some(expected)) => format!("{path} is {live}, should be {expected}"),
            _ => format!("{path} differs"),
        }),
    }
}

fn objects(
    path: &str,
    expected: &Map<String, Value>,
    live: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (name, value) in expected {
        let path = format!("{path}.{name}");
        match live.get(name) {
            Some(other) => walk(&path, value, other, found),
            None => found.push(missing(&path, value)),
        }
    }
    for (name, value) in live {
        if !expected.contains_key(name) {
            found.push(added(&format!("{path}.{name}"), value));
        }
    }
}

/// Lists whose items have names are compared by name, others by position.
fn lists(path: &str, expected: &[Value], live: &[Value], found: &mut Vec<String>) {
    let named = expected
        .iter()
        .chain(live)
        .all(|item| item["name"].is_string());
    let place = |index: usize, item: &Value| {
        if named {
            format!("{path}[{}]", item["name"].as_str().unwrap_or_default())
        } else {
            format!("{path}[{index}]")
        }
    };
    let partner = |index: usize, item: &Value, others: &[Value]| {
        if named {
            others
                .iter()
                .position(|other| other["name"] == item["name"])
        } else {
            (index < others.len()).then_some(index)
        }
    };
    for (index, item) in expected.iter().enumerate() {
        let place = place(index, item);
        match partner(index, item, live) {
            Some(other) => walk(&place, item, &live[other], found),
            None => found.push(missing(&place, item)),
        }
    }
    for (index, item) in live.iter().enumerate() {
        let twice = named && partner(index, item, live) != Some(index);
        if twice || partner(index, item, expected).is_none() {
            found.push(added(&place(index, item), item));
        }
    }
}

fn missing(path: &str, value: &Value) -> String {
    let mut text = format!("{path} is missing");
    if let Some(value) = shown(value) {
        let _ = write!(text, ", should be {value}");
    }
    text
}

fn added(path: &str, value: &Value) -> String {
    let mut text = format!("{path} was added");
    if let Some(value) = shown(value) {
        let _ = write!(text, ": {value}");
    }
    text
}

/// A value as JSON, where that is short.
fn shown(value: &Value) -> Option<String> {
    let text = value.to_string();
    (text.len() <= LONGEST_VALUE).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::differences;

    fn found(expected: &Value, live: &Value) -> Vec<String> {
        differences("spec", expected, live)
    }

    #[test]
    fn what_the_api_server_fills_in_is_no_difference() {
        let expected =
            json!({ "rules": [{ "operations": ["CREATE", "UPDATE"], "apiGroups": [""] }] });
        let live = json!({
            "rules": [{ "operations": ["UPDATE", "CREATE"], "apiGroups": [""], "resourceNames": null }],
            "objectSelector": {}, "namespaceSelector": {}, "matchPolicy": "Equivalent",
        });
        assert_eq!(found(&expected, &live), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_named_with_its_path() {
        let expected = json!({
            "failurePolicy": "Fail",
            "rules": [{ "operations": ["CREATE", "UPDATE"] }],
            "matchConditions": [{ "name": "a", "expression": "x" }, { "name": "b", "expression": "y" }],
        });
        let live = json!({
            "matchPolicy": "Exact",
            "rules": [{ "operations": ["CREATE"] }, { "operations": ["DELETE"] }],
            "matchConditions": [{ "name": "b", "expression": "true" }, { "name": "c", "expression": "false" }],
        });
        assert_eq!(
            found(&expected, &live),
            [
                r#"spec.failurePolicy is missing, should be "Fail""#,
                r#"spec.rules[0].operations is ["CREATE"], should be ["CREATE","UPDATE"]"#,
                r#"spec.rules[1] was added: {"operations":["DELETE"]}"#,
                r#"spec.matchConditions[a] is missing, should be {"name":"a","expression":"x"}"#,
                r#"spec.matchConditions[b].expression is "true", should be "y""#,
                r#"spec.matchConditions[c] was added: {"name":"c","expression":"false"}"#,
                r#"spec.matchPolicy was added: "Exact""#,
            ]
        );
    }

    #[test]
    fn a_name_that_stands_twice_is_a_difference() {
        let one = json!([{ "name": "a", "x": 1 }]);
        let two = json!([{ "name": "a", "x": 1 }, { "name": "a", "x": 1 }]);
        assert_eq!(found(&one, &two).len(), 1);
    }

    #[test]
    fn any_single_change_is_found() {
        let expected = json!({
            "a": [{ "b": [{ "c": "d", "e": 1, "f": true }] }], "g": { "h": ["i", "j"] },
        });
        let mut pointers = Vec::new();
        collect("", &expected, &mut pointers);
        assert!(pointers.len() > 8);
        for pointer in pointers {
            let mut live = expected.clone();
            *live.pointer_mut(&pointer).unwrap() = json!("changed");
            assert_ne!(found(&expected, &live), Vec::<String>::new(), "{pointer}");
        }
    }

    fn collect(path: &str, value: &Value, pointers: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(i, v)| (i.to_string(), v))
                .collect(),
            _ => Vec::new(),
        };
        for (name, child) in children {
            let path = format!("{path}/{name}");
            collect(&path, child, pointers);
            pointers.push(path);
        }
    }
}
