//! From the parts that a serialization holds to an envelope: what all three must satisfy.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::algorithm::{ContentEncryption, KeyManagement};
use crate::base64url;
use crate::envelope::{Envelope, Recipient, Serialization};
use crate::error::{ParseError, RefusedError};
use crate::header::{Header, MAX_HEADER, Protection, checked_base64};
use crate::strict_json::{self, JsonMembers};
use crate::untrusted::cut;
use crate::unwrap::checked::Remembered;

/// Recipients of one envelope.
pub(crate) const MAX_RECIPIENTS: usize = 16;

pub(crate) const PROTECTED: &str = "protected header";
pub(crate) const ENCRYPTED_KEY: &str = "encrypted key";
pub(crate) const IV: &str = "initialization vector";
pub(crate) const CIPHERTEXT: &str = "ciphertext";
pub(crate) const TAG: &str = "authentication tag";
pub(crate) const AAD: &str = "additional authenticated data";

/// An envelope taken apart and not yet checked.
pub(crate) struct JweParts<'a> {
    pub(crate) serialization: Serialization,
    pub(crate) protected: Option<Cow<'a, str>>,
    pub(crate) unprotected: Option<JsonMembers<'a>>,
    pub(crate) recipients: Vec<RecipientParts<'a>>,
    pub(crate) aad: Option<Cow<'a, str>>,
    pub(crate) iv: Cow<'a, str>,
    pub(crate) ciphertext: Cow<'a, str>,
    pub(crate) tag: Cow<'a, str>,
}

/// One recipient taken apart.
pub(crate) struct RecipientParts<'a> {
    pub(crate) header: Option<JsonMembers<'a>>,
    pub(crate) encrypted_key: Cow<'a, str>,
}

impl<'a> JweParts<'a> {
    /// Checks everything that can be said without a key. The ciphertext is looked at once and not copied.
    pub(crate) fn check(self) -> Result<Envelope<'a>, ParseError> {
        let protected_text = match self.protected {
            None => None,
            Some(text) if text.len() > base64url::encoded_len(MAX_HEADER) => {
                drop(text);
                return Err(ParseError::HeaderTooLong { limit: MAX_HEADER });
            }
            Some(text) => Some(checked_base64(text, PROTECTED)?),
        };
        let decoded = decode_header(protected_text.as_deref())?;
        let mut protected = match &decoded {
            None => Header::default(),
            Some(json) => Header::new(
                strict_json::read_object(json, PROTECTED)?,
                Protection::Protected,
            )?,
        };
        let unprotected_text = self.unprotected.as_deref().map(strict_json::write_object);
        let unprotected = match self.unprotected {
            None => Header::default(),
            Some(members) => Header::new(members, Protection::Unprotected)?,
        };
        disjoint(&protected, &unprotected)?;

        let mut recipients = Vec::with_capacity(self.recipients.len());
        let mut unprotected_enc = unprotected.encryption.is_some();
        for parts in self.recipients {
            let text = parts.header.as_deref().map(strict_json::write_object);
            let own = match parts.header {
                None => Header::default(),
                Some(members) => Header::new(members, Protection::Unprotected)?,
            };
            unprotected_enc |= own.encryption.is_some();
            let union = [&protected, &unprotected, &own];
            recipients.push(recipient(union, text, parts.encrypted_key)?);
        }
        distinct_key_ids(&recipients)?;

        let encryption = match (protected.refusal(), &protected.encryption) {
            (None, None) if unprotected_enc => Err(RefusedError::EncUnprotected),
            (_, None) if !unprotected_enc => return Err(ParseError::NoContentEncryption),
            (Some(refusal), _) => Err(refusal),
            (None, Some(name)) => ContentEncryption::from_str(name).map_err(RefusedError::from),
            (None, None) => Err(RefusedError::EncUnprotected),
        };
        let envelope = Envelope {
            serialization: self.serialization,
            unprotected: unprotected_text.map(Cow::Owned),
            recipients,
            aad: self.aad.map(|aad| checked_base64(aad, AAD)).transpose()?,
            iv: checked_base64(self.iv, IV)?,
            ciphertext: checked_base64(self.ciphertext, CIPHERTEXT)?,
            tag: checked_base64(self.tag, TAG)?,
            binding: protected.binding.take(),
            provenance: protected.provenance.take(),
            encryption,
            protected: protected_text,
            digest: OnceLock::new(),
        };
        lengths(&envelope)?;
        Ok(envelope)
    }
}

/// The protected header's JSON text: RFC 7516 §5.2 step 3 wants UTF-8, and nothing before the object.
fn decode_header(text: Option<&str>) -> Result<Option<String>, ParseError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let bytes =
        base64url::decode(text).ok_or(ParseError::Base64TrailingBits { part: PROTECTED })?;
    let json = String::from_utf8(bytes).map_err(|_| ParseError::Utf8 { part: PROTECTED })?;
    if json.starts_with('\u{feff}') {
        return Err(ParseError::ByteOrderMark);
    }
    Ok(Some(json))
}

fn recipient<'a>(
    [protected, unprotected, own]: [&Header<'_>; 3],
    header: Option<String>,
    encrypted_key: Cow<'a, str>,
) -> Result<Recipient<'a>, ParseError> {
    disjoint(protected, own)?;
    disjoint(unprotected, own)?;
    let union = [protected, unprotected, own];
    if let Some(name) = protected
        .critical
        .iter()
        .find(|name| !union.iter().any(|header| header.has(name)))
    {
        return Err(ParseError::CritMissing { name: cut(name) });
    }
    let algorithm = union
        .iter()
        .find_map(|header| header.algorithm.as_deref())
        .ok_or(ParseError::NoAlgorithm)?;
    let owned = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    Ok(Recipient {
        header: header.map(Cow::Owned),
        encrypted_key: checked_base64(encrypted_key, ENCRYPTED_KEY)?,
        algorithm: match KeyManagement::from_str(algorithm) {
            Ok(known) => Cow::Borrowed(known.as_str()),
            Err(_) => Cow::Owned(algorithm.to_owned()),
        },
        key_id: union
            .iter()
            .find_map(|header| header.key_id.as_ref())
            .map(owned),
        ephemeral: union
            .iter()
            .find_map(|header| header.ephemeral.clone())
            .map(Cow::Owned),
        party_u: union
            .iter()
            .find_map(|header| header.party_u.as_ref())
            .map(owned),
        party_v: union
            .iter()
            .find_map(|header| header.party_v.as_ref())
            .map(owned),
        checked: Remembered::default(),
    })
}

fn disjoint(one: &Header<'_>, other: &Header<'_>) -> Result<(), ParseError> {
    match one.shared_name(other) {
        None => Ok(()),
        Some(name) => Err(ParseError::SharedName { name: cut(name) }),
    }
}

/// A `kid` chooses the recipient, so it may not choose two.
fn distinct_key_ids(recipients: &[Recipient<'_>]) -> Result<(), ParseError> {
    for (index, recipient) in recipients.iter().enumerate() {
        let Some(kid) = recipient.key_id() else {
            continue;
        };
        if recipients[..index]
            .iter()
            .any(|earlier| earlier.key_id() == Some(kid))
        {
            return Err(ParseError::DuplicateKeyId { kid: cut(kid) });
        }
    }
    Ok(())
}

/// IV and tag have exactly the length that a known `enc` asks for; a shortened tag would be an easier
/// one to guess.
fn lengths(envelope: &Envelope<'_>) -> Result<(), ParseError> {
    let Ok(encryption) = envelope.encryption else {
        return Ok(());
    };
    for (part, text) in [(IV, &envelope.iv), (TAG, &envelope.tag)] {
        if text.is_empty() {
            return Err(ParseError::Missing { part });
        }
    }
    let found = base64url::decoded_len(envelope.iv.len());
    if found != encryption.iv_len() {
        return Err(ParseError::IvLength { encryption, found });
    }
    let found = base64url::decoded_len(envelope.tag.len());
    if found != encryption.tag_len() {
        return Err(ParseError::TagLength { encryption, found });
    }
    Ok(())
}
