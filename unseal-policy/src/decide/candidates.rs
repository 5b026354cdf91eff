//! Whether each of our keys that an envelope is for may be tried.

use jwe_envelope::{Binding, GrantContext, GrantError};
use kms_backends::{Granted, KeyEntry, SelectError, Selected};

use super::binding::refusal_of;
use super::{OpeningContext, Policy, Site};
use crate::refusal::{Refusal, refused};
use crate::signatures::Signed;
use crate::width::Width;

/// One key to try, every check passed.
#[derive(Debug)]
pub struct Attempt<'e> {
    granted: Granted<'e>,
    kid: Option<&'e str>,
}

impl<'e> Attempt<'e> {
    /// The key.
    pub fn entry(&self) -> &'e KeyEntry {
        self.granted.entry()
    }

    /// The proof that [`Registry::open`](kms_backends::Registry::open) asks for.
    pub fn granted(&self) -> &Granted<'e> {
        &self.granted
    }

    /// `kid` as the envelope has it.
    pub fn kid(&self) -> Option<&'e str> {
        self.kid
    }
}

/// The keys to try, in the envelope's order: one, or two where it has several recipients.
#[derive(Debug)]
pub struct Attempts<'e> {
    /// The first.
    pub first: Attempt<'e>,
    /// Tried when the first fails.
    pub second: Option<Attempt<'e>>,
}

impl<'e> Attempts<'e> {
    /// What [`Registry::open_first`](kms_backends::Registry::open_first) takes.
    pub fn in_turn(&self) -> (&Granted<'e>, Option<&Granted<'e>>) {
        let second = self.second.as_ref();
        (self.first.granted(), second.map(Attempt::granted))
    }

    /// The attempt that it speaks of in its answer.
    pub fn at(&self, index: usize) -> &Attempt<'e> {
        match (index, &self.second) {
            (1, Some(second)) => second,
            _ => &self.first,
        }
    }
}

/// Everything that decides whether one recipient of an envelope may be tried.
pub(super) struct Gates<'d> {
    pub(super) binding: Option<&'d Binding>,
    pub(super) context: &'d GrantContext<'d>,
    pub(super) site: &'d Site<'d>,
    pub(super) policy: &'d Policy,
    pub(super) signed: &'d Signed,
}

/// The key's own policy, then the public checks of the envelope against it. Every gate is asked about this key, so that
/// one that refuses is not tried, whatever another recipient's key allows.
pub(super) fn attempt<'e>(
    selected: Selected<'e>,
    gates: &Gates<'_>,
) -> Result<Attempt<'e>, Refusal> {
    let Gates {
        binding,
        context,
        site,
        policy,
        signed,
    } = gates;
    let (entry, kid) = (selected.entry, selected.key_id());
    let refusal = |error: SelectError| refusal_for(&error, &selected, site);
    selected.check_entry(site.namespace).map_err(refusal)?;
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
    let granted = selected.grant(context).map_err(refusal)?;
    if let OpeningContext::Admission(admission) = site.caller
        && let Some(submitter) = admission.submitter
    {
        submitter
            .check(entry.name())
            .map_err(|refusal| refusal.for_key(kid))?;
    }
    Ok(Attempt { granted, kid })
}

/// The refusal for a check that failed.
fn refusal_for(error: &SelectError, selected: &Selected<'_>, site: &Site<'_>) -> Refusal {
    let (entry, kid) = (selected.entry, selected.key_id());
    match error {
        SelectError::Namespace { .. } => Refusal::namespace_not_allowed(entry, site.namespace, kid),
        SelectError::Unbound { .. } | SelectError::Grant(GrantError::Unbound) => {
            Refusal::unbound(entry, kid)
        }
        SelectError::Grant(GrantError::Refused(error)) => refused(error, entry, kid),
        SelectError::Grant(GrantError::Mismatch(mismatch)) => {
            let binding = selected.envelope.binding();
            let bound = binding.and_then(Binding::service_account);
            refusal_of(mismatch, bound, site).for_key(kid)
        }
        _ => Refusal::unknown_key(kid),
    }
}
