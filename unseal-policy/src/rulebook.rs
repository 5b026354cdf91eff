//! Policy that depends on the namespace, the key and anyone who submits, beside what holds everywhere.

use std::borrow::Cow;

use kms_backends::NamespaceSet;

use crate::decide::{Expired, Foreign, KeyNames, Policy};
use crate::key_names::is_key;
use crate::refusal::cut;
use crate::refusal::{Code, Refusal};
use crate::signatures::OnlyFrom;
use crate::submitters::Submitters;
use crate::width::Width;

/// The rules of an administrator. Without any, everything holds everywhere and for everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// Who may submit sealed values where no rule of a namespace says otherwise; none named: everyone.
    pub submitters: Option<Submitters>,
    /// Rules of namespaces. The first one that fits holds.
    pub namespaces: Vec<NamespaceRule>,
    /// What the owners of namespaces ask besides. It narrows what the rules above let pass, and widens nothing.
    pub owners: Vec<NamespaceRule>,
    /// Who may submit values of a key, by the key's name, beyond what the namespace asks.
    pub keys: Vec<(String, Submitters)>,
}

/// What holds in some namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRule {
    /// Which ones.
    pub namespaces: NamespaceSet,
    /// What happens to envelopes that are not for us.
    pub foreign: Option<Foreign>,
    /// What happens to values introduced after their `exp`.
    pub expired: Option<Expired>,
    /// Whether the second webhook refuses plain values here; where it is asked, it does unless told otherwise.
    pub must_be_sealed: Option<bool>,
    /// Who may submit sealed values here.
    pub submitters: Option<Submitters>,
    /// Whose signature opens values here.
    pub only_from: Option<OnlyFrom>,
    /// The keys that may be used here.
    pub keys: Option<KeyNames>,
    /// The widest that an envelope may be bound here.
    pub widest: Option<Width>,
}

impl NamespaceRule {
    /// A rule for these namespaces that says nothing yet.
    pub fn new(namespaces: NamespaceSet) -> Self {
        Self {
            namespaces,
            foreign: None,
            expired: None,
            must_be_sealed: None,
            submitters: None,
            only_from: None,
            keys: None,
            widest: None,
        }
    }

    /// Says something instead of what holds everywhere.
    fn replace(&self, policy: &mut Policy) {
        policy.foreign = self.foreign.unwrap_or(policy.foreign);
        policy.expired = self.expired.unwrap_or(policy.expired);
        policy.keys = self.keys.clone().or(policy.keys.take());
        policy.widest = self.widest.or(policy.widest);
        if let Some(only_from) = &self.only_from {
            policy.signatures.only_from = vec![only_from.clone()];
        }
    }

    /// Leaves what both let pass.
    fn narrow(&self, policy: &mut Policy) {
        if self.foreign == Some(Foreign::Deny) {
            policy.foreign = Foreign::Deny;
        }
        if self.expired == Some(Expired::Deny) {
            policy.expired = Expired::Deny;
        }
        if let Some(widest) = self.widest {
            policy.widest = Some(policy.widest.map_or(widest, |other| other.min(widest)));
        }
        policy.signatures.only_from.extend(self.only_from.clone());
        if let Some(keys) = &self.keys {
            policy.keys = Some(match policy.keys.take() {
                Some(others) => KeyNames(
                    keys.0
                        .iter()
                        .filter(|name| others.contains(name))
                        .cloned()
                        .collect(),
                ),
                None => keys.clone(),
            });
        }
    }

    fn is_about_policy(&self) -> bool {
        self.foreign.is_some()
            || self.expired.is_some()
            || self.keys.is_some()
            || self.widest.is_some()
            || self.only_from.is_some()
    }
}

/// Anyone who asks, as the API server says.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'r, G> {
    /// The user's name.
    pub name: &'r str,
    /// The user's groups.
    pub groups: G,
}

impl Rulebook {
    /// The policy that holds in this namespace.
    pub fn policy<'p>(&self, everywhere: &'p Policy, namespace: &str) -> Cow<'p, Policy> {
        let says = |rule: &&NamespaceRule| rule.is_about_policy();
        let rule = self.rule(namespace).filter(says);
        let mut owners = self.owners_of(namespace).filter(says).peekable();
        if rule.is_none() && owners.peek().is_none() {
            return Cow::Borrowed(everywhere);
        }
        let mut policy = everywhere.clone();
        if let Some(rule) = rule {
            rule.replace(&mut policy);
        }
        for rule in owners {
            rule.narrow(&mut policy);
        }
        Cow::Owned(policy)
    }

    /// Whether the second webhook refuses plain values here.
    pub fn must_be_sealed(&self, namespace: &str) -> bool {
        self.rule(namespace)
            .and_then(|rule| rule.must_be_sealed)
            .unwrap_or(true)
            || self
                .owners_of(namespace)
                .any(|rule| rule.must_be_sealed == Some(true))
    }

    /// Whether anyone at all is kept from submitting.
    pub fn asks_who(&self) -> bool {
        self.submitters.is_some()
            || !self.keys.is_empty()
            || self
                .namespaces
                .iter()
                .chain(&self.owners)
                .any(|rule| rule.submitters.is_some())
    }

    /// Whether this user may submit a value of this key here.
    ///
    /// # Errors
    /// [`Code::SubmitterNotAllowed`].
    pub fn check<'g, G: Iterator<Item = &'g str> + Clone>(
        &self,
        asker: &Asker<'_, G>,
        namespace: &str,
        key: &str,
    ) -> Result<(), Refusal> {
        let refused = |what: String| {
            Refusal::new(
                Code::SubmitterNotAllowed,
                format!(
                    "user {:?} may not submit sealed values {what}",
                    cut(asker.name)
                ),
                "have it submitted by the deployer that may, or ask the administrator to add this user, a group of its or its service account to `submitters`",
            )
        };
        let here = self
            .rule(namespace)
            .and_then(|rule| rule.submitters.as_ref())
            .or(self.submitters.as_ref());
        let allowed = |list: &Submitters| list.allow(asker.name, &asker.groups);
        let mut owners = self
            .owners_of(namespace)
            .filter_map(|rule| rule.submitters.as_ref());
        if here.is_some_and(|list| !allowed(list)) || owners.any(|list| !allowed(list)) {
            return Err(refused(format!("in namespace {:?}", cut(namespace))));
        }
        let mut of_key = self.keys.iter().filter(|(name, _)| is_key(name, key));
        if of_key.any(|(_, list)| !allowed(list)) {
            return Err(refused(format!("of key `{key}`")));
        }
        Ok(())
    }

    /// The first of the administrator's rules that fits.
    fn rule(&self, namespace: &str) -> Option<&NamespaceRule> {
        self.namespaces
            .iter()
            .find(|rule| rule.namespaces.contains(namespace))
    }

    /// Every rule of owners that fits.
    fn owners_of(&self, namespace: &str) -> impl Iterator<Item = &NamespaceRule> {
        self.owners
            .iter()
            .filter(move |rule| rule.namespaces.contains(namespace))
    }
}
