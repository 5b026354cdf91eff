//! What the logs hold: ours never a value; the API server's own from level Request on.
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::sealing::{b64, secret};

/// A canary through each audit level of the API server: which of them hold plaintext.
pub fn the_api_server_s_own_audit_log_holds_plaintext_above_metadata(lab: &Lab) -> Result<()> {
    lab.own("the API server's own audit log")?;
    let admin = lab.api("admin")?;
    for (namespace, holds) in [
        ("audit-metadata", false),
        ("audit-request", true),
        ("audit-request-response", true),
    ] {
        admin
            .post(
                "/api/v1/namespaces",
                &json!({ "metadata": { "name": namespace } }),
            )?
            .accepted()?;
        let canary = format!("canary-in-{namespace}");
        let sealed = lab
            .key
            .seal(&format!("{namespace}/db/password"), canary.as_bytes());
        admin
            .create(&secret(namespace, "db", &[("password", &sealed)]))?
            .accepted()?;
        let log = lab.audit_log()?;
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(namespace))
            .collect();
        ensure!(
            !lines.is_empty(),
            "the audit log knows nothing of {namespace}"
        );
        let found = lines
            .iter()
            .any(|line| line.contains(&canary) || line.contains(&b64(&canary)));
        ensure!(
            found == holds,
            "{namespace}: plaintext in the API server's audit log is {found}"
        );
    }
    // Ours hold none, at any of them.
    let ours = lab.webhook_log()?;
    ensure!(
        !ours.contains("canary-in-") && !ours.contains(&b64("canary-in-")[..12]),
        "our log holds a value"
    );
    Ok(())
}

/// Both identities of an impersonated request: the acted-for in ours, both in the API server's.
pub fn impersonation_shows(lab: &Lab) -> Result<()> {
    lab.own("the API server's own audit log")?;
    let ns = lab.namespace("acting")?;
    let acting = lab.api("admin")?.acting_as("deployer", &["e2e:people"]);
    let sealed = secret(
        &ns,
        "db",
        &[(
            "password",
            &lab.key.seal(&format!("{ns}/db/password"), b"x"),
        )],
    );
    acting.create(&sealed)?.accepted()?;
    let line = lab
        .reviews(&ns)?
        .into_iter()
        .find(|line| line["name"] == "db")
        .unwrap_or_default();
    ensure!(
        line["user"] == "deployer" && line["groups"].to_string().contains("e2e:people"),
        "{line}"
    );
    let log = lab.audit_log()?;
    let event = log
        .lines()
        .filter(|line| line.contains(&ns))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|event| {
            event["objectRef"]["resource"] == "secrets"
                && event["verb"] == "create"
                && event["impersonatedUser"].is_object()
        })
        .unwrap_or_default();
    ensure!(
        event["user"]["username"] == "admin" && event["impersonatedUser"]["username"] == "deployer",
        "{event}"
    );
    // The webhook's facts are beside them, and no value does.
    let annotations = event["annotations"].to_string();
    ensure!(
        annotations.contains("unseal.privyseal.dev/"),
        "{annotations}"
    );
    ensure!(annotations.contains(lab.key.kid()), "{annotations}");
    Ok(())
}

/// One line per review: who, what, which key, which envelope, how it ended.
pub fn each_review_has_its_line(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("lines")?;
    let text = lab.key.seal(&format!("{ns}/db/password"), b"canary-line");
    lab.accepts(&secret(&ns, "db", &[("password", &text)]))?;
    lab.rejects(&secret(&ns, "bad", &[("password", &text)]), "wrong-place")?;
    let lines = lab.reviews(&ns)?;
    let good = lines
        .iter()
        .find(|line| line["name"] == "db")
        .cloned()
        .unwrap_or_default();
    for member in ["time", "uid", "operation", "user", "outcome", "fields"] {
        ensure!(!good[member].is_null(), "no {member}: {good}");
    }
    let field = good["fields"][0].to_string();
    for words in ["password", lab.key.kid(), "sha256:"] {
        ensure!(field.contains(words), "no {words}: {field}");
    }
    let bad = lines
        .iter()
        .find(|line| line["name"] == "bad")
        .cloned()
        .unwrap_or_default();
    ensure!(bad.to_string().contains("wrong-place"), "{bad}");
    ensure!(
        !lab.webhook_log()?.contains("canary-line"),
        "the log holds the value"
    );
    Ok(())
}
