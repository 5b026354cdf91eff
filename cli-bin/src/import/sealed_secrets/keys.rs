//! The controller's private keys, as PEM or as the Secrets in which it keeps them.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{KeyManagement, LocalKey};
use secret_walker::Manifest;
use zeroize::Zeroizing;

use super::super::fault::Fault;
use super::value::Parts;

/// The most keys that are read: a controller that makes a key each month needs ten years for them.
const MOST_KEYS: usize = 128;

/// The key of the Secret in which the controller keeps a private key.
const PRIVATE_PART: &str = "tls.key";

/// Private keys, each of which is tried.
#[derive(Default)]
pub struct ControllerKeys {
    keys: Vec<OaepPrivateDecryptingKey>,
    /// Which one opened the last value: the next one was most likely sealed for the same.
    last: AtomicUsize,
}

impl ControllerKeys {
    /// Adds the keys of a file: PEM with one or several blocks, or Secrets in YAML or JSON.
    ///
    /// # Errors
    /// When there is no key in it, or one that cannot be read.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let before = self.keys.len();
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::of("it is not UTF-8"))?;
        if text.trim_start().starts_with("-----BEGIN ") {
            self.add_blocks(text)?;
        } else {
            let manifest = Manifest::parse(bytes).map_err(|_| {
                Fault::of("it is neither PEM nor a manifest of Secrets").hint(
                    "export the keys: kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml",
                )
            })?;
            for secret in manifest.secrets() {
                for field in secret.fields() {
                    if field.key() != PRIVATE_PART {
                        continue;
                    }
                    let value = field
                        .value()
                        .map_err(|_| Fault::on(field.line(), "the private key is not base64"))?;
                    let text = std::str::from_utf8(&value)
                        .map_err(|_| Fault::on(field.line(), "the private key is not PEM"))?;
                    self.add_blocks(text)?;
                }
            }
        }
        if self.keys.len() == before {
            return Err(Fault::of("there is no private key in it").hint(
                "export the keys: kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml",
            ));
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn add_blocks(&mut self, text: &str) -> Result<(), Fault> {
        for block in text.split_inclusive("-----END ") {
            let Some(begin) = block.find("-----BEGIN ") else {
                continue;
            };
            let Some(label) = block[begin + 11..].split("-----").next() else {
                continue;
            };
            if !label.ends_with("PRIVATE KEY") {
                continue;
            }
            if self.keys.len() == MOST_KEYS {
                return Err(Fault::of(format!("there are more than {MOST_KEYS} keys")));
            }
            let whole = Zeroizing::new(format!("{}{label}-----\n", &block[begin..]));
            self.keys.push(private_key(&whole)?);
        }
        Ok(())
    }

    /// Opens a value with the first key that does.
    pub(super) fn open(&self, parts: Parts, label: &str) -> Option<Zeroizing<Vec<u8>>> {
        let session_key = self.unwrap(&parts.wrapped, label)?;
        parts.open(&session_key)
    }

    /// Whether one of the keys opens the session key under this label.
    pub(super) fn fits(&self, wrapped: &[u8], label: &str) -> bool {
        self.unwrap(wrapped, label).is_some()
    }

    fn unwrap(&self, wrapped: &[u8], label: &str) -> Option<Zeroizing<Vec<u8>>> {
        let last = self.last.load(Ordering::Relaxed);
        let first = self.keys.iter().enumerate().skip(last).take(1);
        let others = self.keys.iter().enumerate().filter(|(at, _)| *at != last);
        for (at, key) in first.chain(others) {
            if key.key_size_bytes() != wrapped.len() {
                continue;
            }
            let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
            let label = Some(label.as_bytes());
            if let Ok(secret) = key.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, label) {
                self.last.store(at, Ordering::Relaxed);
                return Some(Zeroizing::new(secret.to_vec()));
            }
        }
        None
    }
}

/// `jwe-envelope` reads every form of a private key, and checks it; what it writes is the form that the provider reads.
fn private_key(pem: &str) -> Result<OaepPrivateDecryptingKey, Fault> {
    let key = LocalKey::from_bytes(pem.as_bytes(), Some(KeyManagement::RsaOaep256))
        .map_err(|error| Fault::of(format!("a private key cannot be used: {error}")))?;
    let pem = key.to_pkcs8_pem();
    let mut packed = Zeroizing::new(String::with_capacity(pem.len()));
    packed.extend(pem.lines().filter(|line| !line.starts_with("-----")));
    let mut der = Zeroizing::new(Vec::with_capacity(pem.len()));
    STANDARD
        .decode_vec(packed.as_bytes(), &mut der)
        .ok()
        .and_then(|()| PrivateDecryptingKey::from_pkcs8(&der).ok())
        .and_then(|key| OaepPrivateDecryptingKey::new(key).ok())
        .ok_or_else(|| Fault::of("a private key cannot be used"))
}
