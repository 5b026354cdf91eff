//! The webhook is down: what still works, and what is refused.
use anyhow::{Result, ensure};
use serde_json::json;

use crate::lab::Lab;
use crate::sealing::{annotated, assert_value, secret};

/// A signed token, as applications keep them.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl";

/// Every ordinary operation on Secrets that hold nothing sealed.
pub fn plain_secrets_do_not_notice(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-plain")?;
    lab.without_webhook(|| {
        let kubectl = lab.kubectl("creator");
        let api = lab.api("creator")?;
        let plain = secret(&ns, "plain", &[("user", "scott"), ("password", "tiger"), ("token", TOKEN)]);
        api.create(&plain)?.accepted()?;
        kubectl.apply_text(&plain.to_string(), &[])?;
        kubectl.apply_text(&plain.to_string(), &["--server-side", "--force-conflicts"])?;
        kubectl.apply_text(&plain.to_string(), &["--dry-run=server"])?;
        kubectl.ok(&["-n", &ns, "create", "secret", "generic", "other", "--from-literal=a=b"], "")?;
        kubectl.ok(&["-n", &ns, "label", "secret", "plain", "stage=prod"], "")?;
        kubectl.ok(&["-n", &ns, "annotate", "secret", "plain", "note=hello"], "")?;
        kubectl.ok(&["-n", &ns, "patch", "secret", "plain", "-p", r#"{"stringData":{"more":"x"}}"#], "")?;
        let generated = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "generateName": "g-" }, "stringData": { "a": "b" } });
        api.create(&generated)?.accepted()?;
        api.patch(&ns, "plain", &json!({ "metadata": { "finalizers": ["e2e.privyseal.dev/hold"] } }))?.accepted()?;
        api.delete(&ns, "plain")?.accepted()?;
        api.patch(&ns, "plain", &json!({ "metadata": { "finalizers": null } }))?.accepted()?;
        ensure!(api.secret(&ns, "plain").is_err(), "the finalizer is gone, the Secret is not");
        api.delete(&ns, "other")?.accepted()?;
        Ok(())
    })
}

/// Signed tokens of every usual kind: in Secrets of their own, and beside values that came sealed, in both layouts.
pub fn signed_tokens_are_stored(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-tokens")?;
    let text = |name: &str| lab.key.seal(&format!("{ns}/{name}/password"), b"tiger");
    lab.accepts(&secret(&ns, "field", &[("password", &text("field"))]))?;
    lab.accepts(&annotated(&ns, "note", &[("password", &text("note"))]))?;
    lab.without_webhook(|| {
        for (user, api) in [
            ("creator", lab.api("creator")?),
            ("deployer", lab.api("deployer")?),
        ] {
            for (n, token) in signed_tokens().iter().enumerate() {
                let name = format!("token-{user}-{n}");
                let stored = api
                    .create(&secret(&ns, &name, &[("token", token)]))?
                    .accepted()?;
                assert_value(&stored, "token", token)?;
                for beside in ["field", "note"] {
                    let patch = json!({ "stringData": { format!("token-{n}"): token } });
                    let stored = api.patch(&ns, beside, &patch)?.accepted()?;
                    assert_value(&stored, &format!("token-{n}"), token)?;
                    assert_value(&stored, "password", "tiger")?;
                }
            }
        }
        Ok(())
    })
}

fn signed_tokens() -> Vec<String> {
    let algorithms = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256",
        "PS384", "PS512", "EdDSA", "none",
    ];
    algorithms
        .into_iter()
        .flat_map(|alg| {
            [
                format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#),
                format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"1"}}"#),
            ]
        })
        .map(|header| super::filter::token(&header))
        .collect()
}

/// Labels, finalizers and deletion of a Secret that was sealed in its manifest, in the field layout.
pub fn opened_secrets_do_not_notice(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-field")?;
    let sealed = secret(
        &ns,
        "db",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/db/password"), b"tiger"),
        )],
    );
    lab.kubectl("deployer")
        .apply_text(&sealed.to_string(), &[])?;
    lab.without_webhook(|| touch_and_delete(lab, &ns))
}

/// The same in the annotation layout.
pub fn annotated_secrets_do_not_notice(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-annotation")?;
    let sealed = annotated(
        &ns,
        "db",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/db/password"), b"tiger"),
        )],
    );
    lab.kubectl("deployer")
        .apply_text(&sealed.to_string(), &["--server-side"])?;
    lab.without_webhook(|| {
        lab.kubectl("deployer")
            .apply_text(&sealed.to_string(), &["--server-side"])?;
        touch_and_delete(lab, &ns)
    })
}

fn touch_and_delete(lab: &Lab, ns: &str) -> Result<()> {
    for user in ["creator", "deployer"] {
        let kubectl = lab.kubectl(user);
        kubectl.ok(
            &[
                "-n",
                ns,
                "label",
                "secret",
                "db",
                "--overwrite",
                &format!("by={user}"),
            ],
            "",
        )?;
        kubectl.ok(
            &[
                "-n",
                ns,
                "annotate",
                "secret",
                "db",
                "--overwrite",
                &format!("note={user}"),
            ],
            "",
        )?;
        kubectl
            .ok(
                &[
                    "-n",
                    ns,
                    "patch",
                    "secret",
                    "db",
                    "-p",
                    r#"{"stringData":{"more":"x"}}"#,
                ],
                "",
            )
            .map(drop)
            .or_else(|error| {
                // Beside a sealed annotation, a change of `data` is the webhook's business.
                if error.to_string().contains("failed calling webhook") {
                    Ok(())
                } else {
                    Err(error)
                }
            })?;
    }
    let api = lab.api("deployer")?;
    assert_value(&api.secret(ns, "db")?, "password", "tiger")?;
    api.patch(
        ns,
        "db",
        &json!({ "metadata": { "finalizers": ["e2e.privyseal.dev/hold"] } }),
    )?
    .accepted()?;
    api.delete(ns, "db")?.accepted()?;
    api.patch(ns, "db", &json!({ "metadata": { "finalizers": null } }))?
        .accepted()?;
    ensure!(
        api.secret(ns, "db").is_err(),
        "the finalizer is gone, the Secret is not"
    );
    Ok(())
}

/// Only the writing of something sealed is refused, and nothing is stored.
pub fn only_sealed_writes_are_refused(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-sealed")?;
    let text = lab.key.seal(&format!("{ns}/db/password"), b"tiger");
    let field = secret(&ns, "db", &[("password", &text)]);
    let annotation = annotated(&ns, "db", &[("password", &text)]);
    let reason = "failed calling webhook";
    let gone = |answer: crate::api::Answer| -> Result<()> {
        ensure!(
            answer.status >= 400 && answer.status != 409 && answer.status != 422,
            "{}: {}",
            answer.status,
            answer.body
        );
        ensure!(answer.message().contains(reason), "{}", answer.message());
        Ok(())
    };
    lab.without_webhook(|| {
        let api = lab.api("deployer")?;
        for sealed in [&field, &annotation] {
            gone(api.create(sealed)?)?;
            gone(api.create_dry(sealed)?)?;
            gone(api.apply(sealed, "e2e", "")?)?;
            ensure!(api.secret(&ns, "db").is_err(), "it was stored");
        }
        Ok(())
    })?;
    // And all is well when it is back.
    lab.accepts(&field)?;
    Ok(())
}

/// A Secret whose application opens a field itself keeps it sealed; nothing of it waits for the webhook.
pub fn secrets_left_sealed_do_not_notice(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-left")?;
    let text = lab.dead.seal(&format!("{ns}/app/key"), b"x");
    let mut left = secret(&ns, "app", &[("key", &text)]);
    left["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "key" });
    lab.accepts(&left)?;
    lab.without_webhook(|| {
        let api = lab.api("deployer")?;
        api.patch(
            &ns,
            "app",
            &json!({ "metadata": { "labels": { "a": "b" } } }),
        )?
        .accepted()?;
        let stored = api
            .patch(
                &ns,
                "app",
                &json!({ "metadata": { "finalizers": ["e2e.privyseal.dev/hold"] } }),
            )?
            .accepted()?;
        assert_value(&stored, "key", &text)?;
        api.delete(&ns, "app")?.accepted()?;
        api.patch(&ns, "app", &json!({ "metadata": { "finalizers": null } }))?
            .accepted()?;
        Ok(())
    })
}

/// Something sealed for a key that is gone, stored before: its deletion waits for no one.
pub fn what_is_going_away_goes(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("down-going")?;
    let text = lab.dead.seal(&format!("{ns}/old/key"), b"x");
    let mut left = secret(&ns, "old", &[("key", &text)]);
    left["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "key" });
    left["metadata"]["finalizers"] = json!(["e2e.privyseal.dev/hold"]);
    lab.accepts(&left)?;
    // No one says to leave it any more, as after a bootstrap in the wrong order.
    let api = lab.api("deployer")?;
    api.patch(
        &ns,
        "old",
        &json!({ "metadata": { "annotations": { "privyseal.dev/leave": null } } }),
    )?
    .accepted()?;
    lab.without_webhook(|| {
        api.delete(&ns, "old")?.accepted()?;
        api.patch(&ns, "old", &json!({ "metadata": { "finalizers": null } }))?
            .accepted()?;
        ensure!(api.secret(&ns, "old").is_err(), "it is still there");
        Ok(())
    })
}
