//! Secrets for the tests: sealed, plain, expected.
use std::path::Path;

use anyhow::{Context as _, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
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

/// The parts of an envelope, each as base64url, to be written in whatever form.
#[derive(Clone, Debug)]
pub struct Parts {
    pub protected: String,
    pub encrypted_key: String,
    pub iv: String,
    pub ciphertext: String,
    pub tag: String,
}

impl Parts {
    /// The compact serialization.
    pub fn compact(&self) -> String {
        [
            &self.protected,
            &self.encrypted_key,
            &self.iv,
            &self.ciphertext,
            &self.tag,
        ]
        .map(String::as_str)
        .join(".")
    }

    /// The flattened serialization, its members in this order.
    pub fn json(&self, order: [&str; 5]) -> String {
        let members: Vec<String> = order
            .into_iter()
            .map(|name| format!("{name:?}:{:?}", self.member(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// The members of the flattened serialization as jose-util and most others write them.
    pub const ORDER: [&str; 5] = ["protected", "encrypted_key", "iv", "ciphertext", "tag"];

    fn member(&self, name: &str) -> &str {
        match name {
            "protected" => &self.protected,
            "encrypted_key" => &self.encrypted_key,
            "iv" => &self.iv,
            "ciphertext" => &self.ciphertext,
            _ => &self.tag,
        }
    }
}

impl Key {
    /// Seals under this protected header, letter for letter; it must say RSA-OAEP-256 and A256GCM.
    pub fn seal_under(&self, header: &str, value: &[u8]) -> Parts {
        let seal = || -> Result<Parts, aws_lc_rs::error::Unspecified> {
            let (mut content_key, mut iv) = ([0; 32], [0; NONCE_LEN]);
            rand::fill(&mut content_key)?;
            rand::fill(&mut iv)?;
            let public = PublicEncryptingKey::from_der(&self.key.recipient().to_spki_der())
                .map_err(|_| aws_lc_rs::error::Unspecified)
                .and_then(OaepPublicEncryptingKey::new)?;
            let mut encrypted_key = vec![0; public.ciphertext_size()];
            let encrypted_key = public.encrypt(
                &OAEP_SHA256_MGF1SHA256,
                &content_key,
                &mut encrypted_key,
                None,
            )?;
            let protected = URL_SAFE_NO_PAD.encode(header);
            let mut ciphertext = value.to_vec();
            let tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key)?)
                .seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(iv),
                    Aad::from(protected.as_bytes()),
                    &mut ciphertext,
                )?;
            Ok(Parts {
                encrypted_key: URL_SAFE_NO_PAD.encode(encrypted_key),
                iv: URL_SAFE_NO_PAD.encode(iv),
                ciphertext: URL_SAFE_NO_PAD.encode(ciphertext),
                tag: URL_SAFE_NO_PAD.encode(tag.as_ref()),
                protected,
            })
        };
        seal().expect("sealing for a good key works")
    }
}

/// Base64, as it is in `data`.
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
