//! An AWS KMS: JSON 1.1 over a socket. Signatures are not looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{EphemeralKey, KeyKind, KeyManagement, LocalKey, RecipientKey, UnwrapRequest};
use serde_json::{Value, json};

use super::http::{Answer, Control, Request, Server, Service};

/// The fake. Its lies: `another key`, `another algorithm`, `another secret`, `one byte less`, `one byte more`, `too long` (as many bytes as the
/// modulus has, more than a coordinate), `nothing`; of a public key `another key` and `another usage`.
pub struct FakeAws {
    server: Server,
    state: Arc<State>,
}

/// What is behind the socket.
#[derive(Default)]
struct State {
    control: Control,
    keys: Mutex<HashMap<String, Arc<LocalKey>>>,
}

impl FakeAws {
    pub async fn start() -> Self {
        let state = Arc::<State>::default();
        Self {
            server: Server::start("127.0.0.1:0", Arc::clone(&state)).await,
            state,
        }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn control(&self) -> &Control {
        &self.state.control
    }

    /// A new key; its ARN and its public half.
    pub fn add(&self, kind: KeyKind, algorithm: Option<KeyManagement>) -> (String, RecipientKey) {
        let pem = LocalKey::generate(kind).unwrap().to_pkcs8_pem();
        let key = LocalKey::from_bytes(pem.as_bytes(), algorithm).unwrap();
        let recipient = key.recipient().clone();
        let mut keys = self.state.keys.lock().unwrap();
        let number = keys.len() + 1;
        let arn = format!(
            "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-{number:012}"
        );
        keys.insert(arn.clone(), Arc::new(key));
        (arn, recipient)
    }
}

impl Service for State {
    const THROTTLED: &'static str = "ThrottlingException";

    fn control(&self) -> &Control {
        &self.control
    }

    fn answer(&self, request: &Request, lie: &str) -> Answer {
        let body = request.json();
        let arn = body["KeyId"].as_str().unwrap_or_default();
        let Some(key) = self.keys.lock().unwrap().get(arn).cloned() else {
            return refused("NotFoundException");
        };
        let said = if lie == "another key" {
            format!("{arn}0")
        } else {
            arn.to_owned()
        };
        match request.header("x-amz-target").unwrap_or_default() {
            "TrentService.Decrypt" => decrypt(&body, &key, &said, lie),
            "TrentService.DeriveSharedSecret" => derive(&body, &key, &said, lie),
            "TrentService.GetPublicKey" => public_key(&key, &said, lie),
            _ => refused("UnknownOperationException"),
        }
    }

    /// Most errors of AWS are HTTP 400, whatever they mean.
    fn refusal(&self, status: u16, code: &str, _: &str) -> Answer {
        let body = json!({"__type": code, "message": "words of the server"});
        Answer::new(status, "application/x-amz-json-1.1", body.to_string())
    }
}

fn refused(code: &str) -> Answer {
    State::default().refusal(400, code, "")
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD
        .decode(value.as_str().unwrap_or_default())
        .unwrap_or_default()
}

fn decrypt(body: &Value, key: &LocalKey, said: &str, lie: &str) -> Answer {
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
    let algorithm = if lie == "another algorithm" {
        "SYMMETRIC_DEFAULT"
    } else {
        asked
    };
    let mut out = json!({"KeyId": said, "EncryptionAlgorithm": algorithm});
    if let Some(text) = told(secret.expose(), lie) {
        out["Plaintext"] = text;
    }
    Answer::json(200, &out)
}

fn derive(body: &Value, key: &LocalKey, said: &str, lie: &str) -> Answer {
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
    let algorithm = if lie == "another algorithm" {
        "DH"
    } else {
        "ECDH"
    };
    let mut out =
        json!({"KeyId": said, "KeyAgreementAlgorithm": algorithm, "KeyOrigin": "AWS_KMS"});
    if let Some(text) = told(secret.expose(), lie) {
        out["SharedSecret"] = text;
    }
    Answer::json(200, &out)
}

fn told(secret: &[u8], lie: &str) -> Option<Value> {
    let mut secret = secret.to_vec();
    match lie {
        "another secret" => secret.iter_mut().for_each(|byte| *byte ^= 0xff),
        "one byte less" => drop(secret.pop()),
        "one byte more" => secret.push(7),
        "too long" => secret = vec![7; 256],
        "nothing" => return None,
        _ => {}
    }
    Some(Value::String(STANDARD.encode(secret)))
}

fn public_key(key: &LocalKey, said: &str, lie: &str) -> Answer {
    let recipient = key.recipient();
    let usage = match lie {
        "another usage" => "SIGN_VERIFY",
        _ if recipient.algorithm().is_rsa() => "ENCRYPT_DECRYPT",
        _ => "KEY_AGREEMENT",
    };
    Answer::json(
        200,
        &json!({"KeyId": said, "PublicKey": STANDARD.encode(recipient.to_spki_der()), "KeyUsage": usage}),
    )
}
