//! Policy that depends on the namespace, the key and whoever submits, beside what holds everywhere.

use std::borrow::Cow;

use kms_backends::NamespaceSet;

#[cfg(feature = "server")]
use crate::decide::{Code, Refusal};
use crate::decide::{Expired, Foreign, Policy};
#[cfg(feature = "server")]
use crate::refusal::cut;
use crate::submitters::Submitters;

/// The rules of an administrator. Without any, everything holds everywhere and for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// Who may submit sealed values where no rule of a namespace says otherwise; none named: everybody.
    pub submitters: Option<Submitters>,
    /// Rules of namespaces. The first one that fits holds.
    pub namespaces: Vec<NamespaceRule>,
    /// Who may submit values of a key, by the key's name, beyond what the namespace asks.
    pub keys: Vec<(String, Submitters)>,
}

/// What holds in some namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRule {
    /// Which ones.
    pub namespaces: NamespaceSet,
    /// What becomes of envelopes that are not for us.
    pub foreign: Option<Foreign>,
    /// What becomes of values introduced after their `exp`.
    pub expired: Option<Expired>,
    /// Whether the second webhook refuses plain values here; where it is asked, it does unless told otherwise.
    pub must_be_sealed: Option<bool>,
    /// Who may submit sealed values here.
    pub submitters: Option<Submitters>,
}

/// Whoever asks, as the API server says.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'r, G> {
    /// The user's name.
    pub(crate) name: &'r str,
    /// The user's groups.
    pub(crate) groups: G,
}

impl Rulebook {
    /// The policy that holds in this namespace.
    pub fn policy<'p>(&self, everywhere: &'p Policy, namespace: &str) -> Cow<'p, Policy> {
        match self.rule(namespace) {
            Some(rule) if rule.foreign.is_some() || rule.expired.is_some() => {
                let mut policy = everywhere.clone();
                policy.foreign = rule.foreign.unwrap_or(policy.foreign);
                policy.expired = rule.expired.unwrap_or(policy.expired);
                Cow::Owned(policy)
            }
            _ => Cow::Borrowed(everywhere),
        }
    }

    /// Whether the second webhook refuses plain values here.
    pub fn must_be_sealed(&self, namespace: &str) -> bool {
        self.rule(namespace)
            .and_then(|rule| rule.must_be_sealed)
            .unwrap_or(true)
    }

    /// Whether anybody at all is kept from submitting.
    #[cfg(feature = "server")]
    pub(crate) fn asks_who(&self) -> bool {
        self.submitters.is_some()
            || !self.keys.is_empty()
            || self.namespaces.iter().any(|rule| rule.submitters.is_some())
    }

    /// Whether this user may submit a value of this key here.
    #[cfg(feature = "server")]
    pub(crate) fn check<'g, G: Iterator<Item = &'g str> + Clone>(
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
        if here.is_some_and(|list| !allowed(list)) {
            return Err(refused(format!("in namespace {:?}", cut(namespace))));
        }
        // A key that is named without a version serves each version as `name#version`.
        let named = |name: &str| {
            key.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
        };
        let mut of_key = self.keys.iter().filter(|(name, _)| named(name));
        if of_key.any(|(_, list)| !allowed(list)) {
            return Err(refused(format!("of key `{key}`")));
        }
        Ok(())
    }

    fn rule(&self, namespace: &str) -> Option<&NamespaceRule> {
        self.namespaces
            .iter()
            .find(|rule| rule.namespaces.contains(namespace))
    }
}
