//! What an envelope says of itself, held against keys, policy and place: by the webhook's own decision.
mod keys;
mod kind;
mod signature;
mod width;
mod words;

use std::borrow::Cow;

use jwe_envelope::{Binding, ObjectName, Recognized};
use secret_walker::ManifestSecret;
use webhook_bin::decide::{Change, Code, Decision, Leave, Policy, Reservation, Site, Use, decide};
use webhook_bin::filter::{EXEMPT_NAMESPACES, EXEMPT_TYPES, forwards};

use self::width::plausible;
use self::words::{no_namespace, through, unbound, verdict};
use super::check::Subject;
use super::kustomize::Placement;
use super::rules::RuleId;
use crate::signing;
use crate::text::printable;

/// A rule, what is wrong, and the next step where it is not the rule's own.
pub type Verdict = (RuleId, String, Option<String>);

/// Where a value sits in a manifest.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'m, 'a> {
    /// Its Secret.
    pub secret: &'m ManifestSecret<'a>,
    /// Its key.
    pub key: &'m str,
    /// The Secret asks for it to be left closed.
    pub leave: bool,
    /// It stands in an annotation.
    pub annotation: bool,
}

/// Where a value will be in a cluster.
#[derive(Clone, Debug)]
pub struct Target<'t> {
    /// `None` where nothing says.
    pub namespace: Option<String>,
    /// The name, or what a generated name begins with.
    pub name: String,
    /// Whether the API server or Kustomize puts something behind the name.
    pub generated: bool,
    /// The key.
    pub key: &'t str,
    /// The annotation with its signature, if it has one.
    pub signature: Option<&'t str>,
    /// The kustomization that makes it so.
    pub through: Option<&'t str>,
}

impl Target<'_> {
    fn name(&self) -> ObjectName<'_> {
        if self.generated {
            ObjectName::Generated(&self.name)
        } else {
            ObjectName::Named(&self.name)
        }
    }
}

/// Judges the envelopes of one file.
#[derive(Debug)]
pub struct Judge<'j, 's> {
    subject: &'j Subject<'s>,
}

impl<'j, 's> Judge<'j, 's> {
    /// For this file.
    pub fn new(subject: &'j Subject<'s>) -> Self {
        Self { subject }
    }

    /// What is wrong with an envelope where it stands, in every place that Kustomize gives it.
    pub fn place(
        &self,
        recognized: &Recognized<'_>,
        value: &[u8],
        seat: &Seat<'_, '_>,
    ) -> Vec<Verdict> {
        let Recognized::Sealed(envelope) = recognized else {
            return Vec::new();
        };
        if seat.leave {
            return Vec::new();
        }
        let kind = seat.secret.secret_type().map_or("", |kind| kind.text);
        let mut found = self.filter(value, kind, seat.annotation);
        found.extend(self.width(envelope));
        for placement in &self.subject.placements {
            let target = self.target(seat.secret, seat.key, placement);
            for verdict in self.target_verdicts(recognized, &target) {
                if !found.contains(&verdict) {
                    found.push(verdict);
                }
            }
        }
        let signature = self.signature(envelope, seat, &found);
        found.extend(signature);
        found
    }

    /// What is wrong with an envelope in one place of a cluster.
    pub fn target_verdicts(
        &self,
        recognized: &Recognized<'_>,
        target: &Target<'_>,
    ) -> Vec<Verdict> {
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
            caller: Use::Admission {
                change: Change::Created,
                leave: false,
            },
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
            Decision::Leave(Leave::Foreign { kid }) => {
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
            Decision::Leave(Leave::Asked | Leave::Plain | Leave::Unopenable(_)) => {}
            Decision::Refuse(refusal) => {
                let unknown = refusal.code == Code::UnknownKey;
                found.push(verdict(refusal));
                // The key says nothing of the place.
                if unknown && let Some(binding) = binding {
                    found.extend(self.without_keys(binding, &site));
                }
            }
            Decision::Unwrap { reservation, .. } => {
                if let Some(Reservation::UnlessStored(refusal) | Reservation::Warned(refusal)) =
                    reservation
                {
                    found.push(verdict(refusal));
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
    ) -> Target<'t> {
        let rule = self
            .subject
            .governing
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
        Target {
            namespace,
            name,
            generated,
            key,
            signature: secret
                .annotation(&signing::annotation_of(key))
                .map(|signature| signature.text),
            through: placement.through.as_deref(),
        }
    }

    /// Whether the webhook would be asked about the value at all.
    #[allow(
        clippy::unused_self,
        reason = "one of the questions that a judge answers"
    )]
    pub fn filter(&self, value: &[u8], kind: &str, annotation: bool) -> Vec<Verdict> {
        let mut found = Vec::new();
        if EXEMPT_TYPES.contains(&kind) {
            found.push((
                RuleId::SlipsPastFilter,
                format!(
                    "the webhook is never asked about Secrets of type {:?}",
                    printable(kind, 100)
                ),
                Some("give the Secret another type, or keep the value out of it".to_owned()),
            ));
        } else if !annotation && !forwards(value) {
            found.push((
                RuleId::SlipsPastFilter,
                "an envelope that does not begin as the webhook's registration expects, so that it would be stored as it is"
                    .to_owned(),
                Some("seal the value anew with `privy seal`, whose envelopes begin with `eyJlbmMiOi`".to_owned()),
            ));
        }
        found
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
    fn clusters(&self, binding: Option<&Binding>) -> Option<Verdict> {
        let (rule, _) = self.subject.governing.rule?;
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

    /// What a binding alone tells, where the key is not known.
    fn without_keys(&self, binding: &Binding, site: &Site<'_>) -> Vec<Verdict> {
        let mut found = Vec::new();
        if let Err(mismatch) = binding.check_place(site.namespace, site.name, site.key) {
            found.push((RuleId::WrongPlace, mismatch.to_string(), None));
        }
        if let Some(account) = binding.service_account() {
            found.push((
                RuleId::RunTimeOnly,
                format!(
                    "meant for the service account {:?} alone",
                    printable(account, 64)
                ),
                None,
            ));
        }
        let now = self.subject.setup.now;
        if let Err(mismatch) = binding.check_time(now, 0) {
            let early = binding.not_before().is_some_and(|from| now < from);
            let rule = if early {
                RuleId::NotYetValid
            } else {
                RuleId::Expired
            };
            found.push((rule, mismatch.to_string(), None));
        }
        found
    }
}
