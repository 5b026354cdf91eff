//! Signatures of custodians: who may make them, where one is asked for, and whether one counts.
//!
//! Anyone with the public key can *propose* a value for any place. Where the administrator names signers, a value is
//! opened only if one of them vouched for its envelope. The signature is beside the envelope, in an annotation of the
//! Secret; nothing in it says whose key to use, but for a key id that is looked up here.

use std::fmt;
use std::sync::Arc;

use jwe_envelope::signature::envelope::claimed_envelope_signer;
use jwe_envelope::{Envelope, SignatureError, SignerKey};

use crate::key_names::is_key;
use crate::refusal::{Code, Refusal, cut};
use crate::site::Site;

/// What the name of the annotation with the signature of a key begins with; the key follows.
pub const ANNOTATION: &str = "privyseal.dev/sig.";

/// Someone whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    name: String,
    key: SignerKey,
    key_id: String,
}

impl Signer {
    /// With a name for people, denials and the audit.
    pub fn new(name: impl Into<String>, key: SignerKey) -> Self {
        Self {
            name: name.into(),
            key_id: key.kid(),
            key,
        }
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn key(&self) -> &SignerKey {
        &self.key
    }

    /// RFC 7638 thumbprint of the public key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// Whose signature opens a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlyFrom {
    /// No one's is asked for: what a rule of a namespace says where everywhere else one is.
    Anybody,
    /// That of one of these, by name.
    Signers(Vec<String>),
}

impl OnlyFrom {
    fn allows(&self, signed: &Signed) -> bool {
        match (self, signed) {
            (Self::Anybody, _) => true,
            (Self::Signers(names), Signed::By(by)) => names.contains(&by.name),
            (Self::Signers(_), _) => false,
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for OnlyFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("*"),
            Self::Signers(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// What the administrator wants of signatures. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Those whose signatures are looked at; no two have a name or a key in common.
    pub signers: Arc<Vec<Signer>>,
    /// Whose signature opens a value in this namespace: all of these must hold. None said: no one's is asked for.
    pub only_from: Vec<OnlyFrom>,
    /// Whose signature opens a value of a key, by the key's name, beyond what the namespace asks.
    pub keys: Arc<Vec<(String, OnlyFrom)>>,
}

/// What the signature beside an envelope says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Signed {
    /// There is none, or no one is configured whose signature would be looked at.
    #[default]
    No,
    /// It is good.
    By(SignedBy),
    /// It is of no one whom the configuration names; the key id is a claim, cut short.
    Unknown(String),
    /// It does not count: damaged, or not for this envelope.
    Wrong {
        /// The configured signer whom it claims, if it can be read that far.
        signer: Option<String>,
        /// What is wrong with it.
        error: SignatureError,
    },
}

/// Who vouched for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// The configured name.
    pub name: String,
    /// RFC 7638 thumbprint of the public key.
    pub key_id: String,
    /// When, in Unix seconds, as the signer says.
    pub at: u64,
}

impl Signatures {
    /// What the webhook makes of a signature: without anyone who could have made it, it is not looked at.
    pub fn look_at(&self, envelope: &Envelope<'_>, text: Option<&str>) -> Signed {
        match text {
            Some(text) if !self.signers.is_empty() => self.verify(envelope, text),
            _ => Signed::No,
        }
    }

    /// Holds a signature against an envelope as it came. Costs one public-key operation.
    pub fn verify(&self, envelope: &Envelope<'_>, text: &str) -> Signed {
        let claimed = match claimed_envelope_signer(text.as_bytes()) {
            Ok(claimed) => claimed,
            Err(error) => {
                return Signed::Wrong {
                    signer: None,
                    error,
                };
            }
        };
        let Some(signer) = self.signers.iter().find(|one| one.key_id == claimed) else {
            return Signed::Unknown(cut(&claimed).to_owned());
        };
        match signer
            .key
            .verify_envelope(text.as_bytes(), &envelope.digest())
        {
            Ok(verified) => Signed::By(SignedBy {
                name: signer.name.clone(),
                key_id: signer.key_id.clone(),
                at: verified.signed_at,
            }),
            Err(error) => Signed::Wrong {
                signer: Some(signer.name.clone()),
                error,
            },
        }
    }

    /// Whether a value of this key that is signed so is opened here. The namespace's rule and the key's must both hold.
    ///
    /// # Errors
    /// The refusal of an unsigned value, or of one that the wrong signer signed.
    pub fn check(&self, signed: &Signed, key: &str, site: &Site<'_>) -> Result<(), Refusal> {
        if let Some(rule) = self.only_from.iter().find(|rule| !rule.allows(signed)) {
            let place = format!("in namespace {:?}", cut(site.namespace));
            return Err(refused(signed, &place, rule, site));
        }
        let mut of_key = self.keys.iter().filter(|(name, _)| is_key(name, key));
        match of_key.find(|(_, rule)| !rule.allows(signed)) {
            Some((_, rule)) => Err(refused(signed, &format!("of key `{key}`"), rule, site)),
            None => Ok(()),
        }
    }
}

impl Signed {
    /// What deserves a warning where no one asked for a signature.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Wrong { signer, error } => Some(wrong(signer.as_deref(), error)),
            Self::By(_) | Self::No | Self::Unknown(_) => None,
        }
    }
}

fn wrong(signer: Option<&str>, error: &SignatureError) -> String {
    match signer {
        Some(signer) => {
            format!("its signature, which names signer `{signer}`, does not count: {error}")
        }
        None => format!("its signature does not count: {error}"),
    }
}

fn refused(signed: &Signed, place: &str, rule: &OnlyFrom, site: &Site<'_>) -> Refusal {
    let rule = format!("values {place} are opened only if signed by {rule}");
    let annotation = format!("{ANNOTATION}{}", cut(site.key));
    match signed {
        Signed::No => Refusal::new(
            Code::Unsigned,
            format!("the value is not signed, and {rule}"),
            format!(
                "have one of them look at the value and sign it with `privy sign`, which writes the annotation `{annotation}`"
            ),
        ),
        Signed::By(by) => Refusal::new(
            Code::SignerNotAllowed,
            format!("signed by {}, and {rule}", by.name),
            "have one of them look at the value and sign it with `privy sign`",
        ),
        Signed::Unknown(key_id) => Refusal::new(
            Code::SignerNotAllowed,
            format!("signed by a key that is no signer's here (key id {key_id:?}), and {rule}"),
            "have one of them look at the value and sign it with `privy sign`, or ask the administrator whether the signer has a new key",
        ),
        Signed::Wrong { signer, error } => Refusal::new(
            Code::WrongSignature,
            format!("{}; {rule}", wrong(signer.as_deref(), error)),
            format!(
                "the value or its annotation `{annotation}` was changed after it was signed: have one of them look at the value and sign it again"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn everybody_means_the_same_annotation() {
        assert_eq!(super::ANNOTATION, secret_walker::SIGNATURE_PREFIX);
    }
}
