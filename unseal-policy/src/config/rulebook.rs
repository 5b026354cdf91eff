//! The members about who may submit, and what holds in which namespace.

use kms_backends::NamespaceSet;

use super::problem::quoted;
use super::reader::{Setting, SettingMembers};
use super::rules::Loader;
use crate::decide::{Expired, Foreign, KeyNames};
use crate::rulebook::{NamespaceRule, Rulebook};
use crate::submitters::Submitters;
use crate::width::Width;

/// Far more than one cluster needs.
const MAX_RULES: usize = 1_000;

impl Loader<'_> {
    /// The rules of `policy`; those of keys are collected while these are read.
    pub fn rulebook(&mut self, members: &SettingMembers<'_>) -> Option<Rulebook> {
        let mut rulebook = Rulebook {
            keys: std::mem::take(&mut self.key_submitters),
            ..Rulebook::default()
        };
        let Some(policy) = members.optional("policy") else {
            return Some(rulebook);
        };
        // What else is there has been looked at.
        let policy = policy.members_alone()?;
        rulebook.submitters = self.submitters(&policy)?;
        for rule in self.rules_of(&policy, "namespaces")? {
            rulebook.namespaces.push(self.namespace_rule(&rule)?);
        }
        for entry in self.rules_of(&policy, "owners")? {
            rulebook.owners.push(self.owners(&entry)?);
        }
        Some(rulebook)
    }

    /// A list of rules, or none.
    fn rules_of<'n>(
        &mut self,
        policy: &SettingMembers<'n>,
        name: &str,
    ) -> Option<Vec<Setting<'n>>> {
        let Some(field) = policy.optional(name) else {
            return Some(Vec::new());
        };
        let rules = field.list(self.problems)?;
        if rules.len() > MAX_RULES {
            field.problem(
                self.problems,
                format!("must list at most {MAX_RULES} rules"),
            );
            return None;
        }
        Some(rules)
    }

    /// Who may submit, where someone says so. The outer `None` is a fault.
    #[allow(
        clippy::option_option,
        reason = "the outer one is about faults, the inner one about the member"
    )]
    pub fn submitters(&mut self, members: &SettingMembers<'_>) -> Option<Option<Submitters>> {
        let Some(field) = members.optional("submitters") else {
            return Some(None);
        };
        let words = field.texts(self.problems);
        if words.is_empty() {
            field.problem(
                self.problems,
                "must list at least one user, group or service account; leave it out to let everyone submit",
            );
            return None;
        }
        let mut legal = true;
        for (field, word) in &words {
            if let Err(error) = Submitters::parse([word]) {
                field.problem(self.problems, error.to_string());
                legal = false;
            }
        }
        let words = words.iter().map(|(_, word)| word);
        Submitters::parse(words).ok().filter(|_| legal).map(Some)
    }

    fn namespace_rule(&mut self, field: &Setting<'_>) -> Option<NamespaceRule> {
        const KNOWN: &[&str] = &[
            "match",
            "foreign",
            "expired",
            "mustBeSealed",
            "submitters",
            "keys",
            "widest",
            "onlyFrom",
        ];
        let members = field.members(self.problems, KNOWN)?;
        let namespaces = self.matching(&members)?;
        self.rule(namespaces, &members)
    }

    /// The namespaces that a rule is for.
    pub fn matching(&mut self, members: &SettingMembers<'_>) -> Option<NamespaceSet> {
        let matching = members.required(
            self.problems,
            "match",
            "list the namespaces that the rule is for, as `payments` or `team-*`",
        )?;
        let words = matching.texts(self.problems);
        if words.is_empty() {
            matching.problem(self.problems, "must list at least one namespace");
            return None;
        }
        NamespaceSet::parse(words.iter().map(|(_, word)| word))
            .map_err(|error| matching.problem(self.problems, error.to_string()))
            .ok()
    }

    /// What a rule says, no matter who wrote it.
    pub fn rule(
        &mut self,
        namespaces: NamespaceSet,
        members: &SettingMembers<'_>,
    ) -> Option<NamespaceRule> {
        let foreign = match members.optional("foreign") {
            None => None,
            Some(field) => Some(field.word(
                self.problems,
                &[("warn", Foreign::Warn), ("deny", Foreign::Deny)],
            )?),
        };
        let expired = match members.optional("expired") {
            None => None,
            Some(field) => Some(field.word(
                self.problems,
                &[("deny", Expired::Deny), ("warn", Expired::Warn)],
            )?),
        };
        let must_be_sealed = match members.optional("mustBeSealed") {
            None => None,
            Some(field) => Some(field.flag(self.problems)?),
        };
        let widest = match members.optional("widest") {
            None => None,
            Some(field) => Some(field.word(self.problems, &Width::WORDS)?),
        };
        let keys = match members.optional("keys") {
            None => None,
            Some(field) => Some(self.key_list(&field)?),
        };
        Some(NamespaceRule {
            foreign,
            expired,
            must_be_sealed,
            submitters: self.submitters(members)?,
            only_from: self.only_from(members)?,
            keys,
            widest,
            ..NamespaceRule::new(namespaces)
        })
    }

    /// Keys by the names that `keys` of the configuration gives them.
    fn key_list(&mut self, field: &Setting<'_>) -> Option<KeyNames> {
        let words = field.texts(self.problems);
        if words.is_empty() {
            field.problem(self.problems, "must list at least one key by its name");
            return None;
        }
        let mut known = true;
        for (field, word) in &words {
            if !self.key_names.iter().any(|name| name == word) {
                let names = self.key_names.join(", ");
                field.problem(
                    self.problems,
                    format!("{} is the name of no key; there are {names}", quoted(word)),
                );
                known = false;
            }
        }
        known.then(|| KeyNames(words.iter().map(|(_, word)| (*word).to_owned()).collect()))
    }
}
