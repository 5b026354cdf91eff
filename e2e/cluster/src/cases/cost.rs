//! What the expressions of the registration and the backstop cost the API server, in its own units, over a table of
//! Secrets; and which plain values are forwarded without effect.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::filter::token;
use crate::lab::Lab;
use crate::runner::Missing;
use crate::sealing::{annotated, b64, secret};

/// What the API server allows one expression, all conditions of one webhook, all expressions of one policy.
const PER_EXPRESSION: i64 = 1_000_000;
const PER_CONDITIONS: i64 = 2_500_000;
const PER_POLICY: i64 = 10_000_000;

/// The table as it was measured; docs/operators.md has its figures.
const RECORDED: &str = include_str!("cost.table");

fn fields(count: usize, value: &str) -> Value {
    let data: Map<String, Value> = (0..count)
        .map(|n| (format!("key-{n:04}"), json!(b64(value))))
        .collect();
    json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "namespace": "cost", "name": "db" }, "data": data })
}

fn labelled(mut secret: Value) -> Value {
    secret["metadata"]["labels"] = json!({ "a": "b" });
    secret
}

/// Name, object, what was stored before.
fn rows(lab: &Lab) -> Vec<(String, Value, Option<Value>)> {
    let sealed = lab.key.seal("cost/db/password", b"tiger");
    let signed = token(r#"{"alg":"RS256","typ":"JWT"}"#);
    let kid_first = token(r#"{"kid":"a1","alg":"RS256"}"#);
    let sealed_fields = |count: usize| fields(count, &sealed);
    let notes = |count: usize| -> Value {
        let names: Vec<String> = (0..count).map(|n| format!("key-{n:04}")).collect();
        let all: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), sealed.as_str()))
            .collect();
        let mut object = annotated("cost", "db", &all);
        object["data"] = fields(count, "tiger")["data"].clone();
        object
    };
    let mut rows: Vec<(String, Value, Option<Value>)> = Vec::new();
    let mut row = |name: &str, object: Value, old: Option<Value>| {
        rows.push((name.to_owned(), object, old));
    };
    for count in [1, 20, 256, 257, 2000] {
        row(
            &format!("plain, {count}"),
            fields(count, "a plain value"),
            None,
        );
    }
    for count in [1, 20, 256, 2000] {
        row(
            &format!("signed tokens, {count}"),
            fields(count, &signed),
            None,
        );
        row(&format!("sealed, {count}"), sealed_fields(count), None);
    }
    row("one mebibyte", fields(1, &"a".repeat(1 << 20)), None);
    row(
        "one mebibyte of token",
        fields(1, &format!("{signed}{}", "A".repeat(1 << 20))),
        None,
    );
    row(
        "one mebibyte of JSON",
        fields(1, &format!(r#"{{"protected_{}"#, "x".repeat(1 << 20))),
        None,
    );
    row(
        "plain, 20, a label",
        labelled(fields(20, "x")),
        Some(fields(20, "x")),
    );
    row(
        "plain, 256, a label",
        labelled(fields(256, "x")),
        Some(fields(256, "x")),
    );
    row(
        "signed tokens, 256, a label",
        labelled(fields(256, &signed)),
        Some(fields(256, &signed)),
    );
    for count in [1, 20, 256] {
        row(&format!("annotations, {count}"), notes(count), None);
        row(
            &format!("annotations, {count}, a label"),
            labelled(notes(count)),
            Some(notes(count)),
        );
    }
    let mut left = sealed_fields(20);
    left["metadata"]["annotations"] = json!({ "privyseal.dev/leave": (0..20).map(|n| format!("key-{n:04}")).collect::<Vec<_>>().join(",") });
    row("left sealed, 20", left.clone(), None);
    row(
        "left sealed, 20, a label",
        labelled(left.clone()),
        Some(left),
    );
    let mut long = fields(2000, &sealed);
    long["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "a,".repeat(512) });
    row(
        "left sealed, 2000, a long list, a label",
        labelled(long.clone()),
        Some(long),
    );
    rows.extend(searched());
    rows.extend(values(&signed, &kid_first));
    rows
}

/// What the backstop searches further than to the first characters, up to each of its bounds.
fn searched() -> Vec<(String, Value, Option<Value>)> {
    let long = "x".repeat(400);
    let theirs = token(r#"{"kid":"0123456789012345678901234567890123456789","alg":"RS256"}"#);
    let theirs = format!("{theirs}{}", "A".repeat(200));
    let mut rows: Vec<_> = [400, 401, 2000]
        .into_iter()
        .map(|count| (format!("long values, {count}"), fields(count, &long), None))
        .collect();
    for count in [1, 100, 101] {
        rows.push((
            format!("tokens of others over live values, {count}"),
            fields(count, &theirs),
            Some(fields(count, "live")),
        ));
    }
    rows.push((
        "two mebibytes over others".to_owned(),
        fields(1, &"a".repeat(2 << 20)),
        Some(fields(1, &"b".repeat(2 << 20))),
    ));
    rows
}

/// One value each: what is forwarded without effect, and what is not.
fn values(signed: &str, kid_first: &str) -> Vec<(String, Value, Option<Value>)> {
    [
        ("signed, alg first", signed),
        (
            "signed, typ first",
            &token(r#"{"typ":"JWT","alg":"ES256"}"#),
        ),
        ("signed, kid first", kid_first),
        ("signed, cty first", &token(r#"{"cty":"x","alg":"RS256"}"#)),
        (
            "signed, typ at+jwt first",
            &token(r#"{"typ":"at+jwt","alg":"RS256"}"#),
        ),
        ("signed, alg ES256K", &token(r#"{"alg":"ES256K"}"#)),
        (
            "encrypted by others",
            "eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2R0NNIn0.a2V5.aXY.dGV4dA.dGFn",
        ),
        ("plain text after eyJ", "eyJust a note"),
        ("base64 of JSON", "eyJhIjoxfQ=="),
        ("base64 of signed JSON", "eyJhbGciOiJub25lIn0="),
        ("JSON", r#"{"a":1}"#),
        ("JSON with key", r#"{"key":"value"}"#),
        ("JSON with tag", r#"{"tag":"v1"}"#),
        ("JSON with header", r#"{"header":"x"}"#),
        ("JSON with iv", r#"{"iv":"x"}"#),
        ("service account file", r#"{"type":"service_account"}"#),
        ("docker configuration", r#"{"auths":{}}"#),
        ("PEM", "-----BEGIN CERTIFICATE-----\nMIIB"),
        ("empty", ""),
    ]
    .into_iter()
    .map(|(name, value)| {
        (
            format!("value: {name}"),
            secret("cost", "db", &[("v", value)]),
            None,
        )
    })
    .collect()
}

/// Has the API server's own library evaluate everything.
fn evaluate(lab: &Lab, rows: &[(String, Value, Option<Value>)]) -> Result<Vec<Value>> {
    let objects: Vec<Value> = rows
        .iter()
        .map(|(name, object, old)| json!({ "name": name, "object": object, "oldObject": old, "mayUnseal": true }))
        .collect();
    cel(lab, &objects, false)
}

/// Has the API server's own library evaluate the registration and the backstop over objects: what the expressions cost,
/// or what is forwarded and refused.
pub fn cel(lab: &Lab, objects: &[Value], decide: bool) -> Result<Vec<Value>> {
    let program = std::env::var_os("E2E_CEL")
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .ok_or_else(|| {
            Missing("the API server's CEL library was not built (E2E_CEL)".to_owned())
        })?;
    let manifests = lab.rendered(&["--must-be-sealed", "all"])?;
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let job = json!({ "manifests": manifests, "objects": objects, "decide": decide }).to_string();
    let mut stdin = child.stdin.take().context("it is piped")?;
    let writer = std::thread::spawn(move || stdin.write_all(job.as_bytes()));
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    writer.join().expect("it does not panic")?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What a list of expressions costs.
struct Costs {
    /// All of them.
    sum: i64,
    /// All but the question of who may unseal, which costs 350,000 whatever the Secret is.
    without_right: i64,
    dearest: i64,
    /// Whether all hold.
    hold: bool,
}

impl Costs {
    fn of(list: &Value) -> Self {
        let mut all = Self {
            sum: 0,
            without_right: 0,
            dearest: 0,
            hold: true,
        };
        for expression in list.as_array().into_iter().flatten() {
            let cost = expression["cost"].as_i64().unwrap_or(i64::MAX / 1000);
            let name = expression["name"].as_str().unwrap_or_default();
            all.sum += cost;
            if !["may-unseal", "variable mayUnseal"].contains(&name) {
                all.without_right += cost;
            }
            all.dearest = all.dearest.max(cost);
            all.hold &= expression["result"] == "true";
        }
        all
    }
}

/// A table as text: name, then columns.
fn table(text: &str) -> BTreeMap<String, Vec<String>> {
    text.lines()
        .filter(|line| line.contains('|') && !line.starts_with('#'))
        .map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().to_owned());
            (cells.next().unwrap_or_default(), cells.collect())
        })
        .collect()
}

/// No expression comes near what the API server allows it, and none has become dearer by a tenth than was recorded. What
/// is forwarded is what the table says, plain values that are forwarded without effect included.
pub fn expressions_cost_what_the_table_says(lab: &Lab) -> Result<()> {
    let rows = rows(lab);
    let answers = evaluate(lab, &rows)?;
    let mut now = String::from(
        "# Secret | forwarded | conditions of the webhook | of must-be-sealed | expressions of the backstop; without the question of right\n",
    );
    for answer in &answers {
        let name = answer["name"].as_str().unwrap_or_default();
        let unseal = Costs::of(&answer["webhooks"]["unseal.privyseal.dev"]);
        let must = Costs::of(&answer["webhooks"]["must-be-sealed.privyseal.dev"]);
        let backstop = Costs::of(&answer["policy"]);
        for costs in [&unseal, &must, &backstop] {
            ensure!(
                (1..PER_EXPRESSION * 9 / 10).contains(&costs.dearest),
                "{name}: {answer}"
            );
        }
        ensure!(
            unseal.sum < PER_CONDITIONS && must.sum < PER_CONDITIONS && backstop.sum < PER_POLICY,
            "{name}: {answer}"
        );
        let _ = writeln!(
            now,
            "{name} | {} | {} | {} | {}",
            if unseal.hold { "yes" } else { "no" },
            unseal.without_right,
            must.without_right,
            backstop.without_right
        );
    }
    if let Some(copy) = std::env::var_os("E2E_COST_TABLE") {
        std::fs::write(copy, &now)?;
    }
    let (recorded, found) = (table(RECORDED), table(&now));
    ensure!(
        recorded.keys().eq(found.keys()),
        "the recorded table has other rows; E2E_COST_TABLE=FILE writes the new one"
    );
    let mut different = Vec::new();
    for (name, cells) in &found {
        let old = &recorded[name];
        let same = cells.len() == old.len()
            && cells.iter().zip(old).all(|(new, old)| {
                match (new.parse::<i64>(), old.parse::<i64>()) {
                    (Ok(new), Ok(old)) => new <= old + old / 10 && new >= old - old / 10,
                    _ => new == old,
                }
            });
        if !same {
            different.push(format!(
                "{name}: {} (was {})",
                cells.join(" | "),
                old.join(" | ")
            ));
        }
    }
    ensure!(
        different.is_empty(),
        "costs are others by more than a tenth, or others are forwarded; E2E_COST_TABLE=FILE writes the new table:\n{}",
        different.join("\n")
    );
    Ok(())
}
