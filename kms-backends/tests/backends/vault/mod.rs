//! Vault's Transit engine, spoken to over a socket.
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever asks with --nocapture"
)]

mod batches;
mod lies;
mod sessions;
mod trouble;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, request_of, seal};
use base64::Engine as _;
use jwe_envelope::{
    Curve, Envelope, KeyKind, KeyManagement, LocalKey, OaepHash, RecipientKey, UnwrapRequest,
};
use kms_backends::layer::Quota;
use kms_backends::vault::{Token, VaultAuth, VaultOptions};
use kms_backends::{
    Category, Connector, KeyServices, KeyUnwrap, KeyUnwrapExt as _, KeyUri, UnwrapError,
    conformance,
};
use test_support::fakes::http::Fault;
use test_support::fakes::vault::FakeVault;
use tokio::task::JoinSet;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn services(vault: &FakeVault, auth: VaultAuth) -> KeyServices {
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.url());
    services.vault.auth = Some(auth);
    services.vault.limits.attempt_timeout = 5 * SECOND;
    services
}

fn connector(vault: &FakeVault, auth: VaultAuth) -> Connector {
    Connector::new(services(vault, auth))
}

/// A client of version 1, logged in as a pod.
fn client(vault: &FakeVault) -> Client {
    let uri = "vault-transit://transit/payments#1";
    Client::new(services(vault, kubernetes(vault)), uri, vault.recipient(1))
}

/// A Vault, the unwrapper of version 1 of its key, and a content key that is wrapped for it.
struct Bench {
    vault: FakeVault,
    connector: Connector,
    unwrapper: Arc<dyn KeyUnwrap>,
    ciphertext: Vec<u8>,
}

impl Bench {
    async fn new() -> Self {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        Self {
            unwrapper: unwrapper(&vault, &connector, 1).await,
            ciphertext: wrapped(&vault.recipient(1)).1,
            connector,
            vault,
        }
    }
}

fn kubernetes(vault: &FakeVault) -> VaultAuth {
    VaultAuth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "privy".to_owned(),
        token_file: vault.token_file.clone(),
    }
}

async fn unwrapper(vault: &FakeVault, connector: &Connector, version: u64) -> Arc<dyn KeyUnwrap> {
    let uri: KeyUri = format!("vault-transit://transit/payments#{version}")
        .parse()
        .unwrap();
    connector
        .connect(&uri, &vault.recipient(version))
        .await
        .unwrap()
}

/// An envelope, and its wrapped content key.
fn wrapped(recipient: &RecipientKey) -> (String, Vec<u8>) {
    let text = seal(recipient, b"hunter2");
    match request_of(&text, recipient).as_request() {
        UnwrapRequest::Decrypt { ciphertext, .. } => (text.clone(), ciphertext.to_vec()),
        _ => panic!("an RSA key"),
    }
}

async fn unwrap(unwrapper: &Arc<dyn KeyUnwrap>, ciphertext: &[u8]) -> Result<Vec<u8>, UnwrapError> {
    let request = UnwrapRequest::Decrypt {
        padding: OaepHash::Sha256,
        ciphertext,
    };
    let secret = unwrapper.unwrap_within(&request, 10 * SECOND).await?;
    Ok(secret.expose().to_vec())
}

#[tokio::test]
async fn keeps_the_contract_of_every_backend() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    conformance::check(
        async || unwrapper(&vault, &connector, 2).await,
        &vault.recipient(2),
    )
    .await;
}

#[tokio::test]
async fn what_does_not_fit_the_key_costs_no_call() {
    let vault = FakeVault::start(1).await;
    crate::client::misfits_cost_no_call(&client(&vault), vault.control()).await;
}

#[tokio::test]
async fn vault_sees_the_wrapped_key_and_nothing_else() {
    let vault = FakeVault::start(3).await;
    let connector = connector(&vault, kubernetes(&vault));
    let unwrapper = unwrapper(&vault, &connector, 3).await;
    let (_, ciphertext) = wrapped(&vault.recipient(3));
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    let requests = vault.control().requests();
    let [login, decrypt] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(login.path, "/v1/auth/kubernetes/login");
    assert_eq!(
        login.json(),
        serde_json::json!({"role": "privy", "jwt": "projected-1"})
    );
    assert_eq!(decrypt.path, "/v1/transit/decrypt/payments");
    let text = base64::engine::general_purpose::STANDARD.encode(&ciphertext);
    assert_eq!(
        decrypt.json(),
        serde_json::json!({"ciphertext": format!("vault:v3:{text}")})
    );
    assert_eq!(decrypt.header("x-vault-token"), Some("hvs.canary-token-1"));
    assert_eq!(decrypt.header("x-vault-namespace"), None);
}

#[tokio::test]
async fn the_namespace_goes_with_every_request() {
    let vault = FakeVault::start(1).await;
    let mut services = services(&vault, kubernetes(&vault));
    services.vault.namespace = Some("team/a".to_owned());
    let connector = Connector::new(services);
    let unwrapper = unwrapper(&vault, &connector, 1).await;
    unwrap(&unwrapper, &wrapped(&vault.recipient(1)).1)
        .await
        .unwrap();
    for request in vault.control().requests() {
        assert_eq!(
            request.header("x-vault-namespace"),
            Some("team/a"),
            "{}",
            request.path
        );
    }
}

#[tokio::test]
async fn logs_in_with_a_jwt_or_a_token_as_well() {
    let vault = FakeVault::start(1).await;
    let (_, ciphertext) = wrapped(&vault.recipient(1));
    let jwt = connector(
        &vault,
        VaultAuth::Jwt {
            mount: "jwt".to_owned(),
            role: Some("privy".to_owned()),
            token_file: vault.token_file.clone(),
        },
    );
    unwrap(&unwrapper(&vault, &jwt, 1).await, &ciphertext)
        .await
        .unwrap();
    assert_eq!(vault.control().count("/v1/auth/jwt/login"), 1);

    vault.add_token("hvs.static", 3600 * SECOND);
    for auth in [
        VaultAuth::Token(Token::new("hvs.static".to_owned()).unwrap()),
        VaultAuth::TokenFile(vault.token_file.clone()),
    ] {
        std::fs::write(&vault.token_file, "hvs.static\n").unwrap();
        assert!(auth.is_static());
        let connector = connector(&vault, auth);
        unwrap(&unwrapper(&vault, &connector, 1).await, &ciphertext)
            .await
            .unwrap();
    }
    assert_eq!(vault.logins(), 1);
}

#[tokio::test]
async fn keys_of_one_server_share_one_login() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    let mut calls = JoinSet::new();
    for round in 0..20 {
        let version = 1 + round % 2;
        let unwrapper = unwrapper(&vault, &connector, version).await;
        let (_, ciphertext) = wrapped(&vault.recipient(version));
        calls.spawn(async move { unwrap(&unwrapper, &ciphertext).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(vault.logins(), 1);
}

#[tokio::test]
async fn a_version_below_the_minimum_and_one_that_is_not_there_are_mistakes_of_ours() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    let old = unwrapper(&vault, &connector, 1).await;
    vault.set_min_decryption_version(2);
    let error = unwrap(&old, &wrapped(&vault.recipient(1)).1)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Misconfigured);
    let uri: KeyUri = "vault-transit://transit/payments#9".parse().unwrap();
    let absent = connector.connect(&uri, &vault.recipient(2)).await.unwrap();
    let error = unwrap(&absent, &wrapped(&vault.recipient(2)).1)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Misconfigured);
    let uri: KeyUri = "vault-transit://transit/other#1".parse().unwrap();
    let absent = connector.connect(&uri, &vault.recipient(2)).await.unwrap();
    let error = unwrap(&absent, &wrapped(&vault.recipient(2)).1)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::UnknownKey);
}

#[tokio::test]
async fn transit_serves_one_algorithm() {
    let vault = FakeVault::start(1).await;
    let connector = connector(&vault, kubernetes(&vault));
    let uri: KeyUri = "vault-transit://transit/payments#1".parse().unwrap();
    for recipient in [
        vault
            .recipient(1)
            .pinned_to(KeyManagement::RsaOaep)
            .unwrap(),
        LocalKey::generate(KeyKind::Ec(Curve::P256))
            .unwrap()
            .recipient()
            .clone(),
    ] {
        let error = connector
            .connect(&uri, &recipient)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("RSA-OAEP-256"), "{error}");
    }
}

#[tokio::test]
async fn lists_the_versions_that_decrypt_newest_first() {
    let vault = FakeVault::start(3).await;
    vault.set_min_decryption_version(2);
    let connector = connector(&vault, kubernetes(&vault));
    let uri: KeyUri = "vault-transit://transit/payments".parse().unwrap();
    let deadline = Instant::now() + 10 * SECOND;
    let versions = connector.versions(&uri, None, deadline).await.unwrap();
    let listed: Vec<_> = versions
        .iter()
        .map(|v| (v.uri.to_string(), v.recipient.kid().to_owned()))
        .collect();
    assert_eq!(
        listed,
        [
            (
                "vault-transit://transit/payments#3".to_owned(),
                vault.recipient(3).kid().to_owned()
            ),
            (
                "vault-transit://transit/payments#2".to_owned(),
                vault.recipient(2).kid().to_owned()
            ),
        ]
    );
    let error = connector
        .connect(&uri, &vault.recipient(3))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("names no version"), "{error}");
    let uri: KeyUri = "vault-transit://transit/payments#1".parse().unwrap();
    let error = connector
        .public_key(&uri, None, deadline)
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::UnknownKey);
    let uri: KeyUri = "vault-transit://transit/payments#2".parse().unwrap();
    let key = connector.public_key(&uri, None, deadline).await.unwrap();
    assert_eq!(key, vault.recipient(2));
}
