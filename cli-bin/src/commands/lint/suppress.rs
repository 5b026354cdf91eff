//! The member `lint` of `.privy.yaml`: what a repository allows, and why.
use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::rules::RuleId;
use crate::glob;

/// What a repository says to `privy lint`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The widest binding that is no finding.
    pub widest: Width,
    allowed: Vec<Allowed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    rule: RuleId,
    paths: Vec<String>,
    reason: String,
}

/// How much of the world an envelope opens in, from narrow to wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// One field of one Secret.
    Field,
    /// Fields or Secrets of one namespace whose names begin alike.
    Pattern,
    /// Any field of one Secret, or of those whose names begin alike.
    #[default]
    Secret,
    /// Any Secret of one namespace.
    Namespace,
    /// Namespaces whose names begin alike.
    Namespaces,
    /// Every namespace.
    Anywhere,
}

impl Width {
    /// The word that people write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Pattern => "pattern",
            Self::Secret => "secret",
            Self::Namespace => "namespace",
            Self::Namespaces => "namespaces",
            Self::Anywhere => "anywhere",
        }
    }
}

/// The member as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    #[serde(default)]
    widest: Width,
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
