//! An AWS KMS: JSON 1.1 over a socket. Signatures are not looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use jwe_envelope::{EphemeralKey, KeyKind, KeyManagement, LocalKey, RecipientKey, UnwrapRequest};
use serde_json::{Value, json};

use super::http::{FakeServer, Fault, Recorded, json as answer};

/// What it answers instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Another key's ARN.
    OtherKey,
    /// Another algorithm.
    OtherAlgorithm,
    /// As many bytes as asked for, and others.
    WrongSecret,
    /// One byte less.
    Short,
    /// As many bytes as the key's modulus has, or more than a coordinate.
    TooLong,
    /// No secret.
    Nothing,
}

pub struct FakeAws {
    pub server: FakeServer,
    keys: Arc<Mutex<HashMap<String, Arc<LocalKey>>>>,
    lie: Arc<Mutex<Option<Lie>>>,
}

impl FakeAws {
    pub async fn start() -> Self {
        let keys: Arc<Mutex<HashMap<String, Arc<LocalKey>>>> = Arc::default();
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let server = FakeServer::start({
            let (keys, lie) = (Arc::clone(&keys), Arc::clone(&lie));
            move |request| route(request, &keys.lock().unwrap(), *lie.lock().unwrap())
        })
        .await;
        Self { server, keys, lie }
    }

    /// A new key; its ARN and its public half.
    pub fn add(&self, kind: KeyKind, algorithm: Option<KeyManagement>) -> (String, RecipientKey) {
        let pem = LocalKey::generate(kind).unwrap().to_pkcs8_pem();
        let key = LocalKey::from_bytes(pem.as_bytes(), algorithm).unwrap();
        let recipient = key.recipient().clone();
        let mut keys = self.keys.lock().unwrap();
        let number = keys.len() + 1;
        let arn = format!(
            "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-{number:012}"
        );
        keys.insert(arn.clone(), Arc::new(key));
        (arn, recipient)
    }

    pub fn lie(&self, lie: Option<Lie>) {
        *self.lie.lock().unwrap() = lie;
    }
}

/// An error as AWS sends it.
pub fn error(status: u16, code: &str) -> Fault {
    Fault::Answer(
        status,
        vec![("content-type", "application/x-amz-json-1.1".to_owned())],
        json!({"__type": code, "message": "words of the server"}).to_string(),
    )
}

fn refused(code: &str) -> Response<Vec<u8>> {
    answer(
        400,
        &json!({"__type": code, "message": "words of the server"}),
    )
}

fn route(
    request: &Recorded,
    keys: &HashMap<String, Arc<LocalKey>>,
    lie: Option<Lie>,
) -> Response<Vec<u8>> {
    let body = request.json();
    let arn = body["KeyId"].as_str().unwrap_or_default();
    let Some(key) = keys.get(arn) else {
        return refused("NotFoundException");
    };
    let said = if lie == Some(Lie::OtherKey) {
        format!("{arn}0")
    } else {
        arn.to_owned()
    };
    match request.header("x-amz-target").unwrap_or_default() {
        "TrentService.Decrypt" => decrypt(&body, key, &said, lie),
        "TrentService.DeriveSharedSecret" => derive(&body, key, &said, lie),
        "TrentService.GetPublicKey" => public_key(key, &said),
        _ => refused("UnknownOperationException"),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD
        .decode(value.as_str().unwrap_or_default())
        .unwrap_or_default()
}

fn decrypt(body: &Value, key: &LocalKey, said: &str, lie: Option<Lie>) -> Response<Vec<u8>> {
    let recipient = key.recipient();
    let asked = body["EncryptionAlgorithm"].as_str().unwrap_or_default();
    let known = match recipient.algorithm() {
        KeyManagement::RsaOaep => "RSAES_OAEP_SHA_1",
        KeyManagement::RsaOaep256 => "RSAES_OAEP_SHA_256",
        _ => "",
    };
    if asked != known {
        return refused("InvalidKeyUsageException");
    }
    let wrapped = bytes(&body["CiphertextBlob"]);
    let request = UnwrapRequest::Decrypt {
        padding: recipient.algorithm().oaep_hash().unwrap(),
        ciphertext: &wrapped,
    };
    let Ok(secret) = key.unwrap(&request) else {
        return refused("InvalidCiphertextException");
    };
    let algorithm = if lie == Some(Lie::OtherAlgorithm) {
        "SYMMETRIC_DEFAULT"
    } else {
        asked
    };
    let mut out = json!({"KeyId": said, "EncryptionAlgorithm": algorithm});
    if let Some(text) = told(secret.expose(), lie) {
        out["Plaintext"] = text;
    }
    answer(200, &out)
}

fn derive(body: &Value, key: &LocalKey, said: &str, lie: Option<Lie>) -> Response<Vec<u8>> {
    let Some(curve) = key.recipient().curve() else {
        return refused("InvalidKeyUsageException");
    };
    let der = bytes(&body["PublicKey"]);
    // The point is the end of a SubjectPublicKeyInfo.
    let length = 1 + 2 * curve.coordinate_len();
    let Ok(ephemeral) = EphemeralKey::new(curve, &der[der.len().saturating_sub(length)..]) else {
        return refused("ValidationException");
    };
    assert_eq!(ephemeral.to_spki_der(), der);
    let request = UnwrapRequest::Agree {
        ephemeral: &ephemeral,
    };
    let secret = key.unwrap(&request).unwrap();
    let algorithm = if lie == Some(Lie::OtherAlgorithm) {
        "DH"
    } else {
        "ECDH"
    };
    let mut out =
        json!({"KeyId": said, "KeyAgreementAlgorithm": algorithm, "KeyOrigin": "AWS_KMS"});
    if let Some(text) = told(secret.expose(), lie) {
        out["SharedSecret"] = text;
    }
    answer(200, &out)
}

fn told(secret: &[u8], lie: Option<Lie>) -> Option<Value> {
    let mut secret = secret.to_vec();
    match lie {
        Some(Lie::WrongSecret) => secret.iter_mut().for_each(|byte| *byte ^= 0xff),
        Some(Lie::Short) => drop(secret.pop()),
        Some(Lie::TooLong) => secret = vec![7; 256],
        Some(Lie::Nothing) => return None,
        _ => {}
    }
    Some(Value::String(STANDARD.encode(secret)))
}

fn public_key(key: &LocalKey, said: &str) -> Response<Vec<u8>> {
    let recipient = key.recipient();
    let usage = if recipient.algorithm().is_rsa() {
        "ENCRYPT_DECRYPT"
    } else {
        "KEY_AGREEMENT"
    };
    answer(
        200,
        &json!({"KeyId": said, "PublicKey": STANDARD.encode(recipient.to_spki_der()), "KeyUsage": usage}),
    )
}
