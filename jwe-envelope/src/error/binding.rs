//! What can be wrong with a binding, and how a place can fail to fit one.

use crate::date::Utc;
use crate::untrusted::cut;

/// A binding, a place or a name in them that is not legal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// `any` is something other than `true`.
    #[error("`bind`: `any` must be true, or left out for `ns`")]
    Any,
    /// No cluster, or more than sixteen.
    #[error("`bind`: `aud` must list 1 to 16 cluster names")]
    AudienceSize,
    /// `default` is the service account of every Pod that names none.
    #[error(
        "`bind`: service account \"default\" is shared by every Pod that sets none; use one of the application's own"
    )]
    DefaultServiceAccount,
    /// A cluster is listed in `aud` twice.
    #[error("`bind`: `aud` lists {cluster:?} twice")]
    DuplicateCluster {
        /// The cluster.
        cluster: String,
    },
    /// Characters or length that Kubernetes does not allow.
    #[error("{found:?} is not {expected}")]
    IllegalName {
        /// What was found.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A `*` that is by itself, inside, or after something other than a separator.
    #[error("{found:?}: `*` may only end a {what}, directly after {after}")]
    IllegalPattern {
        /// What was found.
        found: String,
        /// Which kind of name.
        what: &'static str,
        /// What may be before the star.
        after: &'static str,
    },
    /// A place with other than three parts.
    #[error("place {found:?} is not of the form namespace/name/field")]
    Place {
        /// What was found.
        found: String,
    },
    /// Neither or both of `ns` and `any`.
    #[error("`bind` must say either `ns` or `any`")]
    Scope,
    /// A time that is no whole second from 0 to 2⁵³−1.
    #[error("`bind`: `{member}` must be whole seconds since 1970, from 0 to 2^53-1")]
    Time {
        /// `nbf` or `exp`.
        member: &'static str,
    },
    /// `nbf` is after `exp`.
    #[error("`bind`: `nbf` is after `exp`, so there is no time to use the envelope")]
    TimesReversed,
    /// A member that version 1 does not know.
    #[error("`bind` has the member {name:?}, which version 1 does not know")]
    UnknownMember {
        /// The member.
        name: String,
    },
    /// A version other than the integer 1.
    #[error("`bind`: `v` must be the number 1; a newer webhook may know other versions")]
    Version,
    /// A member of another JSON type than it must have.
    #[error("`bind`: `{member}` must be {expected}")]
    WrongType {
        /// Which member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl BindingError {
    pub(crate) fn duplicate_cluster(cluster: &str) -> Self {
        Self::DuplicateCluster {
            cluster: cut(cluster),
        }
    }
}

/// What does not fit: names the member, what the envelope says and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingMismatch {
    /// Sealed for the webhook, opened at run time.
    #[error("sealed for the webhook to open, not for service account {found:?}")]
    AdmissionOnly {
        /// Who asked.
        found: String,
    },
    /// Another cluster.
    #[error("sealed for cluster {bound}, this is {found:?}")]
    Cluster {
        /// From the envelope.
        bound: String,
        /// From the configuration.
        found: String,
    },
    /// Clusters are named and the webhook does not know its own.
    #[error("sealed for cluster {bound}; this webhook has no cluster name configured")]
    ClusterUnknown {
        /// From the envelope.
        bound: String,
    },
    /// Too late.
    #[error("expired at {}, it is {}", Utc(*.expires), Utc(*.now))]
    Expired {
        /// `exp`.
        expires: u64,
        /// The time of the check.
        now: u64,
    },
    /// The name will be generated and need not fit.
    #[error("sealed for the Secret {bound:?}, found in one whose name is generated from {found:?}")]
    GeneratedName {
        /// From the envelope.
        bound: String,
        /// `generateName`.
        found: String,
    },
    /// Another key within `data`.
    #[error("sealed for the field {bound:?}, found in {found:?}")]
    Key {
        /// From the envelope.
        bound: String,
        /// From the review.
        found: String,
    },
    /// Another Secret.
    #[error("sealed for the Secret {bound:?}, found in {found:?}")]
    Name {
        /// From the envelope.
        bound: String,
        /// From the review.
        found: String,
    },
    /// Another namespace.
    #[error("sealed for the namespace {bound:?}, found in {found:?}")]
    Namespace {
        /// From the envelope.
        bound: String,
        /// From the review.
        found: String,
    },
    /// Too early.
    #[error("not valid before {}, it is {}", Utc(*.not_before), Utc(*.now))]
    NotYetValid {
        /// `nbf`.
        not_before: u64,
        /// The time of the check.
        now: u64,
    },
    /// Sealed for a service account, seen by the webhook.
    #[error("sealed for service account {bound:?} to open at run time, not for the webhook")]
    RunTimeOnly {
        /// From the envelope.
        bound: String,
    },
    /// Another service account.
    #[error("sealed for service account {bound:?}, opened by {found:?}")]
    ServiceAccount {
        /// From the envelope.
        bound: String,
        /// Who asked.
        found: String,
    },
}

impl BindingMismatch {
    pub(crate) fn namespace(bound: &str, found: &str) -> Self {
        Self::Namespace {
            bound: bound.to_owned(),
            found: cut(found),
        }
    }

    pub(crate) fn name(bound: &str, found: &str) -> Self {
        Self::Name {
            bound: bound.to_owned(),
            found: cut(found),
        }
    }

    pub(crate) fn generated_name(bound: &str, found: &str) -> Self {
        Self::GeneratedName {
            bound: bound.to_owned(),
            found: cut(found),
        }
    }

    pub(crate) fn key(bound: &str, found: &str) -> Self {
        Self::Key {
            bound: bound.to_owned(),
            found: cut(found),
        }
    }

    pub(crate) fn cluster(bound: &[String], found: &str) -> Self {
        Self::Cluster {
            bound: list(bound),
            found: cut(found),
        }
    }

    pub(crate) fn no_cluster(bound: &[String]) -> Self {
        Self::ClusterUnknown { bound: list(bound) }
    }

    pub(crate) fn service_account(bound: Option<&str>, found: Option<&str>) -> Self {
        match (bound.map(cut), found.map(cut)) {
            (Some(bound), Some(found)) => Self::ServiceAccount { bound, found },
            (Some(bound), None) => Self::RunTimeOnly { bound },
            (None, found) => Self::AdmissionOnly {
                found: found.unwrap_or_default(),
            },
        }
    }
}

/// Cluster names as a sentence has them; a long list ends in how many more there are.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("{:?}", cut(name)))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(" or "),
        more => format!("{} or {more} more", shown.join(", ")),
    }
}
