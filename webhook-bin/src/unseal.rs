//! Opens what [`decide`](crate::decide) lets be opened: one value for the command line, and all sealed
//! fields of a Secret, together or not at all, for the webhook.

use std::fmt;
use std::time::Duration;

use jwe_envelope::{Plaintext, Recognized, recognize};
use kms_backends::{Category, OpenFailure, Opened, Registry, UnwrapError};
use tokio::time::Instant;

use crate::decide::{
    Attempt, Attempts, Code, Decision, Leave, Policy, Refusal, Reservation, Site, decide,
};
use crate::refusal::unwrap_failed;

#[cfg(feature = "server")]
mod annotation;
mod format;
#[cfg(feature = "server")]
pub(crate) mod gate;
#[cfg(feature = "server")]
mod join;
#[cfg(feature = "server")]
pub(crate) mod recent;
#[cfg(feature = "server")]
pub(crate) mod secret;

pub use format::{BoxFuture, Context, Facts, Jwe, Opener, SealedFormat, SealedValue};

/// Why a value was not opened, the key service's part in it included.
#[derive(Debug)]
pub struct OpenRefusal {
    /// Code, message and next step.
    pub refusal: Refusal,
    /// What the key service answered, when it was asked and failed.
    pub category: Option<Category>,
    /// How long to wait before asking again, when it said so.
    pub retry_after: Option<Duration>,
    cause: Option<UnwrapError>,
}

impl OpenRefusal {
    /// The stable word.
    pub fn code(&self) -> Code {
        self.refusal.code
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        self.category == Some(Category::Unavailable)
    }

    /// The same for another field; the key service has no part in it.
    #[cfg(feature = "server")]
    fn again(&self) -> Self {
        Self {
            refusal: self.refusal.clone(),
            category: self.category,
            retry_after: self.retry_after,
            cause: None,
        }
    }

    fn from_failure(failure: OpenFailure, attempt: &Attempt<'_>) -> Self {
        match failure {
            OpenFailure::Open(_) => Self::from(Refusal::not_opened().for_key(attempt.kid)),
            OpenFailure::Unwrap(error) => Self {
                refusal: unwrap_failed(&error, attempt.entry, attempt.kid),
                category: Some(error.category()),
                retry_after: error.retry_after(),
                cause: Some(error),
            },
        }
    }
}

impl From<Refusal> for OpenRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            category: None,
            retry_after: None,
            cause: None,
        }
    }
}

impl fmt::Display for OpenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl std::error::Error for OpenRefusal {
    /// The key service's own words, for the log.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause
            .as_ref()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

/// Opens one value, which must be an envelope; blanks around it do not matter.
///
/// # Errors
/// Whatever the webhook would refuse, in the same words. Nothing of the value is kept then.
pub async fn open_value(
    value: &[u8],
    site: &Site<'_>,
    policy: &Policy,
    registry: &Registry,
    now: u64,
    deadline: Instant,
) -> Result<Plaintext, OpenRefusal> {
    let recognized = recognize(value.trim_ascii_start());
    let opening = match decide(&recognized, site, policy, registry, now) {
        Decision::Unwrap {
            opening,
            reservation: None | Some(Reservation::Warned(_)),
            ..
        } => opening,
        // Nothing is stored that one value could be compared with.
        Decision::Unwrap {
            reservation: Some(Reservation::UnlessStored(refusal)),
            ..
        } => return Err(refusal.into()),
        Decision::Refuse(refusal) | Decision::Leave(Leave::Unopenable(refusal)) => {
            return Err(refusal.into());
        }
        Decision::Leave(Leave::Foreign { kid }) => {
            return Err(Refusal::foreign(kid.as_deref()).into());
        }
        Decision::Leave(Leave::Plain | Leave::Asked) => {
            return Err(Refusal::not_an_envelope().into());
        }
    };
    let opened = open_attempts(&opening, registry, deadline).await?;
    match recognize(opened.plaintext.expose()) {
        Recognized::Plain => Ok(opened.plaintext),
        Recognized::Sealed(_) | Recognized::Malformed(_) => {
            Err(Refusal::nested().for_key(opening.first.kid).into())
        }
    }
}

/// Tries the keys in turn. What may succeed later is reported before what never will.
async fn open_attempts(
    attempts: &Attempts<'_>,
    registry: &Registry,
    deadline: Instant,
) -> Result<Opened, OpenRefusal> {
    let first = match open_attempt(&attempts.first, registry, deadline).await {
        Ok(opened) => return Ok(opened),
        Err(refusal) => refusal,
    };
    let Some(second) = &attempts.second else {
        return Err(first);
    };
    match open_attempt(second, registry, deadline).await {
        Ok(opened) => Ok(opened),
        Err(second) if second.is_transient() && !first.is_transient() => Err(second),
        Err(_) => Err(first),
    }
}

async fn open_attempt(
    attempt: &Attempt<'_>,
    registry: &Registry,
    deadline: Instant,
) -> Result<Opened, OpenRefusal> {
    registry
        .open(attempt.entry, &attempt.opening, deadline)
        .await
        .map_err(|failure| OpenRefusal::from_failure(failure, attempt))
}
