//! Errors, outages, settings.

use super::*;
use crate::client::{all_words, chain};
use test_support::fakes::http::Answer;

/// As `docs/key-services.md` has it: status, category, retried?
#[tokio::test]
async fn every_row_of_the_table() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    for row in test_support::tables::rows("vault") {
        let status: u16 = row.code.parse().unwrap();
        let fault = Fault::json(status, r#"{"errors":["words of the server"]}"#);
        // A 403 is asked about once more, with a fresh login between.
        if status == 403 {
            vault.control().set(fault);
        } else {
            vault.control().then([fault]);
        }
        let error = unwrap(&unwrapper, &ciphertext).await.unwrap_err();
        assert_eq!(error.category().as_str(), row.category, "{status}");
        assert_eq!(
            error.category() == Category::Unavailable,
            row.retried,
            "{status}"
        );
        assert!(!error.to_string().contains("words of the server"));
        vault.control().set(Fault::None);
    }
}

#[tokio::test]
async fn the_servers_hint_is_kept() {
    let Bench {
        vault,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    vault.control().then([Fault::Throttle(7)]);
    let error = unwrap(&unwrapper, &ciphertext).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(7 * SECOND));
}

#[tokio::test]
async fn cut_stalled_endless_and_foreign_answers_are_an_outage() {
    let vault = FakeVault::start(1).await;
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.url());
    services.vault.auth = Some(kubernetes(&vault));
    services.vault.limits.attempt_timeout = SECOND;
    let connector = Connector::new(services);
    let unwrapper = unwrapper(&vault, &connector, 1).await;
    let (_, ciphertext) = wrapped(&vault.recipient(1));
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    for fault in [
        Fault::Cut,
        Fault::Half,
        Fault::Stall,
        Fault::Endless,
        Fault::json(200, "<html>"),
        Fault::json(200, "{}"),
        Fault::json(200, r#"{"data":{"plaintext":"no base64!"}}"#),
        Fault::json(200, r#"{"data":{"plaintext":""}}"#),
    ] {
        vault.control().set(fault.clone());
        let error = unwrap(&unwrapper, &ciphertext).await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{fault:?}");
        // Ended by what we read at most, not by the time that it took.
        let bounded = chain(&error).contains("1 MiB");
        assert_eq!(bounded, fault == Fault::Endless, "{}", chain(&error));
        vault.control().set(Fault::None);
    }
    unwrap(&unwrapper, &ciphertext).await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let vault = FakeVault::start(1).await;
    let elsewhere = FakeVault::start(1).await;
    let connector = connector(&vault, kubernetes(&vault));
    let unwrapper = unwrapper(&vault, &connector, 1).await;
    let (_, ciphertext) = wrapped(&vault.recipient(1));
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    for status in [301, 302, 307, 308] {
        let location = format!("{}/v1/transit/decrypt/payments", elsewhere.url());
        let answer = Answer::new(status, "text/plain", "").with("location", location);
        vault.control().then([Fault::Answer(answer)]);
        let error = unwrap(&unwrapper, &ciphertext).await.unwrap_err();
        assert_eq!(error.category(), Category::Unavailable, "{status}");
    }
    assert!(
        elsewhere.control().requests().is_empty(),
        "a token went elsewhere"
    );
}

#[tokio::test]
async fn tokens_and_content_keys_are_in_no_words() {
    let Bench {
        vault,
        connector,
        unwrapper,
        ciphertext,
        ..
    } = Bench::new().await;
    unwrap(&unwrapper, &ciphertext).await.unwrap();
    let mut words = vec![format!("{connector:?} {connector:#?} {unwrapper:?}")];
    vault.control().then([Fault::json(
        200,
        r#"{"data":{"plaintext":"Y2FuYXJ5","hvs.canary-token-1":1"#,
    )]);
    vault
        .control()
        .then([Fault::json(503, r#"{"errors":["Vault is sealed"]}"#)]);
    for _ in 0..2 {
        let error = unwrap(&unwrapper, &ciphertext).await.unwrap_err();
        words.push(all_words(&error));
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
    assert!(refused(options.clone()).await.contains("no login method"));
    options.ca_file = Some("/nowhere/ca.pem".into());
    assert!(refused(options.clone()).await.contains("/nowhere/ca.pem"));
    options.ca_file = None;
    options.namespace = Some("a\nb".to_owned());
    assert!(refused(options).await.contains("namespace"));
}

/// Keys of one service share its quota, no matter who asks.
#[tokio::test]
async fn the_quota_is_one_for_all_keys_of_the_service() {
    let vault = FakeVault::start(2).await;
    let mut services = KeyServices::default();
    services.vault.address = Some(vault.url());
    services.vault.auth = Some(kubernetes(&vault));
    services.vault.limits.quota = Some(Quota::per_minute(NonZeroU32::new(2).unwrap()));
    let connector = Connector::new(services);
    let observer: Arc<dyn kms_backends::Observer> = Arc::new(kms_backends::Unobserved);
    let mut refused = 0;
    for version in [1, 2, 1, 2] {
        let uri: KeyUri = format!("vault-transit://transit/payments#{version}")
            .parse()
            .unwrap();
        let unwrapper = unwrapper(&vault, &connector, version).await;
        let layered = connector.layered(&uri, unwrapper, "payments", &observer);
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
