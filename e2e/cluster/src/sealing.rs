//! Secrets for the tests: sealed, plain, expected.
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::local::{KeyKind, LocalKey};
use jwe_envelope::{Binding, CardKey, KeyCard, Place, Sealer, Serialization};
use serde_json::{Value, json};

use crate::pki::private;

/// A key pair of ours.
#[derive(Debug)]
pub struct Key {
    key: LocalKey,
}

impl Key {
    /// Makes an RSA key: the commonest kind in key services.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            key: LocalKey::generate(KeyKind::Rsa(2048))?,
        })
    }

    /// Writes the private key and its card.
    pub fn write(
        &self,
        private_key: &Path,
        card: &Path,
        name: &str,
        namespaces: &[&str],
    ) -> Result<()> {
        private(private_key, &self.key.to_pkcs8_pem())?;
        let mut entry = CardKey::new(self.key.recipient().clone());
        entry.name = Some(name.to_owned());
        entry.places.namespaces = namespaces.iter().map(|&n| n.to_owned()).collect();
        let card_text = KeyCard::new(vec![entry])?.to_json_pretty();
        std::fs::write(card, card_text)
            .with_context(|| format!("failed to write {}", card.display()))
    }

    /// Its `kid`.
    pub fn kid(&self) -> &str {
        self.key.recipient().kid()
    }

    /// Seals `value` for `namespace/name/field`.
    pub fn seal(&self, place: &str, value: &[u8]) -> String {
        let place: Place = place.parse().expect("tests name real places");
        self.seal_bound(&Binding::exact(&place), value)
    }

    /// Seals `value` under another binding.
    pub fn seal_bound(&self, binding: &Binding, value: &[u8]) -> String {
        self.seal_as(binding, value, Serialization::Compact)
    }

    /// Seals in another serialization.
    pub fn seal_as(&self, binding: &Binding, value: &[u8], serialization: Serialization) -> String {
        Sealer::new(std::slice::from_ref(self.key.recipient()))
            .and_then(|sealer| sealer.serialization(serialization))
            .and_then(|mut sealer| {
                sealer
                    .seal(value, binding)
                    .map(|envelope| envelope.to_string())
            })
            .expect("sealing for a good key works")
    }
}

/// Base64, as it stands in `data`.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// An Opaque Secret with these values in `data`.
pub fn secret(namespace: &str, name: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(b64(value))))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "namespace": namespace, "name": name },
        "data": data,
    })
}

/// A Secret in the annotation layout.
pub fn annotated(namespace: &str, name: &str, sealed: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<String, Value> = sealed
        .iter()
        .map(|(key, value)| (format!("privyseal.dev/data.{key}"), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "namespace": namespace, "name": name, "annotations": annotations },
    })
}

/// The value of one field of a stored Secret, decoded.
pub fn value(secret: &Value, field: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret["data"][field].as_str()?).ok()
}

/// Asserts one field of a Secret.
pub fn assert_value(secret: &Value, field: &str, expected: impl AsRef<[u8]>) -> Result<()> {
    let found = value(secret, field);
    anyhow::ensure!(
        found.as_deref() == Some(expected.as_ref()),
        "field {field}: expected {:?}, found {:?}",
        String::from_utf8_lossy(expected.as_ref()),
        found.map(|found| String::from_utf8_lossy(&found)
            .chars()
            .take(80)
            .collect::<String>()),
    );
    Ok(())
}
