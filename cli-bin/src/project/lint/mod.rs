//! The member `lint` of `.privy.yaml`: what a repository allows, and why.

pub mod rules;

use unseal_policy::config::reader::Setting;
use unseal_policy::config::{Problems, quoted};
use unseal_policy::width::Width;

use super::paths::paths_of;
use crate::project::glob;
use rules::RuleId;

const LIST_RULES: &str = "`privy lint --list-rules` has them all";

/// The widest binding that is no finding where a repository does not say.
pub const WIDEST: Width = Width::Secret;

/// What a repository says to `privy lint`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintSettings {
    /// The widest binding that is no finding; [`WIDEST`] without it.
    pub widest: Option<Width>,
    allowed: Vec<Allowed>,
}

/// Findings that do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Of this rule.
    pub rule: RuleId,
    /// In these files.
    pub paths: Vec<String>,
    /// For the person who reads it next year.
    pub reason: String,
}

/// Reads the member.
pub(super) fn read(field: &Setting<'_>, problems: &mut Problems) -> Option<LintSettings> {
    let members = field.members(problems, &["widest", "allow"])?;
    let widest = members
        .optional("widest")
        .and_then(|field| field.word(problems, &Width::WORDS));
    let allow = members
        .optional("allow")
        .and_then(|field| field.list(problems))
        .unwrap_or_default();
    let allowed = allow
        .iter()
        .filter_map(|field| allowed(field, problems))
        .collect();
    Some(LintSettings { widest, allowed })
}

fn allowed(field: &Setting<'_>, problems: &mut Problems) -> Option<Allowed> {
    let members = field.members(problems, &["rule", "paths", "reason"])?;
    let rule = members
        .required(problems, "rule", LIST_RULES)
        .and_then(|field| {
            let id = field.text(problems)?;
            let rule = RuleId::find(id);
            if rule.is_none() {
                field.problem(
                    problems,
                    format!("there is no rule {}; {LIST_RULES}", quoted(id)),
                );
            }
            rule
        });
    let paths = paths_of(&members, problems);
    let reason = members
        .required(problems, "reason", "say why this is fine")
        .and_then(|field| {
            let text = field.text(problems)?;
            if text.trim().is_empty() {
                field.problem(
                    problems,
                    "must say why this is fine, for the person who reads it next year",
                );
            }
            Some(text.to_owned())
        });
    Some(Allowed {
        rule: rule?,
        paths: paths?,
        reason: reason?,
    })
}

impl LintSettings {
    /// What does not count.
    pub fn allowed(&self) -> &[Allowed] {
        &self.allowed
    }

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
