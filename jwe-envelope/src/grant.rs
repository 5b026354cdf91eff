//! One complete check of an envelope, and the proof that it passed.
//!
//! [`Envelope::grant`] makes every check that decides whether an envelope may be opened: it is for this key, bound or
//! allowed to be unbound, in its place, in its cluster, for this caller, within its time, and within the profile. Only
//! then is there a [`Grant`], which `LocalKey::open` takes. A grant borrows its envelope, so it
//! opens that envelope and no other.
//!
//! An envelope cannot be opened before it is checked:
//!
//! ```compile_fail,E0308
//! # fn before(key: &jwe_envelope::LocalKey, envelope: &jwe_envelope::Envelope<'_>) {
//! let _ = key.open(envelope); // an envelope is no grant
//! # }
//! ```
//!
//! A grant cannot be made without the check:
//!
//! ```compile_fail,E0451
//! # fn forged<'e>(envelope: &'e jwe_envelope::Envelope<'e>, key: &jwe_envelope::RecipientKey) {
//! # let Ok(opening) = envelope.open_unchecked(0, key) else { return };
//! let _ = jwe_envelope::Grant { opening, tolerated: None };
//! # }
//! ```
//!
//! A grant is used up when it opens, so that a second opening is checked again:
//!
//! ```compile_fail,E0382
//! # fn twice(key: &jwe_envelope::LocalKey, grant: jwe_envelope::Grant<'_>) {
//! let _ = key.open(grant);
//! let _ = key.open(grant);
//! # }
//! ```
//!
//! A grant does not outlive its envelope, so it cannot be kept for another one:
//!
//! ```compile_fail,E0505
//! # fn kept(
//! #     key: &jwe_envelope::LocalKey,
//! #     envelope: jwe_envelope::Envelope<'static>,
//! #     context: &jwe_envelope::GrantContext<'_>,
//! # ) {
//! let Ok(grant) = envelope.grant(key.recipient(), context) else { return };
//! drop(envelope);
//! let _ = key.open(grant);
//! # }
//! ```

use std::time::{Duration, SystemTime};

use crate::binding::{Binding, BindingMismatch, FoundPlace};
use crate::envelope::Envelope;
use crate::error::RefusedError;
use crate::open::Opening;
use crate::recipient::RecipientKey;
use crate::untrusted::cut;

/// Where, when and by whom an envelope is to be opened: everything that [`Envelope::grant`] compares it with.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use jwe_envelope::{GrantContext, Place};
///
/// let place: Place = "payments/db/password".parse()?;
/// let context = GrantContext::webhook(&place, SystemTime::now())
///     .cluster("production")
///     .skew(Duration::from_secs(60));
/// # Ok::<(), jwe_envelope::BindingError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GrantContext<'a> {
    place: FoundPlace<'a>,
    service_account: Option<&'a str>,
    cluster: Option<&'a str>,
    now: SystemTime,
    skew: Duration,
    out_of_time: OutOfTime,
    allow_unbound: bool,
}

/// What happens to an envelope outside the time that it is valid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfTime {
    /// There is no grant.
    #[default]
    Refuse,
    /// One that has expired is granted anyway, and [`Grant::tolerated`] says so: a cluster is rebuilt from Git.
    TolerateExpired,
    /// One that has expired or is not valid yet is granted anyway, and [`Grant::tolerated`] says so. Only for a
    /// caller that compares the opened value with one that it already has.
    Tolerate,
}

impl<'a> GrantContext<'a> {
    /// For the webhook, while the Secret is being stored: no cluster name, no difference between clocks, bound envelopes
    /// only.
    pub fn webhook(place: impl Into<FoundPlace<'a>>, now: SystemTime) -> Self {
        Self {
            place: place.into(),
            service_account: None,
            cluster: None,
            now,
            skew: Duration::ZERO,
            out_of_time: OutOfTime::Refuse,
            allow_unbound: false,
        }
    }

    /// For an application at run time, proven to be this service account of the namespace.
    pub fn service_account(
        place: impl Into<FoundPlace<'a>>,
        account: &'a str,
        now: SystemTime,
    ) -> Self {
        Self {
            service_account: Some(account),
            ..Self::webhook(place, now)
        }
    }

    /// The name of this cluster. Without one, an envelope that names clusters is refused.
    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<Option<&'a str>>) -> Self {
        self.cluster = cluster.into();
        self
    }

    /// By how much clocks may differ.
    #[must_use]
    pub const fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// What happens to an envelope outside its time.
    #[must_use]
    pub const fn out_of_time(mut self, out_of_time: OutOfTime) -> Self {
        self.out_of_time = out_of_time;
        self
    }

    /// Whether the key opens envelopes without `bind`, which fit every place; the webhook only.
    #[must_use]
    pub const fn allow_unbound(mut self, allow: bool) -> Self {
        self.allow_unbound = allow;
        self
    }

    /// Where the envelope is.
    pub const fn place(&self) -> FoundPlace<'a> {
        self.place
    }

    /// Checks caller, place, cluster and time, in this order, and returns the mismatch that was tolerated, if any.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn check(&self, binding: &Binding) -> Result<Option<BindingMismatch>, BindingMismatch> {
        binding.check_service_account(self.service_account)?;
        binding.check_place(self.place)?;
        binding.check_audience(self.cluster)?;
        let Err(mismatch) = binding.check_time(self.now, self.skew) else {
            return Ok(None);
        };
        match (self.out_of_time, &mismatch) {
            (OutOfTime::Tolerate, _)
            | (OutOfTime::TolerateExpired, BindingMismatch::Expired { .. }) => Ok(Some(mismatch)),
            _ => Err(mismatch),
        }
    }
}

/// Proof that an envelope may be opened; see the [module](self).
#[derive(Debug)]
#[must_use]
pub struct Grant<'e> {
    opening: Opening<'e>,
    tolerated: Option<BindingMismatch>,
}

impl<'e> Grant<'e> {
    /// What to ask of a key service, and how its answer opens the envelope.
    pub fn opening(&self) -> &Opening<'e> {
        &self.opening
    }

    /// The same, by value.
    pub fn into_opening(self) -> Opening<'e> {
        self.opening
    }

    /// Why the envelope is outside its time, where [`GrantContext::out_of_time`] tolerates that.
    pub fn tolerated(&self) -> Option<&BindingMismatch> {
        self.tolerated.as_ref()
    }
}

impl Envelope<'_> {
    /// Checks everything that decides whether `key` may open this envelope in `context`. No key is touched.
    ///
    /// The recipient is the one whose `kid` is the key's thumbprint; or the only one, if it has no `kid`. Where a key has
    /// other names, select the recipient and call [`grant_recipient`](Self::grant_recipient).
    ///
    /// # Errors
    /// The first check that failed.
    pub fn grant(
        &self,
        key: &RecipientKey,
        context: &GrantContext<'_>,
    ) -> Result<Grant<'_>, GrantError> {
        let recipients = self.recipients();
        let named = recipients
            .iter()
            .position(|recipient| recipient.key_id() == Some(key.kid()));
        let only = || (recipients.len() == 1 && recipients[0].key_id().is_none()).then_some(0);
        let recipient = named.or_else(only).ok_or_else(|| GrantError::OtherKey {
            kid: key.kid().to_owned(),
        })?;
        self.grant_recipient(recipient, key, context)
    }

    /// [`grant`](Self::grant) for the recipient (counted from 0) that the caller found to name `key`.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn grant_recipient(
        &self,
        recipient: usize,
        key: &RecipientKey,
        context: &GrantContext<'_>,
    ) -> Result<Grant<'_>, GrantError> {
        let tolerated = match (self.binding(), context.service_account) {
            (Some(binding), _) => context.check(binding)?,
            (None, Some(account)) => {
                let found = cut(account);
                return Err(BindingMismatch::AdmissionOnly { found }.into());
            }
            (None, None) if context.allow_unbound => None,
            (None, None) => return Err(GrantError::Unbound),
        };
        let opening = self.open_unchecked(recipient, key)?;
        Ok(Grant { opening, tolerated })
    }
}

/// Why an envelope may not be opened. Describes only public bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Place, cluster, caller or time do not fit.
    #[error(transparent)]
    Mismatch(#[from] BindingMismatch),
    /// No recipient names the key.
    #[error("the envelope is not sealed for key {kid}")]
    OtherKey {
        /// The thumbprint of the key.
        kid: String,
    },
    /// The profile or the key's pin refuses the envelope.
    #[error(transparent)]
    Refused(#[from] RefusedError),
    /// The envelope has no `bind`, and that is not allowed.
    #[error("the envelope has no `bind`, and the key does not open such envelopes")]
    Unbound,
}
