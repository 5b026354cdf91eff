//! The file of the user's trusted keys, `trust.json`: version 2, and how version 1 is read.
//!
//! Version 1 had one list of signers, who signed cards and values alike. Anyone who was trusted to read signatures of
//! values could so replace every key. They are read as signers of values; no one signs cards until the user says so
//! again. Its pins do not say whether a key was compared or accepted by a signature. They count as compared, the
//! stricter of the two.
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::content::{CardSigner, Pin, TrustContent, ValueSigner};

/// The version that is written.
const VERSION: u64 = 2;

/// What was read, and from which version.
#[derive(Debug)]
pub(super) struct StoredTrust {
    pub(super) content: TrustContent,
    /// Whether the file is of an older version, and must be written again.
    pub(super) old: bool,
}

/// Read first, so that a version that is not known is said to be that, whatever else the file contains.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Version2 {
    version: u64,
    /// A program that only knows version 1 refuses the file at this member, and prints its name.
    #[serde(
        rename = "written by a newer version of privy: update this program",
        default
    )]
    newer: bool,
    keys: Vec<Pin>,
    #[serde(default)]
    card_signers: Vec<CardSigner>,
    #[serde(default)]
    value_signers: Vec<ValueSigner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version1 {
    #[allow(dead_code, reason = "checked before, and still no unknown member")]
    version: u64,
    keys: Vec<Pin1>,
    #[serde(default)]
    signers: Vec<ValueSigner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pin1 {
    name: String,
    kid: String,
    fingerprint: String,
    spki_sha256: String,
    trusted_at: u64,
    #[serde(default)]
    signer: Option<String>,
    #[serde(default)]
    signed_at: Option<u64>,
}

impl From<Pin1> for Pin {
    fn from(old: Pin1) -> Self {
        Self {
            name: old.name,
            kid: old.kid,
            fingerprint: old.fingerprint,
            spki_sha256: old.spki_sha256,
            trusted_at: old.trusted_at,
            compared: true,
            signer: old.signer,
            signed_at: old.signed_at,
            replaced: Vec::new(),
            card: None,
        }
    }
}

/// Reads the file.
///
/// # Errors
/// A sentence that says what is wrong: nothing of a damaged file is trusted.
pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<StoredTrust> {
    let Version { version } = serde_json::from_slice(bytes)?;
    let (content, old) = match version {
        1 => {
            let read: Version1 = serde_json::from_slice(bytes)?;
            let content = TrustContent {
                keys: read.keys.into_iter().map(Pin::from).collect(),
                card_signers: Vec::new(),
                value_signers: read.signers,
            };
            (content, true)
        }
        VERSION => {
            let read: Version2 = serde_json::from_slice(bytes)?;
            let content = TrustContent {
                keys: read.keys,
                card_signers: read.card_signers,
                value_signers: read.value_signers,
            };
            (content, false)
        }
        0 => bail!("version 0 does not exist"),
        newer => bail!(
            "it was written by a newer version of privy (version {newer} of the file; this program reads 1 to {VERSION})"
        ),
    };
    let keys = content.keys.iter().map(|pin| pin.name.as_str());
    let cards = content.card_signers.iter().map(|one| one.name.as_str());
    let values = content.value_signers.iter().map(|one| one.name.as_str());
    unique("key", keys.collect())?;
    unique("signer of cards", cards.collect())?;
    unique("signer of values", values.collect())?;
    Ok(StoredTrust { content, old })
}

/// Writes the file.
///
/// # Errors
/// Never for what was read by [`parse`].
pub(super) fn print(content: &TrustContent) -> anyhow::Result<Vec<u8>> {
    let document = Version2 {
        version: VERSION,
        newer: true,
        keys: content.keys.clone(),
        card_signers: content.card_signers.clone(),
        value_signers: content.value_signers.clone(),
    };
    let mut text = serde_json::to_vec_pretty(&document).context("cannot write JSON")?;
    text.push(b'\n');
    Ok(text)
}

fn unique(what: &str, mut names: Vec<&str>) -> anyhow::Result<()> {
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => bail!("two entries for the {what} {:?}", pair[0]),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = r#"{"name":"a","kid":"k","fingerprint":"f","spkiSha256":"s","trustedAt":1}"#;
    const COMPARED: &str = r#"{"name":"a","kid":"k","fingerprint":"f","spkiSha256":"s","trustedAt":1,"compared":true}"#;
    const SIGNER: &str =
        r#"{"name":"a","kid":"k","fingerprint":"f","publicKey":"s","trustedAt":1}"#;

    #[test]
    fn a_store_with_a_fault_trusts_nothing() {
        let good = format!(r#"{{"version":2,"keys":[{COMPARED}],"valueSigners":[{SIGNER}]}}"#);
        assert_eq!(parse(good.as_bytes()).unwrap().content.keys.len(), 1);
        for text in [
            String::new(),
            r#"{"keys":[]}"#.to_owned(),
            r#"{"version":0,"keys":[]}"#.to_owned(),
            format!(r#"{{"version":2,"keys":[{PIN}]}}"#),
            format!(r#"{{"version":2,"keys":[{COMPARED},{COMPARED}]}}"#),
            r#"{"version":2,"keys":[],"more":1}"#.to_owned(),
            format!(r#"{{"version":2,"keys":[],"signers":[{SIGNER}]}}"#),
            format!(r#"{{"version":2,"keys":[],"cardSigners":[{SIGNER}]}}"#),
            format!(r#"{{"version":2,"keys":[],"valueSigners":[{SIGNER},{SIGNER}]}}"#),
            format!(r#"{{"version":1,"keys":[{COMPARED}]}}"#),
            format!(r#"{{"version":1,"keys":[{PIN},{PIN}]}}"#),
            format!(r#"{{"version":1,"keys":[],"cardSigners":[{SIGNER}]}}"#),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn signers_of_version_1_sign_values_and_no_cards() {
        let text = format!(r#"{{"version":1,"keys":[{PIN}],"signers":[{SIGNER}]}}"#);
        let stored = parse(text.as_bytes()).unwrap();
        assert!(stored.old);
        assert!(stored.content.card_signers.is_empty());
        assert_eq!(stored.content.value_signers.len(), 1);
        assert!(stored.content.keys[0].compared);
        let again = parse(&print(&stored.content).unwrap()).unwrap();
        assert!(!again.old);
        assert_eq!(again.content, stored.content);
    }

    #[test]
    fn a_newer_version_is_named_before_anything_else() {
        let text = r#"{"surprise":1,"version":3,"keys":{"another":"form"}}"#;
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("a newer version of privy"), "{error}");
    }

    /// What the program of version 1 reads, which is all that it can say of a newer file.
    #[test]
    fn a_program_of_version_1_refuses_version_2_with_a_sentence() {
        let text = print(&TrustContent::default()).unwrap();
        let error = serde_json::from_slice::<Version1>(&text).err().unwrap();
        let sentence = "unknown field `written by a newer version of privy: update this program`";
        assert!(error.to_string().starts_with(sentence), "{error}");
    }
}
