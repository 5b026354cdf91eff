//! One key of a card.

use crate::recipient::RecipientKey;

/// One key of a card, with what the key manager says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardKey {
    /// The public key, pinned to the card's `alg`.
    pub recipient: RecipientKey,
    /// `privy.name`: 1–63 characters of A–Z, a–z, 0–9, `-`, `.` and `_`.
    pub name: Option<String>,
    /// `privy.uri`: where the private half lives. Advice to people, never followed.
    pub uri: Option<String>,
    /// `privy.places`: where values sealed for this key are meant to be used. Where it names several clusters, writers put
    /// them into `aud`.
    pub places: CardPlaces,
    /// `privy.notAfter`, Unix seconds: writers should not seal for the key any more after it.
    pub not_after: Option<u64>,
    /// `privy.status`.
    pub status: CardStatus,
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
pub enum CardStatus {
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
            status: CardStatus::Active,
        }
    }
}
