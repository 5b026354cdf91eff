//! A key card: a JWK Set in one file in Git, the active key first, retired keys kept so that old envelopes can be named.
//!
//! Its JSON Schema is `schemas/key-card.schema.json`. The card says which key to seal with and gives advice to writers;
//! whether a webhook opens an envelope is decided by the webhook's own configuration alone.

mod wire;

use crate::error::{CardFault, KeyError};
use crate::jwk::LONGEST;
use crate::recipient::RecipientKey;

/// Most keys that one card may hold.
pub const MOST_KEYS: usize = 64;

/// The keys of one card: at least one, at most [`MOST_KEYS`]; only the first may be active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCard {
    keys: Vec<CardKey>,
}

/// One key of a card, with what the key manager says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardKey {
    /// The public key, pinned to the card's `alg`.
    pub recipient: RecipientKey,
    /// `privy.name`: 1–63 characters of A–Z, a–z, 0–9, `-`, `.` and `_`.
    pub name: Option<String>,
    /// `privy.uri`: where the private half lives. Advice to people, never followed.
    pub uri: Option<String>,
    /// `privy.places`: where values sealed for this key are meant to stand. Where it names several clusters, writers put
    /// them into `aud`.
    pub places: CardPlaces,
    /// `privy.notAfter`, Unix seconds: writers should not seal for the key any more after it.
    pub not_after: Option<u64>,
    /// `privy.status`.
    pub status: KeyStatus,
}

/// Where a key is served. Advice: what is empty is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardPlaces {
    /// The clusters, by the names that their webhooks are configured with.
    pub clusters: Vec<String>,
    /// Namespaces, or patterns of namespaces (`team-*`).
    pub namespaces: Vec<String>,
}

/// Whether a key is still to be sealed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStatus {
    /// Seal with it.
    #[default]
    Active,
    /// Kept so that what was sealed with it can be recognized.
    Retired,
}

impl CardKey {
    /// An active key of which nothing more is said.
    pub fn new(recipient: RecipientKey) -> Self {
        Self {
            recipient,
            name: None,
            uri: None,
            places: CardPlaces::default(),
            not_after: None,
            status: KeyStatus::Active,
        }
    }
}

impl KeyCard {
    /// A card of these keys.
    ///
    /// # Errors
    /// [`KeyError::Card`] and [`KeyError::Duplicate`] for what [`parse`](Self::parse) would refuse.
    pub fn new(keys: Vec<CardKey>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::MissingMember("keys"));
        }
        if keys.len() > MOST_KEYS {
            return Err(KeyError::BadMember {
                member: "keys",
                why: "a card holds at most 64 keys",
            });
        }
        for (index, key) in keys.iter().enumerate() {
            let number = index + 1;
            wire::check(key).map_err(|why| KeyError::Card { number, why })?;
            if index > 0 && key.status == KeyStatus::Active {
                return Err(KeyError::Card {
                    number,
                    why: CardFault::NotRetired,
                });
            }
            let earlier = &keys[..index];
            if earlier
                .iter()
                .any(|other| other.recipient.kid() == key.recipient.kid())
            {
                return Err(KeyError::Duplicate { number });
            }
        }
        Ok(Self { keys })
    }

    /// Parses and checks a card (at most 64 KiB, 64 keys).
    ///
    /// Strict, because people seal by what it says: every key needs `kid` (its RFC 7638 thumbprint), `alg`, `use` and
    /// `privy` with `v` 1, and a member of `privy` that version 1 does not know is refused. Other members of the set and of
    /// the keys (`x5c`, say) are ignored, as RFC 7517 asks.
    ///
    /// # Errors
    /// [`KeyError::Card`] names the key and the member at fault.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        if json.len() > LONGEST {
            return Err(KeyError::TooLong {
                len: json.len(),
                limit: LONGEST,
            });
        }
        Self::new(wire::read(json)?)
    }

    /// All keys, the active one first.
    pub fn keys(&self) -> &[CardKey] {
        &self.keys
    }

    /// The key to seal with; `None` when all are retired.
    pub fn active(&self) -> Option<&CardKey> {
        self.keys
            .first()
            .filter(|key| key.status == KeyStatus::Active)
    }

    /// The key with this thumbprint, retired ones included.
    pub fn find(&self, kid: &str) -> Option<&CardKey> {
        self.keys.iter().find(|key| key.recipient.kid() == kid)
    }

    /// A card with `key` as the active one and all present keys retired: what a rotation publishes.
    ///
    /// # Errors
    /// As [`new`](Self::new): the key is on the card already, or the card is full.
    pub fn rotated_to(&self, key: CardKey) -> Result<Self, KeyError> {
        let retired = self.keys.iter().cloned().map(|mut key| {
            key.status = KeyStatus::Retired;
            key
        });
        Self::new(std::iter::once(key).chain(retired).collect())
    }

    /// The card as a file: JSON of two blanks' indentation, members in a stable order, a line end at its end.
    pub fn to_json_pretty(&self) -> String {
        wire::write(&self.keys)
    }
}
