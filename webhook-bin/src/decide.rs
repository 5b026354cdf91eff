//! Value, place, policy: leave it, refuse it, or unwrap its content key. No I/O, no clock, no key is touched.
//!
//! The webhook decides by this module, and so does the command line, so that both say the same.

use jwe_envelope::{Binding, Envelope, ObjectName, Opening, Recognized};
use kms_backends::{KeyEntry, Registry};

use crate::refusal::refused;
pub use crate::refusal::{Code, Refusal};
use crate::signatures::{Signatures, Signed};
use crate::width::Width;

/// Seconds by which clocks may differ when a value is introduced.
const SKEW: u64 = 60;

/// What the administrator wants, beyond what each key's entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of envelopes that are not for us.
    pub foreign: Foreign,
    /// What becomes of values introduced after their `exp`.
    pub expired: Expired,
    /// The name of this cluster, which `aud` is compared with.
    pub cluster: Option<String>,
    /// The keys that may be used, by name; none named: those that allow it themselves.
    pub keys: Option<KeyNames>,
    /// The widest that an envelope may be bound.
    pub widest: Option<Width>,
    /// Whose signatures count, and where one is asked for.
    pub signatures: Signatures,
}

/// Keys by their configured names. A key that is named without a version serves each version as `name#version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNames(pub Vec<String>);

impl KeyNames {
    /// Whether this key is one of them.
    pub fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|name| is_key(name, key))
    }
}

/// Whether a key of this name is meant, or a version of it.
pub(crate) fn is_key(name: &str, key: &str) -> bool {
    key.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// What becomes of an envelope with neither `bind`, nor a served `kid`, nor a default key to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// The review is denied.
    Deny,
    /// It is left alone, with a warning: other people's tokens live in Secrets too.
    #[default]
    Warn,
}

/// What becomes of a value that is introduced after its `exp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// It is refused.
    #[default]
    Deny,
    /// It is opened, with a warning: a cluster is rebuilt from Git.
    Warn,
}

/// Where a value stands and who wants it opened.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The namespace of the request.
    pub namespace: &'a str,
    /// The name of the Secret.
    pub name: ObjectName<'a>,
    /// The key within `data`.
    pub key: &'a str,
    /// The signature beside it: the text of its annotation, if it has one.
    pub signature: Option<&'a str>,
    /// Who opens it.
    pub caller: Use<'a>,
}

/// Who opens a value.
#[derive(Clone, Copy, Debug)]
pub enum Use<'a> {
    /// The webhook, while the Secret is being stored.
    Admission {
        /// What the request does to the value.
        change: Change,
        /// The Secret asks for this field to be left alone.
        leave: bool,
    },
    /// The application itself, proven to run as this service account of the namespace.
    RunTime {
        /// Its name.
        service_account: &'a str,
    },
}

/// What a request does to one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An update brings another text than the one that is stored under this key.
    Changed,
    /// The Secret is new, or has not had this key.
    Created,
    /// An update repeats what is stored.
    Unchanged,
}

/// What becomes of a value. `O` is what opening it takes.
#[derive(Debug)]
pub enum Decision<O> {
    /// It stays as it is, byte for byte.
    Leave(Leave),
    /// The whole request is refused.
    Refuse(Refusal),
    /// Its content key is to be unwrapped and the value opened.
    Unwrap {
        /// What opening it takes.
        opening: O,
        /// What stands against it, and yet is no reason to refuse it now.
        reservation: Option<Reservation>,
        /// Who vouched for it.
        signed: Signed,
    },
}

/// What stands against a value that is opened all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// It holds unless the opened value is the one that is stored: then nothing is introduced. A manifest that is
    /// applied again brings the envelope, while the API server has what was in it.
    UnlessStored(Refusal),
    /// Policy makes it a warning.
    Warned(Refusal),
}

impl Reservation {
    fn for_key(self, kid: Option<&str>) -> Self {
        match self {
            Self::UnlessStored(refusal) => Self::UnlessStored(refusal.for_key(kid)),
            Self::Warned(refusal) => Self::Warned(refusal.for_key(kid)),
        }
    }
}

/// Why a value stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The Secret asks for it: the application opens it itself.
    Asked,
    /// Somebody else's envelope. Deserves a warning.
    Foreign {
        /// The key that it names, cut short.
        kid: Option<String>,
    },
    /// Not an envelope.
    Plain,
    /// It is stored like this already and cannot be opened: a dead key must not wedge the Secret. Deserves a warning.
    Unopenable(Refusal),
}

/// One key to try, every public check passed.
#[derive(Debug)]
pub struct Attempt<'e> {
    /// The key.
    pub entry: &'e KeyEntry,
    /// The envelope, ready for that key.
    pub opening: Opening<'e>,
    /// `kid` as the envelope has it.
    pub kid: Option<&'e str>,
}

/// The keys to try, in the envelope's order: one, or two where it has several recipients.
#[derive(Debug)]
pub struct Attempts<'e> {
    /// The first.
    pub first: Attempt<'e>,
    /// Tried when the first fails.
    pub second: Option<Attempt<'e>>,
}

/// Decides what becomes of one value at `now` (Unix seconds).
///
/// The order is fixed: what needs no look at any key comes first, so that a refusal never depends on
/// key material, and the caller may refuse a whole Secret before anything is unwrapped.
pub fn decide<'e>(
    recognized: &'e Recognized<'e>,
    site: &Site<'_>,
    policy: &Policy,
    registry: &'e Registry,
    now: u64,
) -> Decision<Attempts<'e>> {
    if let Use::RunTime {
        service_account: "default",
    } = site.caller
    {
        return Decision::Refuse(Refusal::default_service_account());
    }
    let envelope = match recognized {
        Recognized::Plain => return Decision::Leave(Leave::Plain),
        Recognized::Sealed(_) | Recognized::Malformed(_)
            if matches!(site.caller, Use::Admission { leave: true, .. }) =>
        {
            return Decision::Leave(Leave::Asked);
        }
        Recognized::Malformed(error) => return refuse(Refusal::damaged(error), site),
        Recognized::Sealed(envelope) => envelope,
    };
    match judge(envelope, site, policy, registry, now) {
        Ok(decision) => decision,
        Err(refusal) => refuse(refusal, site),
    }
}

/// A refusal, or a warning where the value is stored already.
fn refuse<O>(refusal: Refusal, site: &Site<'_>) -> Decision<O> {
    match site.caller {
        Use::Admission {
            change: Change::Unchanged,
            ..
        } => Decision::Leave(Leave::Unopenable(refusal)),
        Use::Admission { .. } | Use::RunTime { .. } => Decision::Refuse(refusal),
    }
}

fn judge<'e>(
    envelope: &'e Envelope<'e>,
    site: &Site<'_>,
    policy: &Policy,
    registry: &'e Registry,
    now: u64,
) -> Result<Decision<Attempts<'e>>, Refusal> {
    let mut candidates = Candidates::new(envelope, registry).peekable();
    let binding = envelope.binding();
    if candidates.peek().is_none() {
        let kid = envelope.recipients().iter().find_map(|r| r.key_id());
        return match (binding, policy.foreign) {
            (Some(binding), _) => {
                // Of a new version, perhaps. What would be refused anyway is not worth asking a key service for.
                let could_open = check_binding(binding, site, policy, now).is_ok();
                if kid.is_some() && could_open && registry.misses(site.namespace) {
                    Err(Refusal::unlisted_key(kid))
                } else {
                    Err(Refusal::unknown_key(kid))
                }
            }
            (None, Foreign::Deny) => Err(Refusal::foreign(kid)),
            (None, Foreign::Warn) => Ok(Decision::Leave(Leave::Foreign {
                kid: kid.map(|kid| crate::refusal::cut(kid).to_owned()),
            })),
        };
    }
    let kid = candidates.peek().and_then(|candidate| candidate.kid);
    let reservation = match binding {
        Some(binding) => check_binding(binding, site, policy, now)
            .map_err(|refusal| refusal.for_key(kid))?
            .map(|reservation| reservation.for_key(kid)),
        None if matches!(site.caller, Use::RunTime { .. }) => {
            return Err(Refusal::admission_only().for_key(kid));
        }
        None => None,
    };

    let signed = policy.signatures.look_at(envelope, site.signature);
    let mut first_refusal = None;
    let mut attempts = candidates
        .filter_map(|candidate| {
            candidate
                .attempt(envelope, binding, site, (policy, &signed))
                .map_err(|refusal| first_refusal.get_or_insert(refusal).code)
                .ok()
        })
        .take(2);
    let first = attempts.next();
    let second = attempts.next();
    drop(attempts);
    match (first, first_refusal) {
        (Some(first), _) => Ok(Decision::Unwrap {
            opening: Attempts { first, second },
            reservation,
            signed,
        }),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => unreachable!("there is a candidate, and it became an attempt or a refusal"),
    }
}

/// Place, cluster and service account must fit; time must where a value is introduced, unless policy says otherwise.
fn check_binding(
    binding: &Binding,
    site: &Site<'_>,
    policy: &Policy,
    now: u64,
) -> Result<Option<Reservation>, Refusal> {
    match (site.caller, binding.service_account()) {
        (Use::Admission { .. }, Some(bound)) => return Err(Refusal::run_time_only(bound)),
        (Use::RunTime { .. }, None) => return Err(Refusal::admission_only()),
        (Use::RunTime { service_account }, Some(bound)) if bound != service_account => {
            return Err(Refusal::wrong_service_account(bound, service_account));
        }
        (Use::Admission { .. }, None) | (Use::RunTime { .. }, Some(_)) => {}
    }
    binding
        .check_place(site.namespace, site.name, site.key)
        .map_err(|mismatch| Refusal::wrong_place(&mismatch))?;
    binding
        .check_audience(policy.cluster.as_deref())
        .map_err(|mismatch| Refusal::wrong_cluster(&mismatch))?;
    let at_run_time = matches!(site.caller, Use::RunTime { .. });
    let skew = if at_run_time { 0 } else { SKEW };
    let Err(mismatch) = binding.check_time(now, skew) else {
        return Ok(None);
    };
    let early = binding
        .not_before()
        .is_some_and(|from| now.saturating_add(skew) < from);
    let refusal = if early {
        Refusal::not_yet_valid(&mismatch)
    } else {
        Refusal::expired(&mismatch)
    };
    match site.caller {
        Use::Admission { .. } if !early && policy.expired == Expired::Warn => {
            Ok(Some(Reservation::Warned(refusal)))
        }
        Use::Admission {
            change: Change::Changed,
            ..
        } => Ok(Some(Reservation::UnlessStored(refusal))),
        Use::Admission { .. } | Use::RunTime { .. } => Err(refusal),
    }
}

/// A recipient of the envelope and the key of ours that may open it.
struct Candidate<'e> {
    recipient: usize,
    entry: &'e KeyEntry,
    kid: Option<&'e str>,
}

impl<'e> Candidate<'e> {
    /// The key's own policy, then the public checks of the envelope against it.
    fn attempt(
        self,
        envelope: &'e Envelope<'e>,
        binding: Option<&Binding>,
        site: &Site<'_>,
        (policy, signed): (&Policy, &Signed),
    ) -> Result<Attempt<'e>, Refusal> {
        let Self {
            recipient,
            entry,
            kid,
        } = self;
        if !entry.allows_namespace(site.namespace) {
            return Err(Refusal::namespace_not_allowed(entry, site.namespace, kid));
        }
        if binding.is_none() && !entry.allow_unbound() {
            return Err(Refusal::unbound(entry, kid));
        }
        if let Some(keys) = &policy.keys
            && !keys.contains(entry.name())
        {
            return Err(Refusal::key_not_taken(entry, site.namespace, kid));
        }
        let width = binding.map_or(Width::Anywhere, Width::of);
        if let Some(widest) = policy.widest
            && width > widest
        {
            return Err(Refusal::too_wide(width, widest, site.namespace).for_key(kid));
        }
        policy
            .signatures
            .check(signed, entry.name(), site)
            .map_err(|refusal| refusal.for_key(kid))?;
        let opening = envelope
            .opening(recipient, entry.recipient())
            .map_err(|error| refused(&error, entry, kid))?;
        Ok(Attempt {
            entry,
            opening,
            kid,
        })
    }
}

/// The recipients that are ours: those whose `kid` is served, else those without `kid` for the default key.
struct Candidates<'e> {
    envelope: &'e Envelope<'e>,
    registry: &'e Registry,
    next: usize,
    rule: Rule<'e>,
}

#[derive(Clone, Copy)]
enum Rule<'e> {
    ByKeyId,
    /// The only recipient without `kid` is tried whatever it says, so that the refusal is precise; of several
    /// those are that have the key's own algorithm.
    Default {
        entry: &'e KeyEntry,
        several: bool,
    },
    Nothing,
}

impl<'e> Candidates<'e> {
    fn new(envelope: &'e Envelope<'e>, registry: &'e Registry) -> Self {
        let recipients = envelope.recipients();
        let served = |kid| registry.find(kid).is_some();
        let rule = if recipients.iter().any(|r| r.key_id().is_some_and(served)) {
            Rule::ByKeyId
        } else {
            let mut unnamed = recipients.iter().filter(|r| r.key_id().is_none());
            match (unnamed.next(), registry.default_key()) {
                (Some(_), Some(entry)) => Rule::Default {
                    entry,
                    several: unnamed.next().is_some(),
                },
                _ => Rule::Nothing,
            }
        };
        Self {
            envelope,
            registry,
            next: 0,
            rule,
        }
    }
}

impl<'e> Iterator for Candidates<'e> {
    type Item = Candidate<'e>;

    fn next(&mut self) -> Option<Candidate<'e>> {
        while let Some(described) = self.envelope.recipients().get(self.next) {
            let recipient = self.next;
            self.next += 1;
            let kid = described.key_id();
            let entry = match (self.rule, kid) {
                (Rule::ByKeyId, Some(kid)) => self.registry.find(kid),
                (Rule::Default { entry, several }, None) => (!several
                    || described.algorithm() == entry.recipient().algorithm().as_str())
                .then_some(entry),
                (Rule::ByKeyId | Rule::Nothing, None)
                | (Rule::Default { .. } | Rule::Nothing, Some(_)) => None,
            };
            if let Some(entry) = entry {
                return Some(Candidate {
                    recipient,
                    entry,
                    kid,
                });
            }
        }
        None
    }
}
