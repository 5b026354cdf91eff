//! Which value a decision is about: where it is, what the request does to it, and who wants it opened.

use std::fmt;

use jwe_envelope::{FoundPlace, ObjectName};

use crate::refusal::Refusal;

/// Where a value is and who wants it opened.
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
    pub caller: OpeningContext<'a>,
}

impl<'a> Site<'a> {
    /// The place by itself.
    pub const fn place(&self) -> FoundPlace<'a> {
        FoundPlace {
            namespace: self.namespace,
            name: self.name,
            key: self.key,
        }
    }
}

/// Who opens a value.
#[derive(Clone, Copy, Debug)]
pub enum OpeningContext<'a> {
    /// The webhook, while the Secret is being stored.
    Admission(Admission<'a>),
    /// The application itself, proven to run as this service account of the namespace.
    RunTime {
        /// Its name.
        service_account: &'a str,
    },
}

/// What a request to store a Secret means for one value.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// What the request does to the value.
    pub change: Change,
    /// The Secret asks for this field to be left alone.
    pub leave: bool,
    /// Whether the text is in a [form that admission opens](jwe_envelope::is_openable_form).
    pub openable: bool,
    /// Who may submit values of a key, where the configuration restricts that.
    pub submitter: Option<&'a dyn SubmitterCheck>,
}

impl Admission<'_> {
    /// A value in a form that admission opens, not named by `leave`, from anyone.
    pub const fn new(change: Change) -> Self {
        Self {
            change,
            leave: false,
            openable: true,
            submitter: None,
        }
    }
}

/// Knows whether the user who sends a request may submit values of a key. No I/O.
pub trait SubmitterCheck: fmt::Debug + Sync {
    /// Checks one key, by its configured name.
    ///
    /// # Errors
    /// Why this user may not submit values of it.
    fn check(&self, key: &str) -> Result<(), Refusal>;
}

/// What a request does to one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An update brings another text than the one that is stored under this key, which is sealed or empty.
    Changed,
    /// The Secret is new, or has not had this key.
    Created,
    /// An update brings another text than the plain value that is stored under this key and in use.
    Replaced,
    /// An update repeats what is stored.
    Unchanged,
}
