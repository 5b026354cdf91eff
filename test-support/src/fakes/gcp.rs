//! Google Cloud KMS as its REST reference describes it: `asymmetricDecrypt`, `publicKey`, a key's versions, and the
//! metadata server that hands out tokens. Google's own Python client works with it unchanged (`e2e/kms`).

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{KeyKind, KeyManagement, LocalKey, RecipientKey, UnwrapRequest};
use serde_json::{Value, json};

use super::http::{Answer, Control, Request, Server, Service, lock};

pub const KEY: &str =
    "projects/acme-prod/locations/europe-west3/keyRings/privy/cryptoKeys/payments";

/// One key with its versions, counted from 1.
pub struct FakeGcp {
    pub control: Control,
    versions: Mutex<Vec<Version>>,
    tokens: Mutex<Tokens>,
}

struct Version {
    key: LocalKey,
    state: &'static str,
}

#[derive(Default)]
struct Tokens {
    /// Whether calls need one.
    wanted: bool,
    issued: usize,
    /// Seconds that a token lives, as the metadata server says.
    lifetime: u64,
    /// The last one that is no longer accepted.
    expired: usize,
}

impl FakeGcp {
    pub fn new(keys: impl IntoIterator<Item = LocalKey>) -> Arc<Self> {
        let versions = keys.into_iter().map(|key| Version {
            key,
            state: "ENABLED",
        });
        Arc::new(Self {
            control: Control::default(),
            versions: Mutex::new(versions.collect()),
            tokens: Mutex::new(Tokens {
                lifetime: 3600,
                ..Tokens::default()
            }),
        })
    }

    pub fn generated(bits: u32) -> Arc<Self> {
        Self::new([LocalKey::generate(KeyKind::Rsa(bits)).unwrap()])
    }

    pub async fn start(self: &Arc<Self>, listen: &str) -> Server {
        Server::start(listen, Arc::clone(self)).await
    }

    pub fn recipient(&self, version: usize) -> RecipientKey {
        lock(&self.versions)[version - 1].key.recipient().clone()
    }

    pub fn add_version(&self, key: LocalKey) {
        lock(&self.versions).push(Version {
            key,
            state: "ENABLED",
        });
    }

    /// `ENABLED`, `DISABLED`, `DESTROYED`, …
    pub fn set_state(&self, version: usize, state: &'static str) {
        lock(&self.versions)[version - 1].state = state;
    }

    /// From now on calls need a token of the metadata server, which lives for so many seconds.
    pub fn want_tokens(&self, lifetime: u64) {
        let mut tokens = lock(&self.tokens);
        (tokens.wanted, tokens.lifetime) = (true, lifetime);
    }

    /// Tokens issued so far are accepted no longer.
    pub fn expire_tokens(&self) {
        let mut tokens = lock(&self.tokens);
        tokens.expired = tokens.issued;
    }

    fn decrypt(&self, number: &str, body: &Value, lie: &str) -> Answer {
        let versions = lock(&self.versions);
        let Some(version) = find(&versions, number) else {
            return refused(404, "NOT_FOUND", "CryptoKeyVersion not found.");
        };
        if version.state != "ENABLED" {
            let message = format!(
                "{KEY}/cryptoKeyVersions/{number} is not enabled, current state is: {}.",
                version.state
            );
            return refused(400, "FAILED_PRECONDITION", &message);
        }
        let ciphertext = body["ciphertext"]
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok());
        let Some(ciphertext) = ciphertext else {
            return refused(400, "INVALID_ARGUMENT", "ciphertext is missing.");
        };
        let verified = match &body["ciphertextCrc32c"] {
            Value::Null => false,
            declared if number_of(declared) == Some(crc(&ciphertext)) => true,
            _ => return refused(400, "INVALID_ARGUMENT", "ciphertext_crc32c does not match."),
        };
        let request = UnwrapRequest::Decrypt {
            padding: version.key.recipient().algorithm().oaep_hash().unwrap(),
            ciphertext: &ciphertext,
        };
        let Ok(secret) = version.key.unwrap(&request) else {
            return refused(
                400,
                "INVALID_ARGUMENT",
                "Decryption failed: the ciphertext is invalid.",
            );
        };
        let mut plaintext = secret.expose().to_vec();
        match lie {
            "wrong length" => plaintext.push(0x42),
            "wrong key" => plaintext.iter_mut().for_each(|byte| *byte ^= 0x42),
            _ => {}
        }
        let mut checksum = crc(&plaintext);
        if lie == "wrong checksum" {
            checksum ^= 1;
        }
        if lie == "flipped on the way" {
            plaintext[0] ^= 1;
        }
        let mut answer = json!({
            "plaintext": STANDARD.encode(&plaintext),
            "plaintextCrc32c": checksum.to_string(),
            "verifiedCiphertextCrc32c": verified && lie != "unverified",
            "protectionLevel": "HSM",
        });
        if lie == "no checksum" {
            answer.as_object_mut().unwrap().remove("plaintextCrc32c");
        }
        Answer::json(200, &answer)
    }

    fn public_key(&self, number: &str, lie: &str) -> Answer {
        let versions = lock(&self.versions);
        let Some(version) = find(&versions, number) else {
            return refused(404, "NOT_FOUND", "CryptoKeyVersion not found.");
        };
        let recipient = version.key.recipient();
        let pem = recipient.to_pem();
        let mut name = format!("{KEY}/cryptoKeyVersions/{number}");
        if lie == "another name" {
            name.push('7');
        }
        let checksum = crc(pem.as_bytes()) ^ u32::from(lie == "wrong checksum");
        let algorithm = match lie {
            "another algorithm" => "RSA_SIGN_PSS_2048_SHA256".to_owned(),
            "another padding" => "RSA_DECRYPT_OAEP_2048_SHA1".to_owned(),
            _ => algorithm_of(recipient),
        };
        let pem = if lie == "flipped on the way" {
            pem.replacen('A', "B", 1)
        } else {
            pem
        };
        Answer::json(
            200,
            &json!({
                "name": name,
                "pem": pem,
                "pemCrc32c": checksum.to_string(),
                "algorithm": algorithm,
                "protectionLevel": "HSM",
            }),
        )
    }

    /// Two to a page, so that paging is used.
    fn list(&self, request: &Request, lie: &str) -> Answer {
        let versions = lock(&self.versions);
        let first: usize = request
            .parameter("pageToken")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let wanted = request.parameter("filter").unwrap_or_default();
        let listed: Vec<_> = versions
            .iter()
            .enumerate()
            .filter(|(_, version)| {
                lie == "deaf to filters" || wanted.is_empty() || version.state == "ENABLED"
            })
            .map(|(at, version)| {
                let key = if lie == "another key's versions" {
                    KEY.replace("payments", "other")
                } else {
                    KEY.to_owned()
                };
                json!({
                    "name": format!("{key}/cryptoKeyVersions/{}", at + 1),
                    "state": version.state,
                    "algorithm": algorithm_of(version.key.recipient()),
                })
            })
            .collect();
        let mut answer = json!({"totalSize": listed.len()});
        answer["cryptoKeyVersions"] = listed.iter().skip(first).take(2).cloned().collect();
        if first + 2 < listed.len() {
            answer["nextPageToken"] = Value::from((first + 2).to_string());
        }
        Answer::json(200, &answer)
    }

    fn metadata(&self, request: &Request) -> Answer {
        if request.header("metadata-flavor") != Some("Google") {
            return refused(
                403,
                "PERMISSION_DENIED",
                "Missing Metadata-Flavor:Google header.",
            );
        }
        if !request.path.ends_with("/token") {
            let name = Answer::new(200, "application/text", "googleapis.com");
            return name.with("metadata-flavor", "Google");
        }
        let mut tokens = lock(&self.tokens);
        tokens.issued += 1;
        let token = json!({
            "access_token": format!("fake-token-{}", tokens.issued),
            "expires_in": tokens.lifetime,
            "token_type": "Bearer",
        });
        Answer::json(200, &token).with("metadata-flavor", "Google")
    }

    fn is_authorized(&self, request: &Request) -> bool {
        let tokens = lock(&self.tokens);
        let token = request
            .header("authorization")
            .and_then(|text| text.strip_prefix("Bearer fake-token-"));
        let number: Option<usize> = token.and_then(|text| text.parse().ok());
        !tokens.wanted
            || number.is_some_and(|number| number > tokens.expired && number <= tokens.issued)
    }
}

impl Service for FakeGcp {
    const THROTTLED: &'static str = "RESOURCE_EXHAUSTED";

    fn control(&self) -> &Control {
        &self.control
    }

    fn aside(&self, request: &Request) -> Option<Answer> {
        if request.path.starts_with("/computeMetadata/") {
            return Some(self.metadata(request));
        }
        let words = "Request had invalid authentication credentials.";
        (!self.is_authorized(request)).then(|| refused(401, "UNAUTHENTICATED", words))
    }

    fn answer(&self, request: &Request, lie: &str) -> Answer {
        let path = request.path.strip_prefix("/v1/").unwrap_or_default();
        let Some(rest) = path.strip_prefix(KEY) else {
            return refused(404, "NOT_FOUND", "CryptoKey not found.");
        };
        if rest == "/cryptoKeyVersions" && request.method == "GET" {
            return self.list(request, lie);
        }
        let rest = rest.strip_prefix("/cryptoKeyVersions/").unwrap_or_default();
        match (request.method.as_str(), rest.split_once([':', '/'])) {
            ("POST", Some((number, "asymmetricDecrypt"))) => {
                self.decrypt(number, &request.json(), lie)
            }
            ("GET", Some((number, "publicKey"))) => self.public_key(number, lie),
            _ => refused(404, "NOT_FOUND", "No such method."),
        }
    }

    fn refusal(&self, status: u16, code: &str, _: &str) -> Answer {
        refused(status, code, "The fake says so.")
    }
}

fn find<'v>(versions: &'v [Version], number: &str) -> Option<&'v Version> {
    versions.get(number.parse::<usize>().ok()?.checked_sub(1)?)
}

fn algorithm_of(recipient: &RecipientKey) -> String {
    let hash = match recipient.algorithm() {
        KeyManagement::RsaOaep => "SHA1",
        KeyManagement::RsaOaep256 => "SHA256",
        KeyManagement::RsaOaep512 => "SHA512",
        other => panic!("no key of Google's: {other}"),
    };
    format!(
        "RSA_DECRYPT_OAEP_{}_{hash}",
        recipient.modulus_len().unwrap() * 8
    )
}

/// Whole numbers travel as texts, and are read as both.
fn number_of(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| number.try_into().ok()),
    }
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"error": {"code": status, "status": code, "message": message}}),
    )
}

/// CRC32C bit by bit, from its polynomial: not the code that is under test.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}
