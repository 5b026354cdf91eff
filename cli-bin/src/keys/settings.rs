//! `config.yaml` in the user's own configuration: what holds for every command, whatever a repository says.
use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::failure::Failure;
use crate::io::{Io, files};
use crate::keys::trust;
use crate::text::Shown as _;

/// The file's name, in the folder of the user's configuration.
const FILE_NAME: &str = "config.yaml";

const FILE_LIMIT: usize = 64 * 1024;

/// What the user has set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// `trust: required`: values are sealed only for keys that were compared, or that a trusted signer of cards signed.
    pub trust_required: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default = "first_version")]
    version: u64,
    #[serde(default)]
    trust: Option<Trust>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Trust {
    Required,
}

const fn first_version() -> u64 {
    1
}

impl UserSettings {
    /// Reads the file; without one, nothing is set.
    ///
    /// # Errors
    /// Exit 2 when it cannot be read or is not valid: a demand that cannot be read is not passed over.
    pub fn load(io: &Io<'_>) -> Result<Self, Failure> {
        let Some(folder) = trust::folder(io.environment) else {
            return Ok(Self::default());
        };
        let file = folder.join(FILE_NAME);
        if !file.exists() {
            return Ok(Self::default());
        }
        let bytes = files::read(&file, FILE_LIMIT)?;
        parse(&bytes).map_err(|error| {
            Failure::usage(error.context(format!("`{}` is not valid", file.shown())))
                .hint("it may contain `version: 1` and `trust: required`, and nothing else")
        })
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<UserSettings> {
    let text = std::str::from_utf8(bytes).context("it is not UTF-8 text")?;
    let options = serde_saphyr::options! { with_snippet: false };
    let document: Document = serde_saphyr::from_str_with_options(text, options)?;
    if document.version != 1 {
        bail!("version {} is not known; 1 is", document.version);
    }
    Ok(UserSettings {
        trust_required: document.trust == Some(Trust::Required),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_accepted() {
        let required = UserSettings {
            trust_required: true,
        };
        assert_eq!(parse(b"trust: required\n").unwrap(), required);
        assert_eq!(parse(b"version: 1\ntrust: required\n").unwrap(), required);
        assert_eq!(parse(b"version: 1\n").unwrap(), UserSettings::default());
        for text in [
            "trust: Required\n",
            "trust: yes\n",
            "trusts: required\n",
            "version: 2\ntrust: required\n",
            "trust: required\ntrust: required\n",
            "trust\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
