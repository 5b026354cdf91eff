//! Act 2: a custodian who has the card, a telephone and no other right.
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::setting::{Setting, Values};
use crate::commands::demo::people::{Person, said};
use crate::commands::demo::transcript::Transcript;
use crate::commands::demo::{certificates, files, review_sender};

/// The custodian's manifest, seen from the repository.
pub(super) const MANIFEST: &str = "payments/db.yaml";

const CARD: &str = "keys/payments.card.json";
const PASSWORD: &str = "correct horse battery";
const TOKEN: &str = "demo-token-7f3a9c";
const PROJECT: &str = "\
version: 1
rules:
  - paths: [\"payments/**\"]
    key: keys/payments.card.json
";

/// Seals the manifest in place and returns what the cluster must get.
pub(super) fn run(
    transcript: &mut Transcript<'_>,
    setting: &Setting<'_>,
    fingerprint: &str,
) -> anyhow::Result<Values> {
    transcript.step(2, "The custodian trusts the key and seals a manifest")?;
    let repository = setting.repository();
    let person = setting.person("custodian", &repository)?;
    let (plain, mut values) = manifest()?;
    files::write(&repository.join(".privy.yaml"), PROJECT)?;
    files::write(&repository.join(MANIFEST), &plain)?;

    trust(transcript, &person, fingerprint)?;

    person.privy_done(transcript, &["seal", "-i", MANIFEST], None)?;
    let sealed = files::read(&repository.join(MANIFEST))?;
    show(transcript, &sealed)?;
    check_sealed(transcript, &plain, &sealed, &values)?;

    add_a_field(transcript, &person, &repository, &sealed)?;
    values.insert("api-token".into(), TOKEN.into());
    Ok(values)
}

/// A password, a binary file, a PEM and an empty value, as someone would write them.
fn manifest() -> anyhow::Result<(String, Values)> {
    let binary: Vec<u8> = (0..=255).rev().collect();
    let pem = certificates::certificate_and_key_pem()?;
    let mut text = format!(
        "\
# Database of the payments team. Rotated by the DBAs, every quarter.
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
type: Opaque
data:
  keystore.bin: {}   # from the vendor
stringData:
  password: \"{PASSWORD}\"
  optional: \"\"
  tls.pem: |
",
        STANDARD.encode(&binary)
    );
    for line in pem.lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    let values = [
        ("keystore.bin", binary),
        ("optional", Vec::new()),
        ("password", PASSWORD.into()),
        ("tls.pem", pem.into_bytes()),
    ];
    Ok((
        text,
        values.map(|(name, value)| (name.to_owned(), value)).into(),
    ))
}

fn trust(
    transcript: &mut Transcript<'_>,
    person: &Person,
    fingerprint: &str,
) -> anyhow::Result<()> {
    let early = person.privy(transcript, &["seal", "-i", MANIFEST], None)?;
    transcript.answer(&said(&early))?;
    transcript.claim(
        early.status.code() == Some(2) && said(&early).contains("privy key trust"),
        "refused (exit 2): a key that comes with a repository is not yet a key to trust",
    )?;

    let first: u32 = fingerprint
        .get(..5)
        .and_then(|group| group.parse().ok())
        .context("the fingerprint does not begin with five digits")?;
    let wrong = format!("{:05}{}", (first + 1) % 100_000, &fingerprint[5..]);
    let other = person.privy(
        transcript,
        &["key", "trust", CARD, "--fingerprint", &wrong],
        None,
    )?;
    transcript.answer(&said(&other))?;
    transcript.claim(
        !other.status.success(),
        "refused: one digit differs from what the key manager read out",
    )?;
    person.privy_done(
        transcript,
        &["key", "trust", CARD, "--fingerprint", fingerprint],
        None,
    )?;
    transcript.claim(true, "trusted, in the custodian's own configuration")
}

fn show(transcript: &mut Transcript<'_>, manifest: &str) -> anyhow::Result<()> {
    for line in manifest.lines() {
        transcript.quote(line)?;
    }
    Ok(())
}

fn check_sealed(
    transcript: &mut Transcript<'_>,
    plain: &str,
    sealed: &str,
    values: &Values,
) -> anyhow::Result<()> {
    let object = review_sender::object(sealed)?;
    let mut count = 0;
    for name in values.keys() {
        if review_sender::field(&object, name)?.starts_with(b"eyJlbmMiOi") {
            count += 1;
        }
    }
    transcript.claim_equal(
        count,
        values.len(),
        "every value is an envelope of RFC 7516, JWE",
    )?;
    let hidden = values
        .values()
        .filter(|value| !value.is_empty())
        .all(|value| !occurs(sealed, value));
    transcript.claim(
        hidden,
        "no value is left in the file, neither as text nor in base64",
    )?;
    // All that is not a value: everything above `data`, the comment, the names and their indentation.
    let outside = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with("    "))
            .map(|line| match line.split_once(": ") {
                Some((name, rest)) if line.starts_with("  ") => {
                    let comment = rest.find("   #").map_or("", |at| &rest[at..]);
                    format!("{name}:{comment}")
                }
                _ => line.to_owned(),
            })
            .collect()
    };
    transcript.claim(
        outside(plain) == outside(sealed),
        "comments, order and layout are as they were",
    )
}

fn add_a_field(
    transcript: &mut Transcript<'_>,
    person: &Person,
    repository: &Path,
    sealed: &str,
) -> anyhow::Result<()> {
    transcript.say("One more field, later, by someone who cannot open the others:")?;
    files::write_private(&repository.join("token.txt"), TOKEN)?;
    person.privy_done(
        transcript,
        &["set", MANIFEST, "api-token"],
        Some("token.txt"),
    )?;
    std::fs::remove_file(repository.join("token.txt"))?;
    let after = files::read(&repository.join(MANIFEST))?;
    let kept = sealed
        .lines()
        .all(|line| after.lines().any(|other| other == line));
    let more = review_sender::fields(&review_sender::object(&after)?).len();
    transcript.claim(
        kept && more == 5,
        "five fields now; the lines of the other four are the same, byte for byte",
    )
}

/// Whether the value is in the text, as it is or in base64.
pub(super) fn occurs(text: &str, value: &[u8]) -> bool {
    let plain = std::str::from_utf8(value).is_ok_and(|value| text.contains(value));
    plain || text.contains(&STANDARD.encode(value))
}
