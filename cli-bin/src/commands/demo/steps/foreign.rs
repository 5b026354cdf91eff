//! Act 3: envelopes from tools that know nothing of us.
use std::collections::BTreeMap;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::setting::{Setting, Values};
use crate::commands::demo::files;
use crate::commands::demo::transcript::Transcript;

/// The manifest, seen from the repository.
pub(super) const MANIFEST: &str = "payments/orders.yaml";
/// The public key, seen from the repository.
pub(super) const PUBLIC_KEY: &str = "keys/orders.jwk.json";

// Made once with the tools themselves; examples/foreign/README.md says how.
const SECRET: &str = include_str!("../../../../../examples/foreign/secret.yaml");
const PUBLIC: &str = include_str!("../../../../../examples/foreign/public-key.jwk.json");
const THROW_AWAY_PRIVATE: &str =
    include_str!("../../../../../examples/foreign/THROW-AWAY-private-key.jwk.json");
const VALUES: &str = include_str!("../../../../../examples/foreign/values.json");

/// Puts the fixture into the repository and returns what the cluster must get.
pub(super) fn run(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
) -> anyhow::Result<Values> {
    transcript.step(3, "Another team seals with jose-util and jwcrypto")?;
    let repository = setting.repository();
    files::write(&repository.join(MANIFEST), SECRET)?;
    files::write(&repository.join(PUBLIC_KEY), PUBLIC)?;
    files::write_private(
        &setting.cluster().join("orders.jwk.json"),
        THROW_AWAY_PRIVATE,
    )?;
    let values: BTreeMap<String, String> = serde_json::from_str(VALUES)?;
    let values = values
        .into_iter()
        .map(|(name, value)| Ok((name, STANDARD.decode(value)?)))
        .collect::<Result<Values, base64::DecodeError>>()
        .context("the fixture's values are not base64")?;

    transcript.say(
        "Made beforehand by Go's jose-util and Python's jwcrypto, and shipped with this program together with \
         a throw-away key. JWE is a standard: what seals need not be ours.",
    )?;
    for line in SECRET.lines().filter(|line| line.starts_with("  ")) {
        transcript.quote(line)?;
    }
    let person = setting.person("custodian", &repository)?;
    let report = person.privy_done(transcript, &["inspect", MANIFEST], None)?;
    for line in report.lines() {
        transcript.quote(line)?;
    }
    let read = values.keys().all(|name| {
        let field = format!("stringData/{name} ");
        report
            .lines()
            .any(|line| line.contains(&field) && line.contains("sealed"))
    });
    transcript.claim(
        read,
        "privy reads what all four say of themselves, without any key",
    )?;
    Ok(values)
}
