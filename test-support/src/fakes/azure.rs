//! Azure Key Vault as its REST reference describes it, over TLS with an authority of its own: the challenge for a token,
//! `unwrapkey`, a key, a key's versions; and the token service for workload identity. Microsoft's own Python client works
//! with it unchanged (`e2e/kms`).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{KeyKind, KeyManagement, LocalKey, OaepHash, RecipientKey, UnwrapRequest};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::http::{Answer, Control, Request, Server, Service, lock};

pub const KEY: &str = "payments";
/// What our requests go to; its name leads nowhere but here.
pub const HOST: &str = "acme.vault.fake.test";

pub struct FakeAzure {
    pub control: Control,
    /// PEM of who vouches for this server.
    pub authority: String,
    tls: TlsAcceptor,
    address: OnceLock<SocketAddr>,
    versions: Mutex<Vec<Version>>,
    tokens: Mutex<Tokens>,
}

struct Version {
    key: LocalKey,
    enabled: bool,
    operations: &'static [&'static str],
}

#[derive(Default)]
struct Tokens {
    issued: usize,
    expired: usize,
    /// The assertions that tokens were given for.
    assertions: Vec<String>,
    challenge: Option<&'static str>,
    refused: bool,
    /// Accepted as well: a token that a test brings along.
    fixed: Option<&'static str>,
}

impl FakeAzure {
    pub fn new(keys: impl IntoIterator<Item = LocalKey>) -> Arc<Self> {
        let (authority, tls) = certificates();
        let fake = Self {
            control: Control::default(),
            authority,
            tls,
            address: OnceLock::new(),
            versions: Mutex::default(),
            tokens: Mutex::default(),
        };
        keys.into_iter().for_each(|key| fake.add_version(key));
        Arc::new(fake)
    }

    pub fn generated(bits: u32) -> Arc<Self> {
        Self::new([LocalKey::generate(KeyKind::Rsa(bits)).unwrap()])
    }

    pub async fn start(self: &Arc<Self>, listen: &str) -> Server {
        let tls = self.tls.clone();
        let accept = move |stream| {
            let accepted = tls.accept(stream);
            async { accepted.await.ok() }
        };
        let server = Server::accepting(listen, Arc::clone(self), accept).await;
        self.address.set(server.address).unwrap();
        server
    }

    /// The name of version number `at`, counted from 1.
    pub fn version(at: usize) -> String {
        format!("{at:032x}")
    }

    pub fn recipient(&self, version: usize) -> RecipientKey {
        lock(&self.versions)[version - 1].key.recipient().clone()
    }

    pub fn add_version(&self, key: LocalKey) {
        lock(&self.versions).push(Version {
            key,
            enabled: true,
            operations: &["wrapKey", "unwrapKey"],
        });
    }

    pub fn set_enabled(&self, version: usize, enabled: bool) {
        lock(&self.versions)[version - 1].enabled = enabled;
    }

    pub fn set_operations(&self, version: usize, operations: &'static [&'static str]) {
        lock(&self.versions)[version - 1].operations = operations;
    }

    pub fn expire_tokens(&self) {
        let mut tokens = lock(&self.tokens);
        tokens.expired = tokens.issued;
    }

    /// From now on the token service knows us not.
    pub fn refuse_tokens(&self) {
        lock(&self.tokens).refused = true;
    }

    /// What the vault asks a token for, instead of its own domain.
    pub fn set_challenge(&self, resource: &'static str) {
        lock(&self.tokens).challenge = Some(resource);
    }

    pub fn accept_token(&self, token: &'static str) {
        lock(&self.tokens).fixed = Some(token);
    }

    /// The federated tokens that were shown to the token service.
    pub fn assertions(&self) -> Vec<String> {
        lock(&self.tokens).assertions.clone()
    }

    fn unwrap(&self, name: &str, body: &Value, origin: &str, lie: &str) -> Answer {
        let versions = lock(&self.versions);
        // As the real one: no version is the newest.
        let Some((at, version)) = find(&versions, name) else {
            return refused(
                404,
                "KeyNotFound",
                "",
                "A key with this version was not found in this key vault.",
            );
        };
        if !version.enabled {
            let message = "Operation unwrapKey is not allowed on a disabled key.";
            return refused(403, "Forbidden", "KeyDisabled", message);
        }
        if !version.operations.contains(&"unwrapKey") {
            let message = "Operation unwrapKey is not permitted on this key.";
            return refused(403, "Forbidden", "KeyOperationForbidden", message);
        }
        let (padding, algorithm) = match body["alg"].as_str() {
            Some("RSA-OAEP") => (OaepHash::Sha1, KeyManagement::RsaOaep),
            Some("RSA-OAEP-256") => (OaepHash::Sha256, KeyManagement::RsaOaep256),
            _ => {
                return refused(
                    400,
                    "BadParameter",
                    "",
                    "Property alg has an invalid value.",
                );
            }
        };
        // Ours are pinned to one algorithm; a vault's keys are not.
        let pem = version.key.to_pkcs8_pem();
        let key = LocalKey::from_bytes(pem.as_bytes(), Some(algorithm)).unwrap();
        let ciphertext = body["value"]
            .as_str()
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let Some(ciphertext) = ciphertext else {
            return refused(
                400,
                "BadParameter",
                "",
                "Property value has an invalid value.",
            );
        };
        let request = UnwrapRequest::Decrypt {
            padding,
            ciphertext: &ciphertext,
        };
        let Ok(secret) = key.unwrap(&request) else {
            return refused(400, "BadParameter", "", "The parameter is incorrect.");
        };
        let mut secret = secret.expose().to_vec();
        match lie {
            "wrong length" => secret.push(0x42),
            "wrong key" => secret.iter_mut().for_each(|byte| *byte ^= 0x42),
            "nothing" => secret.clear(),
            _ => {}
        }
        let at = if lie == "another version" { at + 1 } else { at };
        let mut answer = json!({
            "kid": format!("{origin}/keys/{KEY}/{}", Self::version(at)),
            "value": URL_SAFE_NO_PAD.encode(&secret),
        });
        if lie == "no kid" {
            answer.as_object_mut().unwrap().remove("kid");
        }
        if lie == "unreadable" {
            answer["value"] = json!(["a secret in an odd place", URL_SAFE_NO_PAD.encode(&secret)]);
        }
        Answer::json(200, &answer)
    }

    fn key(&self, name: &str, origin: &str, lie: &str) -> Answer {
        let versions = lock(&self.versions);
        let Some((at, version)) = find(&versions, name) else {
            return refused(
                404,
                "KeyNotFound",
                "",
                "A key with this version was not found in this key vault.",
            );
        };
        let at = if lie == "another version" { at + 1 } else { at };
        let jwk = version.key.recipient().to_jwk();
        let kty = if lie == "another kind" {
            "oct-HSM"
        } else {
            "RSA-HSM"
        };
        Answer::json(
            200,
            &json!({
                "key": {
                    "kid": format!("{origin}/keys/{KEY}/{}", Self::version(at)),
                    "kty": kty,
                    "key_ops": version.operations,
                    "n": jwk["n"],
                    "e": jwk["e"],
                },
                "attributes": attributes(at, version.enabled),
            }),
        )
    }

    /// Two to a page, so that paging is used.
    fn list(&self, request: &Request, origin: &str, lie: &str) -> Answer {
        let versions = lock(&self.versions);
        let first: usize = request
            .parameter("skip")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let key = if lie == "another key's versions" {
            "other"
        } else {
            KEY
        };
        let listed: Vec<_> = versions
            .iter()
            .enumerate()
            .skip(first)
            .take(2)
            .map(|(at, version)| {
                json!({
                    "kid": format!("{origin}/keys/{key}/{}", Self::version(at + 1)),
                    "attributes": attributes(at + 1, version.enabled),
                })
            })
            .collect();
        let next = (first + 2 < versions.len()).then(|| {
            let there = if lie == "elsewhere" {
                "https://localhost:1"
            } else {
                origin
            };
            format!(
                "{there}/keys/{KEY}/versions?api-version=7.6&skip={}",
                first + 2
            )
        });
        Answer::json(200, &json!({"value": listed, "nextLink": next}))
    }

    fn challenge(&self) -> Answer {
        let resource = lock(&self.tokens)
            .challenge
            .unwrap_or("https://vault.fake.test");
        let address = self.address.get().unwrap();
        let challenge = format!(
            "Bearer authorization=\"https://localhost:{}/tenant\", resource=\"{resource}\"",
            address.port()
        );
        refused(
            401,
            "Unauthorized",
            "",
            "AKV10000: Request is missing a Bearer or PoP token.",
        )
        .with("www-authenticate", challenge)
    }

    fn token(&self, request: &Request) -> Answer {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let assertion = form
            .split('&')
            .find_map(|pair| pair.strip_prefix("client_assertion="))
            .unwrap_or_default();
        let mut tokens = lock(&self.tokens);
        if tokens.refused || assertion.is_empty() {
            return Answer::json(
                400,
                &json!({"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found."}),
            );
        }
        tokens.assertions.push(assertion.to_owned());
        tokens.issued += 1;
        Answer::json(
            200,
            &json!({
                "token_type": "Bearer",
                "expires_in": 3600,
                "access_token": format!("fake-token-{}", tokens.issued),
            }),
        )
    }

    fn is_authorized(&self, request: &Request) -> bool {
        let tokens = lock(&self.tokens);
        let Some(token) = request
            .header("authorization")
            .and_then(|text| text.strip_prefix("Bearer "))
        else {
            return false;
        };
        let number = token
            .strip_prefix("fake-token-")
            .and_then(|text| text.parse::<usize>().ok());
        tokens.fixed == Some(token)
            || number.is_some_and(|number| number > tokens.expired && number <= tokens.issued)
    }
}

impl Service for FakeAzure {
    const THROTTLED: &'static str = "Throttled";

    fn control(&self) -> &Control {
        &self.control
    }

    fn aside(&self, request: &Request) -> Option<Answer> {
        if request.path.ends_with("/oauth2/v2.0/token") {
            return Some(self.token(request));
        }
        (!self.is_authorized(request)).then(|| self.challenge())
    }

    fn answer(&self, request: &Request, lie: &str) -> Answer {
        if request.parameter("api-version").is_none() {
            return refused(400, "BadParameter", "", "api-version must be specified");
        }
        let origin = format!("https://{}", request.header("host").unwrap_or_default());
        let parts: Vec<_> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("POST", ["keys", KEY, version, "unwrapkey"]) => {
                self.unwrap(version, &request.json(), &origin, lie)
            }
            ("GET", ["keys", KEY, "versions"]) => self.list(request, &origin, lie),
            ("GET", ["keys", KEY]) => {
                let newest = Self::version(lock(&self.versions).len());
                self.key(&newest, &origin, lie)
            }
            ("GET", ["keys", KEY, version]) => self.key(version, &origin, lie),
            _ => refused(
                404,
                "KeyNotFound",
                "",
                "A key with this name was not found in this key vault.",
            ),
        }
    }

    fn refusal(&self, status: u16, code: &str, inner: &str) -> Answer {
        refused(status, code, inner, "The fake says so.")
    }
}

fn attributes(at: usize, enabled: bool) -> Value {
    json!({"enabled": enabled, "created": 1_700_000_000 + at, "updated": 1_700_000_000 + at, "recoveryLevel": "Recoverable"})
}

fn find<'v>(versions: &'v [Version], name: &str) -> Option<(usize, &'v Version)> {
    let at = usize::from_str_radix(name, 16).ok()?;
    Some((at, versions.get(at.checked_sub(1)?)?))
}

fn refused(status: u16, code: &str, inner: &str, message: &str) -> Answer {
    let mut error = json!({"code": code, "message": message});
    if !inner.is_empty() {
        error["innererror"] = json!({"code": inner});
    }
    Answer::json(status, &json!({"error": error}))
}

/// An authority, and a server certificate of its own making.
fn certificates() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own: a certificate whose issuer has its own name passes for self-signed.
    params
        .distinguished_name
        .push(DnType::CommonName, "Authority of the fake vault");
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);

    let names = [HOST, "localhost", "127.0.0.1"].map(String::from);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}
