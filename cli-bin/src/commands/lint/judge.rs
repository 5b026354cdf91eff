//! What an envelope says of itself, held against keys, policy and place: by the webhook's own decision.
use std::borrow::Cow;
use std::fmt::Write as _;

use jwe_envelope::{Binding, Envelope, KeyManagement, ObjectName, Recognized, Scope};
use secret_walker::{AdmittedSecret, ManifestSecret};
use webhook_bin::decide::{
    Change, Code, Decision, Leave, Policy, Refusal, Reservation, Site, Use, decide,
};
use webhook_bin::filter::{EXEMPT_NAMESPACES, EXEMPT_TYPES, forwards};
use webhook_bin::secret_type;
use webhook_bin::width::Width;

use super::check::{Opened, Subject};
use super::kustomize::Placement;
use super::rules::RuleId;
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

    /// What the keys of an envelope give cause to say, wherever it stands.
    pub fn keys(&self, envelope: &Envelope<'_>) -> Vec<Verdict> {
        let mut found = Vec::new();
        let setup = self.subject.setup;
        let kids = || {
            envelope
                .recipients()
                .iter()
                .filter_map(|recipient| recipient.key_id())
        };
        let cards: Vec<_> = kids().filter_map(|kid| setup.cards.get(kid)).collect();
        if let Some(card) = cards
            .first()
            .filter(|_| cards.iter().all(|card| card.retired))
        {
            found.push((
                RuleId::RetiredKey,
                format!(
                    "sealed for the key {:?}, which its card calls retired",
                    printable(&card.name, 64)
                ),
                None,
            ));
        }
        for card in cards.iter().filter(|card| !card.retired) {
            if let Some(end) = card.not_after.filter(|end| setup.now > *end) {
                found.push((
                    RuleId::ExpiredKey,
                    format!(
                        "sealed for the key {:?}, which its card wants nobody to use after {}",
                        printable(&card.name, 64),
                        crate::time::format(end)
                    ),
                    None,
                ));
            }
        }
        if let Some((rule, allowed)) = self.subject.governing.rule
            && let Some(card) = cards.first()
            && !allowed.is_empty()
            && !kids().any(|kid| allowed.iter().any(|known| known == kid))
        {
            found.push((
                RuleId::OtherKey,
                format!(
                    "sealed for the key {:?}, and `.privy.yaml` has {} for this path",
                    printable(&card.name, 64),
                    rule.keys.join(", ")
                ),
                None,
            ));
        }
        for recipient in envelope.recipients() {
            if recipient.algorithm() == KeyManagement::RsaOaep.as_str() {
                found.push((
                    RuleId::WeakAlgorithm,
                    "sealed with RSA-OAEP, which rests on SHA-1".to_owned(),
                    None,
                ));
                break;
            }
        }
        if let Err(error) = envelope.content_encryption() {
            found.push((
                RuleId::Unsupported,
                printable(&error.to_string(), 200),
                None,
            ));
        } else if !setup.knows_keys() {
            let strange = envelope
                .recipients()
                .iter()
                .all(|recipient| recipient.algorithm().parse::<KeyManagement>().is_err());
            if strange && let Some(recipient) = envelope.recipients().first() {
                let algorithm = printable(recipient.algorithm(), 64);
                let message = format!("key management {algorithm:?} is not opened by any key");
                found.push((RuleId::Unsupported, message, None));
            }
        }
        found
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

    /// What holds for the Secret as a whole: its type, and values whose Secret is never forwarded.
    pub fn secret(&self, secret: &ManifestSecret<'_>, sealed: &[Opened]) -> Vec<(RuleId, String)> {
        if sealed.is_empty() {
            return Vec::new();
        }
        // Types of others hold anything.
        let kind = secret.secret_type().map(|kind| kind.text);
        let Some(kind) = kind.filter(|kind| kind.starts_with("kubernetes.io/")) else {
            return Vec::new();
        };
        let data: serde_json::Map<_, _> = secret
            .fields()
            .iter()
            .map(|field| {
                let empty = field.value().is_ok_and(|value| value.is_empty());
                (
                    field.key().to_owned(),
                    if empty { "" } else { "QQ==" }.into(),
                )
            })
            .chain(
                sealed
                    .iter()
                    .map(|opened| (opened.key.clone(), "QQ==".into())),
            )
            .collect();
        let annotations: serde_json::Map<_, _> = secret
            .annotations()
            .map(|(name, value)| (name.to_owned(), value.text.into()))
            .collect();
        let object = serde_json::json!({
            "type": kind, "metadata": { "name": "x", "annotations": annotations }, "data": data,
        })
        .to_string();
        let Ok(admitted) = AdmittedSecret::from_json(&object) else {
            return Vec::new();
        };
        let empty: &[u8] = b"";
        let opened = |key: &str| {
            sealed
                .iter()
                .find(|opened| opened.key == key && opened.most == 0)
                .map(|_| empty)
        };
        secret_type::check(&admitted, opened)
            .into_iter()
            .map(|fault| {
                let kind = printable(kind, 100);
                (
                    RuleId::TypeCheck,
                    format!("`{}` {} (type {kind:?})", fault.field, fault.reason),
                )
            })
            .collect()
    }

    /// Where the manifest's Secret goes when it is built so.
    fn target<'t>(
        &self,
        secret: &ManifestSecret<'_>,
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

    /// Whether it opens in more places than the configuration allows.
    pub fn width(&self, envelope: &Envelope<'_>) -> Option<Verdict> {
        let binding = envelope.binding()?;
        let rule = self.subject.governing.rule.map(|(rule, _)| rule);
        let width = width(binding, rule.and_then(|rule| rule.namespace.as_deref()));
        let widest = self.subject.governing.widest();
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

    /// The webhook's policy in this namespace; without one, the cluster is any that the envelope names.
    fn policy(&self, binding: Option<&Binding>, namespace: &str) -> Cow<'_, Policy> {
        let setup = self.subject.setup;
        if setup.by_policy {
            return setup.rulebook.policy(&setup.policy, namespace);
        }
        Cow::Owned(Policy {
            cluster: binding.and_then(|binding| binding.audience().first().cloned()),
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

fn verdict(refusal: Refusal) -> Verdict {
    let kid = refusal
        .kid
        .map(|kid| format!(" (key {:?})", printable(&kid, 64)));
    (
        rule_of(refusal.code),
        format!(
            "{}{}",
            printable(&refusal.message, 400),
            kid.unwrap_or_default()
        ),
        Some(refusal.next_step),
    )
}

/// Most of the webhook's words are rules of the same name.
fn rule_of(code: Code) -> RuleId {
    match code {
        Code::AdmissionOnly | Code::WrongServiceAccount => RuleId::RunTimeOnly,
        Code::Ambiguous => RuleId::BothSections,
        Code::TooLarge => RuleId::Oversize,
        Code::TooWide => RuleId::WideScope,
        Code::WrongKeyAlgorithm => RuleId::Unsupported,
        other => RuleId::find(other.as_str()).unwrap_or(RuleId::Unsupported),
    }
}

fn unbound() -> Verdict {
    (
        RuleId::Unbound,
        "the envelope is bound to no place".to_owned(),
        None,
    )
}

fn no_namespace(target: &Target<'_>) -> Verdict {
    (
        RuleId::NoNamespace,
        format!(
            "nothing says into which namespace the Secret {:?} goes",
            printable(&target.name, 100)
        ),
        None,
    )
}

/// Says which kustomization a verdict is about.
fn through(mut found: Vec<Verdict>, target: &Target<'_>) -> Vec<Verdict> {
    let Some(through) = target.through else {
        return found;
    };
    for (rule, message, _) in &mut found {
        if matches!(
            rule,
            RuleId::WrongPlace | RuleId::NamespaceNotAllowed | RuleId::SlipsPastFilter
        ) {
            let namespace = target.namespace.as_deref().unwrap_or("?");
            let mark = if target.generated { "*" } else { "" };
            let _ = write!(
                message,
                " (as `{through}` makes it: {namespace}/{}{mark})",
                printable(&target.name, 100)
            );
        }
    }
    found
}

/// A namespace that the binding allows, where nothing else names one.
fn plausible(binding: &Binding) -> Option<String> {
    match binding.scope() {
        Scope::Any => None,
        Scope::Namespace(pattern) => Some(match pattern.literal() {
            Some(_) => format!("{}x", pattern.as_str().trim_end_matches('*')),
            None => pattern.as_str().to_owned(),
        }),
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

fn describe(binding: &Binding) -> String {
    let part = |part: Option<&jwe_envelope::Pattern>| {
        part.map_or("*".to_owned(), |pattern| printable(pattern.as_str(), 100))
    };
    let namespace = match binding.scope() {
        Scope::Any => "every namespace".to_owned(),
        Scope::Namespace(pattern) => printable(pattern.as_str(), 100),
    };
    format!(
        "{namespace}/{}/{}",
        part(binding.name()),
        part(binding.key())
    )
}
