//! In how many places an envelope opens.
use jwe_envelope::{Binding, Envelope, Scope};
use unseal_policy::width::Width;

use super::PolicyCheck;
use super::cluster_place::Issue;
use super::messages::{describe, plausible};
use crate::project::lint::rules::RuleId;
use crate::text::printable;

impl PolicyCheck<'_, '_> {
    /// Whether it opens in more places than the configuration allows.
    pub fn width(&self, envelope: &Envelope<'_>) -> Option<Issue> {
        let binding = envelope.binding()?;
        let rule = self.subject.path_rules.rule.map(|(rule, _)| rule);
        let width = width(binding, rule.and_then(|rule| rule.namespace.as_deref()));
        let widest = self.subject.path_rules.widest();
        if width > widest {
            return Some((
                RuleId::WideScope,
                format!(
                    "the envelope opens in {}, and the widest that is allowed here is `{}`",
                    describe(binding),
                    widest.as_str()
                ),
                None,
            ));
        }
        let Scope::Namespace(namespace) = binding.scope() else {
            return None;
        };
        let card = envelope
            .recipients()
            .iter()
            .find_map(|recipient| self.subject.setup.cards.get(recipient.key_id()?))?;
        let meant = card.namespaces.as_ref()?;
        let literal = plausible(binding)?;
        (!meant.contains(&literal)).then(|| {
            (
                RuleId::WideScope,
                format!(
                    "the envelope opens in the namespace {:?}, which the card of the key {:?} does not name",
                    printable(namespace.as_str(), 64),
                    printable(&card.name, 64)
                ),
                Some("ask the key manager which key is meant for this namespace".to_owned()),
            )
        })
    }
}

/// How wide it is; a pattern of namespaces is none where the file's own rule asks for that very pattern.
fn width(binding: &Binding, rule_namespace: Option<&str>) -> Width {
    match binding.scope() {
        Scope::Namespace(pattern) if rule_namespace == Some(pattern.as_str()) => {
            Width::within_namespace(binding)
        }
        Scope::Any | Scope::Namespace(_) => Width::of(binding),
    }
}
