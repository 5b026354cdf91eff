//! The file of a wrapped private key: what the plugin gave for the key-encryption key, and the private key under it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{RecipientKey, SecretBytes};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A private key of RSA-4096 makes 5 KB here, the largest annotations 45 KB.
const LARGEST: u64 = 128 * 1024;
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const FORMAT: &str = "privy-wrapped-key/1";

/// Why a wrapped key file cannot be used. None holds a byte of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrappedKeyError {
    /// Not the form that `wrap` writes.
    #[error("the file is not a wrapped private key")]
    Malformed,
    /// Changed since it was written, or the plugin returned another key.
    #[error("the file cannot be decrypted with what the plugin returned")]
    NotOpened,
    /// The system has no random numbers.
    #[error("the system has no random numbers for a new key")]
    NoRandomness,
    /// Missing, or not ours to read.
    #[error("the wrapped key file cannot be read")]
    Unreadable(#[source] std::io::Error),
}

/// What a plugin made of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) ciphertext: Vec<u8>,
    pub(super) key_id: String,
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
}

/// A private key under a key-encryption key that no plugin has seen yet.
pub(super) struct PendingKeyFile {
    kid: String,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
    key_encryption_key: SecretBytes,
}

/// A whole file.
#[derive(Debug)]
pub(super) struct WrappedKey {
    kid: String,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
    wrapped: Wrapped,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    format: String,
    kid: String,
    plugin_key_id: String,
    plugin_annotations: BTreeMap<String, String>,
    wrapped_key: String,
    nonce: String,
    private_key: String,
}

impl PendingKeyFile {
    pub(super) fn new(pem: &str, recipient: &RecipientKey) -> Result<Self, WrappedKeyError> {
        let mut filled = Ok(());
        let key = SecretBytes::filled_by(KEY_LEN, |out| filled = aws_lc_rs::rand::fill(out));
        filled.map_err(|_| WrappedKeyError::NoRandomness)?;
        let mut ciphertext = Vec::with_capacity(pem.len() + 16);
        ciphertext.extend_from_slice(pem.as_bytes());
        let nonce = cipher(&key)?
            .seal_in_place_append_tag(aad(recipient.kid()), &mut ciphertext)
            .map_err(|_| WrappedKeyError::NoRandomness)?;
        Ok(Self {
            kid: recipient.kid().to_owned(),
            nonce: *nonce.as_ref(),
            ciphertext,
            key_encryption_key: key,
        })
    }

    pub(super) fn key_encryption_key(&self) -> &SecretBytes {
        &self.key_encryption_key
    }

    pub(super) fn with(self, wrapped: Wrapped) -> WrappedKey {
        WrappedKey {
            kid: self.kid,
            nonce: self.nonce,
            ciphertext: self.ciphertext,
            wrapped,
        }
    }
}

impl WrappedKey {
    pub(super) fn read(path: &Path) -> Result<Self, WrappedKeyError> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
            .map_err(WrappedKeyError::Unreadable)?;
        if text.len() as u64 > LARGEST {
            return Err(WrappedKeyError::Malformed);
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, WrappedKeyError> {
        let document: Document =
            serde_json::from_str(text).map_err(|_| WrappedKeyError::Malformed)?;
        if document.format != FORMAT {
            return Err(WrappedKeyError::Malformed);
        }
        let bytes = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|_| WrappedKeyError::Malformed)
        };
        let annotations = document
            .plugin_annotations
            .iter()
            .map(|(name, value)| Ok((name.clone(), bytes(value)?)))
            .collect::<Result<_, WrappedKeyError>>()?;
        Ok(Self {
            kid: document.kid.clone(),
            nonce: bytes(&document.nonce)?
                .try_into()
                .map_err(|_| WrappedKeyError::Malformed)?,
            ciphertext: bytes(&document.private_key)?,
            wrapped: Wrapped {
                ciphertext: bytes(&document.wrapped_key)?,
                key_id: document.plugin_key_id,
                annotations,
            },
        })
    }

    pub(super) fn wrapped(&self) -> &Wrapped {
        &self.wrapped
    }

    /// The private key, with what the plugin unwrapped.
    pub(super) fn open(&self, key: &SecretBytes) -> Result<Zeroizing<Vec<u8>>, WrappedKeyError> {
        let mut bytes = Zeroizing::new(self.ciphertext.clone());
        let length = cipher(key)?
            .open_in_place(
                Nonce::assume_unique_for_key(self.nonce),
                aad(&self.kid),
                &mut bytes,
            )
            .map_err(|_| WrappedKeyError::NotOpened)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl fmt::Display for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let annotations = self.wrapped.annotations.iter();
        let document = Document {
            format: FORMAT.to_owned(),
            kid: self.kid.clone(),
            plugin_key_id: self.wrapped.key_id.clone(),
            plugin_annotations: annotations
                .map(|(name, value)| (name.clone(), STANDARD.encode(value)))
                .collect(),
            wrapped_key: STANDARD.encode(&self.wrapped.ciphertext),
            nonce: STANDARD.encode(self.nonce),
            private_key: STANDARD.encode(&self.ciphertext),
        };
        let text = serde_json::to_string_pretty(&document).map_err(|_| fmt::Error)?;
        writeln!(f, "{text}")
    }
}

fn cipher(key: &SecretBytes) -> Result<RandomizedNonceKey, WrappedKeyError> {
    RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_| WrappedKeyError::NotOpened)
}

/// The name of the key belongs to its content.
fn aad(kid: &str) -> Aad<Vec<u8>> {
    Aad::from([FORMAT.as_bytes(), b"\0", kid.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use jwe_envelope::{Curve, KeyKind, LocalKey};

    use super::*;

    fn example() -> (LocalKey, WrappedKey, SecretBytes) {
        let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let sealed = PendingKeyFile::new(&key.to_pkcs8_pem(), key.recipient()).unwrap();
        let secret = SecretBytes::new(sealed.key_encryption_key().expose().to_vec());
        let wrapped = Wrapped {
            ciphertext: b"what the plugin made of it".to_vec(),
            key_id: "k1".to_owned(),
            annotations: BTreeMap::from([("a.test".to_owned(), vec![1, 2])]),
        };
        (key, sealed.with(wrapped), secret)
    }

    #[test]
    fn what_is_written_is_read_and_opened() {
        let (key, file, secret) = example();
        let read = WrappedKey::parse(&file.to_string()).unwrap();
        assert_eq!(read.wrapped(), file.wrapped());
        let pem = read.open(&secret).unwrap();
        let opened = LocalKey::from_bytes(&pem, None).unwrap();
        assert_eq!(opened.recipient().kid(), key.recipient().kid());
    }

    #[test]
    fn nothing_secret_is_in_the_file() {
        let (key, file, secret) = example();
        let text = file.to_string();
        assert!(!text.contains(&STANDARD.encode(secret.expose())));
        let pem = key.to_pkcs8_pem();
        let line = pem.lines().nth(1).unwrap();
        assert!(!text.contains(line) && !format!("{file:?}").contains(line));
    }

    #[test]
    fn a_changed_file_does_not_open() {
        let (key, mut file, secret) = example();
        let other = SecretBytes::new(vec![7; KEY_LEN]);
        assert!(matches!(file.open(&other), Err(WrappedKeyError::NotOpened)));
        assert!(matches!(
            file.open(&SecretBytes::new(vec![7; 5])),
            Err(WrappedKeyError::NotOpened)
        ));
        file.ciphertext[0] ^= 1;
        assert!(matches!(
            file.open(&secret),
            Err(WrappedKeyError::NotOpened)
        ));
        file.ciphertext[0] ^= 1;
        file.kid.push('x');
        assert!(matches!(
            file.open(&secret),
            Err(WrappedKeyError::NotOpened)
        ));
        file.kid = key.recipient().kid().to_owned();
        file.open(&secret).unwrap();
    }

    #[test]
    fn refuses_other_files() {
        let (_, file, _) = example();
        let text = file.to_string();
        for other in [
            String::new(),
            "{}".to_owned(),
            text.replace("key/1", "key/2"),
            text.replacen('{', "{\"more\": 1,", 1),
            text.replace("\"nonce\": \"", "\"nonce\": \"AAAA"),
            text.replace("AQI=", "AQI"),
        ] {
            assert!(
                matches!(WrappedKey::parse(&other), Err(WrappedKeyError::Malformed)),
                "{other}"
            );
        }
    }
}
