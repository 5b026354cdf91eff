//! A Vault with a Transit engine, as far as a webhook sees it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jwe_envelope::{KeyKind, LocalKey, OaepHash, RecipientKey, UnwrapRequest};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Answer, Control, Request, Server, Service};

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
}

/// What is behind the socket.
struct State {
    control: Control,
    tokens: Mutex<Tokens>,
    engine: Mutex<Engine>,
}

/// The fake, with a token file of its own. Its lies: `wrong key`, `one byte more`, `too long`, and of a batch `one result less`
/// and `swapped results`; of a key `of another type` and
/// `decrypts nothing`.
pub struct FakeVault {
    pub token_file: PathBuf,
    server: Server,
    state: Arc<State>,
    _folder: tempfile::TempDir,
}

impl FakeVault {
    /// One RSA-2048 key, `transit/payments`, with versions 1 to `versions`.
    pub async fn start(versions: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, "projected-1\n").unwrap();
        let tokens = Mutex::new(Tokens {
            live: HashMap::new(),
            issued: 0,
            lease: Duration::from_mins(10),
            renewable: true,
            jwt: "projected-1".to_owned(),
            may_decrypt: true,
        });
        let engine = Mutex::new(Engine {
            versions: (1..=versions)
                .map(|number| (number, LocalKey::generate(KeyKind::Rsa(2048)).unwrap()))
                .collect(),
            min_decryption_version: 1,
        });
        let state = Arc::new(State {
            control: Control::default(),
            tokens,
            engine,
        });
        Self {
            token_file,
            server: Server::start("127.0.0.1:0", Arc::clone(&state)).await,
            state,
            _folder: folder,
        }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every request counts as a call here, logins and renewals too.
    pub fn control(&self) -> &Control {
        &self.state.control
    }

    pub fn recipient(&self, version: u64) -> RecipientKey {
        self.state.engine.lock().unwrap().versions[&version]
            .recipient()
            .clone()
    }

    pub fn rotate(&self) {
        let mut engine = self.state.engine.lock().unwrap();
        let next = engine.versions.keys().max().unwrap() + 1;
        let key = LocalKey::generate(KeyKind::Rsa(2048)).unwrap();
        engine.versions.insert(next, key);
    }

    pub fn set_min_decryption_version(&self, version: u64) {
        self.state.engine.lock().unwrap().min_decryption_version = version;
    }

    pub fn set_lease(&self, lease: Duration, renewable: bool) {
        let mut tokens = self.state.tokens.lock().unwrap();
        tokens.lease = lease;
        tokens.renewable = renewable;
    }

    /// Every token that is out there is worth nothing any more.
    pub fn revoke_all(&self) {
        self.state.tokens.lock().unwrap().live.clear();
    }

    /// The identity may log in and do nothing.
    pub fn deny(&self, deny: bool) {
        self.state.tokens.lock().unwrap().may_decrypt = !deny;
    }

    /// The kubelet writes a new projected token, and only that one is good for a login.
    pub fn new_projected_token(&self, token: &str) {
        std::fs::write(&self.token_file, token).unwrap();
        token.clone_into(&mut self.state.tokens.lock().unwrap().jwt);
    }

    /// A token that no login gave.
    pub fn add_token(&self, token: &str, lease: Duration) {
        let mut tokens = self.state.tokens.lock().unwrap();
        tokens
            .live
            .insert(token.to_owned(), (Instant::now(), lease));
    }

    pub fn logins(&self) -> usize {
        self.control().count("/login")
    }

    pub fn renewals(&self) -> usize {
        self.control().count("/renew-self")
    }

    pub fn decrypts(&self) -> usize {
        self.control().count("/decrypt/")
    }
}

impl Service for State {
    const THROTTLED: &'static str = "";

    fn control(&self) -> &Control {
        &self.control
    }

    fn answer(&self, request: &Request, lie: &str) -> Answer {
        let allowed = || allowed(request, &self.tokens);
        match (&*request.method, &*request.path) {
            ("POST", "/v1/auth/kubernetes/login" | "/v1/auth/jwt/login") => {
                login(request, &self.tokens)
            }
            ("POST", "/v1/auth/token/renew-self") => renew(request, &self.tokens),
            ("POST", "/v1/transit/decrypt/payments") if allowed() => {
                decrypt(request, &self.engine, lie)
            }
            ("GET", "/v1/transit/keys/payments") if allowed() => read_key(&self.engine, lie),
            (_, "/v1/transit/decrypt/payments" | "/v1/transit/keys/payments") => {
                errors(403, "permission denied")
            }
            ("POST", path) if path.starts_with("/v1/transit/decrypt/") => {
                errors(400, "encryption key not found")
            }
            ("GET", path) if path.starts_with("/v1/transit/keys/") => errors(404, ""),
            _ => errors(404, "no handler for route"),
        }
    }

    fn refusal(&self, status: u16, words: &str, _: &str) -> Answer {
        errors(status, words)
    }
}

fn login(request: &Request, tokens: &Mutex<Tokens>) -> Answer {
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

fn renew(request: &Request, tokens: &Mutex<Tokens>) -> Answer {
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

fn auth(token: &str, lease: Duration, renewable: bool) -> Answer {
    Answer::json(
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

fn allowed(request: &Request, tokens: &Mutex<Tokens>) -> bool {
    let tokens = tokens.lock().unwrap();
    tokens.may_decrypt && is_live(&tokens, request.header("x-vault-token").unwrap_or_default())
}

fn read_key(engine: &Mutex<Engine>, lie: &str) -> Answer {
    let engine = engine.lock().unwrap();
    let keys: serde_json::Map<String, Value> = engine
        .versions
        .iter()
        .map(|(number, key)| {
            let entry = json!({"creation_time": "2026-01-01T00:00:00Z", "name": "rsa-2048", "public_key": key.recipient().to_pem()});
            (number.to_string(), entry)
        })
        .collect();
    let kind = if lie == "of another type" {
        "aes256-gcm96"
    } else {
        "rsa-2048"
    };
    Answer::json(
        200,
        &json!({"request_id": "r", "lease_id": "", "lease_duration": 0, "renewable": false, "data": {
            "type": kind, "name": "payments", "keys": keys, "min_decryption_version": engine.min_decryption_version,
            "min_encryption_version": 0, "latest_version": engine.versions.len(), "supports_decryption": lie != "decrypts nothing",
            "supports_encryption": true, "supports_signing": true, "supports_derivation": false, "derived": false,
            "exportable": false, "allow_plaintext_backup": false, "deletion_allowed": false}}),
    )
}

fn decrypt(request: &Request, engine: &Mutex<Engine>, lie: &str) -> Answer {
    let engine = engine.lock().unwrap();
    let body = request.json();
    let Some(batch) = body["batch_input"].as_array() else {
        let ciphertext = body["ciphertext"].as_str().unwrap_or_default();
        return match decrypt_one(&engine, ciphertext, lie) {
            Ok(plaintext) => Answer::json(200, &json!({"data": {"plaintext": plaintext}})),
            Err((status, words)) => errors(status, &words),
        };
    };
    let mut failed = false;
    let mut results: Vec<Value> = batch
        .iter()
        .map(|item| {
            let ciphertext = item["ciphertext"].as_str().unwrap_or_default();
            match decrypt_one(&engine, ciphertext, lie) {
                Ok(plaintext) => json!({ "plaintext": plaintext }),
                Err((_, words)) => {
                    failed = true;
                    json!({ "error": words })
                }
            }
        })
        .collect();
    match lie {
        "one result less" => drop(results.remove(0)),
        "swapped results" => results.reverse(),
        _ => {}
    }
    let status = match body["partial_failure_response_code"].as_u64() {
        Some(status) if failed => u16::try_from(status).unwrap(),
        None if failed => 400,
        _ => 200,
    };
    Answer::json(status, &json!({"data": {"batch_results": results}}))
}

fn decrypt_one(engine: &Engine, ciphertext: &str, lie: &str) -> Result<String, (u16, String)> {
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
    match lie {
        "wrong key" => plaintext.iter_mut().for_each(|byte| *byte ^= 0xff),
        "one byte more" => plaintext.push(7),
        "too long" => plaintext = vec![7; 256],
        _ => {}
    }
    Ok(STANDARD.encode(plaintext))
}

fn errors(status: u16, words: &str) -> Answer {
    let list: Vec<&str> = if words.is_empty() {
        Vec::new()
    } else {
        vec![words]
    };
    Answer::json(status, &json!({ "errors": list }))
}
