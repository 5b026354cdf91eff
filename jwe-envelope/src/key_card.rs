//! A key card: a JWK Set in one file in Git, the active key first.
use crate::error::KeyError;
use crate::recipient::RecipientKey;

/// The keys of one card.
#[derive(Clone, Debug)]
pub struct KeyCard {
    keys: Vec<CardKey>,
}

/// One key of a card, with what the key manager says of it.
#[derive(Clone, Debug)]
pub struct CardKey {
    /// The public key.
    pub recipient: RecipientKey,
    /// `privy.name`.
    pub name: Option<String>,
    /// `privy.uri`: where the private half lives. Advice to people, never followed.
    pub uri: Option<String>,
}

impl KeyCard {
    /// Parses and checks a card (at most 64 KiB, 64 keys).
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let _ = json;
        todo!()
    }
    /// All keys, the active one first.
    pub fn keys(&self) -> &[CardKey] {
        &self.keys
    }
    /// The key to seal with: the first that is active.
    pub fn active(&self) -> Option<&CardKey> {
        todo!()
    }
}
