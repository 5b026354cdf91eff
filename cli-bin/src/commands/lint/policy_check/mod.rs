//! What an envelope says of itself, held against keys, policy and place: by the webhook's own decision.
mod cluster_place;
mod keys;
mod messages;
mod secret_type;
mod signature;
mod width;

use std::borrow::Cow;
use std::time::Duration;

use jwe_envelope::{
    Binding, BindingMismatch, Envelope, KeyManagement, Recognized, is_openable_form,
    to_openable_form,
};
use secret_walker::ManifestSecret;
use unseal_policy::decide::{
    Admission, Attempts, Change, Code, Decision, Objection, OpeningContext, Policy, Site,
    Untouched, decide, system_time,
};
use unseal_policy::filter::{EXEMPT_NAMESPACES, forwards};

pub use self::cluster_place::{ClusterPlace, Issue, ManifestField};
pub use self::messages::rewrite_command;
use self::messages::{issue, no_namespace, plausible, through, unbound};
use super::kustomize::Placement;
use super::subject::LintSubject;
use crate::project::lint::rules::RuleId;
use crate::sealing::signing;
use crate::text::printable;

/// Judges the envelopes of one file.
#[derive(Debug)]
pub struct PolicyCheck<'j, 's> {
    subject: &'j LintSubject<'s>,
}

impl<'j, 's> PolicyCheck<'j, 's> {
    /// For this file.
    pub fn new(subject: &'j LintSubject<'s>) -> Self {
        Self { subject }
    }

    /// What is wrong with an envelope where it stands, in every place that Kustomize gives it.
    pub fn place(
        &self,
        recognized: &Recognized<'_>,
        value: &[u8],
        manifest_field: &ManifestField<'_, '_>,
    ) -> Vec<Issue> {
        let Recognized::Sealed(envelope) = recognized else {
            return Vec::new();
        };
        if manifest_field.leave {
            return self.refused_although_left(recognized, value, manifest_field);
        }
        let mut found = self.filter(envelope, value, manifest_field.annotation);
        found.extend(self.width(envelope));
        for placement in &self.subject.placements {
            let target = ClusterPlace {
                openable: is_openable_form(value),
                ..self.target(manifest_field.secret, manifest_field.key, placement)
            };
            for issue in self.issues_in_place(recognized, &target) {
                let said = issue.0 == RuleId::NotOpenable
                    && found.iter().any(|(rule, _, _)| {
                        matches!(rule, RuleId::NotOpenable | RuleId::SlipsPastFilter)
                    });
                if !said && !found.contains(&issue) {
                    found.push(issue);
                }
            }
        }
        let signature = self.signature(envelope, manifest_field, &found);
        found.extend(signature);
        found
    }

    /// What the webhook refuses although the Secret asks for it to be left closed: a value that it could open elsewhere, at
    /// another time or for someone else.
    fn refused_although_left(
        &self,
        recognized: &Recognized<'_>,
        value: &[u8],
        manifest_field: &ManifestField<'_, '_>,
    ) -> Vec<Issue> {
        let mut found = Vec::new();
        self.decide_left(
            recognized,
            value,
            manifest_field,
            |decision| match decision {
                Ok(Decision::Refuse(refusal)) => found.push(issue(refusal)),
                Ok(Decision::Leave(_) | Decision::Unwrap { .. }) => {}
                Err(target) => found.push(no_namespace(target)),
            },
        );
        found
    }

    /// Whether the Secret asks for a value to be left closed and the webhook leaves it so. One that it can open is opened.
    pub fn stays_closed(
        &self,
        recognized: &Recognized<'_>,
        value: &[u8],
        manifest_field: &ManifestField<'_, '_>,
    ) -> bool {
        let mut opened = false;
        if manifest_field.leave {
            self.decide_left(recognized, value, manifest_field, |decision| {
                opened |= matches!(decision, Ok(Decision::Unwrap { .. }));
            });
        }
        manifest_field.leave && !opened
    }

    /// Decides about a value that is to be left closed, in every place that Kustomize gives it; `Err` where nothing says
    /// into which namespace it goes.
    fn decide_left(
        &self,
        recognized: &Recognized<'_>,
        value: &[u8],
        manifest_field: &ManifestField<'_, '_>,
        mut each: impl FnMut(Result<Decision<Attempts<'_>>, &ClusterPlace<'_>>),
    ) {
        let setup = self.subject.setup;
        let Recognized::Sealed(envelope) = recognized else {
            return;
        };
        let binding = envelope.binding();
        if !setup.knows_keys() || binding.is_some_and(|b| b.service_account().is_some()) {
            return;
        }
        for placement in &self.subject.placements {
            let target = self.target(manifest_field.secret, manifest_field.key, placement);
            let Some(namespace) = &target.namespace else {
                each(Err(&target));
                continue;
            };
            let site = Site {
                namespace,
                name: target.name(),
                key: target.key,
                signature: target.signature,
                caller: OpeningContext::Admission(Admission {
                    leave: true,
                    openable: is_openable_form(value),
                    ..Admission::new(Change::Created)
                }),
            };
            let policy = self.policy(binding, namespace);
            each(Ok(decide(
                recognized,
                &site,
                &policy,
                &setup.registry,
                setup.now,
            )));
        }
    }

    /// What is wrong with an envelope in one place of a cluster.
    pub fn issues_in_place(
        &self,
        recognized: &Recognized<'_>,
        target: &ClusterPlace<'_>,
    ) -> Vec<Issue> {
        let mut found = Vec::new();
        let binding = match recognized {
            Recognized::Sealed(envelope) => envelope.binding(),
            Recognized::Plain | Recognized::Malformed(_) => None,
        };
        let Some(namespace) = target
            .namespace
            .clone()
            .or_else(|| binding.and_then(plausible))
        else {
            return vec![no_namespace(target)];
        };
        if target.namespace.is_none() {
            found.push(no_namespace(target));
        }
        if EXEMPT_NAMESPACES.contains(&namespace.as_str()) {
            found.push((
                RuleId::SlipsPastFilter,
                format!("the webhook's registration leaves out the namespace `{namespace}`"),
                Some(
                    "keep the Secret in another namespace, or give it its value by hand".to_owned(),
                ),
            ));
        }
        let setup = self.subject.setup;
        let site = Site {
            namespace: &namespace,
            name: target.name(),
            key: target.key,
            signature: target.signature,
            caller: OpeningContext::Admission(Admission {
                openable: target.openable,
                ..Admission::new(Change::Created)
            }),
        };
        if !setup.knows_keys() {
            found.extend(binding.map_or_else(
                || vec![unbound()],
                |binding| self.without_keys(binding, &site),
            ));
            return through(found, target);
        }
        let policy = self.policy(binding, &namespace);
        match decide(recognized, &site, &policy, &setup.registry, setup.now) {
            Decision::Leave(Untouched::Foreign { kid }) => {
                let kid = kid.map(|kid| format!(" (key {:?})", printable(&kid, 64)));
                found.push((
                    RuleId::Foreign,
                    format!(
                        "bound to no place and sealed for no key that is known here{}",
                        kid.unwrap_or_default()
                    ),
                    None,
                ));
            }
            Decision::Leave(
                Untouched::Asked | Untouched::OthersToken | Untouched::Plain | Untouched::Stored,
            ) => {}
            Decision::Refuse(refusal) => {
                let unknown = refusal.code == Code::UnknownKey;
                found.push(issue(refusal));
                // The key does not mention the place.
                if unknown && let Some(binding) = binding {
                    found.extend(self.without_keys(binding, &site));
                }
            }
            Decision::Unwrap { objection, .. } => {
                if let Some(Objection::UnlessStored(refusal) | Objection::Warned(refusal)) =
                    objection
                {
                    found.push(issue(refusal));
                }
                if binding.is_none() && !setup.by_policy {
                    found.push(unbound());
                }
            }
        }
        found.extend(self.clusters(binding));
        through(found, target)
    }

    /// Where the manifest's Secret goes when it is built so.
    fn target<'t>(
        &self,
        secret: &'t ManifestSecret<'_>,
        key: &'t str,
        placement: &'t Placement,
    ) -> ClusterPlace<'t> {
        let rule = self
            .subject
            .path_rules
            .rule
            .and_then(|(rule, _)| rule.namespace.clone());
        let namespace = placement
            .namespace
            .clone()
            .or_else(|| {
                secret
                    .namespace()
                    .map(|namespace| namespace.text.to_owned())
            })
            .or_else(|| rule.filter(|namespace| !namespace.contains('*')));
        let (name, generated) = match (secret.name(), secret.generate_name()) {
            (Some(name), _) => (name.text, false),
            (None, prefix) => (prefix.map_or("", |prefix| prefix.text), true),
        };
        let name = if generated {
            format!("{}{name}", placement.prefix)
        } else {
            format!("{}{name}{}", placement.prefix, placement.suffix)
        };
        ClusterPlace {
            namespace,
            name,
            generated,
            key,
            signature: secret
                .annotation(&signing::annotation_of(key))
                .map(|signature| signature.text),
            through: placement.through.as_deref(),
            openable: true,
        }
    }

    /// Whether the webhook would be asked about the value at all, and would open a value of its form.
    pub fn filter(&self, envelope: &Envelope<'_>, value: &[u8], annotation: bool) -> Vec<Issue> {
        let mut found = Vec::new();
        if !annotation && !forwards(value) {
            found.push((
                RuleId::SlipsPastFilter,
                "an envelope that does not begin as the webhook's registration expects, so that it would be stored as it is"
                    .to_owned(),
                Some(self.rewritten(value)),
            ));
        } else if !is_openable_form(value) && may_be_ours(envelope) {
            found.push((
                RuleId::NotOpenable,
                "an envelope in a form that the webhook does not open".to_owned(),
                Some(self.rewritten(value)),
            ));
        }
        found
    }

    /// How an envelope gets a form that the webhook opens.
    fn rewritten(&self, value: &[u8]) -> String {
        if to_openable_form(value).is_ok() {
            rewrite_command(self.subject.name)
        } else {
            "seal the value again with `privy set`: its protected header cannot be rewritten"
                .to_owned()
        }
    }

    /// The webhook's policy in this namespace; without one, the cluster is any that the envelope names.
    fn policy(&self, binding: Option<&Binding>, namespace: &str) -> Cow<'_, Policy> {
        let setup = self.subject.setup;
        if setup.by_policy {
            return setup.rulebook.policy(&setup.policy, namespace);
        }
        Cow::Owned(Policy {
            cluster: binding.and_then(|binding| binding.audience().first().cloned()),
            signatures: setup.policy.signatures.clone(),
            ..Policy::default()
        })
    }

    /// The clusters that `.privy.yaml` names must be among those of the envelope.
    fn clusters(&self, binding: Option<&Binding>) -> Option<Issue> {
        let (rule, _) = self.subject.path_rules.rule?;
        let audience = binding?.audience();
        if self.subject.setup.by_policy || audience.is_empty() {
            return None;
        }
        let missing = rule
            .clusters
            .iter()
            .find(|cluster| !audience.contains(cluster))?;
        Some((
            RuleId::WrongCluster,
            format!(
                "the envelope is for {}, and `.privy.yaml` has the cluster {:?} for this path",
                printable(&audience.join(", "), 200),
                printable(missing, 64)
            ),
            None,
        ))
    }

    /// What a binding tells by itself, where the key is not known.
    fn without_keys(&self, binding: &Binding, site: &Site<'_>) -> Vec<Issue> {
        let mut found = Vec::new();
        if let Err(mismatch) = binding.check_place(site.place()) {
            found.push((RuleId::WrongPlace, mismatch.to_string(), None));
        }
        if let Some(account) = binding.service_account() {
            found.push((
                RuleId::RunTimeOnly,
                format!(
                    "meant only for the service account {:?}",
                    printable(account, 64)
                ),
                None,
            ));
        }
        let now = system_time(self.subject.setup.now);
        if let Err(mismatch) = binding.check_time(now, Duration::ZERO) {
            let rule = if matches!(mismatch, BindingMismatch::NotYetValid { .. }) {
                RuleId::NotYetValid
            } else {
                RuleId::Expired
            };
            found.push((rule, mismatch.to_string(), None));
        }
        found
    }
}

/// Whether a key of the profile could open it; other people's encrypted tokens are left alone in every form.
fn may_be_ours(envelope: &Envelope<'_>) -> bool {
    envelope
        .recipients()
        .iter()
        .any(|recipient| recipient.algorithm().parse::<KeyManagement>().is_ok())
}
