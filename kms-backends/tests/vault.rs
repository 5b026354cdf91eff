//! Vault's Transit engine, spoken to over a socket.
#![cfg(feature = "vault")]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever asks with --nocapture"
)]

mod fakes;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use fakes::http::Fault;
use fakes::vault::{FakeVault, Lie};
use jwe_envelope::{
    Binding, Curve, Envelope, KeyKind, KeyManagement, LocalKey, OaepHash, Place, RecipientKey,
    Sealer, UnwrapRequest,
};
use kms_backends::layer::Quota;
use kms_backends::vault::{Token, VaultAuth, VaultOptions};
use kms_backends::{
    Category, Connector, KeyEntry, KeyServices, KeyUnwrap, KeyUnwrapExt as _, KeyUri, NamespaceSet,
    OpenFailure, Registry, UnwrapError, conformance,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn connector(vault: &FakeVault, auth: VaultAuth) -> Connector {
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.server.url());
    services.vault.auth = Some(auth);
    services.vault.limits.attempt_timeout = 5 * SECOND;
    Connector::new(services)
}

fn kubernetes(vault: &FakeVault) -> VaultAuth {
    VaultAuth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "privy".to_owned(),
        token_file: vault.token_file.clone(),
    }
}

async fn holder(vault: &FakeVault, connector: &Connector, version: u64) -> Arc<dyn KeyUnwrap> {
    let uri: KeyUri = format!("vault-transit://transit/payments#{version}")
        .parse()
        .unwrap();
    connector
        .connect(&uri, &vault.recipient(version))
        .await
        .unwrap()
}

/// A wrapped content key and what it holds.
fn wrapped(recipient: &RecipientKey) -> (String, Vec<u8>) {
    let place = Place::new("payments", "db", "password").unwrap();
    let text = Sealer::new(std::slice::from_ref(recipient))
        .unwrap()
        .seal(b"hunter2", &Binding::exact(&place))
        .unwrap()
        .to_string();
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let opening = envelope.opening(0, recipient).unwrap();
    let UnwrapRequest::Decrypt { ciphertext, .. } = opening.request() else {
        panic!("an RSA key");
    };
    let ciphertext = ciphertext.to_vec();
    (text, ciphertext)
}

async fn unwrap(holder: &Arc<dyn KeyUnwrap>, ciphertext: &[u8]) -> Result<Vec<u8>, UnwrapError> {
    let request = UnwrapRequest::Decrypt {
        padding: OaepHash::Sha256,
        ciphertext,
    };
    let secret = holder.unwrap_within(&request, 10 * SECOND).await?;
    Ok(secret.expose().to_vec())
}

#[tokio::test]
async fn keeps_the_contract_of_every_backend() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    conformance::check(
        async || holder(&vault, &connector, 2).await,
        &vault.recipient(2),
    )
    .await;
}

#[tokio::test]
async fn vault_sees_the_wrapped_key_and_nothing_else() {
    let vault = FakeVault::start(3).await;
    let connector = connector(&vault, kubernetes(&vault));
    let holder = holder(&vault, &connector, 3).await;
    let (_, ciphertext) = wrapped(&vault.recipient(3));
    unwrap(&holder, &ciphertext).await.unwrap();
    let requests = vault.server.requests();
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
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.server.url());
    services.vault.auth = Some(kubernetes(&vault));
    services.vault.namespace = Some("team/a".to_owned());
    let connector = Connector::new(services);
    let holder = holder(&vault, &connector, 1).await;
    unwrap(&holder, &wrapped(&vault.recipient(1)).1)
        .await
        .unwrap();
    for request in vault.server.requests() {
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
    unwrap(&holder(&vault, &jwt, 1).await, &ciphertext)
        .await
        .unwrap();
    assert_eq!(vault.server.count("/v1/auth/jwt/login"), 1);

    vault.add_token("hvs.static", 3600 * SECOND);
    for auth in [
        VaultAuth::Token(Token::new("hvs.static".to_owned()).unwrap()),
        VaultAuth::TokenFile(vault.token_file.clone()),
    ] {
        std::fs::write(&vault.token_file, "hvs.static\n").unwrap();
        assert!(auth.is_static());
        let connector = connector(&vault, auth);
        unwrap(&holder(&vault, &connector, 1).await, &ciphertext)
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
        let holder = holder(&vault, &connector, version).await;
        let (_, ciphertext) = wrapped(&vault.recipient(version));
        calls.spawn(async move { unwrap(&holder, &ciphertext).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(vault.logins(), 1);
}

#[tokio::test]
async fn what_waits_together_goes_together() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    let mut calls = JoinSet::new();
    for round in 0..200 {
        let version = 1 + round % 2;
        let holder = holder(&vault, &connector, version).await;
        let recipient = vault.recipient(version);
        let (text, ciphertext) = wrapped(&recipient);
        calls.spawn(async move {
            let secret = unwrap(&holder, &ciphertext).await.unwrap();
            let envelope = Envelope::parse(text.as_bytes()).unwrap();
            let opening = envelope.opening(0, &recipient).unwrap();
            let secret = jwe_envelope::SecretBytes::new(secret);
            opening
                .finish(Ok(secret))
                .expect("everybody gets the answer to its own question");
        });
    }
    calls.join_all().await;
    assert!(
        vault.decrypts() < 100,
        "{} calls for 200 unwraps",
        vault.decrypts()
    );
}

#[tokio::test]
async fn a_bad_one_in_a_batch_spoils_no_other() {
    let vault = FakeVault::start(1).await;
    let connector = connector(&vault, kubernetes(&vault));
    let holder = holder(&vault, &connector, 1).await;
    let mut calls = JoinSet::new();
    for round in 0..100 {
        let holder = Arc::clone(&holder);
        let mut ciphertext = wrapped(&vault.recipient(1)).1;
        let bad = round % 10 == 3;
        if bad {
            ciphertext[100] ^= 1;
        }
        calls.spawn(async move { (bad, unwrap(&holder, &ciphertext).await) });
    }
    for (bad, answer) in calls.join_all().await {
        match answer {
            Ok(_) => assert!(!bad),
            Err(error) => {
                assert!(bad, "{error:?}");
                assert_eq!(error.category(), Category::Rejected);
            }
        }
    }
}

#[tokio::test]
async fn a_version_below_the_minimum_and_one_that_is_not_there_are_mistakes_of_ours() {
    let vault = FakeVault::start(2).await;
    let connector = connector(&vault, kubernetes(&vault));
    let old = holder(&vault, &connector, 1).await;
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

mod lies {
    use super::*;

    async fn opened(vault: &FakeVault) -> Result<Vec<u8>, OpenFailure> {
        let connector = connector(vault, kubernetes(vault));
        let recipient = vault.recipient(1);
        let registry = Registry::builder()
            .key(
                KeyEntry::builder("payments", recipient.clone())
                    .namespaces(NamespaceSet::parse(["payments"]).unwrap())
                    .backend(holder(vault, &connector, 1).await),
            )
            .build()
            .unwrap();
        let (text, _) = wrapped(&recipient);
        let envelope = Envelope::parse(text.as_bytes()).unwrap();
        let opening = envelope.opening(0, &recipient).unwrap();
        let deadline = Instant::now() + 10 * SECOND;
        let entry = &registry.entries()[0];
        let opened = registry.open(entry, &opening, deadline).await?;
        Ok(opened.plaintext.expose().to_vec())
    }

    #[tokio::test]
    async fn the_truth_opens() {
        let vault = FakeVault::start(1).await;
        assert_eq!(opened(&vault).await.unwrap(), b"hunter2");
    }

    #[tokio::test]
    async fn another_content_key_or_length_opens_nothing() {
        let vault = FakeVault::start(1).await;
        for lie in [Lie::WrongKey, Lie::Short] {
            vault.lie(Some(lie));
            let failure = opened(&vault).await.unwrap_err();
            assert!(
                matches!(failure, OpenFailure::Open(_)),
                "{lie:?}: {failure:?}"
            );
        }
    }

    #[tokio::test]
    async fn more_bytes_than_the_key_can_hold_are_no_answer() {
        let vault = FakeVault::start(1).await;
        vault.lie(Some(Lie::TooLong));
        let failure = opened(&vault).await.unwrap_err();
        assert_eq!(failure.category(), Some(Category::Misconfigured));
    }

    /// Twenty at once, so that some of them travel together.
    async fn many(vault: &FakeVault) -> Vec<Result<Vec<u8>, UnwrapError>> {
        let connector = connector(vault, kubernetes(vault));
        let holder = holder(vault, &connector, 1).await;
        let mut calls = JoinSet::new();
        for _ in 0..20 {
            let holder = Arc::clone(&holder);
            let (_, ciphertext) = wrapped(&vault.recipient(1));
            calls.spawn(async move { unwrap(&holder, &ciphertext).await });
        }
        calls.join_all().await
    }

    #[tokio::test]
    async fn a_batch_with_too_few_results_answers_nobody() {
        let vault = FakeVault::start(1).await;
        vault.lie(Some(Lie::FewerResults));
        let answers = many(&vault).await;
        let failed: Vec<_> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert!(!failed.is_empty(), "no batch was made");
        assert!(
            failed
                .iter()
                .all(|error| error.category() == Category::Unavailable)
        );
    }
}

mod sessions {
    use super::*;

    #[tokio::test]
    async fn a_revoked_token_is_replaced_with_a_freshly_read_projected_one() {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        vault.revoke_all();
        vault.new_projected_token("projected-2");
        unwrap(&holder, &ciphertext).await.unwrap();
        assert_eq!(vault.logins(), 2);
        let logins: Vec<_> = vault
            .server
            .requests()
            .into_iter()
            .filter(|r| r.path.ends_with("/login"))
            .collect();
        assert_eq!(logins[1].json()["jwt"], "projected-2");
    }

    #[tokio::test]
    async fn a_denial_is_final_after_one_fresh_login_and_logins_are_not_repeated_for_it() {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        vault.deny(true);
        for _ in 0..10 {
            let error = unwrap(&holder, &ciphertext).await.unwrap_err();
            assert_eq!(error.category(), Category::Denied);
        }
        assert_eq!(vault.logins(), 2);
        assert_eq!(vault.decrypts(), 11);
    }

    #[tokio::test]
    async fn a_crowd_that_sees_the_same_403_logs_in_once() {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        vault.revoke_all();
        let mut calls = JoinSet::new();
        for _ in 0..50 {
            let (holder, ciphertext) = (Arc::clone(&holder), ciphertext.clone());
            calls.spawn(async move { unwrap(&holder, &ciphertext).await.unwrap() });
        }
        calls.join_all().await;
        assert_eq!(vault.logins(), 2);
    }

    #[tokio::test]
    async fn a_refused_login_is_a_denial_and_a_wrong_role_a_mistake() {
        let vault = FakeVault::start(1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        std::fs::write(&vault.token_file, "somebody-else").unwrap();
        let stranger = connector(&vault, kubernetes(&vault));
        let error = unwrap(&holder(&vault, &stranger, 1).await, &ciphertext)
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Denied);
        let misspelt = connector(
            &vault,
            VaultAuth::Kubernetes {
                mount: "kubernetes".to_owned(),
                role: "prvy".to_owned(),
                token_file: vault.token_file.clone(),
            },
        );
        let error = unwrap(&holder(&vault, &misspelt, 1).await, &ciphertext)
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Misconfigured);
        std::fs::remove_file(&vault.token_file).unwrap();
        let error = unwrap(&holder(&vault, &stranger, 1).await, &ciphertext)
            .await
            .unwrap_err();
        assert_eq!(error.category(), Category::Misconfigured);
        assert!(error.to_string().contains("token file"), "{error}");
    }

    /// A lease of three seconds, under load for seven: renewed at two thirds, so nobody sees an expired token.
    #[tokio::test]
    async fn a_lease_is_renewed_at_two_thirds_while_calls_go_on() {
        let vault = FakeVault::start(1).await;
        vault.set_lease(3 * SECOND, true);
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        let start = Instant::now();
        while start.elapsed() < 7 * SECOND {
            unwrap(&holder, &ciphertext).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(vault.logins(), 1);
        assert!((2..=4).contains(&vault.renewals()), "{}", vault.renewals());
    }

    /// Sixteen clients, leases of two seconds that cannot be renewed, and all tokens revoked in the middle.
    #[tokio::test]
    async fn tokens_that_end_under_load_are_no_error() {
        let vault = FakeVault::start(1).await;
        vault.set_lease(2 * SECOND, false);
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let (holder, ciphertext) = (Arc::clone(&holder), ciphertext.clone());
            clients.spawn(async move {
                let (start, mut done) = (Instant::now(), 0);
                while start.elapsed() < 6 * SECOND {
                    unwrap(&holder, &ciphertext).await.unwrap();
                    done += 1;
                    tokio::time::sleep(Duration::from_millis(40)).await;
                }
                done
            });
        }
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        vault.revoke_all();
        let done: usize = clients.join_all().await.into_iter().sum();
        println!(
            "tokens that end: {done} unwraps without an error over {} logins",
            vault.logins()
        );
        assert!((3..=8).contains(&vault.logins()), "{}", vault.logins());
    }

    /// The same with a token that cannot be renewed: a new login each time, before the old token ends.
    #[tokio::test]
    async fn a_lease_that_cannot_be_renewed_ends_in_a_new_login_in_time() {
        let vault = FakeVault::start(1).await;
        vault.set_lease(3 * SECOND, false);
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        let start = Instant::now();
        while start.elapsed() < 5 * SECOND {
            unwrap(&holder, &ciphertext).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!((2..=4).contains(&vault.logins()), "{}", vault.logins());
        // None of them was sent with a token that had ended.
        assert_eq!(vault.renewals(), 0);
    }
}

mod trouble {
    use super::*;

    /// As `docs/key-services.md` has it: status, category, retried?
    #[tokio::test]
    async fn every_row_of_the_table() {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        for row in super::fakes::table::rows("vault") {
            let status: u16 = row.code.parse().unwrap();
            let fault = Fault::json(status, r#"{"errors":["words of the server"]}"#);
            // A 403 is asked about once more, with a fresh login between.
            vault.server.always((status == 403).then(|| fault.clone()));
            if status != 403 {
                vault.server.then([Some(fault)]);
            }
            let error = unwrap(&holder, &ciphertext).await.unwrap_err();
            assert_eq!(error.category(), row.category, "{status}");
            assert_eq!(
                error.category() == Category::Unavailable,
                row.retried,
                "{status}"
            );
            assert!(!error.to_string().contains("words of the server"));
            vault.server.always(None);
        }
    }

    #[tokio::test]
    async fn the_servers_hint_is_kept() {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        let throttled = Fault::Answer(429, vec![("retry-after", "7".to_owned())], String::new());
        vault.server.then([Some(throttled)]);
        let error = unwrap(&holder, &ciphertext).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(7 * SECOND));
    }

    #[tokio::test]
    async fn cut_stalled_endless_and_foreign_answers_are_an_outage() {
        let vault = FakeVault::start(1).await;
        let mut services = KeyServices::default();
        services.vault.address = Some(vault.server.url());
        services.vault.auth = Some(kubernetes(&vault));
        services.vault.limits.attempt_timeout = SECOND;
        let connector = Connector::new(services);
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        for fault in [
            Fault::Cut,
            Fault::CutInBody,
            Fault::Stall,
            Fault::Endless,
            Fault::json(200, "<html>"),
            Fault::json(200, "{}"),
            Fault::json(200, r#"{"data":{"plaintext":"no base64!"}}"#),
            Fault::json(200, r#"{"data":{"plaintext":""}}"#),
        ] {
            vault.server.always(Some(fault.clone()));
            let error = unwrap(&holder, &ciphertext).await.unwrap_err();
            assert_eq!(error.category(), Category::Unavailable, "{fault:?}");
            vault.server.always(None);
        }
        unwrap(&holder, &ciphertext).await.unwrap();
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let vault = FakeVault::start(1).await;
        let elsewhere = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        for status in [301, 302, 307, 308] {
            let location = format!("{}/v1/transit/decrypt/payments", elsewhere.server.url());
            vault.server.then([Some(Fault::Answer(
                status,
                vec![("location", location)],
                String::new(),
            ))]);
            let error = unwrap(&holder, &ciphertext).await.unwrap_err();
            assert_eq!(error.category(), Category::Unavailable, "{status}");
        }
        assert!(
            elsewhere.server.requests().is_empty(),
            "a token went elsewhere"
        );
    }

    #[tokio::test]
    async fn tokens_and_content_keys_are_in_no_words() {
        let vault = FakeVault::start(1).await;
        let connector = connector(&vault, kubernetes(&vault));
        let holder = holder(&vault, &connector, 1).await;
        let (_, ciphertext) = wrapped(&vault.recipient(1));
        unwrap(&holder, &ciphertext).await.unwrap();
        let mut words = vec![format!("{connector:?} {connector:#?} {holder:?}")];
        vault.server.then([Some(Fault::json(
            200,
            r#"{"data":{"plaintext":"Y2FuYXJ5","hvs.canary-token-1":1"#,
        ))]);
        vault
            .server
            .then([Some(Fault::json(503, r#"{"errors":["Vault is sealed"]}"#))]);
        for _ in 0..2 {
            let error = unwrap(&holder, &ciphertext).await.unwrap_err();
            words.push(format!("{error:?} {error}"));
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                words.push(format!("{error:?} {error}"));
                cause = error.source();
            }
        }
        let words = words.join("\n");
        for needle in ["hvs.", "projected-1", "Y2FuYXJ5", "canary"] {
            assert!(!words.contains(needle), "{needle} in {words}");
        }
        assert!(words.contains("Vault is sealed"), "{words}");
    }

    #[tokio::test]
    async fn settings_that_cannot_be_used_are_named() {
        let uri: KeyUri = "vault-transit://transit/payments#1".parse().unwrap();
        let recipient = LocalKey::generate(KeyKind::Rsa(2048))
            .unwrap()
            .recipient()
            .clone();
        let refused = async |options: VaultOptions| {
            let mut services = KeyServices::default();
            services.vault = options;
            let error = Connector::new(services)
                .connect(&uri, &recipient)
                .await
                .unwrap_err();
            error.to_string()
        };
        let mut options = VaultOptions::default();
        assert!(
            refused(options.clone())
                .await
                .contains("address is not set")
        );
        options.address = Some("http://vault.example".to_owned());
        assert!(refused(options.clone()).await.contains("https://"));
        options.address = Some("https://vault.example".to_owned());
        assert!(refused(options.clone()).await.contains("no way to log in"));
        options.ca_file = Some("/nowhere/ca.pem".into());
        assert!(refused(options.clone()).await.contains("/nowhere/ca.pem"));
        options.ca_file = None;
        options.namespace = Some("a\nb".to_owned());
        assert!(refused(options).await.contains("namespace"));
    }
}

/// Keys of one service share its quota, whoever asks.
#[tokio::test]
async fn the_quota_is_one_for_all_keys_of_the_service() {
    let vault = FakeVault::start(2).await;
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.server.url());
    services.vault.auth = Some(kubernetes(&vault));
    services.vault.limits.quota = Some(Quota::per_minute(NonZeroU32::new(2).unwrap()));
    let connector = Connector::new(services);
    let observer: Arc<dyn kms_backends::Observer> = Arc::new(kms_backends::Unobserved);
    let mut refused = 0;
    for version in [1, 2, 1, 2] {
        let uri: KeyUri = format!("vault-transit://transit/payments#{version}")
            .parse()
            .unwrap();
        let holder = holder(&vault, &connector, version).await;
        let layered = connector.layered(&uri, holder, "payments", &observer);
        let (_, ciphertext) = wrapped(&vault.recipient(version));
        let request = UnwrapRequest::Decrypt {
            padding: OaepHash::Sha256,
            ciphertext: &ciphertext,
        };
        let answer = layered.unwrap_within(&request, SECOND).await;
        refused += usize::from(answer.is_err_and(|error| !error.was_sent()));
    }
    assert_eq!(refused, 3);
}
