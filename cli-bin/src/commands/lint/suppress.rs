//! The member `lint` of `.privy.yaml`: what a repository allows, and why.

use anyhow::{Context as _, bail};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use webhook_bin::width::Width;

use super::rules::RuleId;
use crate::glob;

/// The widest binding that is no finding where a repository does not say.
pub const WIDEST: Width = Width::Secret;

/// What a repository says to `privy lint`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The widest binding that is no finding; [`WIDEST`] without it.
    pub widest: Option<Width>,
    allowed: Vec<Allowed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    rule: RuleId,
    paths: Vec<String>,
    reason: String,
}

/// The member as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    #[serde(default, deserialize_with = "width")]
    widest: Option<Width>,
    #[serde(default)]
    allow: Vec<WrittenAllow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAllow {
    rule: String,
    paths: Vec<String>,
    reason: String,
}

impl Written {
    /// Checks what was written.
    ///
    /// # Errors
    /// A sentence that names the entry.
    pub fn check(self) -> anyhow::Result<Settings> {
        let allowed = (1..)
            .zip(self.allow)
            .map(|(number, allow)| {
                check(allow).with_context(|| format!("entry {number} of `lint.allow`"))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Settings {
            widest: self.widest,
            allowed,
        })
    }
}

fn width<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Width>, D::Error> {
    let word = String::deserialize(deserializer)?;
    let known = Width::WORDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, width)| Some(*width)).ok_or_else(|| {
        let words = Width::WORDS.map(|(word, _)| word).join(", ");
        D::Error::custom(format!("`lint.widest` must be one of {words}"))
    })
}

fn check(written: WrittenAllow) -> anyhow::Result<Allowed> {
    let Some(rule) = RuleId::find(&written.rule) else {
        bail!(
            "there is no rule {:?}; `privy lint --list-rules` has them all",
            written.rule.chars().take(40).collect::<String>()
        );
    };
    if written.paths.is_empty() {
        bail!("`paths` is empty; `\"**\"` fits every file");
    }
    for path in &written.paths {
        crate::project::relative(path).with_context(|| format!("path {path:?}"))?;
    }
    if written.reason.trim().is_empty() {
        bail!("`reason` is empty; say why this is fine, for whoever reads it next year");
    }
    Ok(Allowed {
        rule,
        paths: written.paths,
        reason: written.reason,
    })
}

impl Settings {
    /// Why a finding of `rule` in `path`, from the folder of the `.privy.yaml`, does not count.
    pub fn reason_for(&self, rule: RuleId, path: &str) -> Option<&str> {
        self.allowed
            .iter()
            .find(|allowed| {
                allowed.rule == rule
                    && allowed
                        .paths
                        .iter()
                        .any(|pattern| glob::matches(pattern, path))
            })
            .map(|allowed| allowed.reason.as_str())
    }
}

/// Reads the member `lint` of a `.privy.yaml`, and nothing else of it.
///
/// # Errors
/// A sentence that names the line, or the entry.
pub fn settings(bytes: &[u8]) -> anyhow::Result<Settings> {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(default)]
        lint: Written,
    }
    let text = std::str::from_utf8(bytes).context("it is not UTF-8 text")?;
    let options = serde_saphyr::options! { with_snippet: false };
    let whole: Whole = serde_saphyr::from_str_with_options(text, options)?;
    whole.lint.check()
}
