//! Why a value is not opened: a stable word, a sentence, the next step.

use std::fmt;

use jwe_envelope::{BindingMismatch, ParseError, RefusedError};
use kms_backends::{Category, KeyEntry, UnwrapError};

use crate::width::Width;

/// Untrusted text, short enough for one line of a message.
pub(crate) fn cut(text: &str) -> &str {
    const LONGEST: usize = 64;
    text.char_indices()
        .nth(LONGEST)
        .map_or(text, |(end, _)| &text[..end])
}

/// One stable word per reason: scripts, metrics and alerts may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Opened by the webhook alone: the envelope names no service account.
    AdmissionOnly,
    /// One key is sealed in both layouts.
    Ambiguous,
    /// The value claims to be an envelope and is not a well-formed one.
    Damaged,
    /// The key service refuses us the key.
    Denied,
    /// Its `exp` has passed.
    Expired,
    /// Somebody else's envelope, where policy refuses those.
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
    /// Wrong key or altered ciphertext: one word for every cryptographic reason.
    NotOpened,
    /// Whoever submits it has not the right to have values opened there.
    NotPermitted,
    /// Not sealed, where everything must be.
    NotSealed,
    /// Its `nbf` has not come yet.
    NotYetValid,
    /// Opened at run time alone, by the service account that it names.
    RunTimeOnly,
    /// Signed by somebody whose signature does not open it.
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
    pub const ALL: [Self; 31] = [
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

    /// Whether the bytes themselves are at fault, whoever may read them and wherever they stand.
    pub const fn is_malformed(self) -> bool {
        matches!(self, Self::Damaged)
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
    pub(crate) fn new(
        code: Code,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            next_step: next_step.into(),
            kid: None,
        }
    }

    /// Names the key that the envelope asks for.
    pub(crate) fn for_key(mut self, kid: Option<&str>) -> Self {
        self.kid = kid.map(|kid| cut(kid).to_owned());
        self
    }

    pub(crate) fn damaged(error: &ParseError) -> Self {
        Self::new(
            Code::Damaged,
            format!("damaged envelope: {error}"),
            "copy the whole envelope again from its source, or seal the value anew",
        )
    }

    pub(crate) fn not_an_envelope() -> Self {
        Self::new(
            Code::NotAnEnvelope,
            "the value is not an envelope",
            "seal it first with `privy seal`",
        )
    }

    pub(crate) fn foreign(kid: Option<&str>) -> Self {
        Self::new(
            Code::Foreign,
            "the envelope is bound to no place and names no key that is served here",
            "seal the value with the key card of this cluster; if it is a token of somebody else's, keep it out of sealed Secrets or have the administrator allow foreign envelopes",
        )
        .for_key(kid)
    }

    pub(crate) fn unknown_key(kid: Option<&str>) -> Self {
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
    pub(crate) fn unlisted_key(kid: Option<&str>) -> Self {
        Self::new(
            Code::UnknownKey,
            "the envelope is sealed for a key that is not served here yet; the versions of keys are being refreshed",
            "try again in half a minute; if it stays so, seal the value with the current key card, or ask the administrator to add the key",
        )
        .for_key(kid)
    }

    pub(crate) fn unbound(entry: &KeyEntry, kid: Option<&str>) -> Self {
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
    pub(crate) fn key_not_taken(entry: &KeyEntry, namespace: &str, kid: Option<&str>) -> Self {
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

    pub(crate) fn too_wide(width: Width, widest: Width, namespace: &str) -> Self {
        Self::new(
            Code::TooWide,
            format!(
                "the envelope may be opened {}, and namespace {:?} takes none wider than `{widest}`",
                width.in_words(),
                cut(namespace)
            ),
            "seal the value again for its place alone, with `--for NAMESPACE/NAME/FIELD`",
        )
    }

    pub(crate) fn namespace_not_allowed(
        entry: &KeyEntry,
        namespace: &str,
        kid: Option<&str>,
    ) -> Self {
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

    pub(crate) fn wrong_place(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::WrongPlace,
            mismatch.to_string(),
            "put the value back where it was sealed for, or seal it anew for this place",
        )
    }

    pub(crate) fn wrong_cluster(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::WrongCluster,
            mismatch.to_string(),
            "seal the value anew for this cluster, or ask the administrator whether `cluster` is configured",
        )
    }

    pub(crate) fn expired(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::Expired,
            mismatch.to_string(),
            "have the value sealed anew with a later expiry",
        )
    }

    pub(crate) fn not_yet_valid(mismatch: &BindingMismatch) -> Self {
        Self::new(
            Code::NotYetValid,
            mismatch.to_string(),
            "apply it again when its time has come",
        )
    }

    pub(crate) fn run_time_only(service_account: &str) -> Self {
        Self::new(
            Code::RunTimeOnly,
            format!(
                "the envelope is opened at run time alone, by service account {:?}",
                cut(service_account)
            ),
            "name the field in the annotation `privyseal.dev/leave` if the application opens it itself, or seal the value without a service account",
        )
    }

    pub(crate) fn admission_only() -> Self {
        Self::new(
            Code::AdmissionOnly,
            "the envelope names no service account, so only the webhook opens it",
            "seal the value for the service account that is to open it",
        )
    }

    pub(crate) fn wrong_service_account(bound: &str, found: &str) -> Self {
        Self::new(
            Code::WrongServiceAccount,
            format!(
                "bound to service account {:?}, asked for by {:?}",
                cut(bound),
                cut(found)
            ),
            "run as the service account that the value is sealed for, or seal it anew",
        )
    }

    pub(crate) fn default_service_account() -> Self {
        Self::new(
            Code::WrongServiceAccount,
            "service account \"default\" never opens anything: every pod of the namespace runs as it",
            "give the application a service account of its own and seal for that",
        )
    }

    pub(crate) fn nested() -> Self {
        Self::new(
            Code::Nested,
            "the opened value is itself an envelope",
            "seal the value once: open the inner envelope first, then seal what was in it",
        )
    }

    pub(crate) fn not_opened() -> Self {
        Self::new(
            Code::NotOpened,
            "the envelope could not be opened: it was altered, or sealed for another key",
            "copy the whole envelope again from its source, or seal the value anew with the current key card",
        )
    }
}

/// What the public checks against one key found: the key's name belongs to the words.
pub(crate) fn refused(error: &RefusedError, entry: &KeyEntry, kid: Option<&str>) -> Refusal {
    let (code, next_step) = match error {
        RefusedError::BadEphemeral { .. }
        | RefusedError::BadPartyInfo { .. }
        | RefusedError::EncryptedKeyLength { .. } => (
            Code::Damaged,
            "copy the whole envelope again from its source, or seal the value anew",
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
pub(crate) fn unwrap_failed(error: &UnwrapError, entry: &KeyEntry, kid: Option<&str>) -> Refusal {
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
            format!("the key service of key `{name}` did not answer in time; nothing was changed"),
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
