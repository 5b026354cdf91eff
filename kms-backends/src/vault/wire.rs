//! What Vault answers, and the one request that `vaultrs` does not have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::SecretBytes;
use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use rustify::errors::ClientError;
use serde::Deserialize;
use zeroize::Zeroizing;

/// `POST /v1/{mount}/decrypt/{name}`, for one ciphertext or several.
pub(super) struct VaultDecryptRequest {
    path: String,
    body: Vec<u8>,
}

impl VaultDecryptRequest {
    /// `mount` and `name` come from a checked reference, `ciphertexts` are `vault:v3:` and base64.
    pub(super) fn new(mount: &str, name: &str, ciphertexts: &[&str]) -> Self {
        // Neither needs escaping: our own prefix, and the letters of base64.
        let mut body = String::new();
        if let [ciphertext] = ciphertexts {
            let _ = write!(body, r#"{{"ciphertext":"{ciphertext}"}}"#);
        } else {
            body.push_str(r#"{"batch_input":["#);
            for (index, ciphertext) in ciphertexts.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(body, r#"{comma}{{"ciphertext":"{ciphertext}"}}"#);
            }
            // Without it, one bad item would turn the answer into a 400.
            body.push_str(r#"],"partial_failure_response_code":200}"#);
        }
        Self {
            path: format!("{mount}/decrypt/{name}"),
            body: body.into_bytes(),
        }
    }
}

impl Endpoint for VaultDecryptRequest {
    // Answers are read here, from memory that is wiped.
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(Some(self.body.clone()))
    }
}

#[derive(Deserialize)]
struct Answered<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct Decrypted<'a> {
    #[serde(borrow)]
    plaintext: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch_results: Vec<Decrypted<'a>>,
}

/// The plaintext of one ciphertext.
pub(super) fn plaintext(body: &[u8]) -> Option<SecretBytes> {
    let answered: Answered<Decrypted<'_>> = serde_json::from_slice(body).ok()?;
    answered.data?.into_secret()
}

/// The plaintexts of several; `None` where one failed.
pub(super) fn plaintexts(body: &[u8], count: usize) -> Option<Vec<Option<SecretBytes>>> {
    let answered: Answered<Batch<'_>> = serde_json::from_slice(body).ok()?;
    let results = answered.data?.batch_results;
    if results.len() != count {
        return None;
    }
    Some(results.into_iter().map(Decrypted::into_secret).collect())
}

impl Decrypted<'_> {
    fn into_secret(self) -> Option<SecretBytes> {
        let text = match self.plaintext? {
            Cow::Borrowed(text) => return decode(text),
            Cow::Owned(text) => Zeroizing::new(text),
        };
        decode(&text)
    }
}

fn decode(text: &str) -> Option<SecretBytes> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
    if length == 0 {
        return None;
    }
    Some(SecretBytes::filled_by(length, |secret| {
        secret.copy_from_slice(&bytes[..length]);
    }))
}

/// A login's or a renewal's outcome.
pub(super) struct Lease {
    pub(super) token: Option<super::options::Token>,
    /// Zero: without end.
    pub(super) seconds: u64,
    pub(super) renewable: bool,
}

#[derive(Deserialize)]
struct WithAuth {
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

pub(super) fn lease(body: &[u8]) -> Option<Lease> {
    let auth = serde_json::from_slice::<WithAuth>(body).ok()?.auth?;
    Some(Lease {
        token: super::options::Token::new(auth.client_token),
        seconds: auth.lease_duration,
        renewable: auth.renewable,
    })
}

/// What `GET {mount}/keys/{name}` says.
#[derive(Deserialize)]
pub(super) struct TransitKey {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) min_decryption_version: u64,
    #[serde(default)]
    pub(super) supports_decryption: bool,
    /// Symmetric keys have numbers here.
    #[serde(default)]
    keys: BTreeMap<String, serde_json::Value>,
}

impl TransitKey {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Answered<Self>>(body).ok()?.data
    }

    /// Number and public key (PEM) of each version that decrypts, newest first.
    pub(super) fn versions(&self) -> Vec<(u64, &str)> {
        let mut versions: Vec<_> = self
            .keys
            .iter()
            .filter_map(|(number, key)| {
                let number: u64 = number.parse().ok()?;
                Some((number, key.get("public_key")?.as_str()?))
            })
            .filter(|(number, _)| *number >= self.min_decryption_version.max(1))
            .collect();
        versions.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        versions
    }
}
