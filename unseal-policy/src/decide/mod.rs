//! Value, place, policy: leave it, refuse it, or unwrap its content key. No I/O, no clock, no side effect; no key is touched.
//!
//! The webhook decides by this module, and so does the command line, so that both say the same.

use jwe_envelope::{Envelope, GrantContext, Recognized};
use kms_backends::{Registry, Selected};

pub use crate::refusal::{Code, Refusal};
use crate::signatures::Signed;

mod binding;
mod candidates;
mod foreign;
mod objection;
mod policy;

pub use crate::key_names::is_key;
pub use crate::site::{Admission, Change, OpeningContext, Site, SubmitterCheck};
pub use binding::system_time;
use binding::{check_binding, grant_context};
pub use candidates::{Attempt, Attempts};
use candidates::{Gates, attempt};
pub use objection::Objection;
pub use policy::{Expired, Foreign, KeyNames, Policy};

/// What happens to a value. `O` is what opening it takes.
#[derive(Debug)]
pub enum Decision<O> {
    /// It stays as it is, byte for byte.
    Leave(Untouched),
    /// The whole request is refused.
    Refuse(Refusal),
    /// Its content key is to be unwrapped and the value opened.
    Unwrap {
        /// What opening it takes.
        opening: O,
        /// What stands against it, and yet is no reason to refuse it now.
        objection: Option<Objection>,
        /// Who vouched for it.
        signed: Signed,
    },
}

/// Why a value stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untouched {
    /// The Secret asks for it: the application opens it itself.
    Asked,
    /// An envelope for another cluster. Deserves a warning.
    Foreign {
        /// The key that it names, cut short.
        kid: Option<String>,
    },
    /// A token under a symmetric key, which other people's software keeps in Secrets.
    OthersToken,
    /// Not an envelope.
    Plain,
    /// Stored like this already. It is never opened, no matter who asks: anyone who could store it would otherwise have
    /// it opened by the next change of someone who may have values opened. Deserves a warning.
    Stored,
}

/// Decides what happens to one value at `now` (Unix seconds).
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
    match site.caller {
        OpeningContext::Admission(_) if matches!(recognized, Recognized::Plain) => {
            Decision::Leave(Untouched::Plain)
        }
        OpeningContext::Admission(Admission {
            change: Change::Unchanged,
            leave,
            ..
        }) => Decision::Leave(if leave {
            Untouched::Asked
        } else {
            Untouched::Stored
        }),
        OpeningContext::Admission(admission) => {
            match judge(recognized, site, policy, registry, now) {
                Err(refusal)
                    if admission.leave && (refusal.code.can_be_left() || !admission.openable) =>
                {
                    Decision::Leave(Untouched::Asked)
                }
                Err(refusal) => Decision::Refuse(refusal),
                Ok(decision) => decision,
            }
        }
        OpeningContext::RunTime {
            service_account: "default",
        } => Decision::Refuse(Refusal::default_service_account()),
        OpeningContext::RunTime { .. } => {
            judge(recognized, site, policy, registry, now).unwrap_or_else(Decision::Refuse)
        }
    }
}

fn judge<'e>(
    recognized: &'e Recognized<'e>,
    site: &Site<'_>,
    policy: &Policy,
    registry: &'e Registry,
    now: u64,
) -> Result<Decision<Attempts<'e>>, Refusal> {
    let envelope = match recognized {
        Recognized::Plain => return Ok(Decision::Leave(Untouched::Plain)),
        Recognized::Malformed(error) => return Err(Refusal::damaged(error)),
        Recognized::Sealed(envelope) => envelope,
    };
    if foreign::is_others_token(envelope, registry) {
        return Ok(Decision::Leave(Untouched::OthersToken));
    }
    let binding = envelope.binding();
    let context = grant_context(site, policy, now);
    let mut candidates = registry.candidates(envelope).peekable();
    let Some(kid) = candidates.peek().map(Selected::key_id) else {
        return without_key(envelope, &context, site, policy, registry);
    };
    let objection = match binding {
        Some(binding) => check_binding(binding, &context, site, policy)
            .map_err(|refusal| refusal.for_key(kid))?
            .map(|objection| objection.for_key(kid)),
        None if matches!(site.caller, OpeningContext::RunTime { .. }) => {
            return Err(Refusal::admission_only().for_key(kid));
        }
        None => None,
    };

    let signed = policy.signatures.look_at(envelope, site.signature);
    let gates = Gates {
        binding,
        context: &context,
        site,
        policy,
        signed: &signed,
    };
    let mut first_refusal = None;
    let mut attempts = candidates
        .filter_map(|candidate| {
            attempt(candidate, &gates)
                .map_err(|refusal| first_refusal.get_or_insert(refusal).code)
                .ok()
        })
        .take(2);
    let first = attempts.next();
    let second = attempts.next();
    drop(attempts);
    match (first, first_refusal) {
        // Rewritten, it would be opened: everything else is in order.
        (Some(first), _) if !is_opened_in_this_form(site) => {
            Err(Refusal::not_openable_form().for_key(first.kid()))
        }
        (Some(first), _) => Ok(Decision::Unwrap {
            opening: Attempts { first, second },
            objection,
            signed,
        }),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => unreachable!("there is a candidate, and it became an attempt or a refusal"),
    }
}

/// An envelope that no key of ours is for.
fn without_key<'e>(
    envelope: &'e Envelope<'e>,
    context: &GrantContext<'_>,
    site: &Site<'_>,
    policy: &Policy,
    registry: &'e Registry,
) -> Result<Decision<Attempts<'e>>, Refusal> {
    let kid = envelope.recipients().iter().find_map(|r| r.key_id());
    let Some(binding) = envelope.binding() else {
        return leave_foreign(envelope, kid, site, policy);
    };
    let checked = check_binding(binding, context, site, policy);
    if let Err(refusal) = &checked
        && refusal.code == Code::RunTimeOnly
    {
        return Err(refusal.clone().for_key(kid));
    }
    // What would be refused anyway is not worth listing the versions of keys again.
    if kid.is_some() && checked.is_ok() && registry.may_be_unlisted(site.namespace) {
        Err(Refusal::unlisted_key(kid))
    } else {
        Err(Refusal::unknown_key(kid))
    }
}

/// One that is bound to no place either. The API server's policies tell envelopes by their first bytes, so one that begins as
/// ours do is refused; and what could be ours never replaces a value that is in use.
fn leave_foreign<'e>(
    envelope: &Envelope<'_>,
    kid: Option<&str>,
    site: &Site<'_>,
    policy: &Policy,
) -> Result<Decision<Attempts<'e>>, Refusal> {
    let OpeningContext::Admission(admission) = site.caller else {
        return Err(Refusal::foreign(kid));
    };
    if admission.openable || policy.foreign == Foreign::Deny {
        return Err(Refusal::foreign(kid));
    }
    if admission.change == Change::Replaced && foreign::could_be_ours(envelope) {
        return Err(Refusal::foreign_over_live(kid));
    }
    Ok(Decision::Leave(Untouched::Foreign {
        kid: kid.map(|kid| crate::refusal::cut(kid).to_owned()),
    }))
}

/// The API server's policies must recognize what admission opens. The application opens any form.
fn is_opened_in_this_form(site: &Site<'_>) -> bool {
    match site.caller {
        OpeningContext::Admission(admission) => admission.openable,
        OpeningContext::RunTime { .. } => true,
    }
}
