//! Act 6: what everyone else gets.
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::administrator::{CALLER, DemoCluster};
use super::setting::{Setting, Values};
use super::{cluster, custodian};
use crate::commands::demo::certificates::{Authority, CallerIdentity};
use crate::commands::demo::http::TlsCaller;
use crate::commands::demo::review_sender;
use crate::commands::demo::transcript::Transcript;

/// Tries what must not work.
pub(super) fn run(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
    site: &mut DemoCluster,
    sealed: &Values,
) -> anyhow::Result<()> {
    transcript.step(6, "What everyone else gets")?;
    let object = cluster::load(setting, custodian::MANIFEST)?;

    transcript.say("The manifest, copied into a namespace of one's own:")?;
    let mut copy = object.clone();
    copy["metadata"]["namespace"] = "mallory".into();
    let uid = denied(transcript, site, &copy, &["mallory"])?;
    transcript.claim_equal(
        cluster::unwraps(site, &uid)?,
        0,
        "refused before any key was used",
    )?;

    transcript.say("One character of one envelope changed; the other four are sound:")?;
    denied(
        transcript,
        site,
        &damage(&object, "password")?,
        &["password"],
    )?;

    transcript.say("Callers other than the API server, with the same review:")?;
    let other = Authority::new("another CA")?;
    stranger(transcript, site, &object, None, "without a certificate")?;
    let forged = other.client(CALLER)?;
    stranger(
        transcript,
        site,
        &object,
        Some(&forged),
        "with a certificate of another authority",
    )?;
    let node = site.authority.client("system:node:worker-1")?;
    stranger(
        transcript,
        site,
        &object,
        Some(&node),
        "with a node's certificate of the cluster's authority",
    )?;

    let output = site.webhook.output()?;
    let silent = sealed
        .values()
        .filter(|value| !value.is_empty())
        .all(|value| !custodian::occurs(&output, value));
    transcript.claim(
        silent && !output.is_empty(),
        "nothing that the webhook wrote, log or audit, holds any of the values",
    )
}

fn denied(
    transcript: &mut Transcript<'_>,
    site: &mut DemoCluster,
    object: &Value,
    words: &[&str],
) -> anyhow::Result<String> {
    let review_answer = site.review_sender.review(object, None)?;
    transcript.claim(
        !review_answer.allowed
            && review_answer.patched.is_empty()
            && review_answer.code == Some(403),
        "denied as a whole, nothing is patched (403):",
    )?;
    transcript.answer(&review_answer.message)?;
    for word in words {
        anyhow::ensure!(
            review_answer.message.contains(word),
            "the denial does not speak of {word:?}: {}",
            review_answer.message
        );
    }
    Ok(review_answer.uid)
}

/// The object with one character of a field's ciphertext replaced by another.
fn damage(object: &Value, name: &str) -> anyhow::Result<Value> {
    let envelope = String::from_utf8(review_sender::field(object, name)?)?;
    let mut parts: Vec<String> = envelope.split('.').map(str::to_owned).collect();
    let ciphertext = parts.get_mut(3).context("the envelope is not compact")?;
    let replacement = if ciphertext.starts_with('A') {
        "B"
    } else {
        "A"
    };
    ciphertext.replace_range(..1, replacement);
    let mut damaged = object.clone();
    damaged["data"][name] = STANDARD.encode(parts.join(".")).into();
    Ok(damaged)
}

fn stranger(
    transcript: &mut Transcript<'_>,
    site: &mut DemoCluster,
    object: &Value,
    identity: Option<&CallerIdentity>,
    who: &str,
) -> anyhow::Result<()> {
    let caller = TlsCaller::new(site.webhook.address, site.authority.certificate(), identity)?;
    let answer = site.review_sender.ask_as(&caller, object);
    let (refused, words) = if let Ok(answer) = &answer {
        let refused = matches!(answer.status, 401 | 403);
        (refused, format!("HTTP {}", answer.status))
    } else {
        // The connection ended before any answer: TLS says why.
        let alert = caller.refusal()?;
        let words = alert.as_ref().map_or_else(String::new, ToString::to_string);
        (alert.is_some(), words)
    };
    transcript.claim(refused, &format!("{who}: turned away ({words})"))
}
