//! HashiCorp Vault's own server, over TLS with its own certificate authority.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e_kms::http::Responder;
use e2e_kms::{
    Process, free_port, hex, open, openssl_oaep, openssl_spki_sha256, seal, server, wait_until,
};
use jwe_envelope::{OaepHash, RecipientKey, UnwrapRequest};
use kms_backends::vault::{Token, VaultAuth};
use kms_backends::{
    Category, Connector, KeyServices, KeyUnwrap, KeyUnwrapExt as _, KeyUri, UnwrapError,
    conformance,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

struct Vault {
    address: String,
    ca_file: PathBuf,
    admin: reqwest::blocking::Client,
    folder: tempfile::TempDir,
    _process: Process,
}

impl Vault {
    /// A development server with a Transit engine and an RSA-4096 key `payments`.
    fn start() -> Self {
        // A port that was free a moment ago may be taken before Vault has it.
        let vault = (0..5).find_map(|_| Self::listening());
        let vault = vault.expect("vault finds a port");
        vault.write("sys/mounts/transit", &json!({"type": "transit"}));
        vault.write("transit/keys/payments", &json!({"type": "rsa-4096"}));
        vault.write(
            "sys/policies/acl/privy",
            &json!({"policy": "path \"transit/decrypt/payments\" { capabilities = [\"update\"] }\n\
                path \"transit/keys/payments\" { capabilities = [\"read\"] }"}),
        );
        vault
    }

    fn listening() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("https://127.0.0.1:{}", free_port());
        let mut process = Process::start(
            Command::new(server("E2E_VAULT"))
                .args([
                    "server",
                    "-dev",
                    "-dev-tls",
                    "-dev-root-token-id=root",
                    "-dev-no-store-token",
                ])
                .arg(format!("-dev-tls-cert-dir={}", folder.path().display()))
                .arg(format!(
                    "-dev-listen-address={}",
                    &address["https://".len()..]
                ))
                .env("HOME", folder.path()),
        );
        let ca_file = folder.path().join("vault-ca.pem");
        // The file is there before all of it is written.
        let mut ca = Vec::new();
        wait_until("vault's certificate", || {
            let pem = std::fs::read(&ca_file).unwrap_or_default();
            ca = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
            !ca.is_empty() || process.has_ended()
        });
        let admin = reqwest::blocking::Client::builder()
            .tls_certs_only(ca)
            .build()
            .unwrap();
        let health = format!("{address}/v1/sys/health");
        wait_until("vault", || {
            let answer = admin.get(&health).send();
            process.has_ended() || answer.is_ok_and(|answer| answer.status() == 200)
        });
        if process.has_ended() {
            return None;
        }
        Some(Self {
            address,
            ca_file,
            admin,
            folder,
            _process: process,
        })
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .admin
            .request(method, format!("{}/v1/{path}", self.address));
        let answer = request
            .header("x-vault-token", "root")
            .json(body)
            .send()
            .unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    }

    fn write(&self, path: &str, body: &Value) {
        let (status, text) = self.request("POST", path, body);
        assert!((200..300).contains(&status), "{path}: {status} {text}");
    }

    fn connector(&self, auth: VaultAuth) -> Arc<Connector> {
        let mut services = KeyServices::default();
        services.vault.address = Some(self.address.clone());
        services.vault.ca_file = Some(self.ca_file.clone());
        services.vault.auth = Some(auth);
        services.vault.limits.attempt_timeout = 20 * SECOND;
        Arc::new(Connector::new(services))
    }

    fn root(&self) -> Arc<Connector> {
        self.connector(VaultAuth::Token(Token::new("root".to_owned()).unwrap()))
    }
}

fn uri(text: &str) -> KeyUri {
    text.parse().unwrap()
}

async fn key(connector: &Connector, version: u64) -> (RecipientKey, Arc<dyn KeyUnwrap>) {
    let uri = uri(&format!("vault-transit://transit/payments#{version}"));
    let recipient = connector
        .public_key(&uri, None, Instant::now() + 20 * SECOND)
        .await
        .unwrap_or_else(|error| {
            panic!(
                "{error}: {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            )
        });
    let holder = connector.connect(&uri, &recipient).await.unwrap();
    (recipient, holder)
}

async fn unwrap(holder: &Arc<dyn KeyUnwrap>, ciphertext: &[u8]) -> Result<Vec<u8>, UnwrapError> {
    let request = UnwrapRequest::Decrypt {
        padding: OaepHash::Sha256,
        ciphertext,
    };
    Ok(holder
        .unwrap_within(&request, 20 * SECOND)
        .await?
        .expose()
        .to_vec())
}

/// Blocking calls of the test itself stay off the runtime's threads.
async fn started() -> Arc<Vault> {
    Arc::new(tokio::task::spawn_blocking(Vault::start).await.unwrap())
}

async fn admin<T: Send + 'static>(
    vault: &Arc<Vault>,
    act: impl FnOnce(&Vault) -> T + Send + 'static,
) -> T {
    let vault = Arc::clone(vault);
    tokio::task::spawn_blocking(move || act(&vault))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transit_opens_what_we_and_openssl_sealed() {
    let vault = started().await;
    let connector = vault.root();
    let (recipient, holder) = key(&connector, 1).await;
    assert_eq!(recipient.modulus_len(), Some(512));
    assert_eq!(
        open(
            Arc::clone(&holder),
            &recipient,
            &seal(&recipient, b"hunter2")
        )
        .await,
        b"hunter2"
    );
    let pem = recipient.to_pem();
    let wrapped = openssl_oaep(vault.folder.path(), &pem, "sha256", b"sixteen bytes it");
    assert_eq!(
        unwrap(&holder, &wrapped).await.unwrap(),
        b"sixteen bytes it"
    );
    // The fingerprint of the fetched key is that of Vault's own export, by openssl.
    let exported = admin(&vault, |vault| {
        vault
            .request("GET", "transit/keys/payments", &Value::Null)
            .1
    })
    .await;
    let exported: Value = serde_json::from_str(&exported).unwrap();
    let exported = exported["data"]["keys"]["1"]["public_key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        hex(&recipient.spki_sha256()),
        openssl_spki_sha256(vault.folder.path(), &exported)
    );
    conformance::check(async || Arc::clone(&holder), &recipient).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_refusals_are_what_the_table_says() {
    let vault = started().await;
    let connector = vault.root();
    let (recipient, first) = key(&connector, 1).await;
    let good = openssl_oaep(vault.folder.path(), &recipient.to_pem(), "sha256", &[7; 32]);
    let mut bad = good.clone();
    bad[200] ^= 1;
    assert_eq!(
        unwrap(&first, &bad).await.unwrap_err().category(),
        Category::Rejected
    );
    let absent = connector
        .connect(&uri("vault-transit://transit/other#1"), &recipient)
        .await
        .unwrap();
    assert_eq!(
        unwrap(&absent, &good).await.unwrap_err().category(),
        Category::UnknownKey
    );
    let absent = connector
        .connect(&uri("vault-transit://nowhere/payments#1"), &recipient)
        .await
        .unwrap();
    let category = unwrap(&absent, &good).await.unwrap_err().category();
    assert!(
        matches!(category, Category::Denied | Category::UnknownKey),
        "{category}"
    );
    let newer = connector
        .connect(&uri("vault-transit://transit/payments#2"), &recipient)
        .await
        .unwrap();
    assert_eq!(
        unwrap(&newer, &good).await.unwrap_err().category(),
        Category::Misconfigured
    );
    // A rotation, and the old version is ended.
    admin(&vault, |vault| {
        vault.write("transit/keys/payments/rotate", &json!({}))
    })
    .await;
    let deadline = Instant::now() + 20 * SECOND;
    let all = uri("vault-transit://transit/payments");
    assert_eq!(
        connector
            .versions(&all, None, deadline)
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(unwrap(&first, &good).await.unwrap(), [7; 32]);
    admin(&vault, |vault| {
        vault.write(
            "transit/keys/payments/config",
            &json!({"min_decryption_version": 2}),
        )
    })
    .await;
    assert_eq!(
        unwrap(&first, &good).await.unwrap_err().category(),
        Category::Misconfigured
    );
    assert_eq!(
        connector
            .versions(&all, None, deadline)
            .await
            .unwrap()
            .len(),
        1
    );
    let stranger = vault.connector(VaultAuth::Token(
        Token::new("hvs.nobody".to_owned()).unwrap(),
    ));
    let stranger = stranger
        .connect(&uri("vault-transit://transit/payments#2"), &recipient)
        .await
        .unwrap();
    assert_eq!(
        unwrap(&stranger, &good).await.unwrap_err().category(),
        Category::Denied
    );
    admin(&vault, |vault| vault.write("sys/seal", &json!({}))).await;
    assert_eq!(
        unwrap(&first, &good).await.unwrap_err().category(),
        Category::Unavailable
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_go_in_one_call_and_a_bad_one_spoils_no_other() {
    let vault = started().await;
    let (recipient, holder) = key(&vault.root(), 1).await;
    let good = openssl_oaep(vault.folder.path(), &recipient.to_pem(), "sha256", &[7; 32]);
    let mut calls = JoinSet::new();
    for round in 0..100 {
        let (holder, mut wrapped) = (Arc::clone(&holder), good.clone());
        let bad = round % 10 == 0;
        wrapped[100] ^= u8::from(bad);
        calls.spawn(async move { (bad, unwrap(&holder, &wrapped).await) });
    }
    for (bad, answer) in calls.join_all().await {
        match answer {
            Ok(secret) => assert!(!bad && secret == [7; 32]),
            Err(error) => assert!(bad && error.category() == Category::Rejected, "{error:?}"),
        }
    }
}

/// An OIDC issuer of ours: discovery, keys, and tokens for anyone who asks in this process.
struct Issuer {
    responder: Responder,
    key: KeyPair,
}

impl Issuer {
    fn start() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let spki = key.public_key().as_der().unwrap();
        let recipient = RecipientKey::from_spki_der(spki.as_ref(), None).unwrap();
        let jwk = recipient.to_jwk();
        let keys = json!({"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": jwk["n"], "e": jwk["e"]}]});
        let own = Arc::new(std::sync::OnceLock::<String>::new());
        let issuer = Arc::clone(&own);
        let responder = Responder::start(move |path, _| {
            let issuer = issuer.get().cloned().unwrap_or_default();
            match path {
                "/.well-known/openid-configuration" => Some(
                    json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
                    "authorization_endpoint": format!("{issuer}/a"), "token_endpoint": format!("{issuer}/t"),
                    "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"]}),
                ),
                "/keys" => Some(keys.clone()),
                _ => None,
            }
        });
        own.set(responder.url.clone()).unwrap();
        Self { responder, key }
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(&json!({"alg": "RS256", "kid": "1", "typ": "JWT"}));
        let text = format!("{head}.{}", part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn workload(&self, seconds: i64) -> String {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        self.token(&json!({"iss": self.responder.url, "sub": "system:serviceaccount:privy-system:privy-webhook",
            "aud": ["vault"], "iat": now, "nbf": now - 5, "exp": now + seconds,
            "kubernetes.io": {"namespace": "privy-system", "serviceaccount": {"name": "privy-webhook", "uid": "u-1"}}}))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projected_token_of_an_oidc_issuer_logs_in_renews_and_comes_back_after_revocation() {
    let vault = started().await;
    let issuer = Issuer::start();
    let url = issuer.responder.url.clone();
    admin(&vault, move |vault| {
        vault.write("sys/auth/jwt", &json!({"type": "jwt"}));
        vault.write("auth/jwt/config", &json!({"oidc_discovery_url": url}));
        vault.write(
            "auth/jwt/role/privy",
            &json!({"role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "token_policies": ["privy"],
                "bound_subject": "system:serviceaccount:privy-system:privy-webhook", "token_ttl": "3s", "token_max_ttl": "1h"}),
        );
    })
    .await;
    let token_file = vault.folder.path().join("projected");
    std::fs::write(&token_file, issuer.workload(600)).unwrap();
    let connector = vault.connector(VaultAuth::Jwt {
        mount: "jwt".to_owned(),
        role: Some("privy".to_owned()),
        token_file: token_file.clone(),
    });
    let (recipient, holder) = key(&connector, 1).await;
    let wrapped = openssl_oaep(vault.folder.path(), &recipient.to_pem(), "sha256", &[7; 32]);
    // Past two leases, without an error.
    let start = Instant::now();
    while start.elapsed() < 8 * SECOND {
        unwrap(&holder, &wrapped).await.unwrap();
        tokio::time::sleep(SECOND / 10).await;
    }
    // Every token is revoked; a freshly read projected one leads back.
    std::fs::write(&token_file, issuer.workload(900)).unwrap();
    admin(&vault, |vault| {
        let (status, text) = vault.request(
            "PUT",
            "sys/leases/revoke-prefix/auth/jwt/login",
            &json!({"sync": true}),
        );
        assert!(status < 300, "{status} {text}");
    })
    .await;
    // At once; but where a token ended on its way a moment ago, the next login waits for five seconds.
    let start = Instant::now();
    while let Err(error) = unwrap(&holder, &wrapped).await {
        assert_eq!(error.category(), Category::Denied, "{error}");
        assert!(start.elapsed() < 10 * SECOND, "{error}");
        tokio::time::sleep(SECOND / 5).await;
    }
    // A token of someone else is refused.
    std::fs::write(
        &token_file,
        issuer.token(&json!({"iss": issuer.responder.url, "sub": "x", "aud": ["vault"]})),
    )
    .unwrap();
    let stranger = vault.connector(VaultAuth::Jwt {
        mount: "jwt".to_owned(),
        role: Some("privy".to_owned()),
        token_file,
    });
    let stranger = stranger
        .connect(&uri("vault-transit://transit/payments#1"), &recipient)
        .await
        .unwrap();
    let category = unwrap(&stranger, &wrapped).await.unwrap_err().category();
    assert!(
        matches!(category, Category::Denied | Category::Misconfigured),
        "{category}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_token_that_a_token_review_confirms_logs_in() {
    let vault = started().await;
    let issuer = Issuer::start();
    let token = issuer.workload(600);
    let good = token.clone();
    let api_server = Responder::start(move |path, body| {
        if path != "/apis/authentication.k8s.io/v1/tokenreviews" {
            return None;
        }
        let review: Value = serde_json::from_slice(body).ok()?;
        let known = review["spec"]["token"] == *good;
        Some(
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {"authenticated": known, "audiences": ["vault"],
            "user": {"username": "system:serviceaccount:privy-system:privy-webhook", "uid": "u-1",
                "groups": ["system:serviceaccounts"]}}}),
        )
    });
    let url = api_server.url.clone();
    let reviewer = token.clone();
    admin(&vault, move |vault| {
        vault.write("sys/auth/kubernetes", &json!({"type": "kubernetes"}));
        vault.write(
            "auth/kubernetes/config",
            &json!({"kubernetes_host": url, "token_reviewer_jwt": reviewer, "disable_local_ca_jwt": true}),
        );
        vault.write(
            "auth/kubernetes/role/privy",
            &json!({"bound_service_account_names": "privy-webhook", "bound_service_account_namespaces": "privy-system",
                "token_policies": ["privy"], "token_ttl": "10m"}),
        );
    })
    .await;
    let token_file = vault.folder.path().join("projected");
    std::fs::write(&token_file, token).unwrap();
    let connector = vault.connector(VaultAuth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "privy".to_owned(),
        token_file: token_file.clone(),
    });
    let (recipient, holder) = key(&connector, 1).await;
    assert_eq!(
        open(holder, &recipient, &seal(&recipient, b"hunter2")).await,
        b"hunter2"
    );
    // What the API server does not know is refused.
    std::fs::write(&token_file, issuer.workload(700)).unwrap();
    let stranger = vault.connector(VaultAuth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "privy".to_owned(),
        token_file,
    });
    let holder = stranger
        .connect(&uri("vault-transit://transit/payments#1"), &recipient)
        .await
        .unwrap();
    let wrapped = openssl_oaep(vault.folder.path(), &recipient.to_pem(), "sha256", &[7; 32]);
    assert_eq!(
        unwrap(&holder, &wrapped).await.unwrap_err().category(),
        Category::Denied
    );
}
