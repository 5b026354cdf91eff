//! A Vault with a Transit engine, as far as a webhook sees it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use jwe_envelope::{KeyKind, LocalKey, OaepHash, RecipientKey, UnwrapRequest};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{FakeServer, Recorded, json as answer};

/// What the engine answers instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// As many bytes as asked for, and others.
    WrongKey,
    /// One byte less.
    Short,
    /// As many bytes as the key's modulus has.
    TooLong,
    /// An item of a batch is missing.
    FewerResults,
}

struct Tokens {
    live: HashMap<String, (Instant, Duration)>,
    issued: usize,
    lease: Duration,
    renewable: bool,
    /// What the login accepts, as role and JWT.
    jwt: String,
    may_decrypt: bool,
}

struct Engine {
    versions: BTreeMap<u64, LocalKey>,
    min_decryption_version: u64,
    lie: Option<Lie>,
}

/// The fake, with a token file of its own.
pub struct FakeVault {
    pub server: FakeServer,
    pub token_file: PathBuf,
    _folder: tempfile::TempDir,
    tokens: Arc<Mutex<Tokens>>,
    engine: Arc<Mutex<Engine>>,
}

impl FakeVault {
    /// One RSA-2048 key, `transit/payments`, with versions 1 to `versions`.
    pub async fn start(versions: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, "projected-1\n").unwrap();
        let tokens = Arc::new(Mutex::new(Tokens {
            live: HashMap::new(),
            issued: 0,
            lease: Duration::from_mins(10),
            renewable: true,
            jwt: "projected-1".to_owned(),
            may_decrypt: true,
        }));
        let engine = Arc::new(Mutex::new(Engine {
            versions: (1..=versions)
                .map(|number| (number, LocalKey::generate(KeyKind::Rsa(2048)).unwrap()))
                .collect(),
            min_decryption_version: 1,
            lie: None,
        }));
        let server = FakeServer::start({
            let (tokens, engine) = (Arc::clone(&tokens), Arc::clone(&engine));
            move |request| route(request, &tokens, &engine)
        })
        .await;
        Self {
            server,
            token_file,
            _folder: folder,
            tokens,
            engine,
        }
    }

    pub fn recipient(&self, version: u64) -> RecipientKey {
        self.engine.lock().unwrap().versions[&version]
            .recipient()
            .clone()
    }

    pub fn lie(&self, lie: Option<Lie>) {
        self.engine.lock().unwrap().lie = lie;
    }

    pub fn rotate(&self) {
        let mut engine = self.engine.lock().unwrap();
        let next = engine.versions.keys().max().unwrap() + 1;
        let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
        engine.versions.insert(next, key);
    }

    pub fn set_min_decryption_version(&self, version: u64) {
        self.engine.lock().unwrap().min_decryption_version = version;
    }

    pub fn set_lease(&self, lease: Duration, renewable: bool) {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.lease = lease;
        tokens.renewable = renewable;
    }

    /// Every token that is out there is worth nothing any more.
    pub fn revoke_all(&self) {
        self.tokens.lock().unwrap().live.clear();
    }

    /// The identity may log in and do nothing.
    pub fn deny(&self, deny: bool) {
        self.tokens.lock().unwrap().may_decrypt = !deny;
    }

    /// The kubelet writes a new projected token, and only that one is good for a login.
    pub fn new_projected_token(&self, token: &str) {
        std::fs::write(&self.token_file, token).unwrap();
        token.clone_into(&mut self.tokens.lock().unwrap().jwt);
    }

    /// A token that no login gave.
    pub fn add_token(&self, token: &str, lease: Duration) {
        let mut tokens = self.tokens.lock().unwrap();
        tokens
            .live
            .insert(token.to_owned(), (Instant::now(), lease));
    }

    pub fn logins(&self) -> usize {
        self.server.count("/login")
    }

    pub fn renewals(&self) -> usize {
        self.server.count("/renew-self")
    }

    pub fn decrypts(&self) -> usize {
        self.server.count("/decrypt/")
    }
}

fn route(request: &Recorded, tokens: &Mutex<Tokens>, engine: &Mutex<Engine>) -> Response<Vec<u8>> {
    match (&*request.method, &*request.path) {
        ("POST", "/v1/auth/kubernetes/login" | "/v1/auth/jwt/login") => login(request, tokens),
        ("POST", "/v1/auth/token/renew-self") => renew(request, tokens),
        ("POST", "/v1/transit/decrypt/payments") => {
            if allowed(request, tokens) {
                decrypt(request, engine)
            } else {
                errors(403, "permission denied")
            }
        }
        ("POST", path) if path.starts_with("/v1/transit/decrypt/") => {
            errors(400, "encryption key not found")
        }
        ("GET", "/v1/transit/keys/payments") => {
            if allowed(request, tokens) {
                read_key(engine)
            } else {
                errors(403, "permission denied")
            }
        }
        ("GET", path) if path.starts_with("/v1/transit/keys/") => errors(404, ""),
        _ => errors(404, "no handler for route"),
    }
}

fn login(request: &Recorded, tokens: &Mutex<Tokens>) -> Response<Vec<u8>> {
    let mut tokens = tokens.lock().unwrap();
    let body = request.json();
    if body["role"] != "privy" {
        return errors(400, "invalid role name \"x\"");
    }
    if body["jwt"] != *tokens.jwt {
        return errors(403, "permission denied");
    }
    tokens.issued += 1;
    let token = format!("hvs.canary-token-{}", tokens.issued);
    let lease = tokens.lease;
    tokens.live.insert(token.clone(), (Instant::now(), lease));
    auth(&token, lease, tokens.renewable)
}

fn renew(request: &Recorded, tokens: &Mutex<Tokens>) -> Response<Vec<u8>> {
    let mut tokens = tokens.lock().unwrap();
    let token = request
        .header("x-vault-token")
        .unwrap_or_default()
        .to_owned();
    if !is_live(&tokens, &token) {
        return errors(403, "permission denied");
    }
    if !tokens.renewable {
        return errors(400, "lease is not renewable");
    }
    let lease = tokens.lease;
    tokens.live.insert(token.clone(), (Instant::now(), lease));
    auth(&token, lease, true)
}

fn auth(token: &str, lease: Duration, renewable: bool) -> Response<Vec<u8>> {
    answer(
        200,
        &json!({"request_id": "r", "lease_id": "", "lease_duration": 0, "renewable": false, "data": null, "warnings": null,
            "auth": {"client_token": token, "accessor": "a", "policies": ["default"], "token_policies": ["default"],
                "metadata": {}, "lease_duration": lease.as_secs(), "renewable": renewable, "entity_id": "e",
                "token_type": "service", "orphan": true}}),
    )
}

fn is_live(tokens: &Tokens, token: &str) -> bool {
    tokens
        .live
        .get(token)
        .is_some_and(|(since, lease)| since.elapsed() < *lease)
}

fn allowed(request: &Recorded, tokens: &Mutex<Tokens>) -> bool {
    let tokens = tokens.lock().unwrap();
    tokens.may_decrypt && is_live(&tokens, request.header("x-vault-token").unwrap_or_default())
}

fn read_key(engine: &Mutex<Engine>) -> Response<Vec<u8>> {
    let engine = engine.lock().unwrap();
    let keys: serde_json::Map<String, Value> = engine
        .versions
        .iter()
        .map(|(number, key)| {
            let entry = json!({"creation_time": "2026-01-01T00:00:00Z", "name": "rsa-2048", "public_key": key.recipient().to_pem()});
            (number.to_string(), entry)
        })
        .collect();
    answer(
        200,
        &json!({"request_id": "r", "lease_id": "", "lease_duration": 0, "renewable": false, "data": {
            "type": "rsa-2048", "name": "payments", "keys": keys, "min_decryption_version": engine.min_decryption_version,
            "min_encryption_version": 0, "latest_version": engine.versions.len(), "supports_decryption": true,
            "supports_encryption": true, "supports_signing": true, "supports_derivation": false, "derived": false,
            "exportable": false, "allow_plaintext_backup": false, "deletion_allowed": false}}),
    )
}

fn decrypt(request: &Recorded, engine: &Mutex<Engine>) -> Response<Vec<u8>> {
    let engine = engine.lock().unwrap();
    let body = request.json();
    let Some(batch) = body["batch_input"].as_array() else {
        return match decrypt_one(&engine, body["ciphertext"].as_str().unwrap_or_default()) {
            Ok(plaintext) => answer(200, &json!({"data": {"plaintext": plaintext}})),
            Err((status, words)) => errors(status, &words),
        };
    };
    let mut failed = false;
    let mut results: Vec<Value> = batch
        .iter()
        .map(
            |item| match decrypt_one(&engine, item["ciphertext"].as_str().unwrap_or_default()) {
                Ok(plaintext) => json!({ "plaintext": plaintext }),
                Err((_, words)) => {
                    failed = true;
                    json!({ "error": words })
                }
            },
        )
        .collect();
    if engine.lie == Some(Lie::FewerResults) {
        results.pop();
    }
    let status = match body["partial_failure_response_code"].as_u64() {
        Some(status) if failed => u16::try_from(status).unwrap(),
        None if failed => 400,
        _ => 200,
    };
    answer(status, &json!({"data": {"batch_results": results}}))
}

fn decrypt_one(engine: &Engine, ciphertext: &str) -> Result<String, (u16, String)> {
    let user = |words: &str| (400, words.to_owned());
    let rest = ciphertext
        .strip_prefix("vault:v")
        .ok_or_else(|| user("invalid ciphertext: no prefix"))?;
    let (version, text) = rest
        .split_once(':')
        .ok_or_else(|| user("invalid ciphertext: wrong number of fields"))?;
    let version: u64 = version
        .parse()
        .map_err(|_| user("invalid ciphertext: version number could not be decoded"))?;
    if version < engine.min_decryption_version {
        return Err(user(
            "ciphertext or signature version is disallowed by policy (too old)",
        ));
    }
    let key = engine
        .versions
        .get(&version)
        .ok_or_else(|| user("invalid ciphertext: version is too new"))?;
    let wrapped = STANDARD
        .decode(text)
        .map_err(|_| user("invalid ciphertext: could not decode base64"))?;
    let request = UnwrapRequest::Decrypt {
        padding: OaepHash::Sha256,
        ciphertext: &wrapped,
    };
    let mut plaintext = key
        .unwrap(&request)
        .map_err(|_| (500, "1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n".to_owned()))?
        .expose()
        .to_vec();
    match engine.lie {
        Some(Lie::WrongKey) => plaintext.iter_mut().for_each(|byte| *byte ^= 0xff),
        Some(Lie::Short) => drop(plaintext.pop()),
        Some(Lie::TooLong) => plaintext = vec![7; 256],
        _ => {}
    }
    Ok(STANDARD.encode(plaintext))
}

fn errors(status: u16, words: &str) -> Response<Vec<u8>> {
    let list: Vec<&str> = if words.is_empty() {
        Vec::new()
    } else {
        vec![words]
    };
    answer(status, &json!({ "errors": list }))
}
