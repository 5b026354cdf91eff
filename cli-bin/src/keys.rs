//! Public keys to seal for: read from files, checked against what the user trusts.

mod chooser;
pub mod signed;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::{CardKey, KeyCard, RecipientKey};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

pub use chooser::{Choice, Chooser};

use crate::commands::key::fetch;
use crate::io::files;
use crate::report::Failure;
use crate::services;
use crate::text::{printable, shell_word};
use crate::trust::Pin;

/// Key files are small; whatever is larger is none.
pub const KEY_FILE_LIMIT: usize = 64 * 1024;

/// A public key and what its file says of it.
#[derive(Clone, Debug)]
pub struct SealKey {
    /// The key.
    pub recipient: RecipientKey,
    /// The name on its card.
    pub card_name: Option<String>,
    /// The clusters that its card says it serves, when there are several.
    pub clusters: Vec<String>,
    /// When its card says that nobody should seal for it any more, Unix seconds.
    pub not_after: Option<u64>,
    /// Where it was read.
    pub path: PathBuf,
}

/// What stands in a key file. A reference to a key service stands for the card that `privy key fetch` would write.
///
/// # Errors
/// Exit 2 for a file that cannot be read or a reference that is malformed, and as the key service answers.
pub fn read_key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match services::reference(path)? {
        Some(uri) => fetch::card_from(&uri).map(|card| Zeroizing::new(card.into_bytes())),
        None => files::read(path, KEY_FILE_LIMIT),
    }
}

impl SealKey {
    /// Reads the key to seal with: a PEM, certificate or JWK, or the active key of a card.
    ///
    /// # Errors
    /// Exit 2, also for a private key, which has no business where values are sealed.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::from_bytes(path, &read_key_file(path)?)
    }

    /// As [`read`](Self::read), of what stands in the file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        if is_private(bytes) {
            return Err(Failure::usage(anyhow!("`{}` is a private key, and sealing needs a public one", path.display())).hint(
                format!(
                    "write its public half with `privy key show {} --output card`, and keep the private key away from here",
                    shell_word(&path.display().to_string())
                ),
            ));
        }
        let unusable = |error: anyhow::Error| {
            Failure::usage(error.context(format!("cannot use the key `{}`", path.display())))
                .hint("ask the key manager for the key card, or for the public key as PEM or JWK")
        };
        if !is_card(bytes) {
            let recipient =
                RecipientKey::from_bytes(bytes).map_err(|error| unusable(error.into()))?;
            return Ok(Self {
                recipient,
                card_name: None,
                clusters: Vec::new(),
                not_after: None,
                path: path.to_owned(),
            });
        }
        let card = KeyCard::parse(bytes).map_err(|error| unusable(error.into()))?;
        let key = card
            .active()
            .ok_or_else(|| unusable(anyhow!("the card holds no active key")))?;
        Ok(Self {
            recipient: key.recipient.clone(),
            card_name: key.name.clone(),
            clusters: clusters_of(key),
            not_after: key.not_after,
            path: path.to_owned(),
        })
    }

    /// The name that it is trusted under: the card's, or the file's.
    pub fn name(&self) -> String {
        self.card_name
            .clone()
            .unwrap_or_else(|| name_of_file(&self.path))
    }
}

/// Where a key serves several clusters, an envelope says which ones it is for.
fn clusters_of(key: &CardKey) -> Vec<String> {
    let clusters = &key.places.clusters;
    if clusters.len() > 1 {
        clusters.clone()
    } else {
        Vec::new()
    }
}

/// The name of a file without what its kind adds to it.
pub fn name_of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ends = [
        ".card.json",
        ".pub.pem",
        ".json",
        ".jwk",
        ".jwks",
        ".pem",
        ".crt",
        ".cer",
    ];
    let stem = ends
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    if stem.is_empty() {
        name.into_owned()
    } else {
        stem.to_owned()
    }
}

/// Whether the bytes are a JWK Set, which is what a card is.
pub fn is_card(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Set {
        #[allow(dead_code, reason = "its presence is what counts")]
        keys: IgnoredAny,
    }
    serde_json::from_slice::<Set>(bytes).is_ok()
}

/// Whether the bytes hold a private or symmetric key. Nothing of it is copied.
pub fn is_private(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Jwk {
        d: Option<IgnoredAny>,
        k: Option<IgnoredAny>,
        #[serde(default)]
        keys: Vec<Jwk>,
    }
    fn secret(jwk: &Jwk) -> bool {
        jwk.d.is_some() || jwk.k.is_some() || jwk.keys.iter().any(secret)
    }
    const MARK: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(MARK.len()).any(|window| window == MARK)
        || serde_json::from_slice::<Jwk>(bytes).is_ok_and(|jwk| secret(&jwk))
}

/// The loud refusal of a key that bears the name of another.
pub fn changed(key: &SealKey, pin: &Pin) -> Failure {
    let path = key.path.display().to_string();
    Failure::usage(anyhow!(
        "THE KEY {name:?} HAS CHANGED: `{path}` is not the key that you trust under this name\n  \
         trusted:  {}\n            SHA-256 {}\n  \
         in file:  {}\n            SHA-256 {}",
        pin.fingerprint,
        pin.spki_sha256,
        key.recipient.spoken_fingerprint(),
        crate::text::hex(&key.recipient.spki_sha256()),
        name = printable(&pin.name, 64),
    ))
    .hint(format!(
        "nothing was sealed; ask the key manager whether the key was replaced, on a number that you know, and if so: \
         privy key trust --replace {}",
        shell_word(&path)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files() {
        for (path, name) in [
            ("keys/payments.card.json", "payments"),
            ("payments.pem", "payments"),
            ("payments", "payments"),
            (".pem", ".pem"),
        ] {
            assert_eq!(name_of_file(Path::new(path)), name);
        }
    }

    #[test]
    fn knows_private_keys_when_it_sees_them() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            r#"{"kty":"RSA","n":"AQAB","d":"x"}"#,
            r#"{"kty":"oct","k":"x"}"#,
            r#"{"keys":[{"kty":"EC"},{"kty":"EC","d":"x"}]}"#,
        ] {
            assert!(is_private(text.as_bytes()), "{text}");
        }
        for text in [
            "-----BEGIN PUBLIC KEY-----\n",
            r#"{"kty":"RSA","n":"x","e":"AQAB"}"#,
            r#"{"keys":[{"kty":"EC"}]}"#,
        ] {
            assert!(!is_private(text.as_bytes()), "{text}");
        }
    }
}
