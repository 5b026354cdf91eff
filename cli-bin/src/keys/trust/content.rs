//! What the list of trusted keys contains: pinned keys, signers of key cards, signers of values.
use anyhow::anyhow;
use jwe_envelope::{RecipientKey, SignerKey};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::text::{covers, hex};

/// One trusted key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pin {
    /// What people call it.
    pub name: String,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Twelve groups of five digits, as they were compared.
    pub fingerprint: String,
    /// SHA-256 of the SubjectPublicKeyInfo, in hexadecimal.
    pub spki_sha256: String,
    /// When it was trusted, Unix seconds.
    pub trusted_at: u64,
    /// Whether the user compared its fingerprint; otherwise a signer of cards introduced it. A key that was compared
    /// changes by another comparison only.
    pub compared: bool,
    /// The signer of its card, once a signature was seen: from then on its card must be signed by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// When the newest card of this name was signed that was seen. An older one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<u64>,
    /// Key ids that had this name before, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
    /// What its card said when it was compared; an older list does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Box<ComparedCard>>,
}

/// What the card of a key said when the user compared the key: the repository's copy may change later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ComparedCard {
    /// Namespaces, or patterns of namespaces; empty where it named none.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Clusters; empty where it named none.
    #[serde(default)]
    pub clusters: Vec<String>,
    /// Until when to seal for the key, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
}

impl Pin {
    /// Of a key that was compared at this time.
    pub(super) fn compared(name: &str, key: &RecipientKey, now: u64) -> Self {
        Self {
            name: name.to_owned(),
            kid: key.kid().to_owned(),
            fingerprint: key.spoken_fingerprint().to_string(),
            spki_sha256: hex(&key.spki_sha256()),
            trusted_at: now,
            compared: true,
            signer: None,
            signed_at: None,
            replaced: Vec::new(),
            card: None,
        }
    }
}

/// Someone who signs key cards, whose key the user compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CardSigner {
    /// What people call them.
    pub name: String,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Twelve groups of five digits, as they were compared.
    pub fingerprint: String,
    /// The key itself, as PEM: signatures are verified with what was compared, wherever the repository's copy went.
    pub public_key: String,
    /// When it was trusted, Unix seconds.
    pub trusted_at: u64,
    /// Names of the cards that they may sign: a name, a pattern such as `team-*`, or `*`.
    pub cards: Vec<String>,
}

impl CardSigner {
    /// The key.
    ///
    /// # Errors
    /// Exit 2 when the list is damaged.
    pub fn key(&self) -> Result<SignerKey, Failure> {
        signer_key(&self.name, &self.kid, &self.public_key, Role::Cards)
    }

    /// Whether they may sign the card of this name.
    pub fn signs(&self, card: &str) -> bool {
        self.cards.iter().any(|known| covers(known, card))
    }
}

/// Someone who signs sealed values, whose key the user compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ValueSigner {
    /// What people call them.
    pub name: String,
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// Twelve groups of five digits, as they were compared.
    pub fingerprint: String,
    /// The key itself, as PEM.
    pub public_key: String,
    /// When it was trusted, Unix seconds.
    pub trusted_at: u64,
}

impl ValueSigner {
    /// The key.
    ///
    /// # Errors
    /// Exit 2 when the list is damaged.
    pub fn key(&self) -> Result<SignerKey, Failure> {
        signer_key(&self.name, &self.kid, &self.public_key, Role::Values)
    }
}

/// What someone's signatures are trusted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Key cards: they decide which keys values are sealed for.
    Cards,
    /// Sealed values: they say which values are theirs.
    Values,
}

impl Role {
    /// The flag of `privy key trust`.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Cards => "--card-signer",
            Self::Values => "--value-signer",
        }
    }

    /// What they sign.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Cards => "key cards",
            Self::Values => "values",
        }
    }
}

fn signer_key(name: &str, kid: &str, public_key: &str, role: Role) -> Result<SignerKey, Failure> {
    let damaged = |error: anyhow::Error| {
        Failure::usage(error.context(format!(
            "the list of trusted keys is damaged: signer {name:?} of {}",
            role.what()
        )))
        .hint(format!(
            "trust the signer again: privy key trust --replace {} FILE",
            role.flag()
        ))
    };
    let key =
        SignerKey::from_bytes(public_key.as_bytes()).map_err(|error| damaged(error.into()))?;
    if key.kid() != kid {
        return Err(damaged(anyhow!("its key and its key id differ")));
    }
    Ok(key)
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TrustContent {
    pub(super) keys: Vec<Pin>,
    pub(super) card_signers: Vec<CardSigner>,
    pub(super) value_signers: Vec<ValueSigner>,
}
