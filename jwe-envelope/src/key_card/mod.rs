//! A key card: a JWK Set in one file in Git, the active key first, retired keys kept so that old envelopes can be named.
//!
//! Its JSON Schema is `schemas/key-card.schema.json`. The card says which key to seal with and gives advice to writers;
//! whether a webhook opens an envelope is decided only by the webhook's own configuration.

mod card_key;
mod wire;

pub use card_key::{CardKey, CardPlaces, CardStatus};

use std::str::FromStr;

use crate::error::{CardFault, KeyError};
use crate::jwk::LONGEST;

/// Most keys that one card may hold.
pub const MOST_KEYS: usize = 64;

/// The keys of one card: at least one, at most [`MOST_KEYS`]; only the first may be active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCard {
    keys: Vec<CardKey>,
}

/// As [`KeyCard::parse`].
impl FromStr for KeyCard {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
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
            if index > 0 && key.status == CardStatus::Active {
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
            .filter(|key| key.status == CardStatus::Active)
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
            key.status = CardStatus::Retired;
            key
        });
        Self::new(std::iter::once(key).chain(retired).collect())
    }

    /// The card as a file: JSON with an indentation of two spaces, members in a stable order, a newline at the end.
    pub fn to_json_pretty(&self) -> String {
        wire::write(&self.keys)
    }
}
