//! Act 5: the Secrets reach the API server.
use anyhow::Context as _;
use serde_json::Value;

use super::administrator::Site;
use super::setting::{Setting, Values};
use super::{custodian, foreign};
use crate::commands::demo::api_server::Verdict;
use crate::commands::demo::screen::Screen;
use crate::commands::demo::{api_server, files};

/// Applies both manifests and compares what arrives with what was sealed.
pub(super) fn play(
    screen: &mut Screen<'_>,
    setting: &Setting<'_>,
    site: &mut Site,
    sealed: &Values,
    foreign: &Values,
) -> anyhow::Result<()> {
    screen.act(
        5,
        "The manifests are applied; the API server asks the webhook",
    )?;
    screen.say(
        "No API server is here: this program plays it. It sends the AdmissionReview that an API server \
         sends, over TLS 1.3 and with a client certificate, and applies the patch that comes back.",
    )?;
    let object = load(setting, custodian::MANIFEST)?;
    let verdict = apply(
        screen,
        setting,
        site,
        custodian::MANIFEST,
        &object,
        None,
        sealed,
    )?;
    let unwraps = self::unwraps(site, &verdict.uid)?;
    screen.claim_equal(
        unwraps,
        2,
        "two private-key operations for five fields: one for each act of sealing",
    )?;
    audit(screen, site, &verdict)?;

    screen.say("Applied again, as GitOps does every few minutes:")?;
    let again = apply(
        screen,
        setting,
        site,
        custodian::MANIFEST,
        &object,
        Some(&verdict.stored),
        sealed,
    )?;
    screen.claim_equal(
        self::unwraps(site, &again.uid)?,
        0,
        "the content keys are cached: no key operation",
    )?;
    let stored = site
        .api_server
        .review(&verdict.stored, Some(&verdict.stored))?;
    screen.claim(
        stored.allowed && stored.patched.is_empty(),
        "what is stored is plain: asked about it, the webhook changes nothing",
    )?;

    screen.gap()?;
    let object = load(setting, foreign::MANIFEST)?;
    apply(
        screen,
        setting,
        site,
        foreign::MANIFEST,
        &object,
        None,
        foreign,
    )?;
    Ok(())
}

/// The object of a manifest in the repository.
pub(super) fn load(setting: &Setting<'_>, manifest: &str) -> anyhow::Result<Value> {
    api_server::object(&files::read(&setting.repository().join(manifest))?)
}

fn apply(
    screen: &mut Screen<'_>,
    setting: &Setting<'_>,
    site: &mut Site,
    manifest: &str,
    object: &Value,
    old: Option<&Value>,
    values: &Values,
) -> anyhow::Result<Verdict> {
    screen.command(&format!("kubectl apply -f {manifest}"))?;
    let verdict = site.api_server.review(object, old)?;
    screen.claim(
        verdict.allowed,
        &format!(
            "allowed; the patch replaces {} values and nothing else {}",
            verdict.patched.len(),
            verdict.message
        ),
    )?;
    if old.is_none() {
        screen.quote(&format!(
            "{:<14}{:<26}{}",
            "field", "in Git", "in the cluster"
        ))?;
        for (name, value) in values {
            let envelope = api_server::field(object, name)?;
            let start = String::from_utf8_lossy(&envelope[..envelope.len().min(12)]).into_owned();
            let sealed = format!("{start}... {:>5} B", envelope.len());
            let patched = verdict
                .patched
                .get(name)
                .context("a field was left sealed")?;
            let opened = if setting.show {
                shown(patched)
            } else {
                masked(patched)
            };
            screen.quote(&format!("{name:<14}{sealed:<26}{opened}"))?;
            anyhow::ensure!(
                patched == value,
                "field {name:?} did not arrive as it was sealed"
            );
        }
    }
    screen.claim(
        verdict.patched == *values,
        "every value arrived byte for byte as it was sealed",
    )?;
    Ok(verdict)
}

fn masked(value: &[u8]) -> String {
    match value.len() {
        0 => "(empty)".to_owned(),
        length => format!("********  ({length} bytes)"),
    }
}

fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok("") => "(empty)".to_owned(),
        Ok(text) => format!("{text:?}"),
        Err(_) => {
            let start = &value[..value.len().min(6)];
            format!("{start:02x?}... ({} bytes)", value.len())
        }
    }
}

/// Private-key operations of one review, as its audit line counts them.
pub(super) fn unwraps(site: &Site, uid: &str) -> anyhow::Result<u64> {
    let line = site.webhook.audit_line(uid)?;
    line["unwraps"]
        .as_u64()
        .context("the audit line does not count key operations")
}

/// Shows the audit line with the first of its fields, and without what is long and known.
fn audit(screen: &mut Screen<'_>, site: &Site, verdict: &Verdict) -> anyhow::Result<()> {
    let mut line = site.webhook.audit_line(&verdict.uid)?;
    screen.claim(
        line["user"] == api_server::USER,
        "one audit line says who applied what, with which key; never a value (cut here):",
    )?;
    if let Some(line) = line.as_object_mut() {
        for name in ["dryRun", "groups", "time", "userUid"] {
            line.remove(name);
        }
        if let Some(fields) = line.get_mut("fields").and_then(Value::as_array_mut) {
            fields.truncate(1);
        }
    }
    screen.answer(&line.to_string().replace(',', ", "))
}
