//! Between the decision and the key service: which keys to try for a value, and what their answers mean.

use std::fmt;
use std::time::Duration;

use jwe_envelope::{Plaintext, Recognized, recognize};
use kms_backends::{Category, OpenFailure, Opened, Registry, UnwrapError};

use crate::decide::{
    Attempt, Attempts, Code, Decision, Objection, Policy, Refusal, Site, Untouched, decide,
};
use crate::refusal::{cut, unwrap_failed};

/// Why a value was not opened, the key service's part in it included.
#[derive(Debug)]
pub struct OpenRefusal {
    /// Code, message and next step.
    pub refusal: Refusal,
    /// What the key service answered, when it was asked and failed.
    pub category: Option<Category>,
    /// How long to wait before asking again, when it said so.
    pub retry_after: Option<Duration>,
    /// The configured name of the key that it was tried with, when it was tried.
    pub key: Option<String>,
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
    #[must_use]
    pub fn for_other_field(&self) -> Self {
        Self {
            refusal: self.refusal.clone(),
            category: self.category,
            retry_after: self.retry_after,
            key: self.key.clone(),
            cause: None,
        }
    }

    /// Why [`Registry::open`] failed in this attempt.
    pub fn from_failure(failure: OpenFailure, attempt: &Attempt<'_>) -> Self {
        let key = Some(attempt.entry().name().to_owned());
        match failure {
            OpenFailure::Open(_) => Self {
                key,
                ..Self::from(Refusal::not_opened().for_key(attempt.kid()))
            },
            OpenFailure::Unwrap(error) => Self {
                key,
                refusal: unwrap_failed(&error, attempt.entry(), attempt.kid()),
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
            key: None,
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

/// The keys to try for one value by itself, which must be an envelope in any form; spaces around it do not matter.
///
/// # Errors
/// Whatever the webhook would refuse, in the same words. Where [`Refusal::may_be_new`] says so, the key may be a new
/// version, which the caller makes its registry look for.
pub fn attempts<'e>(
    value: &'e Recognized<'e>,
    site: &Site<'_>,
    policy: &Policy,
    registry: &'e Registry,
    now: u64,
) -> Result<Attempts<'e>, Refusal> {
    match decide(value, site, policy, registry, now) {
        Decision::Unwrap {
            opening,
            objection: None | Some(Objection::Warned(_)),
            ..
        } => Ok(opening),
        // Nothing is stored that one value could be compared with.
        Decision::Unwrap {
            objection: Some(Objection::UnlessStored(refusal)),
            ..
        }
        | Decision::Refuse(refusal) => Err(refusal),
        Decision::Leave(Untouched::Foreign { kid }) => Err(Refusal::foreign(kid.as_deref())),
        Decision::Leave(Untouched::OthersToken) => Err(Refusal::symmetric()),
        Decision::Leave(Untouched::Plain | Untouched::Asked | Untouched::Stored) => {
            Err(Refusal::not_an_envelope())
        }
    }
}

/// An opened value, and which key opened it.
#[derive(Debug)]
pub struct OpenedBy {
    /// The value.
    pub opened: Opened,
    /// The configured name of the key that opened it.
    pub key: String,
    /// `kid` as the envelope has it, cut short.
    pub kid: Option<String>,
}

impl OpenedBy {
    /// What [`Registry::open`] opened in this attempt.
    pub fn new(opened: Opened, attempt: &Attempt<'_>) -> Self {
        Self {
            opened,
            key: attempt.entry().name().to_owned(),
            kid: attempt.kid().map(|kid| cut(kid).to_owned()),
        }
    }

    /// The value, unless it is an envelope again.
    ///
    /// # Errors
    /// [`Code::Nested`]; nothing of the value is kept then.
    pub fn into_plaintext(self) -> Result<Plaintext, Refusal> {
        match recognize(self.opened.plaintext.expose()) {
            Recognized::Plain => Ok(self.opened.plaintext),
            Recognized::Sealed(_) | Recognized::Malformed(_) => {
                Err(Refusal::nested().for_key(self.kid.as_deref()))
            }
        }
    }
}
