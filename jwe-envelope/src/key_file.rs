//! A file with a public key, in any of the forms that people have.

use std::str::FromStr;

use crate::error::KeyError;
use crate::key_card::KeyCard;
use crate::pem;
use crate::recipient::{RecipientKey, text};

impl RecipientKey {
    /// From any form: SPKI PEM, certificate PEM, one JWK, or the active key of a key card. The form is recognized by
    /// its first characters; a byte order mark and white space around it do no harm.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] for a private key in whatever form, which is a mistake worth stopping at; otherwise
    /// what the form's own reader says.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let text = text(bytes)?;
        if pem::looks_like_pem(text) {
            return Self::from_pem(bytes, None);
        }
        if !text.starts_with('{') {
            return Err(KeyError::Unreadable);
        }
        if is_set(text)? {
            let card = KeyCard::parse(text.as_bytes())?;
            let active = card.active().ok_or(KeyError::NoActiveKey)?;
            return Ok(active.recipient.clone());
        }
        Self::from_jwk(bytes, None)
    }
}

/// As [`RecipientKey::from_bytes`].
impl FromStr for RecipientKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(text.as_bytes())
    }
}

/// Whether a JSON object has `keys`, and so is a JWK Set.
pub(crate) fn is_set(json: &str) -> Result<bool, KeyError> {
    #[derive(serde::Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        keys: Option<&'a serde_json::value::RawValue>,
    }
    let probe: Probe<'_> = serde_json::from_str(json).map_err(|_| KeyError::Unreadable)?;
    Ok(probe.keys.is_some())
}
