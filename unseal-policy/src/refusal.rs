//! Why a value is not opened: a stable word, a sentence, the next step.

use std::fmt;

use jwe_envelope::{BindingMismatch, ParseError, RefusedError, Untrusted};
use kms_backends::{Category, KeyEntry, UnwrapError};

use crate::width::Width;

/// Untrusted text, short enough for one line of a message, where it is quoted.
pub fn cut(text: &str) -> &str {
    Untrusted::new(text).beginning()
}

/// One stable word per reason: scripts, metrics and alerts may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Opened by the webhook only: the envelope names no service account.
    AdmissionOnly,
    /// One key is sealed in both layouts.
    Ambiguous,
    /// The value claims to be an envelope and is not a well-formed one.
    Damaged,
    /// The key service refuses us the key.
    Denied,
    /// Its `exp` has passed.
    Expired,
    /// An envelope for another cluster, where those are refused.
    Foreign,
    /// The stored Secret may not change, and the opened value would change it.
    Immutable,
    /// The key service or the key is not set up as the webhook needs it.
    Misconfigured,
    /// The key's policy does not allow this namespace.
    NamespaceNotAllowed,
    /// The opened value is itself an envelope.
    Nested,
    /// Not an envelope at all, where one is needed.
    NotAnEnvelope,
    /// An envelope for a served key, written in a form that admission does not open.
    NotOpenableForm,
    /// Wrong key or altered ciphertext: one word for every cryptographic reason.
    NotOpened,
    /// The user who submits it may not have values opened there.
    NotPermitted,
    /// Not sealed, where everything must be.
    NotSealed,
    /// Its `nbf` has not come yet.
    NotYetValid,
    /// Opened at run time only, by the service account that it names.
    RunTimeOnly,
    /// Signed by someone whose signature does not open it.
    SignerNotAllowed,
    /// Policy lets others submit it.
    SubmitterNotAllowed,
    /// More bytes or envelopes than a Secret may hold.
    TooLarge,
    /// Bound wider than policy takes in that namespace.
    TooWide,
    /// The opened value would fail the check that goes with the Secret's type.
    TypeCheck,
    /// The key service does not answer now.
    Unavailable,
    /// Bound to no place, and the key's policy wants a binding.
    Unbound,
    /// No key of ours.
    UnknownKey,
    /// Not signed, where a signature is asked for.
    Unsigned,
    /// Well-formed, and outside the profile.
    Unsupported,
    /// Meant for other clusters.
    WrongCluster,
    /// The key is pinned to another algorithm.
    WrongKeyAlgorithm,
    /// Bound to another namespace, Secret or key.
    WrongPlace,
    /// Bound to another service account.
    WrongServiceAccount,
    /// Its signature is damaged, or not for this envelope.
    WrongSignature,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 32] = [
        Self::AdmissionOnly,
        Self::Ambiguous,
        Self::Damaged,
        Self::Denied,
        Self::Expired,
        Self::Foreign,
        Self::Immutable,
        Self::Misconfigured,
        Self::NamespaceNotAllowed,
        Self::Nested,
        Self::NotAnEnvelope,
        Self::NotOpenableForm,
        Self::NotOpened,
        Self::NotPermitted,
        Self::NotSealed,
        Self::NotYetValid,
        Self::RunTimeOnly,
        Self::SignerNotAllowed,
        Self::SubmitterNotAllowed,
        Self::TooLarge,
        Self::TooWide,
        Self::TypeCheck,
        Self::Unavailable,
        Self::Unbound,
        Self::UnknownKey,
        Self::Unsigned,
        Self::Unsupported,
        Self::WrongCluster,
        Self::WrongKeyAlgorithm,
        Self::WrongPlace,
        Self::WrongServiceAccount,
        Self::WrongSignature,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdmissionOnly => "admission-only",
            Self::Ambiguous => "ambiguous",
            Self::Damaged => "damaged",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Foreign => "foreign",
            Self::Immutable => "immutable",
            Self::Misconfigured => "misconfigured",
            Self::NamespaceNotAllowed => "namespace-not-allowed",
            Self::Nested => "nested",
            Self::NotAnEnvelope => "not-an-envelope",
            Self::NotOpenableForm => "not-openable-form",
            Self::NotOpened => "not-opened",
            Self::NotPermitted => "not-permitted",
            Self::NotSealed => "not-sealed",
            Self::NotYetValid => "not-yet-valid",
            Self::RunTimeOnly => "run-time-only",
            Self::SignerNotAllowed => "signer-not-allowed",
            Self::SubmitterNotAllowed => "submitter-not-allowed",
            Self::TooLarge => "too-large",
            Self::TooWide => "too-wide",
            Self::TypeCheck => "type-check",
            Self::Unavailable => "unavailable",
            Self::Unbound => "unbound",
            Self::UnknownKey => "unknown-key",
            Self::Unsigned => "unsigned",
            Self::Unsupported => "unsupported",
            Self::WrongCluster => "wrong-cluster",
            Self::WrongKeyAlgorithm => "wrong-key-algorithm",
            Self::WrongPlace => "wrong-place",
            Self::WrongServiceAccount => "wrong-service-account",
            Self::WrongSignature => "wrong-signature",
        }
    }

    /// Whether the bytes themselves are at fault, anyone who may read them and wherever they stand.
    pub const fn is_malformed(self) -> bool {
        matches!(self, Self::Damaged)
    }

    /// Whether the annotation `privyseal.dev/leave` has such a value stored sealed: those that the webhook could not open
    /// in any place, at any time and for anyone. A value that it could open is no one's to leave closed.
    pub const fn can_be_left(self) -> bool {
        matches!(
            self,
            Self::Damaged
                | Self::Foreign
                | Self::NotOpenableForm
                | Self::RunTimeOnly
                | Self::UnknownKey
                | Self::Unsupported
                | Self::WrongKeyAlgorithm
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one value is not opened, in words for the person who reads the denial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable word.
    pub code: Code,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it: lower case, no full stop.
    pub next_step: String,
    /// The key that the envelope names, as written and cut short.
    pub kid: Option<String>,
    /// That key is unknown, and may be a version that is not listed yet: worth listing them again.
    pub may_be_new: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(kid) = &self.kid {
            write!(f, " (key {kid:?})")?;
        }
        write!(f, "; {}", self.next_step)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// A refusal with its code, what is wrong, and what to do.
    pub fn new(code: Code, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            next_step: next_step.into(),
            kid: None,
            may_be_new: false,
        }
    }

    /// Names the key that the envelope asks for.
    #[must_use]
    pub fn for_key(mut self, kid: Option<&str>) -> Self {
        self.kid = kid.map(|kid| cut(kid).to_owned());
        self
    }

    /// [`Code::Damaged`]
    pub fn damaged(error: &ParseError) -> Self {
        Self::new(
            Code::Damaged,
            format!("damaged envelope: {error}"),
            "copy the whole envelope again from its source, or seal the value again",
        )
    }

    /// [`Code::NotAnEnvelope`]
    pub fn not_an_envelope() -> Self {
        Self::new(
            Code::NotAnEnvelope,
            "the value is not an envelope",
            "seal it first with `privy seal`",
        )
    }

    /// [`Code::Foreign`]
    pub fn foreign(kid: Option<&str>) -> Self {
        Self::new(
            Code::Foreign,
            "the envelope is bound to no place and sealed for no key that is served here",
            "seal the value with the key card of this cluster; if the application opens it itself, name the field in the annotation `privyseal.dev/leave`",
        )
        .for_key(kid)
    }

    /// [`Code::Foreign`], where a live value would be replaced.
    pub fn foreign_over_live(kid: Option<&str>) -> Self {
        Self::new(
            Code::Foreign,
            "the envelope is sealed for no key that is served here, and would replace a plain value that is in use",
            "seal the value with the key card of this cluster; if the application opens it itself, name the field in the annotation `privyseal.dev/leave`",
        )
        .for_key(kid)
    }

    /// [`Code::Foreign`], for tokens under a shared key.
    pub fn symmetric() -> Self {
        Self::new(
            Code::Foreign,
            "the envelope is sealed under a symmetric key, which no key that is served here can open",
            "seal the value with `privy seal`",
        )
    }

    /// [`Code::NotOpenableForm`]
    pub fn not_openable_form() -> Self {
        Self::new(
            Code::NotOpenableForm,
            "the envelope is written in a form that is not opened at admission: its first bytes are not those that the API server's policies know",
            "rewrite it with `privy seal --rewrite FILE`, which needs no key; if the application opens it itself, name the field in the annotation `privyseal.dev/leave`",
        )
    }

    /// [`Code::Damaged`], where a live value would be replaced.
    pub fn damaged_over_live() -> Self {
        Self::new(
            Code::Damaged,
            "the value has the parts of an envelope and does not begin as one, and would replace a plain value that is in use",
            "copy the whole envelope again from its source; if it is meant to be stored as it is, name the field in the annotation `privyseal.dev/leave`",
        )
    }

    /// [`Code::Damaged`], because an envelope that is not the whole value would replace a plain value.
    pub fn hidden_over_live() -> Self {
        Self::new(
            Code::Damaged,
            "the value is an envelope in quotation marks or in another encoding, and would replace a plain value that is in use",
            "make the envelope the whole value; if it is meant to be stored as it is, name the field in the annotation `privyseal.dev/leave`",
        )
    }

    /// [`Code::UnknownKey`]
    pub fn unknown_key(kid: Option<&str>) -> Self {
        let message = if kid.is_some() {
            "the envelope is sealed for a key that is not served here"
        } else {
            "the envelope names no key, and no default key is configured here"
        };
        Self::new(
            Code::UnknownKey,
            message,
            "seal the value with the current key card, or ask the administrator to add the key",
        )
        .for_key(kid)
    }

    /// Where versions of keys are listed, and a new one might be the envelope's.
    pub fn unlisted_key(kid: Option<&str>) -> Self {
        let refusal = Self::new(
            Code::UnknownKey,
            "the envelope is sealed for a key that is not served here yet; the versions of keys are being refreshed",
            "try again in half a minute; if it stays so, seal the value with the current key card, or ask the administrator to add the key",
        );
        Self {
            may_be_new: true,
            ..refusal.for_key(kid)
        }
    }

    /// [`Code::Unbound`]
    pub fn unbound(entry: &KeyEntry, kid: Option<&str>) -> Self {
        Self::new(
            Code::Unbound,
            format!(
                "the envelope is bound to no place, which key `{}` does not allow",
                entry.name()
            ),
            "seal the value with `privy seal --for NAMESPACE/NAME/FIELD`, or ask the administrator for `allowUnbound`",
        )
        .for_key(kid)
    }

    /// The namespace's own rule, where the key's would let it pass.
    pub fn key_not_taken(entry: &KeyEntry, namespace: &str, kid: Option<&str>) -> Self {
        Self::new(
            Code::NamespaceNotAllowed,
            format!(
                "namespace {:?} does not take values sealed for key `{}`",
                cut(namespace),
                entry.name()
            ),
            "seal the value with a key of this namespace, or ask its owners to add this one to `keys`",
        )
        .for_key(kid)
    }

    /// [`Code::TooWide`]
    pub fn too_wide(width: Width, widest: Width, namespace: &str) -> Self {
        Self::new(
            Code::TooWide,
            format!(
                "the envelope may be opened {}, and namespace {:?} takes none wider than `{widest}`",
                width.in_words(),
                cut(namespace)
            ),
            "seal the value again only for its place, with `--for NAMESPACE/NAME/FIELD`",
        )
    }

    /// [`Code::NamespaceNotAllowed`]
    pub fn namespace_not_allowed(entry: &KeyEntry, namespace: &str, kid: Option<&str>) -> Self {
        Self::new(
            Code::NamespaceNotAllowed,
            format!(
                "key `{}` may not be used in namespace {:?}",
                entry.name(),
                cut(namespace)
            ),
            "seal the value with a key of this namespace, or ask the administrator to allow it",
        )
        .for_key(kid)
    }

    /// [`Code::WrongPlace`]
    pub fn wrong_place(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::WrongPlace,
            mismatch.to_string(),
            "put the value back where it was sealed for, or seal it again for this place",
        )
    }

    /// [`Code::WrongCluster`]
    pub fn wrong_cluster(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::WrongCluster,
            mismatch.to_string(),
            "seal the value again for this cluster, or ask the administrator whether `cluster` is configured",
        )
    }

    /// [`Code::Expired`]
    pub fn expired(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::Expired,
            mismatch.to_string(),
            "have the value sealed again with a later expiry",
        )
    }

    /// [`Code::NotYetValid`]
    pub fn not_yet_valid(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::NotYetValid,
            mismatch.to_string(),
            "apply it again when its time has come",
        )
    }

    /// [`Code::RunTimeOnly`]
    pub fn run_time_only(service_account: &str) -> Self {
        Self::new(
            Code::RunTimeOnly,
            format!(
                "the envelope is opened only at run time, by service account {:?}",
                cut(service_account)
            ),
            "name the field in the annotation `privyseal.dev/leave` if the application opens it itself, or seal the value without a service account",
        )
    }

    /// [`Code::AdmissionOnly`]
    pub fn admission_only() -> Self {
        Self::new(
            Code::AdmissionOnly,
            "the envelope names no service account, so only the webhook opens it",
            "seal the value for the service account that is to open it",
        )
    }

    /// [`Code::WrongServiceAccount`]
    pub fn wrong_service_account(bound: &str, found: &str) -> Self {
        Self::new(
            Code::WrongServiceAccount,
            format!(
                "bound to service account {:?}, asked for by {:?}",
                cut(bound),
                cut(found)
            ),
            "run as the service account that the value is sealed for, or seal it again",
        )
    }

    /// [`Code::WrongServiceAccount`], for the one that every pod gets.
    pub fn default_service_account() -> Self {
        Self::new(
            Code::WrongServiceAccount,
            "service account \"default\" never opens anything: every pod of the namespace runs as it",
            "give the application a service account of its own and seal for that",
        )
    }

    /// [`Code::Nested`]
    pub fn nested() -> Self {
        Self::new(
            Code::Nested,
            "the opened value is itself an envelope",
            "seal the value once: open the inner envelope first, then seal what was in it",
        )
    }

    /// [`Code::NotOpened`]
    pub fn not_opened() -> Self {
        Self::new(
            Code::NotOpened,
            "the envelope could not be opened: it was altered, or sealed for another key",
            "copy the whole envelope again from its source, or seal the value again with the current key card",
        )
    }
}

/// What the public checks against one key found: the key's name belongs to the words.
pub fn refused(error: &RefusedError, entry: &KeyEntry, kid: Option<&str>) -> Refusal {
    let (code, next_step) = match error {
        RefusedError::BadEphemeral { .. }
        | RefusedError::BadPartyInfo { .. }
        | RefusedError::EncryptedKeyLength { .. } => (
            Code::Damaged,
            "copy the whole envelope again from its source, or seal the value again",
        ),
        RefusedError::WrongAlgorithm { .. } => (
            Code::WrongKeyAlgorithm,
            "seal the value with the algorithm on the key card",
        ),
        // `zip`, `crit`, `alg`, `enc` and what later profiles will know of: well-formed, and not for us.
        _ => (Code::Unsupported, "seal the value with `privy seal`"),
    };
    let message = match kid {
        Some(_) => error.to_string(),
        None => format!("{error} (default key `{}`)", entry.name()),
    };
    Refusal::new(code, message, next_step).for_key(kid)
}

/// What the key service's failure means for the person who reads the denial. Its own words are for the log.
pub fn unwrap_failed(error: &UnwrapError, entry: &KeyEntry, kid: Option<&str>) -> Refusal {
    let name = entry.name();
    let refusal = match error.category() {
        Category::Denied => Refusal::new(
            Code::Denied,
            format!("the key service does not let the webhook use key `{name}`"),
            "ask the key manager to grant the webhook decryption with it, then apply again",
        ),
        Category::Misconfigured => Refusal::new(
            Code::Misconfigured,
            format!("key `{name}` is not set up as the webhook needs it"),
            "ask the administrator to look at the webhook's log and to run `privy-webhook check-config`",
        ),
        Category::Rejected => Refusal::not_opened(),
        Category::Unavailable => Refusal::new(
            Code::Unavailable,
            format!("the key service of key `{name}` did not answer in time"),
            "apply again in a moment",
        ),
        Category::UnknownKey => Refusal::new(
            Code::UnknownKey,
            format!(
                "the key service does not have key `{name}` any more, or its version is disabled"
            ),
            "seal the value with the current key card, or ask the key manager to enable the key version",
        ),
    };
    refusal.for_key(kid)
}
