//! Header objects (RFC 7516 §4): which members we look at, of which type, and where they may be.

use std::borrow::Cow;

use crate::algorithm::{ContentEncryption, KeyManagement};
use crate::base64url;
use crate::binding::Binding;
use crate::error::{ParseError, RefusedError};
use crate::provenance::Provenance;
use crate::strict_json::{self, JsonMembers, JsonValue};
use crate::untrusted::cut;

/// Bytes of the protected header, decoded.
pub(crate) const MAX_HEADER: usize = 8 * 1024;
/// Bytes of a `kid`.
const MAX_KEY_ID: usize = 256;
/// Bytes of `apu` and of `apv`, decoded.
const MAX_PARTY_INFO: usize = 512;

/// The names that RFC 7516 §4.1 and RFC 7518 §4 define; `crit` may list none of them.
const REGISTERED: [&str; 20] = [
    "alg", "apu", "apv", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "p2c", "p2s",
    "tag", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
];

/// Which header object a member is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// In `protected`: authenticated by the tag.
    Protected,
    /// In `unprotected` or in a recipient's `header`.
    Unprotected,
}

/// The content of one header object. Unknown members are kept as names only; keys and
/// addresses of keys (`jwk`, `jku`, `x5u`, `x5c`) are among them: never used, never fetched.
#[derive(Debug, Default)]
pub(crate) struct Header<'h> {
    pub(crate) names: Vec<Cow<'h, str>>,
    pub(crate) algorithm: Option<Cow<'h, str>>,
    pub(crate) key_id: Option<Cow<'h, str>>,
    pub(crate) ephemeral: Option<String>,
    pub(crate) party_u: Option<Cow<'h, str>>,
    pub(crate) party_v: Option<Cow<'h, str>>,
    pub(crate) encryption: Option<Cow<'h, str>>,
    pub(crate) compression: Option<Cow<'h, str>>,
    pub(crate) critical: Vec<Cow<'h, str>>,
    pub(crate) binding: Option<Binding>,
    pub(crate) provenance: Option<Provenance>,
}

impl<'h> Header<'h> {
    pub(crate) fn new(
        members: JsonMembers<'h>,
        protection: Protection,
    ) -> Result<Self, ParseError> {
        let mut header = Self::default();
        header.names.reserve(members.len());
        for (name, node) in members {
            header.take(&name, node, protection)?;
            header.names.push(name);
        }
        Ok(header)
    }

    fn take(
        &mut self,
        name: &str,
        node: JsonValue<'h>,
        protection: Protection,
    ) -> Result<(), ParseError> {
        match name {
            "alg" => self.algorithm = Some(node.string("alg")?),
            "apu" => self.party_u = Some(party_info(node, "apu")?),
            "apv" => self.party_v = Some(party_info(node, "apv")?),
            "bind" => {
                protected_only("bind", protection)?;
                self.binding = Some(Binding::from_node(node)?);
            }
            "crit" => {
                protected_only("crit", protection)?;
                self.critical = critical_names(node)?;
            }
            "enc" => self.encryption = Some(node.string("enc")?),
            "epk" => self.ephemeral = Some(strict_json::write_object(&node.object("epk")?)),
            "kid" => self.key_id = Some(bounded(node.string("kid")?, "kid", MAX_KEY_ID)?),
            "sealed" => {
                protected_only("sealed", protection)?;
                self.provenance = Some(Provenance::from_node(node)?);
            }
            "typ" => drop(node.string("typ")?),
            "zip" => {
                protected_only("zip", protection)?;
                self.compression = Some(node.string("zip")?);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// A name that both have; RFC 7516 §7.2.1 wants them disjoint.
    pub(crate) fn shared_name(&self, other: &Self) -> Option<&str> {
        let mut names = self.names.iter().map(Cow::as_ref);
        names.find(|name| other.has(name))
    }

    /// Whether the profile opens what the protected header describes: well-formed anyway, so
    /// that other people's tokens are not called damaged.
    pub(crate) fn refusal(&self) -> Option<RefusedError> {
        if let Some(zip) = &self.compression {
            return Some(RefusedError::Compressed { zip: cut(zip) });
        }
        let unknown = self.critical.iter().find(|name| *name != "bind")?;
        Some(RefusedError::CriticalExtension { name: cut(unknown) })
    }
}

fn protected_only(name: &'static str, protection: Protection) -> Result<(), ParseError> {
    match protection {
        Protection::Protected => Ok(()),
        Protection::Unprotected => Err(ParseError::MustBeProtected { name }),
    }
}

fn bounded<'h>(
    text: Cow<'h, str>,
    name: &'static str,
    limit: usize,
) -> Result<Cow<'h, str>, ParseError> {
    if text.len() > limit {
        let len = text.len();
        return Err(ParseError::TooLong { name, len, limit });
    }
    Ok(text)
}

fn party_info<'h>(node: JsonValue<'h>, name: &'static str) -> Result<Cow<'h, str>, ParseError> {
    let text = checked_base64(node.string(name)?, name)?;
    let len = base64url::decoded_len(text.len());
    if len > MAX_PARTY_INFO {
        let limit = MAX_PARTY_INFO;
        return Err(ParseError::TooLong { name, len, limit });
    }
    Ok(text)
}

/// The text, when it is strict base64url.
pub(crate) fn checked_base64<'t>(
    text: Cow<'t, str>,
    part: &'static str,
) -> Result<Cow<'t, str>, ParseError> {
    use crate::base64url::Base64Fault;
    match base64url::check(text.as_bytes()) {
        Ok(()) => Ok(text),
        Err(Base64Fault::Character(at)) => Err(ParseError::Base64Character {
            part,
            // The alphabet is ASCII, so the first byte outside of it begins a character.
            found: text
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .unwrap_or_default(),
            at,
        }),
        Err(Base64Fault::Length) => Err(ParseError::Base64Length {
            part,
            len: text.len(),
        }),
        Err(Base64Fault::TrailingBits) => Err(ParseError::Base64TrailingBits { part }),
    }
}

/// `crit` in itself (RFC 7515 §4.1.11); that each name is in the header is for the caller to check,
/// who knows all of it.
fn critical_names(node: JsonValue<'_>) -> Result<Vec<Cow<'_, str>>, ParseError> {
    let JsonValue::Array(items) = node else {
        return Err(ParseError::CritMalformed);
    };
    let mut names: Vec<Cow<'_, str>> = Vec::with_capacity(items.len());
    for item in items {
        let JsonValue::String(name) = item else {
            return Err(ParseError::CritMalformed);
        };
        if REGISTERED.contains(&name.as_ref()) {
            return Err(ParseError::CritRegistered { name: cut(&name) });
        }
        if names.contains(&name) {
            return Err(ParseError::CritDuplicate { name: cut(&name) });
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(ParseError::CritMalformed);
    }
    Ok(names)
}

/// What a sealer knows of one recipient before any value is encrypted.
#[derive(Clone, Debug)]
pub(crate) struct SealedRecipient {
    pub(crate) algorithm: KeyManagement,
    pub(crate) key_id: String,
    /// The sender's ephemeral public key as a JWK object.
    pub(crate) ephemeral: Option<String>,
    pub(crate) encrypted_key: Vec<u8>,
}

/// Our protected header as JSON. `enc` comes first, so that every compact text of ours begins with
/// `eyJlbmMiOi`. With a recipient, its members are here too (compact); else in [`recipient_json`].
pub(crate) fn protected_json(
    encryption: ContentEncryption,
    recipient: Option<&SealedRecipient>,
    binding: Option<&Binding>,
    provenance: Option<&Provenance>,
) -> String {
    let mut json = format!(r#"{{"enc":"{encryption}""#);
    if let Some(recipient) = recipient {
        json.push(',');
        push_recipient(&mut json, recipient);
    }
    if let Some(binding) = binding {
        json.extend([r#","bind":"#, &binding.to_json()]);
    }
    if let Some(provenance) = provenance {
        json.extend([r#","sealed":"#, &provenance.to_json()]);
    }
    json.push('}');
    json
}

/// A recipient's own header as JSON.
pub(crate) fn recipient_json(recipient: &SealedRecipient) -> String {
    let mut json = String::from("{");
    push_recipient(&mut json, recipient);
    json.push('}');
    json
}

fn push_recipient(json: &mut String, recipient: &SealedRecipient) {
    let key_id = serde_json::to_string(&recipient.key_id).expect("a string has a JSON form");
    json.extend([
        r#""alg":""#,
        recipient.algorithm.as_str(),
        r#"","kid":"#,
        &key_id,
    ]);
    if let Some(ephemeral) = &recipient.ephemeral {
        json.extend([r#","epk":"#, ephemeral]);
    }
}
