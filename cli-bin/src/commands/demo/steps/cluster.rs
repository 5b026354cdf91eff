//! Act 5: the Secrets reach the API server.
use anyhow::Context as _;
use serde_json::Value;

use super::administrator::DemoCluster;
use super::setting::{Setting, Values};
use super::{custodian, foreign};
use crate::commands::demo::review_sender::ReviewAnswer;
use crate::commands::demo::transcript::Transcript;
use crate::commands::demo::{files, review_sender};

/// Applies both manifests and compares what arrives with what was sealed.
pub(super) fn run(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
    site: &mut DemoCluster,
    sealed: &Values,
    foreign: &Values,
) -> anyhow::Result<()> {
    transcript.step(
        5,
        "The manifests are applied; the API server asks the webhook",
    )?;
    transcript.say(
        "No API server is here: this program plays it. It sends the AdmissionReview that an API server \
         sends, over TLS 1.3 and with a client certificate, and applies the patch that comes back.",
    )?;
    let object = load(setting, custodian::MANIFEST)?;
    let review_answer = apply(
        transcript,
        setting,
        site,
        custodian::MANIFEST,
        &object,
        None,
        sealed,
    )?;
    let unwraps = self::unwraps(site, &review_answer.uid)?;
    transcript.claim_equal(
        unwraps,
        2,
        "two private-key operations for five fields: one for each act of sealing",
    )?;
    audit(transcript, site, &review_answer)?;

    transcript.say("Applied again, as GitOps does every few minutes:")?;
    let again = apply(
        transcript,
        setting,
        site,
        custodian::MANIFEST,
        &object,
        Some(&review_answer.stored),
        sealed,
    )?;
    transcript.claim_equal(
        self::unwraps(site, &again.uid)?,
        0,
        "the content keys are cached: no key operation",
    )?;
    let stored = site
        .review_sender
        .review(&review_answer.stored, Some(&review_answer.stored))?;
    transcript.claim(
        stored.allowed && stored.patched.is_empty(),
        "what is stored is plain: asked about it, the webhook changes nothing",
    )?;

    transcript.gap()?;
    let object = load(setting, foreign::MANIFEST)?;
    apply(
        transcript,
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
    review_sender::object(&files::read(&setting.repository().join(manifest))?)
}

fn apply(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
    site: &mut DemoCluster,
    manifest: &str,
    object: &Value,
    old: Option<&Value>,
    values: &Values,
) -> anyhow::Result<ReviewAnswer> {
    transcript.command(&format!("kubectl apply -f {manifest}"))?;
    let review_answer = site.review_sender.review(object, old)?;
    transcript.claim(
        review_answer.allowed,
        &format!(
            "allowed; the patch replaces {} values and nothing else {}",
            review_answer.patched.len(),
            review_answer.message
        ),
    )?;
    if old.is_none() {
        transcript.quote(&format!(
            "{:<14}{:<26}{}",
            "field", "in Git", "in the cluster"
        ))?;
        for (name, value) in values {
            let envelope = review_sender::field(object, name)?;
            let start = String::from_utf8_lossy(&envelope[..envelope.len().min(12)]).into_owned();
            let sealed = format!("{start}... {:>5} B", envelope.len());
            let patched = review_answer
                .patched
                .get(name)
                .context("a field was left sealed")?;
            let opened = if setting.show {
                shown(patched)
            } else {
                masked(patched)
            };
            transcript.quote(&format!("{name:<14}{sealed:<26}{opened}"))?;
            anyhow::ensure!(
                patched == value,
                "field {name:?} did not arrive as it was sealed"
            );
        }
    }
    transcript.claim(
        review_answer.patched == *values,
        "every value arrived byte for byte as it was sealed",
    )?;
    Ok(review_answer)
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
pub(super) fn unwraps(site: &DemoCluster, uid: &str) -> anyhow::Result<u64> {
    let line = site.webhook.audit_line(uid)?;
    line["unwraps"]
        .as_u64()
        .context("the audit line does not count key operations")
}

/// Shows the audit line with the first of its fields, and without what is long and known.
fn audit(
    transcript: &mut Transcript<'_>,
    site: &DemoCluster,
    review_answer: &ReviewAnswer,
) -> anyhow::Result<()> {
    let mut line = site.webhook.audit_line(&review_answer.uid)?;
    transcript.claim(
        line["user"] == review_sender::USER,
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
    transcript.answer(&line.to_string().replace(',', ", "))
}
