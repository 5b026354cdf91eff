//! What the registration forwards to the webhook, and what it costs the API server.
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{Binding, Serialization};
use serde_json::{Map, Value, json};

use crate::lab::Lab;
use crate::sealing::{b64, secret};

/// A signed token with this header.
pub fn token(header: &str) -> String {
    format!(
        "{}.e30.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU",
        URL_SAFE_NO_PAD.encode(header)
    )
}

fn foreign_envelope(header: &str) -> String {
    format!(
        "{}.a2V5.aXY.Y2lwaGVydGV4dA.dGFn",
        URL_SAFE_NO_PAD.encode(header)
    )
}

/// A table of values: whether the webhook hears of them. What it does not hear of is stored as it is.
pub fn forwards_what_can_be_an_envelope_and_little_else(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("filter")?;
    let anywhere = Binding::anywhere();
    let mut table: Vec<(String, String, bool)> = Vec::new();
    let mut row = |name: &str, value: String, forwarded: bool| {
        table.push((name.to_owned(), value, forwarded));
    };
    row("compact", lab.key.seal_bound(&anywhere, b"x"), true);
    row(
        "flattened",
        lab.key.seal_as(&anywhere, b"x", Serialization::Flattened),
        true,
    );
    row(
        "general",
        lab.key.seal_as(&anywhere, b"x", Serialization::General),
        true,
    );
    for algorithm in [
        "RSA-OAEP",
        "RSA-OAEP-256",
        "ECDH-ES",
        "ECDH-ES+A256KW",
        "PBES2-HS256+A128KW",
        "A256KW",
        "dir",
        "RSA1_5",
        "A128GCMKW",
    ] {
        row(
            "alg first",
            foreign_envelope(&format!(r#"{{"alg":"{algorithm}","enc":"A256GCM"}}"#)),
            true,
        );
        row(
            "typ first",
            foreign_envelope(&format!(
                r#"{{"typ":"JWT","alg":"{algorithm}","enc":"A256GCM"}}"#
            )),
            true,
        );
    }
    for algorithm in [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256",
        "PS384", "PS512", "EdDSA", "none",
    ] {
        row(
            "signed",
            token(&format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#)),
            false,
        );
        row(
            "signed, typ first",
            token(&format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#)),
            false,
        );
    }
    // The false positives that are known: they are forwarded, and left alone.
    row(
        "signed, kid first",
        token(r#"{"kid":"a1","alg":"RS256"}"#),
        true,
    );
    row("begins like one", "eyJ".to_owned(), true);
    for plain in [
        "",
        "hello",
        "ZXlK",
        r#"{"auths":{}}"#,
        r#"{"a":1}"#,
        r#"{"payload":"e30","signatures":[]}"#,
        r#"{"key":"value"}"#,
        "-----BEGIN CERTIFICATE-----\n",
        "key=value\n",
        r#" {"protected":""}"#,
    ] {
        row(plain, plain.to_owned(), false);
    }

    let api = lab.api("deployer")?;
    let mut expected = Vec::new();
    for (index, (name, value, forwarded)) in table.iter().enumerate() {
        let object = format!("v{index}");
        let answer = api.create_dry(&secret(&ns, &object, &[("field", value)]))?;
        ensure!(
            answer.status == 201 || *forwarded,
            "{name} {value:?}: {}",
            answer.message()
        );
        expected.push((object, name, *forwarded));
    }
    let reviews = lab.reviews(&ns)?;
    for (object, name, forwarded) in expected {
        let heard = reviews.iter().any(|line| line["name"] == object.as_str());
        ensure!(
            heard == forwarded,
            "{name} ({object}): forwarded is {heard}"
        );
    }
    Ok(())
}

/// Values and numbers of fields at every limit: no condition and no policy fails in evaluation, which would be 403 or
/// 422 for someone who did nothing wrong.
pub fn no_secret_is_too_large_to_be_looked_at(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("cost")?;
    let api = lab.api("creator")?;
    let fields = |count: usize, value: &str| -> Value {
        let data: Map<String, Value> = (0..count)
            .map(|n| (format!("k{n}"), json!(b64(value))))
            .collect();
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "big" }, "data": data })
    };
    let one_mebibyte = 1024 * 1024 - 64;
    let json_text = format!(r#"{{"protected_{}"#, "x".repeat(one_mebibyte - 20));
    let token_text = format!(
        "{}{}",
        token(r#"{"alg":"RS256","typ":"JWT"}"#),
        "A".repeat(one_mebibyte - 200)
    );
    for (name, secret) in [
        ("ten small fields", fields(10, "value")),
        ("one mebibyte", fields(1, &"a".repeat(one_mebibyte))),
        ("one mebibyte of JSON", fields(1, &json_text)),
        ("one mebibyte of token", fields(1, &token_text)),
        ("256 fields", fields(256, &"b".repeat(4000))),
        ("256 tokens", fields(256, &token_text[..4000])),
        ("257 fields", fields(257, "x")),
        ("2,000 fields", fields(2000, &"c".repeat(400))),
        ("2,000 tokens", fields(2000, &token_text[..400])),
    ] {
        let answer = api.create_dry(&secret)?;
        ensure!(
            answer.status == 201,
            "{name}: {} {}",
            answer.status,
            answer.message()
        );
    }
    // Beyond what may be stored: refused, but never by an expression that failed.
    for (name, secret) in [
        (
            "as many tokens as a request may hold",
            fields(2000, &token_text[..1100]),
        ),
        ("two mebibytes", fields(1, &"a".repeat(2_200_000))),
        (
            "two mebibytes of JSON",
            fields(1, &format!("{json_text}{json_text}")),
        ),
        (
            "two mebibytes of token",
            fields(1, &format!("{token_text}{}", "A".repeat(one_mebibyte))),
        ),
        ("20,000 fields", fields(20_000, "x")),
    ] {
        let answer = api.create_dry(&secret)?;
        ensure!(answer.status >= 400, "{name} was accepted");
        fails_in_no_expression(name, answer.message())?;
    }
    no_errors_are_counted(lab)
}

/// A refusal that came from an expression that could not be evaluated.
pub fn fails_in_no_expression(name: &str, message: &str) -> Result<()> {
    for words in [
        "resulted in error",
        "cost",
        "no such",
        "budget",
        "match condition",
        "matchCondition",
    ] {
        ensure!(!message.contains(words), "{name}: {message}");
    }
    Ok(())
}

/// What the API server itself counts.
pub fn no_errors_are_counted(lab: &Lab) -> Result<()> {
    let metrics = lab.api("admin")?.get("/metrics")?;
    let text = metrics.body.as_str().context("metrics are a text")?;
    // In a cluster with other webhooks and policies, theirs are none of ours.
    for line in text.lines().filter(|line| line.contains("priv")) {
        let errors = line
            .starts_with("apiserver_admission_match_condition_evaluation_errors_total")
            // Every denial counts as `invalid_error`.
            || (line.starts_with("apiserver_validating_admission_policy_check_total")
                && (line.contains("compile_error") || line.contains("out_of_budget")));
        ensure!(
            !errors || line.ends_with(" 0"),
            "the API server counts errors: {line}"
        );
    }
    Ok(())
}

/// `null` as a value is legal, and hurts no expression.
pub fn null_values_hurt_nobody(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("null")?;
    let sealed = lab.key.seal(&format!("{ns}/n/b"), b"open");
    let plain = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "p" }, "data": { "a": null } });
    lab.kubectl("creator")
        .ok(&["create", "-f", "-"], &plain.to_string())?;
    let mixed = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "n" }, "data": { "a": null, "b": b64(&sealed) } });
    let stored = lab.accepts(&mixed)?;
    crate::sealing::assert_value(&stored, "b", "open")?;
    let empty = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "e", "annotations": null, "labels": null }, "data": null });
    lab.api("creator")?.create(&empty)?.accepted()?;
    no_errors_are_counted(lab)
}
