//! Act 1: a key, and its public card in Git.
use anyhow::Context as _;
use jwe_envelope::KeyCard;

use super::setting::Setting;
use crate::commands::demo::files;
use crate::commands::demo::transcript::Transcript;

/// Makes the key and returns the fingerprint that the key manager reads over the telephone.
pub(super) fn run(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
) -> anyhow::Result<String> {
    transcript.step(
        1,
        "The key manager makes a key and publishes its public half",
    )?;
    let folder = setting.root.join("key-manager");
    let person = setting.person("key-manager", &folder)?;
    std::fs::create_dir_all(setting.repository().join("keys"))?;
    person.privy_done(
        transcript,
        &[
            "key",
            "generate",
            "--kind",
            "rsa-4096",
            "--name",
            "payments",
            "--namespace",
            "payments",
            "--out",
            "payments.pem",
            "--card",
            "../repository/keys/payments.card.json",
        ],
        None,
    )?;

    transcript.claim(
        files::is_private(&folder.join("payments.pem"))?,
        "the private key is a file that only its owner may read",
    )?;
    let card = files::read(&setting.repository().join("keys/payments.card.json"))?;
    let members: serde_json::Value =
        serde_json::from_str(&card).context("the key card is no JSON")?;
    let private = ["d", "p", "q", "dp", "dq", "qi"];
    let public_alone = members["keys"].as_array().is_some_and(|keys| {
        keys.iter()
            .all(|key| private.iter().all(|name| key.get(name).is_none()))
    });
    transcript.claim(
        public_alone,
        "the key card in Git holds only the public half",
    )?;

    let key = KeyCard::parse(card.as_bytes())?;
    let key = key.active().context("the key card has no active key")?;
    let groups = key
        .recipient
        .spoken_fingerprint()
        .groups()
        .map(|group| format!("{group:05}"));
    transcript.say("The fingerprint, for the telephone:")?;
    for line in groups.chunks(6) {
        transcript.quote(&line.join("  "))?;
    }
    Ok(groups.join(" "))
}
