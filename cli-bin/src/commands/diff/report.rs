//! Differences in words and in JSON; `schemas/cli/diff.schema.json` and `diff-live.schema.json` describe the latter.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::compare::{Difference, ValueChange};
use super::live::{Live, LiveState};
use super::sides::Sides;
use super::snapshot::{Item, ValueState};
use crate::commands::lint::report::Paint;
use crate::text::one_line;
use crate::time;

/// Two sides, for people.
pub fn text(sides: &Sides, differences: &[Difference], paint: Paint) -> String {
    let mut text = format!("from {} to {}\n", sides.before_name, sides.after_name);
    let mut path = "";
    for difference in differences {
        let item = difference.item();
        if item.path != path {
            let _ = writeln!(text, "\n{}", paint.bold(&item.path));
            path = &item.path;
        }
        let word = match difference.change {
            ValueChange::Opened
            | ValueChange::NewPlain
            | ValueChange::PlainChanged
            | ValueChange::Damaged => paint.red(difference.change.as_str()),
            ValueChange::New | ValueChange::Sealed => paint.green(difference.change.as_str()),
            _ => paint.yellow(difference.change.as_str()),
        };
        let _ = writeln!(
            text,
            "  {} {}  {word}\n    {}",
            item.secret,
            item.field,
            one_line(&difference.message)
        );
        for (side, item) in [("was", &difference.before), ("is ", &difference.after)] {
            if let Some(ValueState::Sealed(sealed)) = item.as_ref().map(|item| &item.state)
                && let Some(at) = sealed.at
            {
                let by = sealed.by.as_ref().map(|by| format!(" by {by}"));
                let why = sealed.why.as_ref().map(|why| format!(", {why}"));
                let claim = format!(
                    "{side} sealed {}{}{} (claimed)",
                    time::format(at),
                    by.unwrap_or_default(),
                    why.unwrap_or_default()
                );
                let _ = writeln!(text, "    {}", paint.dim(&claim));
            }
        }
    }
    text.push('\n');
    if differences.is_empty() {
        text.push_str("no value differs\n");
    } else {
        let sums: Vec<String> = sums(differences)
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let _ = writeln!(text, "{}", sums.join(", "));
    }
    for (path, reason) in &sides.skipped {
        let _ = writeln!(text, "not compared: {path}: {reason}");
    }
    text
}

/// Two sides, for programs.
pub fn json(sides: &Sides, differences: &[Difference]) -> String {
    let changes: Vec<Value> = differences
        .iter()
        .map(|difference| {
            let item = difference.item();
            json!({
                "change": difference.change.as_str(),
                "certain": difference.certain,
                "path": item.path,
                "secret": item.secret,
                "field": item.field,
                "message": one_line(&difference.message),
                "before": side(difference.before.as_ref()),
                "after": side(difference.after.as_ref()),
            })
        })
        .collect();
    let report = json!({
        "version": 1,
        "from": sides.before_name,
        "to": sides.after_name,
        "changes": changes,
        "summary": sums(differences),
        "notCompared": skipped(&sides.skipped),
    });
    format!("{report:#}\n")
}

fn sums(differences: &[Difference]) -> BTreeMap<&'static str, usize> {
    let mut sums = BTreeMap::new();
    for difference in differences {
        *sums.entry(difference.change.as_str()).or_default() += 1;
    }
    sums
}

fn side(item: Option<&Item>) -> Value {
    let Some(item) = item else {
        return Value::Null;
    };
    let state = match &item.state {
        ValueState::Damaged => "damaged",
        ValueState::Plain(_) => "plain",
        ValueState::Sealed(_) => "sealed",
        ValueState::Unreadable => "unreadable",
    };
    let mut value =
        json!({ "state": state, "path": item.path, "secret": item.secret, "field": item.field });
    if let ValueState::Sealed(sealed) = &item.state {
        value["envelope"] = json!({
            "digest": sealed.digest.to_string(),
            "keys": sealed.kids,
            "place": sealed.place,
            "claimed": { "at": sealed.at.map(time::format), "by": sealed.by, "why": sealed.why },
        });
    }
    value
}

fn skipped(skipped: &[(String, String)]) -> Value {
    skipped
        .iter()
        .map(|(path, reason)| json!({ "path": path, "reason": reason }))
        .collect()
}

/// Manifests and a cluster, for people.
pub fn live_text(live: &Live, paint: Paint) -> String {
    let mut text = String::new();
    for field in &live.fields {
        let word = field.live_state.as_str();
        let word = match field.live_state {
            LiveState::StoredSealed | LiveState::Differs => paint.red(word),
            live_state if live_state.differs() => paint.yellow(word),
            _ => paint.green(word),
        };
        let subject = if field.field.is_empty() {
            field.secret.clone()
        } else {
            format!("{} {}", field.secret, field.field)
        };
        let _ = writeln!(
            text,
            "{}: {subject}  {word}\n    {}",
            field.path,
            field.live_state.message()
        );
    }
    let differ = live
        .fields
        .iter()
        .filter(|field| field.live_state.differs())
        .count();
    let _ = writeln!(
        text,
        "{} fields compared, {differ} of them differ",
        live.fields.len()
    );
    for (path, reason) in &live.skipped {
        let _ = writeln!(text, "not compared: {path}: {reason}");
    }
    text
}

/// Manifests and a cluster, for programs.
pub fn live_json(live: &Live) -> String {
    let fields: Vec<Value> = live
        .fields
        .iter()
        .map(|field| {
            json!({
                "path": field.path,
                "secret": field.secret,
                "field": field.field,
                "standing": field.live_state.as_str(),
                "differs": field.live_state.differs(),
                "message": field.live_state.message(),
            })
        })
        .collect();
    format!(
        "{:#}\n",
        json!({ "version": 1, "fields": fields, "notCompared": skipped(&live.skipped) })
    )
}
